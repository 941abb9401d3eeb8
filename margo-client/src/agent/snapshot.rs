//! What an operator sees.

use std::collections::BTreeMap;

use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::status::{DeploymentState, StatusError};
use serde::Serialize;

/// How an agent fares at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Snapshot {
    /// How it stands with the fleet manager.
    pub contact: Contact,
    /// Whether everything that was remembered from before the start was looked at once.
    pub converged: bool,
    /// The version of the manifest that was accepted last.
    pub manifest: Option<ManifestVersion>,
    /// Every deployment that is desired, or of which something is here.
    pub deployments: BTreeMap<DeploymentId, DeploymentView>,
    /// When the fleet manager was last polled with success.
    pub last_contact: Option<Timestamp>,
    /// When it is polled next.
    pub next_poll: Option<Timestamp>,
    /// How many polls failed since then, not counting downtimes.
    pub consecutive_failures: u32,
    /// Why the last poll failed; `None` after a success.
    pub last_error: Option<String>,
    /// Why the fleet manager does not take the capabilities of a device.
    pub capabilities_error: Option<String>,
    /// Why the state was not written the last time; the agent tries again.
    pub state_error: Option<String>,
    /// How many status reports wait to be delivered.
    pub outbox: usize,
    /// How many status reports the fleet manager refused for good since the start.
    pub refused_reports: u64,
    /// The last of them, with the reason.
    pub last_refused_report: Option<String>,
    /// How many manifests and documents were refused because digests or versions were wrong, since the start.
    pub security_events: u64,
    /// The last of them.
    pub last_security_event: Option<String>,
}

/// How it stands with the fleet manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Contact {
    /// It was not asked yet.
    #[default]
    Starting,
    /// The last poll succeeded.
    Online,
    /// The last poll failed.
    Failing,
    /// A downtime: it is left alone.
    Downtime,
    /// The agent stopped.
    Stopped,
}

/// One deployment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DeploymentView {
    /// Its `metadata.name`.
    pub name: String,
    /// The device it is on, or goes to; `None` when no device takes it.
    pub device: Option<DeviceId>,
    /// The state that was reported last.
    pub state: DeploymentState,
    /// The revision that is desired; `None` when it is to be removed.
    pub revision: Option<Digest>,
    /// The revision that a provider was last told to apply.
    pub applied: Option<Digest>,
    /// The manifest it was adopted from.
    pub adopted: Option<ManifestVersion>,
    /// What went wrong the last time; `None` once it is as desired.
    pub last_error: Option<StatusError>,
    /// Why the next step is postponed.
    pub postponed: Option<String>,
    /// How often the next step failed.
    pub failures: u32,
}
