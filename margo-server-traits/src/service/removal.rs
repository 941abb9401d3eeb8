//! `DELETE /api/v1/capabilities/{deviceId}`: a device is gone (rc3.md section 4.1).

use http::{Response, StatusCode};
use margo_types::id::DeviceId;
use margo_types::problem::{Problem, ProblemType};

use super::call::Call;
use super::refusal::Refusal;
use super::{ResponseBody, answer};

/// Forgets a device of the caller, with those behind it (rc3.md ambiguity 36).
pub(super) async fn delete(
    call: &Call<'_>,
    device: &DeviceId,
) -> Result<Response<ResponseBody>, Refusal> {
    let capabilities = &call.fleet.capabilities;
    if capabilities.remove(call.caller, device).await? {
        return Ok(answer::empty(StatusCode::NO_CONTENT));
    }
    Err(Refusal::new(
        Problem::new(ProblemType::DeviceNotFound)
            .with_detail("this client has reported no such device; there is nothing to remove"),
    ))
}
