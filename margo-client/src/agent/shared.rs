//! What the parts of an agent have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::Timestamp;
use margo_types::Digest;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::status::{DeploymentState, DeploymentStatus};
use tokio::sync::{Notify, watch};

use super::clock::Steady;
use super::snapshot::Snapshot;
use super::statuses::Subject;
use super::{Clock, Options, Veto};
use crate::gateway::{Devices, Placement};
use crate::reconcile::Desired;
use crate::retry::RetryPolicy;
use crate::schedule::Schedule;
use crate::state::{Change, Current, Draft, Ledger, Phase, State};
use crate::sync::{self, Update};
use crate::{Error, FleetApi};

pub(super) struct Shared {
    pub(super) api: Arc<dyn FleetApi>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) devices: RwLock<Arc<Devices>>,
    pub(super) schedule: Schedule,
    pub(super) retry: RetryPolicy,
    pub(super) options: Options,
    pub(super) clock: Arc<dyn Clock>,
    /// For waits, which a clock that is set must not change.
    pub(super) steady: Steady,
    pub(super) veto: Option<Arc<dyn Veto>>,
    pub(super) snapshot: watch::Sender<Snapshot>,
    /// There may be something to reconcile.
    pub(super) changed: Notify,
    /// The fleet manager is to be asked now.
    pub(super) poke: Notify,
    /// Whether the fleet manager was told the capabilities since the start.
    pub(super) introduced: watch::Sender<bool>,
    /// Parsed once; `None` what cannot be read.
    documents: Mutex<Documents>,
}

type Documents = BTreeMap<Digest, Option<Arc<ApplicationDeployment>>>;

/// What should be of a deployment and where it goes or why not, and what is there.
pub(super) type Outlook = (Option<(Desired, Placement)>, Option<Current>);

impl Shared {
    #[allow(clippy::too_many_arguments, reason = "the builder names them")]
    pub(super) fn new(
        api: Arc<dyn FleetApi>,
        ledger: Arc<Ledger>,
        devices: Devices,
        schedule: Schedule,
        retry: RetryPolicy,
        options: Options,
        clock: Arc<dyn Clock>,
        veto: Option<Arc<dyn Veto>>,
    ) -> Self {
        Self {
            api,
            ledger,
            devices: RwLock::new(Arc::new(devices)),
            schedule,
            retry,
            options,
            steady: Steady::new(clock.now()),
            clock,
            veto,
            snapshot: watch::Sender::default(),
            changed: Notify::new(),
            poke: Notify::new(),
            introduced: watch::Sender::new(false),
            documents: Mutex::default(),
        }
    }

    pub(super) fn devices(&self) -> Arc<Devices> {
        let devices = self.devices.read();
        Arc::clone(&devices.unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The deployment whose document has this digest, parsed once.
    pub(super) fn document(&self, digest: &Digest) -> Option<Arc<ApplicationDeployment>> {
        if let Some(known) = self.documents().get(digest) {
            return known.clone();
        }
        let bytes = self
            .ledger
            .read(|state| state.documents.get(digest).cloned())?;
        let generation = self.api.generation();
        let read = sync::read_document(&bytes, generation, &self.options.limits);
        let document = read
            .inspect_err(|error| {
                tracing::error!(%digest, %error, "a stored deployment cannot be read with this version and its limits; it is left alone");
            })
            .ok()
            .map(Arc::new);
        self.documents().insert(*digest, document.clone());
        document
    }

    /// Forgets what was parsed of documents that are not stored any more.
    pub(super) fn forget_documents(&self) {
        let mut parsed = self.documents();
        self.ledger.read(|state| {
            if parsed.len() > state.documents.len() {
                parsed.retain(|digest, _| state.documents.contains_key(digest));
            }
        });
    }

    fn documents(&self) -> MutexGuard<'_, Documents> {
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What should be of a deployment, with its place, and what is there.
    ///
    /// Of one that is desired and cannot be read that is nothing, so that it is left as it is: it is no reason to remove
    /// anything.
    pub(super) fn outlook(&self, devices: &Devices, id: DeploymentId) -> Outlook {
        let (desired, current) = self.ledger.read(|state| {
            let accepted = state.accepted.as_ref();
            let desired = accepted.and_then(|it| it.deployments.get(&id).copied());
            (desired, state.current.get(&id).cloned())
        });
        let Some(revision) = desired else {
            return (None, current);
        };
        let Some(deployment) = self.document(&revision) else {
            return (None, None);
        };
        let placement = place(devices, &deployment, revision, current.as_ref());
        let desired = Desired::new(revision, placement.as_ref().ok().cloned());
        (Some((desired, placement)), current)
    }

    /// Everything that is desired, or of which something is there.
    pub(super) fn all(&self) -> BTreeSet<DeploymentId> {
        self.ledger.read(|state| {
            let desired = state.accepted.iter().flat_map(|it| it.deployments.keys());
            desired.chain(state.current.keys()).copied().collect()
        })
    }

    /// Accepts a manifest with its documents, and makes the reports that come with it: `pending` for what is new, `removed`
    /// for what was never begun. What is the same as in the manifest before is not touched.
    ///
    /// `held` is what the fleet manager was asked with. A document of it that the manifest needs is stored again if it was
    /// discarded meanwhile: nothing of what is accepted may be missing.
    pub(super) async fn accept(&self, update: Update, held: State) -> Result<(), Error> {
        let devices = self.devices();
        let now = self.now();
        let Update {
            accepted,
            documents,
            deployments,
        } = update;
        // Before the commit: what it stirs up looks for them at once.
        let read = deployments.iter();
        let read = read.map(|(digest, read)| (*digest, Some(Arc::clone(read))));
        self.documents().extend(read);
        let write = self.ledger.change(move |draft| {
            for (digest, bytes) in documents {
                draft.make(Change::Store(digest, bytes));
            }
            for digest in accepted.deployments.values() {
                if !draft.state().documents.contains_key(digest)
                    && let Some(bytes) = held.documents.get(digest)
                {
                    draft.make(Change::Store(*digest, Arc::clone(bytes)));
                }
            }
            let before = draft.state().accepted.clone();
            let differences = accepted.differences(before.as_ref());
            for (id, ..) in &differences {
                adopt_for_good(draft, *id);
            }
            let version = accepted.version;
            draft.make(Change::Accept(accepted));
            for (id, _, revision) in differences {
                if draft.state().current.contains_key(&id) {
                    continue;
                }
                let Some(revision) = revision else {
                    if let Some(last) = draft.state().last.get(&id) {
                        let status = removed(last.clone());
                        draft.report(status, now);
                    }
                    continue;
                };
                let Some(deployment) = deployments.get(&revision) else {
                    continue;
                };
                // Where no device takes it, the refusal that follows at once says so.
                if let Ok(host) = place(&devices, deployment, revision, None) {
                    let deployment = Arc::clone(deployment);
                    let subject = Subject::on(&devices, Some(&host), deployment, version);
                    draft.report(subject.all(&DeploymentState::Pending), now);
                }
            }
        });
        write.await
    }

    /// Notes how the last write of the state went.
    pub(super) fn note_state(&self, outcome: &Result<(), Error>) {
        let text = outcome.as_ref().err().map(ToString::to_string);
        let is_news = self.snapshot.borrow().state_error != text;
        if let Some(text) = text.as_ref().filter(|_| is_news) {
            tracing::error!(error = text.as_str(), "the state was not written");
        }
        self.snapshot.send_if_modified(|snapshot| {
            let changed = snapshot.state_error != text;
            snapshot.state_error = text;
            changed
        });
    }
}

/// Notes the newest manifest that a deployment was adopted from, before there is one with another revision of it.
fn adopt_for_good(draft: &mut Draft, id: DeploymentId) {
    let state = draft.state();
    if let (Some(current), Some(adopted)) = (state.current.get(&id), state.adopted(id))
        && current.adopted != adopted
    {
        let mut current = current.clone();
        current.adopted = adopted;
        draft.make(Change::Current(id, current));
    }
}

/// What is to be said of a deployment that was never begun and is not desired any more.
fn removed(mut last: DeploymentStatus) -> DeploymentStatus {
    last.status.state = DeploymentState::Removed;
    last.status.error = None;
    for component in &mut last.components {
        component.state = DeploymentState::Removed;
        component.error = None;
    }
    last
}

/// Where a deployment goes. What is there in this revision stays, as long as the device can run it at all: rules are for what
/// is yet to be deployed (D40), and a changed label must not stop a machine.
fn place(
    devices: &Devices,
    deployment: &ApplicationDeployment,
    revision: Digest,
    current: Option<&Current>,
) -> Placement {
    let host = current.and_then(|it| it.host.as_ref());
    let stays = current.is_some_and(|it| {
        it.revision == revision
            && it.applied == Some(revision)
            && matches!(
                it.phase,
                Phase::Installed | Phase::Applying | Phase::Rejected
            )
    });
    let can_run = |host: &&DeviceId| {
        let device = devices.get(host);
        device.is_some_and(|device| device.provider(deployment).is_some())
    };
    match host.filter(|host| stays && can_run(host)) {
        Some(host) => Ok(host.clone()),
        None => devices.place(deployment, host),
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("api", &self.api)
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}
