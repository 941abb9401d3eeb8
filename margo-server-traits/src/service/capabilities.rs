//! `PUT /api/v1/capabilities/{deviceId}`: what a device is (rc3.md section 4; rc1-and-pre-draft.md section 8).

use http::Response;
use http_body::Body;
use margo_types::application::DeploymentType;
use margo_types::capabilities::{DeviceCapabilities, Runtime};
use margo_types::id::DeviceId;
use margo_types::problem::{Problem, ProblemType};
use margo_types::{Exact, Finding, Report, SpecVersion, validate_capabilities_of, write};

use super::call::Call;
use super::refusal::Refusal;
use super::{BoxError, ResponseBody, answer, receive};
use crate::Received;

/// Replaces what is known about a device of the caller (rc3.md ambiguity 41).
///
/// A body about another device than the path is refused, since one of the two is wrong for certain (rc3.md ambiguity 35).
/// A device behind a gateway needs the gateway to be known, not what is between them (rc3.md ambiguity 37, W54).
///
/// Paths of the signed generation may name no device; the body says which it is then. The reference agent of 2025 gives
/// its device the id of the client.
pub(super) async fn put<B>(
    call: &Call<'_>,
    device: Option<&DeviceId>,
    body: B,
) -> Result<Response<ResponseBody>, Refusal>
where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    let mut document = receive::document::<DeviceCapabilities, _>(call, body).await?;
    let device = device.unwrap_or(&document.value().properties.id).clone();
    let mismatch = validate_capabilities_of(&device, document.value());
    if !mismatch.is_valid() {
        return Err(Refusal::semantic(mismatch.errors()));
    }
    let mut unknown = Vec::new();
    if call.options.map_unknown_to_custom {
        (document, unknown) = map_to_custom(document)?;
    }
    let others = receive::findings(call.options, document.validate())?;
    unknown.extend_from_slice(others.findings());
    let received = Received::new(document, Report::new(unknown));
    let capabilities = &call.fleet.capabilities;
    match capabilities.put(call.caller, &device, received).await? {
        Some(stored) => {
            let rules = call.endpoint.generation.rules();
            let statuses = [rules.capabilities_created, rules.capabilities_updated];
            Ok(answer::stored(stored, statuses))
        }
        None => Err(Refusal::new(
            Problem::new(ProblemType::GatewayNotFound).with_detail(format!(
                "the gateway {} is not known; report its capabilities first",
                device.root()
            )),
        )),
    }
}

/// The document with `custom` for every runtime and deployment type that is unknown, and what was found unknown.
fn map_to_custom(
    document: Exact<DeviceCapabilities>,
) -> Result<(Exact<DeviceCapabilities>, Vec<Finding>), Refusal> {
    let report = document.validate();
    let is_unknown = |finding: &&Finding| UNKNOWN.contains(&finding.rule.name);
    let unknown: Vec<_> = report
        .findings()
        .iter()
        .filter(is_unknown)
        .cloned()
        .collect();
    if unknown.is_empty() {
        return Ok((document, unknown));
    }
    let mut capabilities = document.into_value();
    let properties = &mut capabilities.properties;
    if let Some(runtimes) = &mut properties.supported_runtimes {
        replace(runtimes, Runtime::is_known, &Runtime::Custom);
    }
    if let Some(types) = &mut properties.supported_deployment_types {
        replace(types, DeploymentType::is_known, &DeploymentType::Custom);
    }
    let bytes = write(&capabilities, SpecVersion::Rc3).map_err(Refusal::internal)?;
    let mapped = receive::reader(SpecVersion::Rc3, bytes.len()).read(&bytes);
    Ok((mapped.map_err(Refusal::internal)?, unknown))
}

/// Puts `custom` in the place of everything unknown, and leaves it there once.
fn replace<T: Clone + PartialEq>(list: &mut Vec<T>, is_known: fn(&T) -> bool, custom: &T) {
    for value in list.iter_mut().filter(|value| !is_known(value)) {
        *value = custom.clone();
    }
    let mut is_there = false;
    list.retain(|value| value != custom || !std::mem::replace(&mut is_there, true));
}

/// The rules that an unknown runtime or deployment type breaks.
const UNKNOWN: [&str; 2] = ["capabilities.runtime", "capabilities.deployment-type"];
