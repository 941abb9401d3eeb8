//! `GET /api/v1/deployments`: what the caller should run (rc3.md section 3; W12 to W25).

use http::Response;
use margo_types::Digest;
#[cfg(feature = "server")]
use margo_types::SpecVersion;

use super::call::Call;
use super::refusal::Refusal;
use super::{ResponseBody, answer};

/// The current manifest of the caller, or 304.
///
/// The unchanged poll is what nearly every request is: one digest is asked for, and nothing else.
pub(super) async fn get(call: &Call<'_>) -> Result<Response<ResponseBody>, Refusal> {
    let media_type = call.negotiate()?;
    let desired_state = &call.fleet.desired_state;
    let condition = call.condition();
    if condition.is_some() {
        let current = desired_state.manifest_digest(call.caller).await?;
        if let Some(tag) = condition.met_by(&current) {
            let mut response = answer::not_modified(tag, call.endpoint.cache_control());
            mark_unchanged(call, current, &mut response);
            return Ok(response);
        }
        for tag in condition.tags() {
            desired_state.holds(call.caller, &tag).await?;
        }
    }
    let manifest = desired_state.manifest(call.caller).await?;
    // Somebody may have published in between, so the tag is that of these very bytes (W22).
    let digest = Digest::of(&manifest);
    Ok(call.content(media_type, digest, manifest))
}

/// Lets our own server know that the same poll will get the same answer. What is signed is another request every time.
fn mark_unchanged(call: &Call<'_>, current: Digest, response: &mut Response<ResponseBody>) {
    #[cfg(feature = "server")]
    if call.endpoint.generation == SpecVersion::Rc3 {
        response.extensions_mut().insert(super::Unchanged(current));
    }
    #[cfg(not(feature = "server"))]
    let _ = (call, current, response);
}
