//! What an agent asks of the world, in its order, with a switch for the power.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use margo_client::state::{Change, FileStore, State, StateStore};
use margo_client::{Error, ErrorKind, FleetApi, Poll};
use margo_types::SpecVersion;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::etag::EntityTag;
use margo_types::id::DeviceId;
use margo_types::manifest::{BundleReference, DeploymentReference};
use margo_types::status::DeploymentStatus;
use tokio::sync::Notify;

/// What happened, in its order, by everybody who has a clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    lines: Mutex<Vec<String>>,
    /// After how many more lines the power fails.
    charge: Mutex<Option<usize>>,
    cut: Notify,
    restored: Notify,
}

impl Journal {
    /// Notes what begins or has ended. Without power nothing goes on until it is back, and then false says so: whoever
    /// waited belongs to an agent that is dead.
    pub(super) async fn note(&self, what: impl Into<String>) -> bool {
        let restored = {
            let mut charge = self.0.charge.lock().unwrap();
            if *charge != Some(0) {
                *charge = charge.map(|left| left - 1);
                self.0.lines.lock().unwrap().push(what.into());
                return true;
            }
            self.0.restored.notified()
        };
        self.0.cut.notify_one();
        restored.await;
        false
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lines.lock().unwrap().clone()
    }

    pub(super) fn count(&self, prefix: &str) -> usize {
        let lines = self.lines();
        lines.iter().filter(|it| it.starts_with(prefix)).count()
    }

    /// Lets the power fail after so many more lines; never with `None`.
    pub(super) fn charge(&self, lines: Option<usize>) {
        *self.0.charge.lock().unwrap() = lines;
        self.0.restored.notify_waiters();
    }

    /// Waits until the power has failed.
    pub(super) async fn cut(&self) {
        self.0.cut.notified().await;
    }
}

/// The way to the fleet manager.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) api: Box<dyn FleetApi>,
    pub(super) journal: Journal,
}

impl Line {
    async fn noted<T>(&self, what: String, exchange: impl Future<Output = T>) -> T {
        self.journal.note(format!("api {what}")).await;
        let answer = exchange.await;
        self.journal.note(format!("answer to {what}")).await;
        answer
    }
}

#[async_trait]
impl FleetApi for Line {
    fn generation(&self) -> SpecVersion {
        self.api.generation()
    }

    async fn manifest(&self, held: Option<&EntityTag>) -> Result<Poll, Error> {
        self.noted("manifest".to_owned(), self.api.manifest(held))
            .await
    }

    async fn deployment(&self, reference: &DeploymentReference) -> Result<Bytes, Error> {
        self.noted("deployment".to_owned(), self.api.deployment(reference))
            .await
    }

    async fn bundle(&self, reference: &BundleReference) -> Result<Bytes, Error> {
        self.noted("bundle".to_owned(), self.api.bundle(reference))
            .await
    }

    async fn report_capabilities(&self, capabilities: &DeviceCapabilities) -> Result<(), Error> {
        let what = format!("capabilities {}", capabilities.properties.id);
        self.noted(what, self.api.report_capabilities(capabilities))
            .await
    }

    async fn remove_device(&self, device: &DeviceId) -> Result<(), Error> {
        let what = format!("remove-device {device}");
        self.noted(what, self.api.remove_device(device)).await
    }

    async fn report_status(&self, status: &DeploymentStatus) -> Result<(), Error> {
        let what = format!("status {}", status.status.state);
        self.noted(what, self.api.report_status(status)).await
    }
}

/// The disk.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) state: FileStore,
    pub(super) journal: Journal,
}

#[async_trait]
impl StateStore for Disk {
    async fn load(&self) -> Result<State, Error> {
        self.state.load().await
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        if !self.journal.note("commit").await {
            return Err(Error::new(ErrorKind::State, "there was no power"));
        }
        let written = self.state.commit(changes).await;
        self.journal.note("committed").await;
        written
    }
}
