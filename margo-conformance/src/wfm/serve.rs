//! The endpoints (rc3.md sections 3.1, 4, 5 and 6).

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::response::Builder;
use margo_types::accept::Accept;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::endpoint::{Endpoint, NoMatch, Route, match_path};
use margo_types::etag::{EntityTag, IfNoneMatch};
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::problem::{Problem, ProblemType};
use margo_types::status::DeploymentStatus;
use margo_types::{Digest, Document, SpecVersion, media_type};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::answer::Answer;
use super::desired::Lie;
use super::state::{Shared, State};
use crate::request::RecordedRequest;
use crate::server::{AnswerBody, serve_http, whole};

/// Serves one connection.
pub(super) async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let acceptor = TlsAcceptor::from(shared.tls());
    let Ok(stream) = acceptor.accept(stream).await else {
        return; // the client learns why from the alert
    };
    let leaf = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| leaf.to_vec());
    serve_http(stream, |mut request| {
        request.client_certificate.clone_from(&leaf);
        answer(&shared, request)
    })
    .await;
}

async fn answer(shared: &Shared, request: RecordedRequest) -> Response<AnswerBody> {
    let matched = match_path(&[SpecVersion::Rc3], request.method.as_str(), &request.path);
    let operation = matched
        .as_ref()
        .ok()
        .map(|matched| matched.endpoint.operation);
    let fault = shared.change(|state| {
        state.requests.push((operation, request.clone()));
        state.take_fault(operation?)
    });
    let (endpoint, route) = match matched {
        Ok(matched) => (matched.endpoint, matched.route),
        Err(no_match) => return problem(&unmatched(&no_match)).await,
    };
    if let Some(fault) = fault {
        return fault.send(endpoint.response_type).await;
    }
    match shared.change(|state| truth(state, endpoint, route, &request)) {
        Ok(response) => response,
        Err(refusal) => problem(&refusal).await,
    }
}

/// The answer, or the problem that is one.
type Answered = Result<Response<AnswerBody>, Box<Problem>>;

/// What a fleet manager answers, as far as no lie is about it.
fn truth(
    state: &mut State,
    endpoint: &Endpoint,
    route: Route,
    request: &RecordedRequest,
) -> Answered {
    let served = Served {
        endpoint,
        request,
        has_tag: state.desired.lie != Some(Lie::NoEntityTag),
    };
    match route {
        Route::Manifest => served.content(state.desired.manifest()),
        Route::Deployment {
            deployment_id,
            digest,
        } => match state.desired.document(deployment_id, digest) {
            Some(document) => served.immutable(&digest, document),
            None => Err(Box::new(Problem::new(ProblemType::DeploymentNotFound))),
        },
        Route::Bundle { digest } => match state.desired.bundle_bytes(&digest) {
            Some(bundle) => served.immutable(&digest, bundle),
            None => Err(Box::new(Problem::new(ProblemType::InvalidBundle))),
        },
        Route::ReportStatus { deployment_id } => report(state, deployment_id, request),
        Route::ReportCapabilities { device_id } => capabilities(state, device_id, request),
        Route::RemoveDevice { device_id } => match state.devices.remove(&device_id) {
            Some(_) => Ok(empty(204)),
            None => Err(Box::new(Problem::new(ProblemType::DeviceNotFound))),
        },
        _ => Err(Box::new(Problem::about_blank(404))),
    }
}

/// A request for content.
struct Served<'a> {
    endpoint: &'a Endpoint,
    request: &'a RecordedRequest,
    has_tag: bool,
}

impl Served<'_> {
    fn content(&self, bytes: Bytes) -> Answered {
        self.immutable(&Digest::of(&bytes), bytes)
    }

    /// Content that was promised under this digest.
    fn immutable(&self, digest: &Digest, bytes: Bytes) -> Answered {
        let media_type = self.endpoint.response_type.unwrap_or(media_type::JSON);
        let accept = self.request.header(ACCEPT.as_str()).map(Accept::parse);
        if accept.is_some_and(|accept| !accept.allows(media_type)) {
            return Err(Box::new(Problem::new(
                ProblemType::ServerCannotGenerateResponse,
            )));
        }
        let condition = self.request.header(IF_NONE_MATCH.as_str());
        let is_known = condition
            .and_then(|condition| IfNoneMatch::parse(condition).ok())
            .is_some_and(|condition| condition.matches(digest));
        if is_known {
            return Ok(finish(self.described(304, digest), ""));
        }
        let response = self.described(200, digest).header(CONTENT_TYPE, media_type);
        Ok(finish(response, bytes))
    }

    fn described(&self, code: u16, digest: &Digest) -> Builder {
        let mut response = Response::builder().status(code);
        if self.has_tag {
            response = response.header(ETAG, EntityTag::from(*digest).to_string());
        }
        if let Some(cache_control) = self.endpoint.cache_control() {
            response = response.header(CACHE_CONTROL, cache_control);
        }
        response
    }
}

fn report(state: &mut State, id: DeploymentId, request: &RecordedRequest) -> Answered {
    let report: DeploymentStatus = read(request)?;
    if report.deployment_id != id {
        let why = "it is not that of the path";
        return Err(Box::new(
            Problem::new(ProblemType::SemanticError).with_field_error("deploymentId", why),
        ));
    }
    let is_first = state.report(report);
    Ok(empty(if is_first { 201 } else { 200 }))
}

fn capabilities(state: &mut State, id: Option<DeviceId>, request: &RecordedRequest) -> Answered {
    let capabilities: DeviceCapabilities = read(request)?;
    let own = capabilities.properties.id.clone();
    if id.is_some_and(|id| id != own) {
        let why = "it is not that of the path";
        return Err(Box::new(
            Problem::new(ProblemType::SemanticError).with_field_error("properties.id", why),
        ));
    }
    let gateway = own.is_child().then(|| own.root());
    if gateway.is_some_and(|gateway| !state.devices.contains_key(&gateway)) {
        return Err(Box::new(Problem::new(ProblemType::GatewayNotFound)));
    }
    let is_first = state.devices.insert(own, capabilities).is_none();
    Ok(empty(if is_first { 201 } else { 200 }))
}

/// What is no JSON is 400, what is no such document 422.
fn read<T: Document>(request: &RecordedRequest) -> Result<T, Box<Problem>> {
    if serde_json::from_slice::<Value>(&request.body).is_err() {
        return Err(Box::new(Problem::new(ProblemType::InvalidRequest)));
    }
    match margo_types::read::<T>(&request.body) {
        Ok(document) => Ok(document.into_value()),
        Err(error) => Err(Box::new(
            Problem::new(ProblemType::SemanticError).with_detail(error.to_string()),
        )),
    }
}

fn unmatched(no_match: &NoMatch) -> Problem {
    let status = match no_match {
        NoMatch::MethodNotAllowed { .. } => 405,
        _ => 404,
    };
    Problem::about_blank(status).with_detail(no_match.to_string())
}

async fn problem(problem: &Problem) -> Response<AnswerBody> {
    Answer::of_problem(problem).send(None).await
}

fn empty(code: u16) -> Response<AnswerBody> {
    finish(Response::builder().status(code), "")
}

fn finish(response: Builder, body: impl Into<Bytes>) -> Response<AnswerBody> {
    response
        .body(whole(body))
        .expect("all headers are of this file")
}
