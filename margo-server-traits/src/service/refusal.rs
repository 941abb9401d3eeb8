//! Requests that are not answered with success (rc3.md section 6; W6, W8 to W11; rc1-and-pre-draft.md section 11).
//!
//! A condition that the specification has a problem type for gets that type, any other `about:blank`. What a client
//! sent comes back in excerpts only.

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version};
use margo_types::endpoint::{Method, NoMatch, Operation, Route};
use margo_types::id::SpiffeId;
use margo_types::problem::{Problem, ProblemType};
use margo_types::svid::PeerSvid;
use margo_types::{DocumentPath, Finding, SpecVersion, media_type, write};

use super::{BoxError, ResponseBody, answer};
use crate::FleetError;

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    problem: Box<Problem>,
    /// A header that the status asks for.
    header: Option<(HeaderName, HeaderValue)>,
    /// Whether the body of the request was not read to its end, so that nothing can follow it.
    closes: bool,
    /// The generation of whoever is told.
    generation: SpecVersion,
}

impl Refusal {
    /// A refusal for this problem.
    pub(super) fn new(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            header: None,
            closes: false,
            generation: SpecVersion::Rc3,
        }
    }

    /// 401: the signature of a request proves nothing (rc1-and-pre-draft.md section 4).
    pub(super) fn unauthenticated(detail: impl Into<String>) -> Self {
        let problem = Problem::new(ProblemType::SignatureVerificationFailed);
        // A 401 has to have it (RFC 9110 section 15.5.2), although no scheme of this kind is registered.
        Self::new(problem.with_detail(detail))
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Signature"))
    }

    /// 403: nothing proves who calls.
    pub(super) fn no_svid() -> Self {
        not_authorized(
            "nothing proves who calls; connect by mutual TLS with the SVID of a client of this fleet manager",
        )
    }

    /// 403: the peer is no client of this fleet manager (W58, W59).
    pub(super) fn no_client(own: &SpiffeId, peer: &SpiffeId) -> Self {
        not_authorized(format!(
            "the SVID of {peer} is not that of a client of {own}; use one of its namespace"
        ))
    }

    /// 404: no endpoint has this path.
    pub(super) fn no_such_path() -> Self {
        Self::new(
            Problem::about_blank(404)
                .with_detail("no endpoint has this path; check the base URL and its prefix"),
        )
    }

    /// 404: an endpoint of the specification that is not served here.
    pub(super) fn not_served(route: &Route) -> Self {
        let problem_type = match route {
            Route::Discovery => ProblemType::DiscoveryDocumentNotFound,
            Route::TrustBundle => ProblemType::SpiffeBundleNotFound,
            _ => return Self::no_such_path(),
        };
        found_nothing(
            problem_type,
            "it is not served here; configure the URL of the trust bundle",
        )
    }

    /// 413: the body is too long, and was not read to its end.
    pub(super) fn too_large(max_bytes: usize) -> Self {
        Self {
            closes: true,
            ..Self::new(Problem::about_blank(413).with_detail(format!(
                "the body is longer than {max_bytes} bytes; send less"
            )))
        }
    }

    /// 415: the body is of another type.
    pub(super) fn unsupported_type(expected: &'static str) -> Self {
        let problem = Problem::about_blank(415);
        Self::new(problem.with_detail(format!("the body is of another type; send {expected}")))
            .with_header(ACCEPT, HeaderValue::from_static(expected))
    }

    /// 415: the body is compressed.
    pub(super) fn unsupported_encoding() -> Self {
        let problem = Problem::about_blank(415);
        Self::new(problem.with_detail("the body is encoded; send it without Content-Encoding"))
            .with_header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
    }

    /// 422: a document breaks these rules.
    pub(super) fn semantic<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Self {
        let messages = findings
            .into_iter()
            .map(|it| (&it.path, format!("{}; {}", it.message, it.fix)));
        Self::faulty(messages)
    }

    /// 422: these values of a document do not fit.
    pub(super) fn faulty<'p, M: AsRef<str>>(
        faults: impl IntoIterator<Item = (&'p DocumentPath, M)>,
    ) -> Self {
        let mut problem = Problem::new(ProblemType::SemanticError);
        let mut faults = faults.into_iter();
        for (path, message) in faults.by_ref().take(MAX_ERRORS) {
            let field = excerpt(&path.to_string());
            problem = problem.with_field_error(field, excerpt(message.as_ref()));
        }
        Self::new(problem.with_detail(match faults.count() {
            0 => "the document is wrong in the fields that are listed".to_owned(),
            more => format!("the document is wrong in the fields that are listed, and {more} more"),
        }))
    }

    /// 500: the fleet manager's own code failed.
    pub(super) fn internal(source: impl Into<BoxError>) -> Self {
        FleetError::Internal(source.into()).into()
    }

    /// 500: the fleet manager's own code panicked.
    pub(super) fn panicked() -> Self {
        tracing::error!("a request was given up because its handler panicked");
        broken()
    }

    /// 503: the request took too long.
    pub(super) fn too_slow(timeout: Duration) -> Self {
        let detail = format!("the request took longer than {timeout:?}");
        Self {
            closes: true,
            ..Self::new(Problem::about_blank(503).with_detail(detail))
        }
    }

    /// The same refusal, as a client of this generation is told.
    pub(super) fn in_generation(self, generation: SpecVersion) -> Self {
        Self { generation, ..self }
    }

    /// The response: a problem document, with the headers that go with it.
    pub(super) fn into_response(self, request: &Parts, retry_after: u32) -> Response<ResponseBody> {
        let problem = of_generation(*self.problem, self.generation);
        let mut problem = problem.with_instance(instance(request.uri.path()));
        problem.detail = problem.detail.map(|detail| excerpt(&detail));
        if problem.retryable == Some(true) && problem.retry_after_seconds.is_none() {
            problem = problem.with_retry_after_seconds(retry_after.into());
        }
        log(&problem, request);
        let status = StatusCode::from_u16(problem.status);
        let mut response = answer::empty(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        let headers = response.headers_mut();
        // Exactly this text: there are clients that know no parameters.
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type::PROBLEM));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.header);
        if let Some(seconds) = problem.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.closes && request.version <= Version::HTTP_11 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let body = write(&problem, self.generation).unwrap_or_default();
        *response.body_mut() = ResponseBody::from(body);
        response
    }

    fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }
}

impl From<FleetError> for Refusal {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Unavailable {
                reason,
                retry_after,
            } => {
                tracing::warn!(reason, retry_after, "not available");
                Self::new(
                    Problem::about_blank(503)
                        .with_detail("the fleet manager is not available now")
                        .with_retry_after_seconds(retry_after.into()),
                )
            }
            FleetError::Internal(source) => {
                tracing::error!(error = &*source as &dyn std::error::Error, "internal error");
                broken()
            }
            FleetError::Refused(reason) => not_authorized(reason),
        }
    }
}

impl From<NoMatch> for Refusal {
    fn from(no_match: NoMatch) -> Self {
        match no_match {
            NoMatch::MethodNotAllowed { allowed, .. } => not_allowed(&allowed),
            NoMatch::MalformedId {
                endpoint,
                parameter,
                source,
            } => {
                let detail = source.to_string();
                let lists = |status| endpoint.errors.iter().any(|error| error.status == status);
                match endpoint.operation {
                    Operation::Bundle if lists(400) => Self::new(
                        Problem::new(ProblemType::InvalidRequest).with_detail(excerpt(&detail)),
                    ),
                    Operation::Deployment => found_nothing(ProblemType::DeploymentNotFound, detail),
                    Operation::Bundle => found_nothing(ProblemType::InvalidBundle, detail),
                    Operation::RemoveDevice => found_nothing(ProblemType::DeviceNotFound, detail),
                    // What is sent is about something that cannot exist.
                    _ => Self::new(
                        Problem::new(ProblemType::SemanticError)
                            .with_detail(format!("the {parameter} in the path is malformed"))
                            .with_field_error(parameter.to_string(), excerpt(&detail)),
                    ),
                }
            }
            _ => Self::no_such_path(),
        }
    }
}

/// A problem as a generation has it. What that has no type for is `about:blank`, except that every generation has one for
/// clients that are refused.
fn of_generation(mut problem: Problem, generation: SpecVersion) -> Problem {
    let problem_type = &problem.problem_type;
    if problem_type.slug().is_some() && problem_type.in_generation(generation).is_none() {
        let known = match problem_type {
            ProblemType::NotAuthorized => Problem::new(ProblemType::CertificateNotTrusted),
            _ => Problem::about_blank(problem.status),
        };
        problem.problem_type = known.problem_type;
        problem.title = known.title;
    }
    problem
}

/// Why the fleet manager itself has failed is logged where it is known in full.
fn log(problem: &Problem, request: &Parts) {
    let status = problem.status;
    let (method, path) = (&request.method, problem.instance.as_deref());
    let peer = request.extensions.get::<PeerSvid>();
    let peer = peer.map(|peer| tracing::field::display(peer.id()));
    let reason = problem.detail.as_deref().unwrap_or(&problem.title);
    match status {
        500.. => tracing::warn!(status, peer, %method, path, reason, "failed a request"),
        401 | 403 => {
            tracing::warn!(status, peer, %method, path, reason, "refused a request");
        }
        _ => tracing::info!(status, peer, %method, path, reason, "refused a request"),
    }
}

fn not_authorized(detail: impl Into<String>) -> Refusal {
    Refusal::new(Problem::new(ProblemType::NotAuthorized).with_detail(detail))
}

fn found_nothing(problem_type: ProblemType, detail: impl Into<String>) -> Refusal {
    Refusal::new(Problem::new(problem_type).with_detail(detail))
}

fn broken() -> Refusal {
    Refusal::new(
        Problem::about_blank(500).with_detail(
            "the fleet manager failed; its log says why, under the time of this response",
        ),
    )
}

fn not_allowed(allowed: &[Method]) -> Refusal {
    let mut methods: Vec<_> = allowed.iter().map(|method| method.as_str()).collect();
    if allowed.contains(&Method::Get) {
        methods.push("HEAD");
    }
    let methods = methods.join(", ");
    let refusal = Refusal::new(
        Problem::about_blank(405).with_detail(format!("this path has the methods {methods}")),
    );
    match HeaderValue::try_from(methods) {
        Ok(methods) => refusal.with_header(ALLOW, methods),
        Err(_) => refusal,
    }
}

/// The path of a request as a URI reference (RFC 3986), its beginning when it is long.
fn instance(path: &str) -> String {
    let mut instance = String::new();
    for byte in path.bytes().take(MAX_INSTANCE) {
        let is_plain = byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
        if is_plain {
            instance.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(instance, "%{byte:02X}");
        }
    }
    instance
}

/// The beginning of a text.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

/// More than a person reads at once.
const MAX_ERRORS: usize = 32;
const MAX_TEXT: usize = 400;
const MAX_INSTANCE: usize = 2048;
