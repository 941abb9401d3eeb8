//! Manifests, documents and bundles as answers (RFC 9110 sections 12.5.1 and 13.1.2).

use bytes::Bytes;
use http::Response;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH};
use margo_types::Digest;
use margo_types::accept::Accept;
use margo_types::etag::{EntityTag, IfNoneMatch};

use super::serve::finish;
use crate::request::RecordedRequest;
use crate::server::AnswerBody;

/// Content, and what is said about it.
pub(super) struct Content {
    media_type: &'static str,
    bytes: Bytes,
    /// What the entity tag says, and conditions are compared with.
    tag: Digest,
    /// Headers with and without the content.
    headers: Vec<(HeaderName, String)>,
}

impl Content {
    /// Content under this digest.
    pub(super) const fn new(media_type: &'static str, bytes: Bytes, tag: Digest) -> Self {
        Self {
            media_type,
            bytes,
            tag,
            headers: Vec::new(),
        }
    }

    /// With its entity tag.
    pub(super) fn tagged(self) -> Self {
        let tag = EntityTag::from(self.tag).to_string();
        self.header(ETAG, tag)
    }

    /// With a word on how long to keep it, if there is one.
    pub(super) fn cached(self, how: Option<&str>) -> Self {
        match how {
            Some(how) => self.header(CACHE_CONTROL, how.to_owned()),
            None => self,
        }
    }

    pub(super) fn header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The content, or word that the client has it.
    pub(super) fn answer(self, request: &RecordedRequest) -> Response<AnswerBody> {
        let condition = request.header(IF_NONE_MATCH.as_str());
        let is_known = condition
            .and_then(|condition| IfNoneMatch::parse(condition).ok())
            .is_some_and(|condition| condition.matches(&self.tag));
        let mut response = Response::builder();
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        if is_known {
            return finish(response.status(304), "");
        }
        let response = response.status(200).header(CONTENT_TYPE, self.media_type);
        finish(response, self.bytes)
    }
}

/// Whether the client takes content of this type.
pub(super) fn accepts(request: &RecordedRequest, media_type: &str) -> bool {
    let accept = request.header(ACCEPT.as_str()).map(Accept::parse);
    accept.is_none_or(|accept| accept.allows(media_type))
}
