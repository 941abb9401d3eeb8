//! Responses of success.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Body;
use margo_types::Digest;

use super::ResponseBody;
use crate::Stored;

/// 200 with a content that has this digest.
pub(super) fn content(
    media_type: &'static str,
    digest: Digest,
    cache_control: Option<&'static str>,
    content: Bytes,
) -> Response<ResponseBody> {
    let mut response = tagged(StatusCode::OK, tag(digest), cache_control);
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    *response.body_mut() = ResponseBody::new(content);
    response
}

/// 304: the client has the content with this entity tag. The headers are those of the 200 (RFC 9110 section 15.4.5).
pub(super) fn not_modified(
    tag: HeaderValue,
    cache_control: Option<&'static str>,
) -> Response<ResponseBody> {
    tagged(StatusCode::NOT_MODIFIED, tag, cache_control)
}

/// The entity tag of what has this digest.
pub(super) fn tag(digest: Digest) -> HeaderValue {
    HeaderValue::try_from(digest.to_etag()).expect("a quoted digest is visible ASCII")
}

/// The status of what is new, or that of what is not: 201 and 200 as a rule. Without content.
pub(super) fn stored(stored: Stored, [created, updated]: [u16; 2]) -> Response<ResponseBody> {
    let (status, usual) = match stored {
        Stored::Created => (created, StatusCode::CREATED),
        Stored::Updated => (updated, StatusCode::OK),
    };
    empty(StatusCode::from_u16(status).unwrap_or(usual))
}

/// A response without content.
pub(super) fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::default());
    *response.status_mut() = status;
    response
}

/// The response as this method gets it: `HEAD` is told how long the content is, and does not get it.
pub(super) fn for_method(
    method: &Method,
    mut response: Response<ResponseBody>,
) -> Response<ResponseBody> {
    if method == Method::HEAD && response.headers().contains_key(CONTENT_TYPE) {
        if let Some(length) = response.body().size_hint().exact() {
            let length = HeaderValue::from(length);
            response.headers_mut().insert(CONTENT_LENGTH, length);
        }
        *response.body_mut() = ResponseBody::default();
    }
    response
}

fn tagged(
    status: StatusCode,
    tag: HeaderValue,
    cache_control: Option<&'static str>,
) -> Response<ResponseBody> {
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(ETAG, tag);
    if let Some(cache_control) = cache_control {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    }
    response
}
