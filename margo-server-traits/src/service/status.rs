//! `POST /api/v1/deployments/{deploymentId}/status`: how a deployment fares (rc3.md section 5; rc1-and-pre-draft.md section
//! 9).

use http::Response;
use http_body::Body;
use margo_types::id::DeploymentId;
use margo_types::problem::{Problem, ProblemType};
use margo_types::status::DeploymentStatus;

use super::call::Call;
use super::refusal::Refusal;
use super::{BoxError, ResponseBody, answer, receive};
use crate::Received;

/// Takes a report on a deployment of the caller.
///
/// The specification has no 404 here: a deployment that the caller does not have is a semantic error, and so is a path
/// that names another one than the body (rc3.md ambiguity 21). Whether somebody else has it makes no difference.
pub(super) async fn post<B>(
    call: &Call<'_>,
    deployment: DeploymentId,
    body: B,
) -> Result<Response<ResponseBody>, Refusal>
where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    let document = receive::document::<DeploymentStatus, _>(call, body).await?;
    if document.value().deployment_id != deployment {
        return Err(wrong_deployment(format!(
            "the request is about {deployment}; write it, or send the report to the path of its deployment"
        )));
    }
    let findings = receive::findings(call.options, document.validate())?;
    let received = Received::new(document, findings);
    match call.fleet.status.report(call.caller, received).await? {
        Some(stored) => {
            let rules = call.endpoint.generation.rules();
            let statuses = [rules.status_created, rules.status_updated];
            Ok(answer::stored(stored, statuses))
        }
        None => Err(wrong_deployment(
            "this client has no such deployment; fetch the state manifest again",
        )),
    }
}

fn wrong_deployment(message: impl Into<String>) -> Refusal {
    Refusal::new(
        Problem::new(ProblemType::SemanticError)
            .with_detail("the report is about no deployment of this client")
            .with_field_error("deploymentId", message),
    )
}
