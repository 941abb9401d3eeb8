//! Errors as the API says them: objects of kind `Status`.

use http::StatusCode;
use serde_json::{Value, json};

use super::resource::Resource;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Failure {
    pub(super) fn new(
        status: StatusCode,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
            details: json!({}),
        }
    }

    pub(super) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.qualified());
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(resource, name)
    }

    pub(super) fn no_such_namespace(name: &str) -> Self {
        let message = format!("namespaces {name:?} not found");
        let failure = Self::new(StatusCode::NOT_FOUND, "NotFound", message);
        failure.with(json!({ "name": name, "kind": "namespaces" }))
    }

    pub(super) fn no_such_path() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub(super) fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.qualified());
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(resource, name)
    }

    pub(super) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            resource.qualified()
        );
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(resource, name)
    }

    /// The resource version that somebody knows is not the last.
    pub(super) fn changed_meanwhile(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// Server-side apply met fields of somebody else: its manager as it is to be shown, and its path.
    pub(super) fn owned_by_others(conflicts: &[(String, String)]) -> Self {
        let causes = conflicts.iter().map(|(manager, field)| {
            json!({
                "reason": "FieldManagerConflict",
                "message": format!("conflict with {manager}"),
                "field": field,
            })
        });
        let causes: Vec<_> = causes.collect();
        let fields = conflicts
            .iter()
            .map(|(manager, field)| format!("{manager}: {field}"));
        let fields: Vec<_> = fields.collect();
        let message = match fields.as_slice() {
            [field] => format!("Apply failed with 1 conflict: conflict with {field}"),
            _ => format!(
                "Apply failed with {} conflicts: conflicts with {}",
                conflicts.len(),
                fields.join(", ")
            ),
        };
        Self::new(StatusCode::CONFLICT, "Conflict", message).with(json!({ "causes": causes }))
    }

    pub(super) fn forbidden(resource: &Resource, name: Option<&str>, why: &str) -> Self {
        let which = match name {
            Some(name) => format!("{} {name:?}", resource.qualified()),
            None => resource.qualified(),
        };
        let message = format!("{which} is forbidden: {why}");
        let failure = Self::new(StatusCode::FORBIDDEN, "Forbidden", message);
        failure.about(resource, name.unwrap_or_default())
    }

    /// What was sent is understood, and not accepted. A cause begins with its field.
    pub(super) fn invalid(resource: &Resource, name: &str, causes: &[String]) -> Self {
        let why = match causes {
            [cause] => cause.clone(),
            causes => format!("[{}]", causes.join(", ")),
        };
        let message = format!("{} {name:?} is invalid: {why}", resource.qualified_kind());
        let causes = causes.iter().map(|cause| {
            let (field, message) = cause.split_once(": ").unwrap_or(("", cause));
            let reason = match message.split(':').next() {
                Some("Required value") => "FieldValueRequired",
                Some("Duplicate value") => "FieldValueDuplicate",
                Some("Forbidden") => "FieldValueForbidden",
                Some("Unsupported value") => "FieldValueNotSupported",
                Some("Too long") => "FieldValueTooLong",
                _ => "FieldValueInvalid",
            };
            json!({ "reason": reason, "message": message, "field": field })
        });
        let causes: Vec<_> = causes.collect();
        let details = json!({
            "name": name,
            "group": resource.group,
            "kind": resource.kind,
            "causes": causes,
        });
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).with(details)
    }

    pub(super) fn bad_request(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", why)
    }

    pub(super) fn unsupported_media_type(media_type: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {media_type}"
        );
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            message,
        )
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// What a watch or a list wants to go on from is forgotten.
    pub(super) fn expired() -> Self {
        let message = "too old resource version";
        Self::new(StatusCode::GONE, "Expired", message)
    }

    pub(super) fn to_value(&self) -> Value {
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.status.as_u16(),
        })
    }

    fn about(self, resource: &Resource, name: &str) -> Self {
        self.with(json!({ "name": name, "group": resource.group, "kind": resource.plural }))
    }

    fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}
