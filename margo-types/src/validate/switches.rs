//! What the documents of each generation must obey, as named switches.
//!
//! The rules of the model that every generation has are not here. Older generations are described by
//! several contradicting texts (rc1-and-pre-draft.md sections 7 to 10 and 16 to 18); where they contradict each
//! other, the more lenient reading counts.

use crate::version::SpecVersion;

/// What one generation demands of its documents.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each switch is one independent rule of the specification"
)]
pub(super) struct Switches {
    /// What `apiVersion` of a description must be; `None` where any spelling is met.
    pub(super) api_version: Option<&'static str>,
    /// Profiles have an id of their own.
    pub(super) profile_ids: bool,
    /// Components are artefacts in an OCI registry, never archives behind a URL.
    pub(super) oci_artefacts: bool,
    /// Revisions are SemVer tags.
    pub(super) semver_revisions: bool,
    /// Time-outs are written in minutes and seconds.
    pub(super) minutes_and_seconds: bool,
    /// Compose pointers are the bare names of environment variables, without `ENV.`.
    pub(super) bare_environment_names: bool,
    /// Deployments name their namespace.
    pub(super) namespace: bool,
    /// Deployments name their device.
    pub(super) device_target: bool,
    /// Deployments name their application.
    pub(super) application_id: bool,
    /// Some objects may have no members but the specified ones and extensions.
    pub(super) closed_objects: bool,
    /// The URLs in a manifest name the client or device: `/api/v1/clients/<id>/…`.
    pub(super) client_in_urls: bool,
    /// The properties that every device which hosts workloads reports.
    pub(super) host_properties: &'static [&'static str],
    /// A device that hosts workloads runs an OpenTelemetry collector.
    pub(super) otel_collector: bool,
    /// Reports name the manifest that was adopted.
    pub(super) adopted_manifest_version: bool,
    /// The overall state is the most severe state of a component.
    pub(super) worst_of_states: bool,
    /// Errors of a report have a code, a source and a message, and the source is one of three.
    pub(super) error_sources: bool,
    /// Problem types come from the registry, with their status.
    pub(super) problem_registry: bool,
}

impl Switches {
    /// What a generation demands.
    pub(super) const fn of(generation: SpecVersion) -> &'static Self {
        match generation {
            SpecVersion::PreDraft => &PRE_DRAFT,
            SpecVersion::Rc1 => &RC_1,
            SpecVersion::Rc3 => &RC_3,
        }
    }
}

const PRE_DRAFT: Switches = Switches {
    api_version: None,
    profile_ids: false,
    oci_artefacts: false,
    semver_revisions: false,
    minutes_and_seconds: false,
    bare_environment_names: false,
    namespace: false,
    device_target: false,
    application_id: false,
    closed_objects: false,
    client_in_urls: true,
    host_properties: &["cpus", "memory", "storage", "peripherals", "interfaces"],
    otel_collector: false,
    adopted_manifest_version: false,
    worst_of_states: false,
    error_sources: false,
    problem_registry: false,
};

const RC_1: Switches = Switches {
    host_properties: &["cpus", "memory", "storage"],
    worst_of_states: true,
    ..PRE_DRAFT
};

const RC_3: Switches = Switches {
    api_version: Some(crate::application::ApplicationDescription::API_VERSION),
    profile_ids: true,
    oci_artefacts: true,
    semver_revisions: true,
    minutes_and_seconds: true,
    bare_environment_names: true,
    namespace: true,
    device_target: true,
    application_id: true,
    closed_objects: true,
    client_in_urls: false,
    host_properties: &[
        "cpus",
        "memory",
        "storage",
        "peripherals",
        "interfaces",
        "otelCollector",
        "supportedRuntimes",
        "supportedDeploymentTypes",
    ],
    otel_collector: true,
    adopted_manifest_version: true,
    error_sources: true,
    problem_registry: true,
    ..RC_1
};
