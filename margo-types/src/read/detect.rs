//! The kind and generation of a document, from its shape alone.
//!
//! `apiVersion` was spelled in too many ways to decide anything (direction.md, issue 134), so it does not.

use super::node::{Node, NodeValue};
use crate::document::Kind;
use crate::version::SpecVersion;

/// What kind of document this is.
pub(super) fn kind_of(root: &Node) -> Result<Kind, String> {
    let NodeValue::Map(members) = &root.value else {
        return Err("not a Margo document: the root is not an object".to_owned());
    };
    if let Some(kind) = root.get("kind") {
        return named_kind(kind);
    }
    let has = |key| root.has(key);
    Ok(match () {
        () if has("manifestVersion") => Kind::StateManifest,
        () if has("deploymentProfiles") => Kind::ApplicationDescription,
        () if has("spec") && has("metadata") => Kind::ApplicationDeployment,
        () if has("deploymentId") => Kind::DeploymentStatus,
        () if has("properties") => Kind::DeviceCapabilities,
        () if has("trustDomain") || has("trustBundleUri") => Kind::DiscoveryDocument,
        () if has("keys") => Kind::TrustBundle,
        () if has("schemaVersion") && has("layers") => Kind::PackageManifest,
        () if has("tags") => Kind::TagList,
        () if has("title") || has("type") => Kind::Problem,
        () if has("public_certificate") => Kind::OnboardingRequest,
        () if has("clientId") || has("client_id") => Kind::OnboardingResponse,
        () if has("certificate") => Kind::CaCertificate,
        () if has("metadata") => Kind::ApplicationDescription,
        () => {
            let keys: Vec<_> = members
                .iter()
                .take(5)
                .map(|(key, _)| crate::text::shorten(key))
                .collect();
            return Err(format!(
                "not a Margo document: no kind has the members {}",
                keys.join(", ")
            ));
        }
    })
}

/// Which generation the shape of a document of this kind belongs to.
pub(super) fn generation_of(kind: Kind, root: &Node) -> Result<SpecVersion, String> {
    if let Some(named) = root.get("kind") {
        let found = named_kind(named)?;
        if found != kind {
            return Err(format!("not {}: its kind is {found}", kind.in_words()));
        }
    }
    Ok(match kind {
        Kind::ApplicationDescription => description_generation(root),
        Kind::ApplicationDeployment => deployment_generation(root),
        Kind::DeviceCapabilities => capabilities_generation(root),
        Kind::DeploymentStatus => status_generation(root),
        Kind::StateManifest => manifest_generation(root),
        Kind::OnboardingRequest | Kind::OnboardingResponse | Kind::CaCertificate => {
            SpecVersion::Rc1
        }
        Kind::Problem
        | Kind::DiscoveryDocument
        | Kind::TrustBundle
        | Kind::PackageManifest
        | Kind::TagList => SpecVersion::Rc3,
    })
}

fn named_kind(kind: &Node) -> Result<Kind, String> {
    let Some(name) = kind.text() else {
        return Err("not a Margo document: `kind` is not a text".to_owned());
    };
    Ok(match name {
        "ApplicationDescription" | "application" => Kind::ApplicationDescription,
        "ApplicationDeployment" | "ApplicationDeploymentManifest" => Kind::ApplicationDeployment,
        "DeviceCapabilities" | "DeviceCapability" | "DeviceCapabilitiesManifest" => {
            Kind::DeviceCapabilities
        }
        "DeploymentStatus" | "DeploymentStatusManifest" => Kind::DeploymentStatus,
        "OnboardingRequest" => Kind::OnboardingRequest,
        other => {
            return Err(format!(
                "not a Margo document: the kind {:?} is unknown",
                crate::text::shorten(other)
            ));
        }
    })
}

/// The pre-draft has a kind and a profile type of its own. Its `datatype` is no mark: the same text spells it
/// both ways.
fn description_generation(root: &Node) -> SpecVersion {
    let metadata = root.get("metadata");
    let annotations = metadata.and_then(|metadata| metadata.get("annotations"));
    if root.get("kind").and_then(Node::text) == Some("application")
        || has_profile_type(root, "docker-compose")
    {
        SpecVersion::PreDraft
    } else if root.has("kind")
        || metadata.is_some_and(|metadata| metadata.has("id"))
        || annotations.is_some_and(|annotations| annotations.has("id"))
        || has_profile_type(root, "helm.v3")
        || profiles(root).any(|profile| profile.has("requiredResources"))
    {
        SpecVersion::Rc1
    } else {
        SpecVersion::Rc3
    }
}

/// The newest generation has the deployment's id at the root and neither kind nor annotated ids; snapshots on
/// the way there kept `apiVersion` for a while (direction.md, issue 134). The pre-draft has a profile type of
/// its own, and a form without name; its other Helm deployments look like those of rc.1.
fn deployment_generation(root: &Node) -> SpecVersion {
    let metadata = root.get("metadata");
    let spec = root.get("spec");
    let profile = spec.and_then(|spec| spec.get("deploymentProfile"));
    let has = |node: Option<&Node>, key| node.is_some_and(|node| node.has(key));
    let annotations = metadata.and_then(|metadata| metadata.get("annotations"));
    let profile_type = profile
        .and_then(|profile| profile.get("type"))
        .and_then(Node::text);
    let has_newest_ids = has(metadata, "deviceId") && has(spec, "applicationId");
    let is_older = root.has("kind")
        || has(metadata, "id")
        || has(metadata, "applicationId")
        || has(annotations, "id")
        || has(annotations, "applicationId")
        || has(profile, "requiredResources")
        || matches!(profile_type, Some("helm.v3" | "docker-compose"))
        || (root.has("apiVersion") || !root.has("id")) && !has_newest_ids;
    if !is_older {
        SpecVersion::Rc3
    } else if profile_type == Some("docker-compose") || !has(metadata, "name") {
        SpecVersion::PreDraft
    } else {
        SpecVersion::Rc1
    }
}

fn capabilities_generation(root: &Node) -> SpecVersion {
    let properties = root.get("properties");
    let resources = properties.and_then(|properties| properties.get("resources"));
    if resources.is_some_and(|resources| resources.has("cpus"))
        || root.get("kind").and_then(Node::text) == Some("DeviceCapability")
    {
        SpecVersion::PreDraft
    } else if root.has("kind")
        || resources.is_some()
        || properties.is_some_and(|properties| properties.has("roles") || properties.has("cpu"))
    {
        SpecVersion::Rc1
    } else {
        SpecVersion::Rc3
    }
}

fn status_generation(root: &Node) -> SpecVersion {
    if root.get("apiVersion").and_then(Node::text) == Some("deployment.margo/v1") {
        SpecVersion::PreDraft
    } else if root.has("kind") || (root.has("apiVersion") && !root.has("adoptedManifestVersion")) {
        SpecVersion::Rc1
    } else {
        SpecVersion::Rc3
    }
}

/// Only the URLs differ: older ones name the client or device in the path.
fn manifest_generation(root: &Node) -> SpecVersion {
    let references = root
        .get("deployments")
        .into_iter()
        .flat_map(elements)
        .chain(root.get("bundle"));
    let mut urls = references.filter_map(|reference| reference.get("url").and_then(Node::text));
    if urls.any(|url| url.contains("/clients/") || url.contains("/devices/")) {
        SpecVersion::Rc1
    } else {
        SpecVersion::Rc3
    }
}

fn has_profile_type(root: &Node, profile_type: &str) -> bool {
    profiles(root).any(|profile| profile.get("type").and_then(Node::text) == Some(profile_type))
}

fn profiles<'n, 'a>(root: &'n Node<'a>) -> impl Iterator<Item = &'n Node<'a>> {
    root.get("deploymentProfiles")
        .into_iter()
        .flat_map(elements)
}

fn elements<'n, 'a>(node: &'n Node<'a>) -> &'n [Node<'a>] {
    match &node.value {
        NodeValue::List(elements) => elements,
        _ => &[],
    }
}
