//! Rules that two documents together can break.

use std::collections::BTreeSet;

use super::place::{Check, Place};
use super::rule::rule_table;
use super::status::is_gateway;
use crate::capabilities::DeviceCapabilities;
use crate::deployment::ApplicationDeployment;
use crate::finding::Report;
use crate::id::{DeviceId, DeviceTarget};
use crate::manifest::DeploymentReference;
use crate::status::DeploymentStatus;
use crate::version::SpecVersion;

/// Checks a deployment against the entry of the state manifest by which it was found.
///
/// Paths are those of the deployment. The digest is that of the exact bytes, which are not here.
pub fn validate_reference(
    deployment: &ApplicationDeployment,
    reference: &DeploymentReference,
) -> Report {
    Check::run(SpecVersion::NEWEST, |at| {
        let expected = reference.deployment_id;
        if deployment.id != expected {
            at.key("id").report(
                &DEPLOYMENT_ID,
                format!(
                    "the manifest lists {expected}, but the document is {}",
                    deployment.id
                ),
                format!("write {expected}, or list the deployment by its own id"),
            );
        }
    })
}

/// Checks a status report against the deployment it is about.
///
/// Paths are those of the report.
pub fn validate_status_against(
    status: &DeploymentStatus,
    deployment: &ApplicationDeployment,
    generation: SpecVersion,
) -> Report {
    Check::run(generation, |at| {
        if status.deployment_id != deployment.id {
            at.key("deploymentId").report(
                &STATUS_DEPLOYMENT,
                format!(
                    "the report is about another deployment than {}",
                    deployment.id
                ),
                format!("write {}", deployment.id),
            );
        }
        device(at, status, deployment);
        components(&at.key("components"), status, deployment);
        if at.switches().error_sources {
            source(
                &at.key("status").key("error").key("source"),
                status,
                deployment,
            );
        }
    })
}

/// Checks reported capabilities against the device id in the path of the request.
///
/// The specification has no rule for a mismatch (rc3.md ambiguity 35); one of the two is wrong for certain.
pub fn validate_capabilities_of(device: &DeviceId, capabilities: &DeviceCapabilities) -> Report {
    Check::run(SpecVersion::NEWEST, |at| {
        if capabilities.properties.id != *device {
            at.key("properties").key("id").report(
                &PATH_ID,
                format!("the request is about {device}"),
                format!("write {device}, or send the capabilities to the path of their device"),
            );
        }
    })
}

fn device(at: &Place<'_>, status: &DeploymentStatus, deployment: &ApplicationDeployment) {
    let Some(target) = &deployment.metadata.device_id else {
        return;
    };
    let is_behind_gateway =
        target.device_id().is_child() || matches!(target, DeviceTarget::AnyBehind(_));
    let at = at.key("deviceId");
    match &status.device_id {
        None if is_behind_gateway => at.report(
            &STATUS_DEVICE_MISSING,
            "`deviceId` is missing, but the deployment is for a device behind a gateway",
            "write the device that hosts it, with its whole hierarchy",
        ),
        // A gateway that finds no child to place the deployment on reports for itself.
        Some(device) if !target.admits(device) && device != target.device_id() => at.report(
            &STATUS_DEVICE,
            format!("the deployment is for {target}, not for {device}"),
            "write the device that hosts the deployment",
        ),
        _ => {}
    }
}

fn components(at: &Place<'_>, status: &DeploymentStatus, deployment: &ApplicationDeployment) {
    let profile = &deployment.spec.deployment_profile;
    let expected: BTreeSet<_> = profile.components.iter().map(|it| &it.name).collect();
    let reported: BTreeSet<_> = status.components.iter().map(|it| &it.name).collect();
    for name in expected.difference(&reported) {
        at.report(
            &STATUS_COMPONENT,
            format!("the component {name} is not reported"),
            "write one entry for every component of the deployment",
        );
    }
    at.each(&status.components, |at, component| {
        if !expected.contains(&component.name) {
            at.key("name").report(
                &STATUS_COMPONENT,
                format!("the deployment has no component {}", component.name),
                "write the components of the deployment only",
            );
        }
    });
}

fn source(at: &Place<'_>, status: &DeploymentStatus, deployment: &ApplicationDeployment) {
    let Some(error) = &status.status.error else {
        return;
    };
    let name = &deployment.metadata.name;
    let is_reserved = error.reserved_code().is_some();
    let source = &error.source;
    if !source.is_empty()
        && !is_reserved
        && source != name
        && !is_gateway(source, status.device_id.as_ref())
    {
        at.report(
            &STATUS_SOURCE,
            format!("the error is neither of {name} nor of a gateway of the device"),
            format!("write {name}"),
        );
    }
}

rule_table! {
    DEPLOYMENT_ID: Error, "reference.deployment-id", "rc3.md 2, 3.2, W19",
        "the id of a deployment is the one its manifest lists";
    STATUS_DEPLOYMENT: Error, "report.deployment", "rc3.md 5",
        "a report names its deployment";
    STATUS_DEVICE_MISSING: Error, "report.device-missing", "rc3.md 5, D54",
        "a report about a device behind a gateway names the device";
    STATUS_DEVICE: Error, "report.device", "rc3.md 5, D54",
        "a report is about a device that the deployment is for";
    STATUS_COMPONENT: Error, "report.component", "rc3.md 5, D53",
        "a report has one entry for every component of the deployment, and no other";
    STATUS_SOURCE: Error, "report.source", "rc3.md 5.1, D55, D56",
        "the source of an error of the whole is the deployment's name, or a gateway of the device";
    PATH_ID: Error, "capabilities.path-id", "rc3.md 4, ambiguity 35",
        "capabilities are sent to the path of their device";
}
