//! The registered problem types and problems made from them (rc3.md section 6; rc1-and-pre-draft.md
//! section 11).

use super::{BackoffStrategy, FieldError, Problem, ProblemType};
use crate::extra::Extra;
use crate::version::SpecVersion;

impl ProblemType {
    /// The HTTP status under which the type is registered; `None` for `about:blank`, which goes with any,
    /// and for types of vendors.
    pub fn registered_status(&self) -> Option<u16> {
        self.registration().map(|registration| registration.status)
    }

    /// The title of a registered type; `None` for `about:blank` and types of vendors.
    pub fn registered_title(&self) -> Option<&'static str> {
        self.registration().map(|registration| registration.title)
    }

    /// The end of a registered type's URI, such as `device-not-found`; `None` for any other.
    pub fn slug(&self) -> Option<&'static str> {
        self.registration().map(|registration| registration.slug)
    }

    /// The type with the same meaning in another generation.
    ///
    /// `None` when that generation has not registered one: it answers with `about:blank` then.
    pub fn in_generation(&self, generation: SpecVersion) -> Option<Self> {
        if *self == Self::AboutBlank {
            return Some(Self::AboutBlank);
        }
        let base = generation.rules().problem_type_base?;
        let registration = self.registration()?;
        registration
            .generations
            .contains(&generation)
            .then(|| Self::from(format!("{base}{}", registration.slug).as_str()))
    }

    /// Whether the URI is in Margo's own namespace, where vendors must not put theirs (W11).
    ///
    /// The specification writes the namespace with a trailing slash in prose, and without one before the
    /// fragment in every URI (rc3.md ambiguity 16); both count.
    pub fn is_in_margo_namespace(&self) -> bool {
        MARGO_NAMESPACES.iter().any(|namespace| {
            self.as_str()
                .strip_prefix(namespace)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['#', '/']))
        })
    }

    fn registration(&self) -> Option<&'static Registration> {
        let uri = self.as_str();
        REGISTRY.iter().find(|registration| {
            registration.generations.iter().any(|generation| {
                let base = generation.rules().problem_type_base;
                base.and_then(|base| uri.strip_prefix(base)) == Some(registration.slug)
            })
        })
    }
}

impl Problem {
    /// A problem of a registered type, with its registered status and title.
    ///
    /// `about:blank` and the types of vendors have neither; they become an internal error, so use
    /// [`about_blank`](Self::about_blank) or [`of_vendor`](Self::of_vendor) for them.
    pub fn new(problem_type: ProblemType) -> Self {
        match problem_type.registration() {
            Some(Registration { status, title, .. }) => {
                Self::with_parts(problem_type, (*title).to_owned(), *status)
            }
            None => Self::with_parts(problem_type, phrase(500).to_owned(), 500),
        }
    }

    /// A problem for which no Margo type exists: its title is the HTTP phrase of the status.
    pub fn about_blank(status: u16) -> Self {
        Self::with_parts(ProblemType::AboutBlank, phrase(status).to_owned(), status)
    }

    /// A problem of a vendor's type, whose URI is in the vendor's own namespace (W11).
    pub fn of_vendor(uri: &str, title: impl Into<String>, status: u16) -> Self {
        Self::with_parts(ProblemType::from(uri), title.into(), status)
    }

    /// Says what happened this time.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says which request it was, usually by its path.
    #[must_use]
    pub fn with_instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// Adds what is wrong with a field of the request; a 422 should have at least one (W10).
    #[must_use]
    pub fn with_field_error(
        mut self,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        self.errors.push(FieldError {
            field: field.into(),
            message: message.into(),
        });
        self
    }

    /// Lets the client try again after some seconds, whatever the status. Send the same number as `Retry-After`.
    #[must_use]
    pub fn with_retry_after_seconds(mut self, seconds: u64) -> Self {
        self.retryable = Some(true);
        self.retry_after_seconds = Some(seconds);
        self.backoff_strategy
            .get_or_insert(BackoffStrategy::Exponential);
        if self.backoff_strategy == Some(BackoffStrategy::None) {
            self.backoff_strategy = Some(BackoffStrategy::Exponential);
        }
        self
    }

    fn with_parts(problem_type: ProblemType, title: String, status: u16) -> Self {
        let retryable = is_retryable(status);
        Self {
            problem_type,
            title,
            status,
            detail: None,
            instance: None,
            retryable: Some(retryable),
            retry_after_seconds: None,
            backoff_strategy: Some(if retryable {
                BackoffStrategy::Exponential
            } else {
                BackoffStrategy::None
            }),
            errors: Vec::new(),
            extra: Extra::default(),
        }
    }
}

/// Whether a response with this status means that the request may succeed later (rc3.md section 6).
pub(super) const fn is_retryable(status: u16) -> bool {
    matches!(status, 429 | 500 | 503)
}

struct Registration {
    slug: &'static str,
    status: u16,
    title: &'static str,
    generations: &'static [SpecVersion],
}

macro_rules! registry {
    ($($slug:literal $status:literal $title:literal [$($generation:ident)*];)*) => {
        &[$(Registration {
            slug: $slug,
            status: $status,
            title: $title,
            generations: &[$(SpecVersion::$generation),*],
        }),*]
    };
}

const REGISTRY: &[Registration] = registry! {
    "invalid-request" 400 "Invalid request" [Rc3 Rc1];
    "semantic-error" 422 "Semantic error" [Rc3 Rc1];
    "not-authorized" 403 "Not authorized" [Rc3];
    "gateway-not-found" 404 "Gateway not found" [Rc3];
    "device-not-found" 404 "Device not found" [Rc3];
    "invalid-bundle" 404 "Bundle not found" [Rc3 Rc1];
    "deployment-not-found" 404 "Deployment not found" [Rc3 Rc1];
    "server-cannot-generate-response" 406 "Server cannot generate the response" [Rc3 Rc1];
    "discovery-document-not-found" 404 "Discovery document not found" [Rc3];
    "spiffe-bundle-not-found" 404 "SPIFFE bundle not found" [Rc3];
    "invalid-certificate-format" 400 "Invalid certificate format" [Rc1];
    "invalid-digest-header" 400 "Invalid digest header" [Rc1];
    "signature-verification-failed" 401 "Signature verification failed" [Rc1];
    "certificate-not-trusted" 403 "Certificate not trusted" [Rc1];
    "invalid-client" 404 "Invalid client" [Rc1];
};

const MARGO_NAMESPACES: [&str; 2] = [
    "https://docs.margo.org/specification/problem-types",
    "https://docs.margo.org/specification/problems",
];

/// The phrase of a status (RFC 9110 section 15), or of its class.
pub(crate) const fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ if status / 100 == 4 => "Client Error",
        _ if status / 100 == 5 => "Server Error",
        _ => "Unknown Error",
    }
}
