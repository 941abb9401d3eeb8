//! Whether an object is what and where a request says it is.

use serde_json::Value;

use super::super::document::text;
use super::super::failure::Failure;
use super::super::objects::{Key, split_api_version};
use super::super::resource::Resource;
use super::Operation;

impl Operation<'_> {
    pub(super) fn check_kind(&self, object: &Value) -> Result<(), Failure> {
        let resource = &self.target.resource;
        let (kind, api_version) = (text(&object["kind"]), text(&object["apiVersion"]));
        if kind == resource.kind && api_version == resource.api_version() {
            return Ok(());
        }
        let (group, version) = split_api_version(api_version);
        Err(Failure::bad_request(format!(
            "{kind} in version {version:?} of group {group:?} cannot be handled as a {} of {}",
            resource.kind,
            resource.api_version()
        )))
    }

    /// Whether there can be a new object there.
    pub(super) fn check_place(&self, resource: &Resource, object: &Value) -> Result<(), Failure> {
        if !resource.is_namespaced {
            return Ok(());
        }
        let namespace = self.target.namespace.as_deref();
        let namespace = namespace.ok_or_else(Failure::method_not_allowed)?;
        self.check_namespace(object)?;
        let found = self.state.objects.get(&Key::namespace(namespace));
        let found = found.ok_or_else(|| Failure::no_such_namespace(namespace))?;
        let name = text(&object["metadata"]["name"]);
        let is_new = self.state.objects.get(&self.target.key(name)).is_none();
        if is_new && !found["metadata"]["deletionTimestamp"].is_null() {
            let why = format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            );
            return Err(Failure::forbidden(resource, Some(name), &why));
        }
        Ok(())
    }

    pub(super) fn check_namespace(&self, object: &Value) -> Result<(), Failure> {
        let named = text(&object["metadata"]["namespace"]);
        if !named.is_empty() && Some(named) != self.target.namespace.as_deref() {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        Ok(())
    }

    /// Refuses what is about another version of an object, or about another object of that name.
    pub(super) fn check_version(
        &self,
        resource: &Resource,
        live: Option<&Value>,
        object: &Value,
    ) -> Result<(), Failure> {
        let name = self.target.name();
        let known = |field: &str| text(&object["metadata"][field]);
        let is = |field: &str| live.map_or("", |live| text(&live["metadata"][field]));
        if !known("uid").is_empty() && known("uid") != is("uid") {
            let why = format!(
                "Precondition failed: UID in precondition: {}, UID in object meta: {}",
                known("uid"),
                is("uid")
            );
            return Err(Failure::conflict(resource, name, &why));
        }
        if !known("resourceVersion").is_empty() && known("resourceVersion") != is("resourceVersion")
        {
            return Err(Failure::changed_meanwhile(resource, name));
        }
        Ok(())
    }
}
