//! One request, as far as it is understood.

use std::borrow::Cow;

use http::header::{ACCEPT, HeaderName, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response};
use margo_types::accept::Accept;
use margo_types::endpoint::{Endpoint, Operation};
use margo_types::etag::{EntityTag, IfNoneMatch};
use margo_types::problem::{Problem, ProblemType};
use margo_types::{Digest, SpecVersion, media_type};

use super::refusal::Refusal;
use super::{ResponseBody, ServiceOptions, answer};
use crate::{Caller, Fleet, Verified};

/// A request of an admitted caller to an endpoint.
pub(super) struct Call<'r> {
    pub(super) fleet: &'r Fleet,
    pub(super) options: &'r ServiceOptions,
    pub(super) caller: &'r Verified<Caller>,
    pub(super) endpoint: &'static Endpoint,
    pub(super) headers: &'r HeaderMap,
}

impl Call<'_> {
    /// The media type of the response, if the client takes it.
    pub(super) fn negotiate(&self) -> Result<&'static str, Refusal> {
        negotiate(self.headers, self.endpoint)
    }

    /// What the client has already.
    pub(super) fn condition(&self) -> Condition<'_> {
        Condition::of(self.headers)
    }

    /// The response with this content, or 304 when the client has it.
    pub(super) fn content(
        &self,
        media_type: &'static str,
        digest: Digest,
        content: bytes::Bytes,
    ) -> Response<ResponseBody> {
        let cache_control = self.endpoint.cache_control();
        if let Some(tag) = self.condition().met_by(&digest) {
            return answer::not_modified(tag, cache_control);
        }
        answer::content(media_type, digest, cache_control, content)
    }

    /// The response with what was published under this digest.
    ///
    /// What is damaged stays here: clients would refuse it, and caches keep it for a year (W18, W26).
    pub(super) fn published(
        &self,
        media_type: &'static str,
        digest: Digest,
        content: bytes::Bytes,
    ) -> Result<Response<ResponseBody>, Refusal> {
        if Digest::of(&content) != digest {
            return Err(Refusal::internal(format!(
                "what is stored as {digest} has another digest; restore a backup"
            )));
        }
        Ok(self.content(media_type, digest, content))
    }
}

/// The media type of an endpoint's response, if the client takes it; 406 if not (W13).
pub(super) fn negotiate(
    headers: &HeaderMap,
    endpoint: &'static Endpoint,
) -> Result<&'static str, Refusal> {
    let offered = endpoint.response_type.unwrap_or(media_type::JSON);
    match joined(headers, &ACCEPT) {
        None => Ok(offered),
        Some(wanted)
            if wanted == offered || is_wanted(&Accept::parse(&wanted), offered, endpoint) =>
        {
            Ok(offered)
        }
        Some(_) => Err(Refusal::new(
            Problem::new(ProblemType::ServerCannotGenerateResponse).with_detail(format!(
                "there is only {offered}; accept it or send no Accept"
            )),
        )),
    }
}

/// Whether a client takes the media type of a response, under whichever of its names.
fn is_wanted(accept: &Accept, offered: &'static str, endpoint: &'static Endpoint) -> bool {
    let synonyms = match (endpoint.generation, endpoint.operation) {
        (SpecVersion::Rc1, Operation::Bundle) => &BUNDLE_SYNONYMS[..],
        (SpecVersion::Rc1, Operation::Deployment) => &YAML_SYNONYMS[..],
        _ => &[],
    };
    accept.allows(offered) || synonyms.iter().any(|synonym| accept.allows(synonym))
}

/// The `If-None-Match` of a request, looked into as late as possible.
pub(super) struct Condition<'r> {
    text: Option<Cow<'r, str>>,
    /// The value of the only line.
    line: Option<&'r HeaderValue>,
}

impl<'r> Condition<'r> {
    pub(super) fn of(headers: &'r HeaderMap) -> Self {
        let mut lines = headers.get_all(&IF_NONE_MATCH).iter();
        let first = lines.next();
        Self {
            text: joined(headers, &IF_NONE_MATCH),
            line: first.filter(|_| lines.next().is_none()),
        }
    }

    /// Whether the client says that it has anything.
    pub(super) fn is_some(&self) -> bool {
        self.text.is_some()
    }

    /// The entity tag of the content with this digest, if the client has that content.
    ///
    /// Nearly every request has the one tag that was sent to it, so that is asked first, and sent back as it came. What
    /// cannot be read is ignored: sending the content is always right.
    pub(super) fn met_by(&self, digest: &Digest) -> Option<HeaderValue> {
        let text = self.text.as_ref()?;
        if is_tag_of(text, digest) && self.line.is_some() {
            return self.line.cloned();
        }
        let condition = IfNoneMatch::parse(text).ok()?;
        condition.matches(digest).then(|| answer::tag(*digest))
    }

    /// The tags of what the client has, not more than it has reason to send.
    pub(super) fn tags(&self) -> Vec<EntityTag> {
        let condition = self.text.as_ref().map(|text| IfNoneMatch::parse(text));
        match condition {
            Some(Ok(IfNoneMatch::Tags(mut tags))) => {
                tags.truncate(MAX_TAGS);
                tags
            }
            _ => Vec::new(),
        }
    }
}

/// Whether this is exactly the entity tag of what has this digest.
fn is_tag_of(text: &str, digest: &Digest) -> bool {
    let opaque = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    opaque.is_some_and(|opaque| Digest::parse(opaque).is_ok_and(|tagged| tagged == *digest))
}

/// The value of a header, its lines joined by commas (RFC 9110 section 5.3); `None` when there is none.
///
/// What is not UTF-8 is replaced, so that it matches nothing.
pub(super) fn joined<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Option<Cow<'r, str>> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    let mut joined = match first.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(first.as_bytes()),
    };
    for line in lines {
        let joined = joined.to_mut();
        joined.push_str(", ");
        joined.push_str(&String::from_utf8_lossy(line.as_bytes()));
    }
    Some(joined)
}

/// Agents of the signed generation ask for a bundle by these names too; they get it under its own.
const BUNDLE_SYNONYMS: [&str; 2] = ["application/octet-stream", "application/gzip"];

/// YAML was registered in 2024 (RFC 9512) and had other names before.
const YAML_SYNONYMS: [&str; 3] = [
    "application/x-yaml",
    "text/yaml",
    "application/octet-stream",
];
/// A store is asked about each of them.
const MAX_TAGS: usize = 8;
