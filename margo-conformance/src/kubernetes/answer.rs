//! What is answered to a request.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::{Value, json};

use super::discovery;
use super::failure::Failure;
use super::operation::Operation;
use super::route::{Query, Target, Verb};
use super::state::Shared;
use super::watch;
use crate::request::RecordedRequest;
use crate::server::{AnswerBody, whole};

/// Answers a request.
pub(super) async fn answer(shared: Arc<Shared>, request: RecordedRequest) -> Response<AnswerBody> {
    let slowness = shared.note(|state| {
        state.requests.push(request.clone());
        state.faults.slowness
    });
    if !slowness.is_zero() {
        tokio::time::sleep(slowness).await;
    }
    let accept = request.headers.get(ACCEPT).and_then(|it| it.to_str().ok());
    let accept = accept.unwrap_or_default();
    if let Some(document) = shared.look(|state| discovery::answer(state, &request.path, accept)) {
        return response(StatusCode::OK, document.media_type, whole(document.body));
    }
    let query = Query::parse(request.query.as_deref());
    let target = match permitted(&shared, &request, &query) {
        Ok(target) => target,
        Err(failure) => return refusal(&failure),
    };
    if let Some(fault) = shared.note(|state| state.faults.next(&target)) {
        return match fault.failure(&target) {
            Some(failure) => refusal(&failure),
            None => response(StatusCode::OK, JSON, cut()),
        };
    }
    if target.verb == Verb::Watch {
        return match watch::body(&shared, target, &query, accept) {
            Ok(body) => response(StatusCode::OK, JSON, body),
            Err(failure) => refusal(&failure),
        };
    }
    let is_change = target.verb.is_change();
    let run = |state: &mut _| {
        let operation = Operation {
            state,
            request: &request,
            query: &query,
            target: &target,
        };
        operation.run()
    };
    let done = if is_change {
        shared.change(run)
    } else {
        shared.note(run)
    };
    match done {
        Ok((status, _)) if target.subresource.as_deref() == Some("log") => {
            response(status, "text/plain", whole(""))
        }
        Ok((status, object)) => json_answer(status, &shown(&object, accept)),
        Err(failure) => refusal(&failure),
    }
}

/// What the client wants to see of an object or a list: all of it, or its metadata.
pub(super) fn shown(object: &Arc<Value>, accept: &str) -> Arc<Value> {
    if object["kind"] == "Status" || !accept.contains("as=PartialObjectMetadata") {
        return Arc::clone(object);
    }
    let partial = |object: &Value| {
        json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object["metadata"],
        })
    };
    let Some(items) = object["items"].as_array() else {
        return Arc::new(partial(object));
    };
    let items: Vec<Value> = items.iter().map(partial).collect();
    Arc::new(json!({
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
        "items": items,
    }))
}

/// What a request is about, if it is allowed.
fn permitted(shared: &Shared, request: &RecordedRequest, query: &Query) -> Result<Target, Failure> {
    shared.look(|state| {
        let target = Target::parse(&state.objects, &request.method, &request.path, query)?;
        let resource = &target.resource;
        if !state.faults.is_forbidden(target.verb, &resource.plural) {
            return Ok(target);
        }
        let place = match &target.namespace {
            Some(namespace) => format!("in the namespace {namespace:?}"),
            None => "at the cluster scope".to_owned(),
        };
        let why = format!(
            "User \"margo\" cannot {} resource {:?} in API group {:?} {place}",
            target.verb.as_str(),
            resource.plural,
            resource.group
        );
        Err(Failure::forbidden(resource, target.name.as_deref(), &why))
    })
}

fn refusal(failure: &Failure) -> Response<AnswerBody> {
    let mut answer = json_answer(failure.status, &failure.to_value());
    if failure.status == StatusCode::TOO_MANY_REQUESTS {
        answer
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// A body that ends before it begins.
fn cut() -> AnswerBody {
    let error = io::Error::from(io::ErrorKind::ConnectionReset);
    let frames = stream::once(std::future::ready(Err::<Frame<Bytes>, _>(error)));
    StreamBody::new(frames).boxed_unsync()
}

fn json_answer(status: StatusCode, value: &Value) -> Response<AnswerBody> {
    response(status, JSON, whole(value.to_string()))
}

fn response(status: StatusCode, media_type: &str, body: AnswerBody) -> Response<AnswerBody> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, media_type)
        .body(body)
        .expect("a status and a media type make a response")
}

const JSON: &str = "application/json";
