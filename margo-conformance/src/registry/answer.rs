//! From requests to answers.

use bytes::Bytes;
use http::Response;
use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, LINK, LOCATION, RANGE,
    WWW_AUTHENTICATE,
};
use http::response::Builder;
use margo_types::Digest;
use margo_types::media_type::OCI_INDEX;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Shared;
use super::content::Content;
use super::route::{Route, Wanted, parse_digest};
use super::uploads;
use crate::request::RecordedRequest;
use crate::server::{AnswerBody, lock, whole};

/// Answers a request and remembers it.
pub(super) fn answer(shared: &Shared, request: &RecordedRequest) -> Response<AnswerBody> {
    lock(&shared.requests).push(request.clone());
    let admitted = shared.authorization.is_none()
        || request.header(AUTHORIZATION.as_str()) == shared.authorization.as_deref();
    if !admitted {
        let why = "name the user and the password of this registry";
        return Refusal::new(401, "UNAUTHORIZED", why).into_response();
    }
    dispatch(&mut lock(&shared.content), request).unwrap_or_else(Refusal::into_response)
}

/// An error as the specification has it.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    fn into_response(self) -> Response<AnswerBody> {
        let error = json!({ "code": self.code, "message": self.message });
        let mut response = status(self.status).header(CONTENT_TYPE, "application/json");
        if self.status == 401 {
            response = response.header(WWW_AUTHENTICATE, "Basic realm=\"registry\"");
        }
        finish(response, json!({ "errors": [error] }).to_string())
    }
}

type Answered = Result<Response<AnswerBody>, Refusal>;

fn dispatch(content: &mut Content, request: &RecordedRequest) -> Answered {
    let route = Route::parse(&request.path)?;
    match (request.method.as_str(), route) {
        ("GET" | "HEAD", Route::Base) => Ok(finish(status(200), "")),
        ("GET" | "HEAD", Route::Manifest(name, wanted)) => get_manifest(content, name, wanted),
        ("PUT", Route::Manifest(name, wanted)) => put_manifest(content, name, wanted, request),
        ("DELETE", Route::Manifest(name, wanted)) => {
            content.repository(name)?.delete_manifest(wanted)?;
            Ok(finish(status(202), ""))
        }
        ("GET" | "HEAD", Route::Blob(name, digest)) => get_blob(content, name, digest, request),
        ("DELETE", Route::Blob(name, digest)) => {
            content.repository(name)?.delete_blob(&digest)?;
            Ok(finish(status(202), ""))
        }
        ("POST", Route::Uploads(name)) => begin_upload(content, name, request),
        ("GET", Route::Upload(name, id)) => {
            let length = content.uploads.length(name, id)?;
            Ok(upload_status(204, name, id, length))
        }
        ("PATCH", Route::Upload(name, id)) => {
            let length = append(content, name, id, request)?;
            Ok(upload_status(202, name, id, length))
        }
        ("PUT", Route::Upload(name, id)) => complete_upload(content, name, id, request),
        ("DELETE", Route::Upload(name, id)) => {
            content.uploads.cancel(name, id)?;
            Ok(finish(status(204), ""))
        }
        ("GET", Route::Tags(name)) => list_tags(content, name, request),
        ("GET", Route::Referrers(name, digest)) => {
            Ok(list_referrers(content, name, &digest, request))
        }
        _ => Err(Refusal::new(
            405,
            "UNSUPPORTED",
            "the endpoint has no such method",
        )),
    }
}

fn get_manifest(content: &mut Content, name: &str, wanted: Wanted<'_>) -> Answered {
    let (digest, manifest) = content.repository(name)?.manifest(wanted)?;
    let response = status(200)
        .header(CONTENT_TYPE, &manifest.media_type)
        .header(DOCKER_CONTENT_DIGEST, digest.to_string());
    Ok(finish(response, manifest.bytes.clone()))
}

fn put_manifest(
    content: &mut Content,
    name: &str,
    wanted: Wanted<'_>,
    request: &RecordedRequest,
) -> Answered {
    let content_type = request.header(CONTENT_TYPE.as_str());
    let (digest, subject) = content.put_manifest(name, wanted, content_type, &request.body)?;
    let mut response = created(format!("/v2/{name}/manifests/{digest}"), digest);
    if let Some(subject) = subject {
        response = response.header("OCI-Subject", subject);
    }
    Ok(finish(response, ""))
}

fn get_blob(
    content: &mut Content,
    name: &str,
    digest: Digest,
    request: &RecordedRequest,
) -> Answered {
    let blob = content.repository(name)?.blob(&digest)?.clone();
    let response = |code| {
        status(code)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(ACCEPT_RANGES, "bytes")
            .header(DOCKER_CONTENT_DIGEST, digest.to_string())
    };
    let range = request.header(RANGE.as_str());
    match range.map(|range| parse_range(range, blob.len())) {
        None | Some(Asked::Everything) => Ok(finish(response(200), blob)),
        Some(Asked::Part(from, to)) => {
            let range = format!("bytes {from}-{}/{}", to - 1, blob.len());
            let response = response(206).header(CONTENT_RANGE, range);
            Ok(finish(response, blob.slice(from..to)))
        }
        Some(Asked::Nothing) => {
            let range = format!("bytes */{}", blob.len());
            Ok(finish(status(416).header(CONTENT_RANGE, range), ""))
        }
    }
}

fn begin_upload(content: &mut Content, name: &str, request: &RecordedRequest) -> Answered {
    if let Some(digest) = query(request, "digest") {
        let digest = parse_digest(&digest)?;
        uploads::check(digest, &request.body)?;
        content.put_blob(name, digest, request.body.clone());
        return Ok(blob_created(name, digest));
    }
    if let Some(digest) = query(request, "mount") {
        let digest = parse_digest(&digest)?;
        if content.mount(name, digest, query(request, "from").as_deref()) {
            return Ok(blob_created(name, digest));
        }
    }
    let id = content.uploads.begin(name);
    Ok(upload_status(202, name, &id, 0))
}

fn complete_upload(
    content: &mut Content,
    name: &str,
    id: &str,
    request: &RecordedRequest,
) -> Answered {
    let digest = query(request, "digest")
        .ok_or_else(|| Refusal::new(400, "DIGEST_INVALID", "say the digest in the query"))?;
    let digest = parse_digest(&digest)?;
    if !request.body.is_empty() {
        append(content, name, id, request)?;
    }
    let bytes = content.uploads.complete(name, id, digest)?;
    content.put_blob(name, digest, bytes);
    Ok(blob_created(name, digest))
}

fn append(
    content: &mut Content,
    name: &str,
    id: &str,
    request: &RecordedRequest,
) -> Result<usize, Refusal> {
    let range = request.header(CONTENT_RANGE.as_str());
    content.uploads.append(name, id, range, &request.body)
}

fn list_tags(content: &mut Content, name: &str, request: &RecordedRequest) -> Answered {
    let last = query(request, "last");
    let mut tags = content.repository(name)?.tags_after(last.as_deref());
    let mut response = json_response();
    let most = query(request, "n").and_then(|text| text.parse().ok());
    if let Some(most) = most.filter(|most| *most < tags.len()) {
        tags.truncate(most);
        if let Some(last) = tags.last() {
            let next = format!("</v2/{name}/tags/list?n={most}&last={last}>; rel=\"next\"");
            response = response.header(LINK, next);
        }
    }
    let body = json!({ "name": name, "tags": tags });
    Ok(finish(response, body.to_string()))
}

fn list_referrers(
    content: &mut Content,
    name: &str,
    subject: &Digest,
    request: &RecordedRequest,
) -> Response<AnswerBody> {
    let artifact_type = query(request, "artifactType");
    // What nothing refers to has an empty list, also in an unknown repository.
    let manifests: Vec<Value> = match content.repository(name) {
        Ok(repository) => repository.referrers(subject, artifact_type.as_deref()),
        Err(_) => Vec::new(),
    };
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
    let mut response = status(200).header(CONTENT_TYPE, OCI_INDEX);
    if artifact_type.is_some() {
        response = response.header("OCI-Filters-Applied", "artifactType");
    }
    finish(response, index.to_string())
}

/// What a `Range` header asks for.
enum Asked {
    /// Several ranges or none that we know: the whole is a right answer.
    Everything,
    /// From the first offset up to and without the second.
    Part(usize, usize),
    /// What is not there.
    Nothing,
}

fn parse_range(text: &str, length: usize) -> Asked {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Asked::Everything;
    };
    let (from, to) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(from), Ok(last)) if from <= last => (from, length.min(last.saturating_add(1))),
        (Ok(from), Err(_)) if last.is_empty() => (from, length),
        (Err(_), Ok(count)) if first.is_empty() => (length.saturating_sub(count), length),
        _ => return Asked::Everything,
    };
    if from < to {
        Asked::Part(from, to)
    } else {
        Asked::Nothing
    }
}

fn query(request: &RecordedRequest, key: &str) -> Option<String> {
    form_urlencoded::parse(request.query.as_deref()?.as_bytes())
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.into_owned())
}

fn upload_status(code: u16, name: &str, id: &str, length: usize) -> Response<AnswerBody> {
    let response = status(code)
        .header(LOCATION, format!("/v2/{name}/blobs/uploads/{id}"))
        .header(RANGE, format!("0-{}", length.saturating_sub(1)));
    finish(response, "")
}

fn blob_created(name: &str, digest: Digest) -> Response<AnswerBody> {
    finish(created(format!("/v2/{name}/blobs/{digest}"), digest), "")
}

fn created(location: String, digest: Digest) -> Builder {
    status(201)
        .header(LOCATION, location)
        .header(DOCKER_CONTENT_DIGEST, digest.to_string())
}

fn json_response() -> Builder {
    status(200).header(CONTENT_TYPE, "application/json")
}

fn status(code: u16) -> Builder {
    Response::builder()
        .status(code)
        .header("Docker-Distribution-Api-Version", "registry/2.0")
}

/// The length is added on the way out.
fn finish(response: Builder, body: impl Into<Bytes>) -> Response<AnswerBody> {
    response
        .body(whole(body))
        .expect("the headers are of this file, or came as headers")
}

const DOCKER_CONTENT_DIGEST: &str = "Docker-Content-Digest";
