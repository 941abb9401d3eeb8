//! What a device remembers across restarts, and how it is kept (rc3.md sections 3.4, 5.2; D30; ambiguity 27).
//!
//! # When a manifest is accepted
//!
//! The specification has two readings of what to persist: the last *accepted* version, or the version only *after
//! reconciliation succeeded*. With the second, a workload that cannot be installed makes the client fetch the same
//! manifest again, and its version is not strictly greater. So here a manifest is **accepted when every document it
//! refers to is verified and stored, and its version and entity tag are stored in the same transaction**. Bringing the
//! device there is a matter of its own, done from what is stored, as often as it takes. The entity tag of a manifest is
//! therefore never sent before all of its documents are on disk, and a failed fetch can never be hidden by a later 304.

mod file;
mod ledger;
mod memory;
mod owner;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::status::{DeploymentState, DeploymentStatus};
use serde::{Deserialize, Serialize};

pub use self::file::FileStore;
pub(crate) use self::ledger::{Draft, Ledger};
pub use self::memory::MemoryState;
pub use self::owner::Owner;
use crate::{Error, ErrorKind};

/// Keeps the state of one client of one fleet manager.
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync {
    /// Everything that is stored.
    ///
    /// # Errors
    /// [`ErrorKind::State`] when it is damaged or cannot be read. A state that cannot be read is never an empty one.
    async fn load(&self) -> Result<State, Error>;

    /// Makes all of these changes durable, in their order, or none of them. When it returns they survive a power cut.
    ///
    /// # Errors
    /// [`ErrorKind::State`] when they cannot be written; a later call may succeed.
    async fn commit(&self, changes: &[Change]) -> Result<(), Error>;
}

/// Everything a client remembers.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct State {
    /// The manifest that was accepted last.
    pub accepted: Option<Accepted>,
    /// The exact bytes of every deployment document that is desired or current.
    pub documents: BTreeMap<Digest, Arc<[u8]>>,
    /// What is on the devices, or was begun to be brought there.
    pub current: BTreeMap<DeploymentId, Current>,
    /// The status reports that the fleet manager has not taken yet, by the order they were made in.
    pub outbox: BTreeMap<u64, Report>,
    /// The last status that was made for every deployment, delivered or not; none once it is removed.
    pub last: BTreeMap<DeploymentId, DeploymentStatus>,
    /// The devices that the fleet manager knows, with the digest of the capabilities it was told.
    pub capabilities: BTreeMap<DeviceId, Digest>,
}

/// The manifest that was accepted last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Accepted {
    /// Its version; only a greater one is accepted after it.
    pub version: ManifestVersion,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its entity tag as it was sent, to be sent back; `None` when there was none.
    pub tag: Option<String>,
    /// Its deployments, by the digest of their documents.
    pub deployments: BTreeMap<DeploymentId, Digest>,
}

impl Accepted {
    /// A manifest of these deployments.
    pub const fn new(
        version: ManifestVersion,
        digest: Digest,
        tag: Option<String>,
        deployments: BTreeMap<DeploymentId, Digest>,
    ) -> Self {
        Self {
            version,
            digest,
            tag,
            deployments,
        }
    }

    /// The deployments that are here or in the manifest before, but not in both with the same revision.
    pub(crate) fn differences(&self, before: Option<&Self>) -> Vec<Difference> {
        let no_deployments = BTreeMap::new();
        let before = before.map_or(&no_deployments, |it| &it.deployments);
        let gone = before.iter().filter_map(|(id, old)| {
            let new = self.deployments.get(id);
            (new != Some(old)).then_some((*id, Some(*old), new.copied()))
        });
        let added = self.deployments.iter().filter_map(|(id, new)| {
            let is_new = !before.contains_key(id);
            is_new.then_some((*id, None, Some(*new)))
        });
        gone.chain(added).collect()
    }
}

/// A deployment with its revisions in the manifest before and in the one after.
pub(crate) type Difference = (DeploymentId, Option<Digest>, Option<Digest>);

/// What is on a device of one deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Current {
    /// The revision that was adopted: held, and begun to be applied, whatever came of it (rc3.md section 5.2).
    pub revision: Digest,
    /// The manifest it was adopted from when this was written. Manifests that were accepted since with the same revision
    /// are not noted with each deployment; [`State::adopted`] knows them.
    pub adopted: ManifestVersion,
    /// The revision that a provider was last told to apply, and so has to be told to remove; `None` when there was none,
    /// because the device refused it.
    pub applied: Option<Digest>,
    /// The device it was placed on; `None` when no device takes it.
    pub host: Option<DeviceId>,
    /// How far it is.
    pub phase: Phase,
}

impl Current {
    /// A deployment that came this far.
    pub const fn new(
        revision: Digest,
        adopted: ManifestVersion,
        applied: Option<Digest>,
        host: Option<DeviceId>,
        phase: Phase,
    ) -> Self {
        Self {
            revision,
            adopted,
            applied,
            host,
            phase,
        }
    }
}

/// How far a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Phase {
    /// Being applied, or failed in a way that may pass: to be applied again.
    Applying,
    /// As desired when it was last looked at.
    Installed,
    /// The device is not eligible, has no provider for it, or is unknown; looked at again when capabilities change.
    Refused,
    /// The provider says that it cannot be; waits for another revision.
    Rejected,
    /// Being taken off the device.
    Removing,
}

/// A status report that waits to be delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// When the state was observed. The wire format has no member for it; it is kept for the log and the operator.
    pub at: Timestamp,
    /// What is reported.
    pub status: DeploymentStatus,
}

impl Report {
    /// A report of what was observed then.
    pub const fn new(at: Timestamp, status: DeploymentStatus) -> Self {
        Self { at, status }
    }

    /// Whether nothing follows: the deployment is gone.
    pub fn is_last(&self) -> bool {
        self.status.status.state == DeploymentState::Removed
    }
}

/// A change of the state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A document is stored.
    Store(Digest, Arc<[u8]>),
    /// A document is needed no more.
    Discard(Digest),
    /// A manifest is accepted; its documents are stored before it in the same commit, or earlier.
    Accept(Accepted),
    /// A deployment came this far.
    Current(DeploymentId, Current),
    /// Nothing is left of a deployment.
    Forget(DeploymentId),
    /// A report is made, under this number.
    Report(u64, Report),
    /// The report of this number was delivered, folded into a later one, or given up.
    Settle(u64),
    /// The fleet manager knows these capabilities of a device.
    Reported(DeviceId, Digest),
    /// The fleet manager knows the device no more.
    Unreported(DeviceId),
}

impl State {
    /// Makes a change in memory.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Store(digest, bytes) => {
                self.documents.insert(digest, bytes);
            }
            Change::Discard(digest) => {
                self.documents.remove(&digest);
            }
            Change::Accept(accepted) => self.accepted = Some(accepted),
            Change::Current(id, current) => {
                self.current.insert(id, current);
            }
            Change::Forget(id) => {
                self.current.remove(&id);
            }
            Change::Report(number, report) => {
                let id = report.status.deployment_id;
                if report.is_last() {
                    self.last.remove(&id);
                } else {
                    self.last.insert(id, report.status.clone());
                }
                self.outbox.insert(number, report);
            }
            Change::Settle(number) => {
                self.outbox.remove(&number);
            }
            Change::Reported(device, digest) => {
                self.capabilities.insert(device, digest);
            }
            Change::Unreported(device) => {
                self.capabilities.remove(&device);
            }
        }
    }

    /// Only the manifest and the documents.
    pub(crate) fn of_manifest(&self) -> Self {
        Self {
            accepted: self.accepted.clone(),
            documents: self.documents.clone(),
            ..Self::default()
        }
    }

    /// The newest manifest that a deployment was adopted from (rc3.md section 5.2): the accepted one, as long as that has the
    /// revision that is held. `None` when nothing was adopted.
    pub fn adopted(&self, id: DeploymentId) -> Option<ManifestVersion> {
        let current = self.current.get(&id)?;
        let accepted = self.accepted.as_ref();
        let same = accepted.filter(|it| it.deployments.get(&id) == Some(&current.revision));
        Some(same.map_or(current.adopted, |it| it.version.max(current.adopted)))
    }

    /// Whether a document of this deployment is needed.
    pub(crate) fn refers_to(&self, id: DeploymentId, document: &Digest) -> bool {
        let accepted = self.accepted.as_ref();
        let desired = accepted.and_then(|it| it.deployments.get(&id));
        let current = self.current.get(&id);
        let current = current
            .into_iter()
            .flat_map(|it| it.applied.iter().chain([&it.revision]));
        desired.into_iter().chain(current).any(|it| it == document)
    }

    /// The digests of the documents that are needed.
    pub fn referenced(&self) -> BTreeSet<Digest> {
        let desired = self.accepted.iter().flat_map(|it| it.deployments.values());
        let current = self.current.values();
        let current = current.flat_map(|it| it.applied.iter().chain([&it.revision]));
        desired.chain(current).copied().collect()
    }

    /// Checks that every document that is needed is there, with the bytes it is named by.
    ///
    /// # Errors
    /// [`ErrorKind::State`]: the state is damaged.
    pub fn check(&self) -> Result<(), Error> {
        for digest in self.referenced() {
            match self.documents.get(&digest) {
                Some(bytes) if Digest::of(bytes) == digest => {}
                found => {
                    let what = found.map_or("is missing", |_| "has other bytes");
                    let message = format!(
                        "the state is damaged: the deployment document {digest} {what}; \
                         set the state aside and let the device fetch everything again"
                    );
                    return Err(Error::new(ErrorKind::State, message));
                }
            }
        }
        Ok(())
    }
}
