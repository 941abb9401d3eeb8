//! The documents that clients send.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use margo_types::accept::Accept;
use margo_types::endpoint::Endpoint;
use margo_types::problem::{Problem, ProblemType};
use margo_types::{
    Document, Exact, Format, Limits, ReadError, Reader, Report, SpecVersion, media_type,
};
use serde::de::IgnoredAny;

use super::call::{Call, joined};
use super::refusal::Refusal;
use super::{BoxError, ServiceOptions};

/// The document in the body of a request.
///
/// What is no JSON is an invalid request (400), and what is no document of this kind a semantic error (422).
pub(super) async fn document<T, B>(call: &Call<'_>, body: B) -> Result<Exact<T>, Refusal>
where
    T: Document,
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    check_type(call.headers, call.endpoint)?;
    let max_bytes = call.options.max_body_bytes;
    let bytes = bytes(body, max_bytes).await?;
    if bytes.is_empty() {
        return Err(invalid(format!(
            "the request has no body; send {}",
            media_type::JSON
        )));
    }
    match read(call.endpoint.generation, max_bytes, &bytes) {
        Ok(document) if document.format() == Format::Json => Ok(document),
        Ok(_) => Err(invalid("the body is YAML; send JSON")),
        Err(unreadable) => Err(refusal(&unreadable, &bytes)),
    }
}

/// A document that came to an endpoint of this generation.
///
/// In the signed generation some agents send what older texts have, which is taken as it is meant. Late texts have no
/// envelope, which makes a document look newer than it is.
fn read<T: Document>(
    generation: SpecVersion,
    max_bytes: usize,
    bytes: &[u8],
) -> Result<Exact<T>, ReadError> {
    let reader = reader(generation, max_bytes);
    if generation == SpecVersion::Rc1 {
        match Reader::new().limits(limits(max_bytes)).read(bytes) {
            Ok(document) if document.generation() != SpecVersion::Rc3 => return Ok(document),
            _ => {}
        }
    }
    reader.read(bytes)
}

/// A reader of documents of a generation that are at most so long.
pub(super) fn reader(generation: SpecVersion, max_bytes: usize) -> Reader {
    Reader::new()
        .generation(generation)
        .limits(limits(max_bytes))
}

fn limits(max_bytes: usize) -> Limits {
    let mut limits = Limits::default();
    limits.max_bytes = max_bytes;
    limits
}

/// What is to be recorded about a document that is accepted.
///
/// A document is refused for what its schema forbids, and for other errors when the options say so. A report that left
/// findings out might have left out any, so one with errors counts as refused.
pub(super) fn findings(options: &ServiceOptions, report: Report) -> Result<Report, Refusal> {
    let is_partial = report.omitted() > 0;
    let mut refused = report
        .errors()
        .filter(|error| error.rule.in_schema || options.refuse_findings || is_partial)
        .peekable();
    if refused.peek().is_some() {
        return Err(Refusal::semantic(refused));
    }
    drop(refused);
    Ok(report)
}

/// A request without a type is taken for JSON: its body will tell.
pub(super) fn check_type(headers: &HeaderMap, endpoint: &'static Endpoint) -> Result<(), Refusal> {
    let expected = endpoint.request_type.unwrap_or(media_type::JSON);
    if let Some(sent) = joined(headers, &CONTENT_TYPE)
        // Of JSON there is only one charset, so parameters say nothing.
        && !Accept::parse(expected).allows(sent.split(';').next().unwrap_or_default())
    {
        return Err(Refusal::unsupported_type(expected));
    }
    match joined(headers, &CONTENT_ENCODING) {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
            Err(Refusal::unsupported_encoding())
        }
        _ => Ok(()),
    }
}

/// The whole body of a request, if it is not longer than this.
pub(super) async fn bytes<B>(body: B, max_bytes: usize) -> Result<bytes::Bytes, Refusal>
where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    let is_too_long = body.size_hint().lower() > u64::try_from(max_bytes).unwrap_or(u64::MAX);
    if is_too_long {
        return Err(Refusal::too_large(max_bytes));
    }
    match Limited::new(body, max_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::too_large(max_bytes)),
        Err(error) => {
            tracing::debug!(%error, "the body of a request broke off");
            Err(invalid("the body broke off before its end; send it again"))
        }
    }
}

fn refusal(unreadable: &ReadError, bytes: &[u8]) -> Refusal {
    match unreadable {
        ReadError::TooLarge { limit, .. } => Refusal::too_large(*limit),
        ReadError::Unfit { faults, .. } if is_json(bytes) => {
            Refusal::faulty(faults.iter().map(|fault| (&fault.path, &*fault.message)))
        }
        ReadError::Unrecognised { why } if is_json(bytes) => {
            Refusal::faulty([(&margo_types::DocumentPath::root(), &**why)])
        }
        ReadError::Malformed { .. } => invalid(unreadable.to_string()),
        _ => invalid("the body is no JSON"),
    }
}

/// Whether the bytes are JSON, of whatever kind.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(Problem::new(ProblemType::InvalidRequest).with_detail(detail))
}
