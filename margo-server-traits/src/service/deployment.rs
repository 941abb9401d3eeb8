//! `GET /api/v1/deployments/{deploymentId}/{digest}`: one document (rc3.md section 3.1; W21, W26).

use http::Response;
use margo_types::Digest;
use margo_types::id::DeploymentId;
use margo_types::problem::{Problem, ProblemType};

use super::ResponseBody;
use super::call::Call;
use super::refusal::Refusal;

/// The document, if it was published for the caller. Before that is known, not even a 304 is sent.
pub(super) async fn get(
    call: &Call<'_>,
    deployment: DeploymentId,
    digest: Digest,
) -> Result<Response<ResponseBody>, Refusal> {
    let media_type = call.negotiate()?;
    let desired_state = &call.fleet.desired_state;
    let document = desired_state
        .deployment(call.caller, &deployment, &digest)
        .await?
        .ok_or_else(|| {
            Refusal::new(Problem::new(ProblemType::DeploymentNotFound).with_detail(
                "there is no such document for this client; fetch the state manifest again",
            ))
        })?;
    call.published(media_type, digest, document)
}
