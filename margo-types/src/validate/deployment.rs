//! Rules of the application deployment (rc3.md section 2, requirements W29 to W35).

use super::place::Place;
use super::rule::rule_table;
use super::{Validate, component, constraints, members, parameters};
use crate::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec,
};
use crate::text::shorten;

impl Validate for ApplicationDeployment {
    fn check(&self, at: &Place<'_>) {
        metadata(&at.key("metadata"), &self.metadata);
        spec(&at.key("spec"), &self.spec);
        members::open(at, &self.extra);
    }
}

fn metadata(at: &Place<'_>, metadata: &DeploymentMetadata) {
    if !is_dns_subdomain(&metadata.name) {
        at.key("name").report(
            &NAME,
            format!("Kubernetes does not take {:?} as a name", shorten(&metadata.name)),
            "write 1 to 253 lower-case letters, digits, '-' and '.', a letter or digit first and last",
        );
    }
    match &metadata.namespace {
        None if at.switches().namespace => at.key("namespace").report(
            &NAMESPACE,
            "`namespace` is missing",
            "write the Kubernetes namespace",
        ),
        Some(namespace) if !is_dns_label(namespace) => at.key("namespace").report(
            &NAMESPACE_NAME,
            format!(
                "Kubernetes does not take {:?} as a namespace",
                shorten(namespace)
            ),
            "write 1 to 63 lower-case letters, digits and '-', a letter or digit first and last",
        ),
        _ => {}
    }
    if metadata.device_id.is_none() && at.switches().device_target {
        at.key("deviceId").report(
            &DEVICE_ID,
            "`deviceId` is missing",
            "write the id of the device, or of its gateway and /*",
        );
    }
    // The published schema requires `annotations` without defining it (rc3.md ambiguity 2).
    members::open_except(at, &metadata.extra, &["annotations"]);
}

fn spec(at: &Place<'_>, spec: &DeploymentSpec) {
    if spec.application_id.is_none() && at.switches().application_id {
        at.key("applicationId").report(
            &APPLICATION_ID,
            "`applicationId` is missing",
            "write the id of the application description",
        );
    }
    profile(&at.key("deploymentProfile"), &spec.deployment_profile);
    parameters::of_deployment(at, spec);
    members::closed(at, &spec.extra);
}

fn profile(at: &Place<'_>, profile: &DeployedProfile) {
    component::deployment_type(&at.key("type"), &profile.deployment_type);
    component::list(&at.key("components"), &profile.components);
    if let Some(device_constraints) = &profile.device_constraints {
        constraints::check(&at.key("deviceConstraints"), device_constraints);
    }
    members::closed(at, &profile.extra);
}

/// RFC 1123, as Kubernetes reads it for the names of most objects.
fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_part)
}

/// The same without dots, as Kubernetes reads it for namespaces.
fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_part(text)
}

fn is_dns_part(text: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes()
        .all(|byte| is_alphanumeric(byte) || byte == b'-')
        && text.bytes().next().is_some_and(is_alphanumeric)
        && text.bytes().next_back().is_some_and(is_alphanumeric)
}

rule_table! {
    NAME: Error, "deployment.name", "rc3.md 2",
        "the name is one that Kubernetes takes (DNS-1123 subdomain)";
    NAMESPACE: Error in schema, "deployment.namespace", "rc3.md 2",
        "a deployment names its namespace";
    NAMESPACE_NAME: Error, "deployment.namespace-name", "rc3.md 2",
        "the namespace is one that Kubernetes takes (DNS-1123 label)";
    DEVICE_ID: Error in schema, "deployment.device-id", "rc3.md 2",
        "a deployment names the device it is for";
    APPLICATION_ID: Error in schema, "deployment.application-id", "rc3.md 2, W33",
        "a deployment names the application it is of";
}
