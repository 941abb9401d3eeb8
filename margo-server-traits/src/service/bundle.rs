//! `GET /api/v1/bundles/{digest}`: all documents of a manifest (rc3.md section 3.1; W16, W21, W26).

use http::Response;
use margo_types::Digest;
use margo_types::problem::{Problem, ProblemType};

use super::ResponseBody;
use super::call::Call;
use super::refusal::Refusal;

/// The bundle, if it was published for the caller. Before that is known, not even a 304 is sent.
pub(super) async fn get(
    call: &Call<'_>,
    digest: Digest,
) -> Result<Response<ResponseBody>, Refusal> {
    let media_type = call.negotiate()?;
    let desired_state = &call.fleet.desired_state;
    let bundle = desired_state
        .bundle(call.caller, &digest)
        .await?
        .ok_or_else(|| {
            Refusal::new(Problem::new(ProblemType::InvalidBundle).with_detail(
                "there is no such bundle for this client; fetch the state manifest again",
            ))
        })?;
    call.published(media_type, digest, bundle)
}
