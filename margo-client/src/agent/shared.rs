//! What the parts of an agent have in common.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use margo_types::Digest;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::status::DeploymentState;
use tokio::sync::{Notify, watch};

use super::clock::Steady;
use super::snapshot::Snapshot;
use super::statuses::Subject;
use super::{Clock, Options, Veto};
use crate::gateway::{Devices, Placement};
use crate::reconcile::Desired;
use crate::retry::RetryPolicy;
use crate::schedule::Schedule;
use crate::state::{Change, Current, Ledger, Phase};
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
    documents: Mutex<BTreeMap<Digest, Option<Arc<ApplicationDeployment>>>>,
}

/// What should be, and where it goes or why not.
pub(super) type Wanted = BTreeMap<DeploymentId, (Desired, Placement)>;

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
        let mut parsed = self
            .documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = parsed.get(digest) {
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
        parsed.insert(*digest, document.clone());
        document
    }

    /// What should be, with the place of each, and what is there.
    ///
    /// A desired deployment that cannot be read is in neither, and so left as it is: it is no reason to remove anything.
    pub(super) fn wanted(&self) -> (Wanted, BTreeMap<DeploymentId, Current>) {
        let devices = self.devices();
        let (desired, mut current, revisions) = self.ledger.read(|state| {
            let accepted = state.accepted.as_ref();
            let desired = accepted
                .map(|it| it.deployments.clone())
                .unwrap_or_default();
            (desired, state.current.clone(), state.referenced())
        });
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|digest, _| revisions.contains(digest));
        let mut wanted = Wanted::new();
        for (id, revision) in desired {
            let Some(deployment) = self.document(&revision) else {
                current.remove(&id);
                continue;
            };
            let placement = place(&devices, &deployment, revision, current.get(&id));
            let desired = Desired::new(revision, placement.as_ref().ok().cloned());
            wanted.insert(id, (desired, placement));
        }
        (wanted, current)
    }

    /// Accepts a manifest with its documents, and makes the reports that come with it: `pending` for what is new, `removed`
    /// for what was never begun.
    pub(super) async fn accept(&self, update: Update) -> Result<(), Error> {
        let devices = self.devices();
        let (generation, limits) = (self.api.generation(), self.options.limits);
        let now = self.now();
        self.ledger
            .change(move |draft| {
                let Update {
                    accepted,
                    documents,
                } = update;
                for (digest, bytes) in documents {
                    draft.make(Change::Store(digest, bytes));
                }
                let before = draft.state().accepted.clone();
                draft.make(Change::Accept(accepted.clone()));
                for (id, revision) in &accepted.deployments {
                    if let Some(current) = draft.state().current.get(id) {
                        if current.revision == *revision {
                            let mut current = current.clone();
                            current.adopted = accepted.version;
                            draft.make(Change::Current(*id, current));
                        }
                        continue;
                    }
                    let bytes = draft.state().documents.get(revision);
                    let read = bytes.map(|it| sync::read_document(it, generation, &limits));
                    if let Some(Ok(deployment)) = read {
                        let host = place(&devices, &deployment, *revision, None).ok();
                        let host = host.as_ref();
                        let subject =
                            Subject::on(&devices, host, Arc::new(deployment), accepted.version);
                        // Where no device takes it, the refusal that follows at once says so.
                        if host.is_some() {
                            draft.report(subject.all(&DeploymentState::Pending), now);
                        }
                    }
                }
                let gone = before.into_iter().flat_map(|before| before.deployments);
                for (id, _) in gone.filter(|(id, _)| !accepted.deployments.contains_key(id)) {
                    let never_begun = !draft.state().current.contains_key(&id);
                    if let Some(last) = draft.state().last.get(&id).filter(|_| never_begun) {
                        let mut status = last.clone();
                        status.status.state = DeploymentState::Removed;
                        status.status.error = None;
                        for component in &mut status.components {
                            component.state = DeploymentState::Removed;
                            component.error = None;
                        }
                        draft.report(status, now);
                    }
                }
            })
            .await
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
