//! What the fleet manager knows and was told to do.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::endpoint::Operation;
use margo_types::id::{DeploymentId, DeviceId};
use margo_types::status::DeploymentStatus;
use rustls::ServerConfig;
use tokio::sync::watch;

use super::answer::Answer;
use super::desired::Desired;
use super::signed::Enrolments;
use super::speech::Speech;
use crate::request::RecordedRequest;
use crate::server::lock;

/// The state, shared by the handle and the connections.
pub(super) struct Shared {
    pub(super) speech: Speech,
    tls: Mutex<Arc<ServerConfig>>,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) desired: Desired,
    faults: BTreeMap<Operation, VecDeque<Fault>>,
    /// What came, and what it meant.
    pub(super) requests: Vec<(Option<Operation>, RecordedRequest)>,
    reports: Vec<DeploymentStatus>,
    pub(super) devices: BTreeMap<DeviceId, DeviceCapabilities>,
    pub(super) enrolments: Enrolments,
    /// What the clock shows, if it stands still.
    pub(super) stopped_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Fault {
    left: usize,
    answer: Answer,
}

impl Shared {
    pub(super) fn new(speech: Speech, tls: ServerConfig) -> Self {
        Self {
            speech,
            tls: Mutex::new(Arc::new(tls)),
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    pub(super) fn tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.tls))
    }

    pub(super) fn set_tls(&self, tls: ServerConfig) {
        *lock(&self.tls) = Arc::new(tls);
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&lock(&self.state))
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut lock(&self.state));
        self.changed.send_replace(());
        result
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("speech", &self.speech)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl State {
    /// The time by its clock.
    pub(super) fn now(&self) -> Timestamp {
        self.stopped_at.unwrap_or_else(Timestamp::now)
    }

    pub(super) fn fail(&mut self, operation: Operation, times: usize, answer: Answer) {
        let faults = self.faults.entry(operation).or_default();
        faults.push_back(Fault {
            left: times,
            answer,
        });
    }

    /// How the next request of an operation fails, if it does.
    pub(super) fn take_fault(&mut self, operation: Operation) -> Option<Answer> {
        let faults = self.faults.get_mut(&operation)?;
        faults.retain(|fault| fault.left > 0);
        let next = faults.front_mut()?;
        next.left -= 1;
        Some(next.answer.clone())
    }

    pub(super) fn recover(&mut self) {
        self.faults.clear();
        self.desired.lie = None;
    }

    pub(super) fn requests_for(&self, operation: Operation) -> Vec<RecordedRequest> {
        self.requests
            .iter()
            .filter(|(own, _)| *own == Some(operation))
            .map(|(_, request)| request.clone())
            .collect()
    }

    pub(super) fn statuses(&self, id: &DeploymentId) -> Vec<DeploymentStatus> {
        let own = self
            .reports
            .iter()
            .filter(|report| report.deployment_id == *id);
        own.cloned().collect()
    }

    /// Keeps a report, and says whether it is the first on this deployment by this device.
    pub(super) fn report(&mut self, report: DeploymentStatus) -> bool {
        let is_first = !self.reports.iter().any(|earlier| {
            earlier.deployment_id == report.deployment_id && earlier.device_id == report.device_id
        });
        self.reports.push(report);
        is_first
    }

    /// The last of what came, for a person who looks for the reason of a failed test.
    pub(super) fn summary(&self) -> Vec<String> {
        let requests = self.requests.iter().map(|(_, request)| request.line());
        let reports = self.reports.iter().map(|report| {
            let state = report.status.state.as_str();
            format!(
                "report: {} is {state}: {:?}",
                report.deployment_id, report.status.error
            )
        });
        let (requests, reports): (Vec<_>, Vec<_>) = (requests.collect(), reports.collect());
        let last = |lines: &[String]| lines[lines.len().saturating_sub(20)..].to_vec();
        [last(&requests), last(&reports)].concat()
    }
}
