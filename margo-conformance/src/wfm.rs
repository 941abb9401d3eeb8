//! A fleet manager of the newest generation, over mutual TLS, that does what a test tells it to (rc3.md sections 3 to 6).
//!
//! ```no_run
//! # async fn test(
//! #     authority: &margo_conformance::authority::Authority,
//! #     id: &margo_types::id::SpiffeId,
//! #     deployment: &margo_types::deployment::ApplicationDeployment,
//! # ) {
//! use margo_conformance::wfm::{Answer, FakeWfm, Lie};
//! use margo_types::endpoint::Operation;
//! use margo_types::status::DeploymentState;
//!
//! let wfm = FakeWfm::start(authority, id).await;
//! wfm.assign(deployment);
//! wfm.fail_next(Operation::Manifest, 2, Answer::problem(503).retry_after(1));
//! wfm.wait_for_status(&deployment.id, &DeploymentState::Installed).await;
//! wfm.lie(Lie::WrongDigest);
//! # }
//! ```

mod answer;
mod desired;
mod serve;
mod state;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use margo_types::SpecVersion;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::endpoint::Operation;
use margo_types::id::{DeploymentId, DeviceId, SpiffeId};
use margo_types::manifest::ManifestVersion;
use margo_types::status::{DeploymentState, DeploymentStatus};

pub use self::answer::Answer;
pub use self::desired::Lie;
use self::state::{Shared, State};
use crate::authority::{Authority, IssuedSvid, Lifetime};
use crate::request::RecordedRequest;
use crate::server::Port;

/// A fleet manager that has one desired state for whoever presents an SVID of its authority.
///
/// It is an independent reading of the specification: nothing of margo-server-traits is in it. Whom it speaks to it does
/// not judge beyond the certificate chain; the requests have the certificates.
#[derive(Debug)]
pub struct FakeWfm {
    port: Port,
    shared: Arc<Shared>,
    id: SpiffeId,
}

impl FakeWfm {
    /// Starts one with an SVID of this ID, and an empty manifest of version 1.
    ///
    /// The ID may be any: a test may want a fleet manager that its client must not recognise.
    pub async fn start(authority: &Authority, id: &SpiffeId) -> Self {
        let config = tls::config(authority, id, Lifetime::default());
        let shared = Arc::new(Shared::new(config));
        let served = Arc::clone(&shared);
        let handle = move |stream| serve::connection(stream, Arc::clone(&served));
        Self {
            port: Port::listen(handle).await,
            shared,
            id: id.clone(),
        }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.port.host()
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.host())
    }

    /// Its SPIFFE ID.
    pub const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// Presents an SVID of this authority, and trusts no other, from the next connection on.
    pub fn move_to(&self, authority: &Authority, lifetime: Lifetime) {
        self.shared
            .set_tls(tls::config(authority, &self.id, lifetime));
    }

    /// Presents this certificate, which may be any, from the next connection on.
    pub fn present(&self, authority: &Authority, certificate: &IssuedSvid) {
        self.shared
            .set_tls(tls::config_with(authority, certificate));
    }

    /// Cuts all connections and takes no others, as if it were down.
    pub async fn stop(&self) {
        self.port.close().await;
    }

    /// Serves again after [`stop`](Self::stop), on the same port, with everything it knew.
    pub fn restart(&self) {
        self.port.open();
    }
}

/// What is desired.
impl FakeWfm {
    /// Adds a deployment, or replaces that of the same ID, in a new manifest.
    ///
    /// # Panics
    /// When the newest generation cannot express the deployment.
    pub fn assign(&self, deployment: &ApplicationDeployment) {
        let document = margo_types::write(deployment, SpecVersion::NEWEST)
            .expect("the newest generation can express the deployment");
        self.assign_document(&deployment.id, document);
    }

    /// Adds a deployment with exactly this document, which may be nonsense, in a new manifest.
    pub fn assign_document(&self, id: &DeploymentId, document: impl Into<Bytes>) {
        self.change(|state| state.desired.assign(*id, document.into()));
    }

    /// Leaves a deployment out of a new manifest.
    pub fn withdraw(&self, id: &DeploymentId) {
        self.change(|state| state.desired.withdraw(id));
    }

    /// The version of the newest manifest.
    pub fn version(&self) -> ManifestVersion {
        self.shared.look(|state| state.desired.version())
    }

    /// Publishes what is desired now under this version, whatever came before.
    pub fn publish_as(&self, version: ManifestVersion) {
        self.change(|state| state.desired.publish_as(version));
    }
}

/// What goes wrong.
impl FakeWfm {
    /// Answers the next `times` requests of an operation like this. What was said before goes first.
    pub fn fail_next(&self, operation: Operation, times: usize, answer: Answer) {
        self.change(|state| state.fail(operation, times, answer));
    }

    /// Answers all requests of an operation like this, until [`recover`](Self::recover).
    pub fn fail_always(&self, operation: Operation, answer: Answer) {
        self.fail_next(operation, usize::MAX, answer);
    }

    /// Lies like this, and in no other way, until [`recover`](Self::recover).
    pub fn lie(&self, lie: Lie) {
        self.change(|state| state.desired.lie = Some(lie));
    }

    /// Does everything right from now on.
    pub fn recover(&self) {
        self.change(State::recover);
    }
}

/// What came.
impl FakeWfm {
    /// Every request so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.look(|state| {
            state
                .requests
                .iter()
                .map(|(_, seen)| seen.clone())
                .collect()
        })
    }

    /// The requests of one operation.
    pub fn requests_for(&self, operation: Operation) -> Vec<RecordedRequest> {
        self.shared.look(|state| state.requests_for(operation))
    }

    /// The reports on a deployment that were accepted, in the order of their arrival, from all devices.
    pub fn statuses(&self, id: &DeploymentId) -> Vec<DeploymentStatus> {
        self.shared.look(|state| state.statuses(id))
    }

    /// The devices that are known, with their last capabilities.
    pub fn devices(&self) -> BTreeMap<DeviceId, DeviceCapabilities> {
        self.shared.look(|state| state.devices.clone())
    }

    /// Waits until the last report on a deployment has this state, and gives it.
    ///
    /// # Panics
    /// When that takes more than a minute.
    pub async fn wait_for_status(
        &self,
        id: &DeploymentId,
        state: &DeploymentState,
    ) -> DeploymentStatus {
        self.wait_for_report(id, |report| report.status.state == *state)
            .await
    }

    /// Waits until the last report on a deployment is as desired, and gives it.
    ///
    /// # Panics
    /// When that takes more than a minute.
    pub async fn wait_for_report(
        &self,
        id: &DeploymentId,
        is_desired: impl Fn(&DeploymentStatus) -> bool,
    ) -> DeploymentStatus {
        let last = |state: &State| state.statuses(id).pop().filter(&is_desired);
        self.wait(&format!("the desired report on {id}"), last)
            .await
    }

    /// Waits until this many requests of an operation have come since the start, and gives all of them.
    ///
    /// # Panics
    /// When that takes more than a minute.
    pub async fn wait_for_requests(
        &self,
        operation: Operation,
        count: usize,
    ) -> Vec<RecordedRequest> {
        let enough = |state: &State| {
            Some(state.requests_for(operation)).filter(|requests| requests.len() >= count)
        };
        self.wait(&format!("{count} requests of {operation:?}"), enough)
            .await
    }

    async fn wait<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let begun = Instant::now();
        let mut changes = self.shared.changes();
        loop {
            if let Some(found) = self.shared.look(&look) {
                return found;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{what} did not come; what came: {:#?}",
                self.shared.look(State::summary)
            );
            // The clock of the runtime may be stopped, so it does not measure the patience.
            let _ = tokio::time::timeout(GLANCE, changes.changed()).await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.shared.change(change);
    }
}

const PATIENCE: Duration = Duration::from_mins(1);
const GLANCE: Duration = Duration::from_millis(500);
