//! A fleet manager that does what a test tells it to, of either generation: the newest over mutual TLS (rc3.md sections 3 to
//! 6), the signed one over TLS of the server alone (rc1-and-pre-draft.md part I).
//!
//! ```no_run
//! # async fn test(
//! #     authority: &margo_conformance::authority::Authority,
//! #     id: &margo_types::id::SpiffeId,
//! #     deployment: &margo_types::deployment::ApplicationDeployment,
//! # ) {
//! use margo_conformance::interop::Profile;
//! use margo_conformance::wfm::{Answer, FakeWfm, Lie};
//! use margo_types::endpoint::Operation;
//! use margo_types::status::DeploymentState;
//!
//! let wfm = FakeWfm::start(authority, id).await;
//! wfm.assign(deployment);
//! wfm.fail_next(Operation::Manifest, 2, Answer::problem(503).retry_after(1));
//! wfm.wait_for_status(&deployment.id, &DeploymentState::Installed).await;
//! wfm.lie(Lie::WrongDigest);
//!
//! let other = FakeWfm::start_signed(authority, Profile::SYMPHONY_2025_12).await;
//! other.fail_next(Operation::Onboard, 3, Answer::pending());
//! # }
//! ```

mod answer;
mod content;
mod desired;
mod rc3;
mod serve;
mod signed;
mod speech;
mod state;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::endpoint::Operation;
use margo_types::id::{ClientId, DeploymentId, DeviceId, SpiffeId};
use margo_types::manifest::ManifestVersion;
use margo_types::onboarding::Certificate;
use margo_types::status::{DeploymentState, DeploymentStatus};

pub use self::answer::Answer;
pub use self::desired::Lie;
use self::speech::Speech;
use self::state::{Shared, State};
use crate::authority::{Authority, IssuedSvid, Lifetime};
use crate::interop::{FleetManagerRules, Profile};
use crate::request::RecordedRequest;
use crate::server::Port;

/// A fleet manager that has one desired state for whoever asks as one of its clients.
///
/// It is an independent reading of the specification: nothing of margo-server-traits is in it. In the newest generation
/// its clients are all with an SVID of its authority, beyond whose chain it does not judge; in the signed one, all that
/// have enrolled.
#[derive(Debug)]
pub struct FakeWfm {
    port: Port,
    shared: Arc<Shared>,
}

impl FakeWfm {
    /// Starts one of the newest generation with an SVID of this ID, and an empty manifest of version 1.
    ///
    /// The ID may be any: a test may want a fleet manager that its client must not recognise.
    pub async fn start(authority: &Authority, id: &SpiffeId) -> Self {
        Self::start_speaking(authority, Speech::Newest(id.clone())).await
    }

    /// Starts one of the signed generation that behaves as this profile has it, with an empty manifest of version 1.
    ///
    /// Its certificate is for `127.0.0.1`, `localhost` and `wfm.example.test`.
    pub async fn start_signed(authority: &Authority, profile: Profile) -> Self {
        Self::start_signed_with(authority, profile.fleet_manager).await
    }

    /// The same with rules of a test's own.
    pub async fn start_signed_with(authority: &Authority, rules: FleetManagerRules) -> Self {
        Self::start_speaking(authority, Speech::Signed(Box::new(rules))).await
    }

    async fn start_speaking(authority: &Authority, speech: Speech) -> Self {
        let tls = speech.tls(authority, Lifetime::default());
        let shared = Arc::new(Shared::new(speech, tls));
        shared.change(|state| state.enrolments.root = authority.anchor().into_der());
        let served = Arc::clone(&shared);
        let handle = move |stream| serve::connection(stream, Arc::clone(&served));
        Self {
            port: Port::listen(handle).await,
            shared,
        }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.port.host()
    }

    /// `https://127.0.0.1:PORT`, with the prefix of its profile if that has one.
    pub fn url(&self) -> String {
        format!("https://{}{}", self.host(), self.shared.speech.prefix())
    }

    /// Presents a certificate of this authority from the next connection on, trusts no other, and gives its root out.
    pub fn move_to(&self, authority: &Authority, lifetime: Lifetime) {
        let tls = self.shared.speech.tls(authority, lifetime);
        self.shared.set_tls(tls);
        self.change(|state| state.enrolments.root = authority.anchor().into_der());
    }

    /// Presents this certificate, which may be any, from the next connection on.
    pub fn present(&self, authority: &Authority, certificate: &IssuedSvid) {
        let tls = self.shared.speech.tls_with(authority, certificate);
        self.shared.set_tls(tls);
    }

    /// Stops its clock, by which it judges when a request was signed, at this time.
    pub fn stop_clock(&self, at: Timestamp) {
        self.change(|state| state.stopped_at = Some(at));
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
    /// When its generation cannot express the deployment.
    pub fn assign(&self, deployment: &ApplicationDeployment) {
        let document = self.shared.speech.document(deployment);
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

/// Who may ask, in the signed generation.
impl FakeWfm {
    /// Enrols a client with a certificate, as an operator does by hand; one that is enrolled gets another certificate.
    pub fn enrol(&self, client: &ClientId, certificate: &Certificate) {
        self.change(|state| state.enrolments.add(client.clone(), certificate.clone()));
    }

    /// Forgets a client.
    pub fn expel(&self, client: &ClientId) {
        self.change(|state| state.enrolments.remove(client));
    }

    /// The clients with all certificates they enrolled with, as these came.
    pub fn clients(&self) -> BTreeMap<ClientId, Vec<Certificate>> {
        self.shared.look(|state| state.enrolments.clients().clone())
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
