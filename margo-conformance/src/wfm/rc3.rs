//! The endpoints of the newest generation (rc3.md sections 3.1, 4, 5 and 6).

use bytes::Bytes;
use http::Response;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::endpoint::{Endpoint, Matched, PathCaller, Route};
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::problem::{Problem, ProblemType};
use margo_types::status::DeploymentStatus;
use margo_types::{Digest, Document, SpecVersion, media_type};
use serde_json::Value;

use super::content::{Content, accepts};
use super::desired::Lie;
use super::serve::empty;
use super::state::State;
use crate::request::RecordedRequest;
use crate::server::AnswerBody;

/// The answer, or the problem that is one.
type Answered = Result<Response<AnswerBody>, Box<Problem>>;

/// What a fleet manager answers, as far as no lie is about it.
pub(super) fn answer(state: &mut State, matched: Matched, request: &RecordedRequest) -> Answered {
    let served = Served {
        endpoint: matched.endpoint,
        request,
        has_tag: state.desired.lie != Some(Lie::NoEntityTag),
    };
    match matched.route {
        Route::Manifest => {
            let manifest = state
                .desired
                .manifest(SpecVersion::Rc3, &PathCaller::Unnamed);
            let manifest = margo_types::write(&manifest, SpecVersion::Rc3)
                .expect("the newest generation has state manifests");
            served.content(&Digest::of(&manifest), manifest.into())
        }
        Route::Deployment {
            deployment_id,
            digest,
        } => match state.desired.document(deployment_id, digest) {
            Some(document) => served.content(&digest, document),
            None => Err(Box::new(Problem::new(ProblemType::DeploymentNotFound))),
        },
        Route::Bundle { digest } => match state.desired.bundle_bytes(&digest) {
            Some(bundle) => served.content(&digest, bundle),
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
    /// Content that was promised under this digest.
    fn content(&self, digest: &Digest, bytes: Bytes) -> Answered {
        let media_type = self.endpoint.response_type.unwrap_or(media_type::JSON);
        if !accepts(self.request, media_type) {
            return Err(Box::new(Problem::new(
                ProblemType::ServerCannotGenerateResponse,
            )));
        }
        let mut content = Content::new(media_type, bytes, *digest);
        if self.has_tag {
            content = content.tagged();
        }
        let content = content.cached(self.endpoint.cache_control());
        Ok(content.answer(self.request))
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
