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
    let has = |key| properties.is_some_and(|properties| properties.has(key));
    if is_pre_draft_capabilities(root) {
        SpecVersion::PreDraft
    } else if root.has("kind")
        || root.has("apiVersion")
        || has("resources")
        || has("roles")
        || has("cpu")
    {
        SpecVersion::Rc1
    } else {
        SpecVersion::Rc3
    }
}

/// The pre-draft counts processors in `resources.cpus` and memory in GB, gives hardware a `modelNumber`, and
/// alone uses the kind `DeviceCapability`; rc.1 alone uses `DeviceCapabilitiesManifest`.
fn is_pre_draft_capabilities(root: &Node) -> bool {
    let member = |key| root.get("properties")?.get(key);
    let resources =
        member("resources").map(|resources| elements(resources).first().unwrap_or(resources));
    let has = |key| resources.is_some_and(|resources| resources.has(key));
    let counts_gigabytes = ["memory", "storage"]
        .into_iter()
        .filter_map(|amount| resources?.get(amount))
        .any(is_decimal_amount);
    let mut hardware = ["peripherals", "interfaces"]
        .into_iter()
        .filter_map(member)
        .flat_map(elements);
    match root.get("kind").and_then(Node::text) {
        Some("DeviceCapabilitiesManifest") => false,
        _ if has("cpus") || counts_gigabytes => true,
        // A page from before rc.1 puts the resources of rc.1 under the kind of the pre-draft's example.
        Some("DeviceCapability") => !has("cpu"),
        Some(_) => hardware.any(|hardware| hardware.has("modelNumber")),
        None => false,
    }
}

fn is_decimal_amount(amount: &Node) -> bool {
    match &amount.value {
        NodeValue::Number(..) => true,
        NodeValue::Text(text) => text.ends_with('B'),
        _ => false,
    }
}

/// The envelope and the spelling of states tell. Without either, a report of late rc.1 looks like one of the
/// newest generation that lacks `adoptedManifestVersion`, and is taken for that.
fn status_generation(root: &Node) -> SpecVersion {
    let overall = root
        .get("status")
        .map(|status| elements(status).first().unwrap_or(status));
    let components = root.get("components").into_iter().flat_map(elements);
    let states: Vec<_> = overall
        .into_iter()
        .chain(components)
        .filter_map(|reported| reported.get("state").and_then(Node::text))
        .collect();
    let any_state = |is: fn(&str) -> bool| states.iter().any(|state| is(state));
    let adopted = root.has("adoptedManifestVersion");
    if root.get("apiVersion").and_then(Node::text) == Some("deployment.margo/v1")
        || any_state(|state| matches!(state, "Success" | "Failure"))
    {
        SpecVersion::PreDraft
    } else if root.has("kind")
        || (root.has("apiVersion") && !adopted)
        || (any_state(|state| state.starts_with(|c: char| c.is_ascii_uppercase())) && !adopted)
        || any_state(|state| matches!(state, "updating" | "updated"))
    {
        SpecVersion::Rc1
    } else {
        SpecVersion::Rc3
    }
}

/// Only the URLs differ: older ones name the client (or, in one text, the device) before what they refer to.
fn manifest_generation(root: &Node) -> SpecVersion {
    let references = root
        .get("deployments")
        .into_iter()
        .flat_map(elements)
        .chain(root.get("bundle"));
    let mut urls = references.filter_map(|reference| reference.get("url").and_then(Node::text));
    if urls.any(names_a_client) {
        SpecVersion::Rc1
    } else {
        SpecVersion::Rc3
    }
}

fn names_a_client(url: &str) -> bool {
    let segments: Vec<_> = url.split('/').collect();
    segments
        .windows(3)
        .any(|three| matches!(three, ["clients" | "devices", _, "bundles" | "deployments"]))
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
