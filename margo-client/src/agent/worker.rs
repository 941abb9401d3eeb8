//! One step of one deployment, in a task of its own.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use margo_providers::{Progress, ProviderError, Trouble};
use margo_types::Digest;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ComponentName, DeploymentId, DeviceId};
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus, StatusError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::shared::Shared;
use super::statuses::Subject;
use crate::Error;
use crate::gateway::Refusal;
use crate::reconcile::{Action, Step};
use crate::state::{Change, Current, Phase};

/// How a step ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// As it should.
    Done,
    /// It failed, and was reported; it is to be tried again unless the provider said that it is no use.
    Failed(StatusError),
    /// The state could not be written; whatever was done will be done again.
    NotWritten(Error),
    /// What an observation found.
    Seen(Seen),
    /// The agent stops, or the world changed before the step began.
    Dropped,
}

/// What an observation found.
#[derive(Debug)]
pub(super) enum Seen {
    /// Everything runs as desired.
    Good,
    /// Something is on its way up or down.
    Unsettled,
    /// It drifted.
    Drifted(StatusError),
    /// The engine could not be asked.
    Unknown(StatusError),
}

/// One deployment's work.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) id: DeploymentId,
    /// Whether the same step failed before: then only its outcome is reported, not each new attempt.
    pub(super) again: bool,
}

impl Worker {
    pub(super) async fn step(self, step: Step, refusal: Option<Refusal>) -> Outcome {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return Outcome::Dropped;
        };
        // Of a thousand that wait for their turn, none has room for its work yet.
        Box::pin(self.begin(step, refusal, permit)).await
    }

    async fn begin(
        self,
        step: Step,
        refusal: Option<Refusal>,
        permit: OwnedSemaphorePermit,
    ) -> Outcome {
        let ended = match (step.action, step.revision, refusal) {
            (Action::Remove, ..) => self.remove(permit).await,
            (Action::Refuse, Some(revision), Some(refusal)) => self.refuse(revision, refusal).await,
            (Action::Install | Action::Update | Action::Repair, Some(revision), _) => {
                self.apply(revision, step.host, permit).await
            }
            _ => Ok(Outcome::Dropped),
        };
        ended.unwrap_or_else(Outcome::NotWritten)
    }

    async fn apply(
        &self,
        revision: Digest,
        host: Option<DeviceId>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Outcome, Error> {
        let (shared, id) = (&self.shared, self.id);
        let accepted = shared.ledger.read(|state| {
            let accepted = state.accepted.as_ref()?;
            (accepted.deployments.get(&id) == Some(&revision)).then_some(accepted.version)
        });
        let (Some(adopted), Some(deployment)) = (accepted, shared.document(&revision)) else {
            return Ok(Outcome::Dropped);
        };
        let devices = shared.devices();
        let subject = Subject::on(&devices, host.as_ref(), Arc::clone(&deployment), adopted);
        let device = host.as_ref().and_then(|host| devices.get(host));
        let Some(provider) = device
            .and_then(|device| device.provider(&deployment))
            .cloned()
        else {
            return Ok(Outcome::Dropped);
        };

        // From here on the revision is adopted, and there may be something to remove.
        let current = Current {
            revision,
            adopted,
            applied: Some(revision),
            host,
            phase: Phase::Applying,
        };
        let (started, status) = (current.clone(), subject.all(&DeploymentState::Installing));
        let (again, now) = (self.again, shared.now());
        let begin = shared.ledger.change(move |draft| {
            // A manifest may have been accepted meanwhile.
            let accepted = draft.state().accepted.as_ref();
            let is_desired = accepted.is_some_and(|it| it.deployments.get(&id) == Some(&revision));
            if is_desired {
                draft.make(Change::Current(id, started));
                if !again {
                    draft.report(status, now);
                }
            }
            is_desired
        });
        if !begin.await? {
            return Ok(Outcome::Dropped);
        }

        let (teller, heard) = Teller::new();
        let work = provider.apply(&deployment, &teller);
        let components = subject.uniform(&DeploymentState::Pending);
        let (ended, components) = self
            .watch(work, &subject, components, heard, permit)
            .await?;
        let (phase, status, outcome) = match ended {
            Ok(()) => {
                let status = subject.all(&DeploymentState::Installed);
                (Phase::Installed, status, Outcome::Done)
            }
            Err(error) => {
                log_failure(&deployment, &error);
                let phase = if error.trouble.is_transient() {
                    Phase::Applying
                } else {
                    Phase::Rejected
                };
                let (status, whole) = subject.failed(components, &error);
                (phase, status, Outcome::Failed(whole))
            }
        };
        let now = shared.now();
        let end = shared.ledger.change(move |draft| {
            let mut current = Current { phase, ..current };
            let mut status = status;
            // Manifests that were accepted meanwhile with the same revision have adopted it as well.
            if let Some(adopted) = draft.state().adopted(id) {
                current.adopted = current.adopted.max(adopted);
                status.adopted_manifest_version = Some(current.adopted);
            }
            draft.make(Change::Current(id, current));
            draft.report(status, now);
        });
        end.await?;
        Ok(outcome)
    }

    async fn remove(&self, permit: OwnedSemaphorePermit) -> Result<Outcome, Error> {
        let (shared, id) = (&self.shared, self.id);
        let (current, adopted) = shared
            .ledger
            .read(|state| (state.current.get(&id).cloned(), state.adopted(id)));
        let (Some(current), Some(adopted)) = (current, adopted) else {
            return Ok(Outcome::Dropped);
        };
        let document = current.applied.as_ref().unwrap_or(&current.revision);
        let Some(deployment) = shared.document(document) else {
            let code = Trouble::Device.code();
            let why = "the stored deployment cannot be read, so that it cannot be removed; use the version of the agent \
                       that installed it";
            return Ok(Outcome::Failed(StatusError::new(code, "", why)));
        };
        let devices = shared.devices();
        let host = current.host.as_ref();
        let subject = Subject::on(&devices, host, Arc::clone(&deployment), adopted);

        let mut removing = current.clone();
        removing.phase = Phase::Removing;
        let (again, now) = (self.again, shared.now());
        let status = subject.all(&DeploymentState::Removing);
        let begin = shared.ledger.change(move |draft| {
            draft.make(Change::Current(id, removing));
            if !again {
                draft.report(status, now);
            }
        });
        begin.await?;

        let mut components = subject.uniform(&DeploymentState::Removing);
        let mut ended = Ok(());
        if current.applied.is_some() {
            let device = host.and_then(|host| devices.get(host));
            if let Some(provider) = device.and_then(|device| device.provider(&deployment)) {
                let (teller, heard) = Teller::new();
                let work = provider.remove(&deployment, &teller);
                (ended, components) = self
                    .watch(work, &subject, components, heard, permit)
                    .await?;
            } else {
                ended = Err(ProviderError::new(
                    Trouble::Engine,
                    "the device or provider that the deployment was applied with is no longer configured; configure it \
                     again, so that the deployment can be removed",
                ));
            }
        }
        let now = shared.now();
        match ended {
            Ok(()) => {
                let status = subject.all(&DeploymentState::Removed);
                let end = shared.ledger.change(move |draft| {
                    draft.make(Change::Forget(id));
                    let accepted = draft.state().accepted.as_ref();
                    // One that only moves to another device is not removed from the fleet.
                    if !accepted.is_some_and(|it| it.deployments.contains_key(&id)) {
                        draft.report(status, now);
                    }
                });
                end.await?;
                Ok(Outcome::Done)
            }
            Err(error) => {
                log_failure(&deployment, &error);
                let (status, whole) = subject.failed(components, &error);
                let end = shared.ledger.change(move |draft| draft.report(status, now));
                end.await?;
                Ok(Outcome::Failed(whole))
            }
        }
    }

    async fn refuse(&self, revision: Digest, refusal: Refusal) -> Result<Outcome, Error> {
        let (shared, id) = (&self.shared, self.id);
        let accepted = shared.ledger.read(|state| {
            let accepted = state.accepted.as_ref()?;
            (accepted.deployments.get(&id) == Some(&revision)).then_some(accepted.version)
        });
        let (Some(adopted), Some(deployment)) = (accepted, shared.document(&revision)) else {
            return Ok(Outcome::Dropped);
        };
        tracing::warn!(deployment = %id, code = refusal.error.code, why = refusal.error.message, "refused");
        let subject = Subject::on(&shared.devices(), None, deployment, adopted);
        let (status, now) = (subject.refused(&refusal), shared.now());
        let write = shared.ledger.change(move |draft| {
            // Another manifest may have been accepted since.
            let accepted = draft.state().accepted.as_ref();
            if accepted.and_then(|it| it.deployments.get(&id)) != Some(&revision) {
                return false;
            }
            let before = draft.state().current.get(&id);
            let current = Current {
                revision,
                adopted,
                applied: before.and_then(|it| it.applied),
                host: before.and_then(|it| it.host.clone()),
                phase: Phase::Refused,
            };
            draft.make(Change::Current(id, current));
            draft.report(status, now);
            true
        });
        Ok(if write.await? {
            Outcome::Failed(refusal.error)
        } else {
            Outcome::Dropped
        })
    }

    /// Looks at an installed deployment. `patience` tells whether it may still be on its way up.
    pub(super) async fn observe(self, patient: bool) -> Outcome {
        let Ok(_permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return Outcome::Dropped;
        };
        Box::pin(self.look(patient))
            .await
            .unwrap_or_else(Outcome::NotWritten)
    }

    async fn look(&self, patient: bool) -> Result<Outcome, Error> {
        let (shared, id) = (&self.shared, self.id);
        let (current, adopted) = shared
            .ledger
            .read(|state| (state.current.get(&id).cloned(), state.adopted(id)));
        let current = current.filter(|it| it.phase == Phase::Installed);
        let (Some(current), Some(adopted)) = (current, adopted) else {
            return Ok(Outcome::Dropped);
        };
        let devices = shared.devices();
        let (Some(applied), Some(host)) = (current.applied, current.host.as_ref()) else {
            return Ok(Outcome::Dropped);
        };
        let Some(deployment) = shared.document(&applied) else {
            return Ok(Outcome::Dropped);
        };
        let subject = Subject::on(&devices, Some(host), Arc::clone(&deployment), adopted);
        let device = devices.get(host);
        let Some(provider) = device.and_then(|device| device.provider(&deployment)) else {
            return Ok(Outcome::Dropped);
        };
        let looking = AssertUnwindSafe(provider.observe(&deployment)).catch_unwind();
        let observed = match tokio::time::timeout(shared.options.patience, looking).await {
            Ok(observed) => observed.unwrap_or_else(|_| Err(panicked())),
            Err(_) => Err(ProviderError::new(
                Trouble::Engine,
                "the engine does not answer",
            )),
        };
        let (status, seen) = match observed {
            Err(error) => {
                log_failure(&deployment, &error);
                let whole = error.to_status(&deployment.metadata.name);
                return Ok(Outcome::Seen(Seen::Unknown(whole)));
            }
            Ok(observation) if observation.is_installed() => {
                (subject.all(&DeploymentState::Installed), Seen::Good)
            }
            Ok(observation) if patient && is_unsettled(&observation.components) => {
                return Ok(Outcome::Seen(Seen::Unsettled));
            }
            Ok(observation) => {
                let (status, error) = subject.drifted(observation.components);
                tracing::warn!(deployment = %id, why = error.message, "drifted");
                (status, Seen::Drifted(error))
            }
        };
        // A newer manifest with the same revision is no news of it: nothing asks for a report (rc3.md section 5.2).
        let is_known = shared.ledger.read(|state| {
            let last = state.last.get(&id);
            last.is_some_and(|last| says_the_same(last, &status))
        });
        if !is_known {
            let now = shared.now();
            let write = shared.ledger.change(move |draft| draft.report(status, now));
            write.await?;
        }
        Ok(Outcome::Seen(seen))
    }

    /// Runs a provider's work to its end, and reports what it tells meanwhile. Work that takes longer than the patience of
    /// the agent gives its place to others and goes on: one that is stuck holds nobody up.
    async fn watch(
        &self,
        work: impl Future<Output = Result<(), ProviderError>>,
        subject: &Subject,
        mut components: Vec<ComponentStatus>,
        mut heard: mpsc::UnboundedReceiver<(ComponentName, DeploymentState)>,
        permit: OwnedSemaphorePermit,
    ) -> Result<(Result<(), ProviderError>, Vec<ComponentStatus>), Error> {
        let shared = &self.shared;
        let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
        let mut overtime = pin!(tokio::time::sleep(shared.options.patience));
        let mut permit = Some(permit);
        loop {
            let first = tokio::select! {
                biased;
                ended = &mut work => {
                    while let Ok(told) = heard.try_recv() {
                        note(&mut components, told);
                    }
                    return Ok((ended.unwrap_or_else(|_| Err(panicked())), components));
                }
                Some(told) = heard.recv() => told,
                () = &mut overtime, if permit.is_some() => {
                    permit = None;
                    continue;
                }
            };
            note(&mut components, first);
            while let Ok(told) = heard.try_recv() {
                note(&mut components, told);
            }
            let all_done = |state| components.iter().all(|it| it.state == state);
            let outcome =
                all_done(DeploymentState::Installed) || all_done(DeploymentState::Removed);
            if !self.again && !outcome {
                let (status, now) = (subject.with(components.clone()), shared.now());
                let write = shared.ledger.change(move |draft| draft.report(status, now));
                write.await?;
            }
        }
    }
}

/// Passes on what a provider tells.
struct Teller(mpsc::UnboundedSender<(ComponentName, DeploymentState)>);

impl Teller {
    fn new() -> (
        Self,
        mpsc::UnboundedReceiver<(ComponentName, DeploymentState)>,
    ) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }
}

impl Progress for Teller {
    fn component(&self, name: &ComponentName, state: DeploymentState) {
        let _ = self.0.send((name.clone(), state));
    }
}

fn note(components: &mut [ComponentStatus], (name, state): (ComponentName, DeploymentState)) {
    if let Some(component) = components.iter_mut().find(|it| it.name == name) {
        component.state = state;
    }
}

/// Whether two reports differ at most in the manifest they name.
fn says_the_same(one: &DeploymentStatus, other: &DeploymentStatus) -> bool {
    one.status == other.status
        && one.components == other.components
        && one.device_id == other.device_id
}

fn is_unsettled(components: &[ComponentStatus]) -> bool {
    components.iter().all(|it| {
        matches!(
            it.state,
            DeploymentState::Installed | DeploymentState::Installing | DeploymentState::Pending
        )
    })
}

fn panicked() -> ProviderError {
    ProviderError::new(
        Trouble::Device,
        "the provider panicked; this is a fault of its program",
    )
}

fn log_failure(deployment: &ApplicationDeployment, error: &ProviderError) {
    let source = error.source.as_ref().map(ToString::to_string);
    tracing::warn!(
        deployment = %deployment.id,
        name = deployment.metadata.name,
        // Quoted: it may have the last lines of a container, which must not look like lines of this log.
        error = error.to_string(),
        source,
        "the provider failed"
    );
}
