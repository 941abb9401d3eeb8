//! Capabilities and deployment status (rc1-and-pre-draft.md sections 8 and 9).

use http::Response;
use http::header::CONTENT_TYPE;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::problem::ProblemType;
use margo_types::status::DeploymentStatus;
use margo_types::{Document, media_type};

use super::super::serve::{empty, finish};
use super::super::state::State;
use super::refusal::Refusal;
use super::{Answered, Exchange};
use crate::server::AnswerBody;

impl Exchange<'_> {
    pub(super) fn report(&self, state: &mut State, id: DeploymentId) -> Answered {
        let report: DeploymentStatus = self.read()?;
        if report.deployment_id != id {
            let why = "deploymentId is not that of the path";
            return Err(Refusal::new(ProblemType::SemanticError, why));
        }
        state.report(report);
        Ok(said(self.rules.status_answer))
    }

    pub(super) fn capabilities(
        &self,
        state: &mut State,
        client: &ClientId,
        device: Option<&DeviceId>,
    ) -> Answered {
        let capabilities: DeviceCapabilities = self.read()?;
        let own = capabilities.properties.id.clone();
        if device.is_some_and(|device| *device != own) {
            let why = "properties.id is not that of the path";
            return Err(Refusal::new(ProblemType::SemanticError, why));
        }
        if self.rules.device_is_client && own.as_str() != client.as_str() {
            return Err(Refusal::of_status(
                400,
                "properties.id is not the client id",
            ));
        }
        state.devices.insert(own, capabilities);
        Ok(said(self.rules.capabilities_answer))
    }

    fn read<T: Document>(&self) -> Result<T, Refusal> {
        match margo_types::read::<T>(&self.request.body) {
            Ok(document) => Ok(document.into_value()),
            Err(error) => Err(Refusal::new(ProblemType::SemanticError, error.to_string())),
        }
    }
}

/// Forgets a device.
pub(super) fn removal(state: &mut State, device: &DeviceId) -> Answered {
    match state.devices.remove(device) {
        Some(_) => Ok(empty(204)),
        None => Err(Refusal::not_found("there is no such device")),
    }
}

fn said((status, body): (u16, &'static str)) -> Response<AnswerBody> {
    let mut response = Response::builder().status(status);
    if !body.is_empty() {
        response = response.header(CONTENT_TYPE, media_type::JSON);
    }
    finish(response, body)
}
