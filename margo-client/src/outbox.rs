//! Status reports on their way: durable, in order for each deployment, never lost (rc3.md section 5; D49 to D60; ambiguity
//! 26).
//!
//! A report is made in the same transaction as the step it tells of, so neither a crash nor months without a connection
//! lose it. Reports of one deployment are delivered in the order they were made in.
//!
//! What is folded: `pending`, `installing` and `removing` say only what is going on, so one that was not delivered yet gives
//! way to the next report of the same deployment. `installed`, `failed` and `removed` are outcomes and are kept, up to
//! [`MOST_OUTCOMES`] for a deployment; beyond that the oldest give way, so that a workload that flaps while the device is
//! offline does not fill the disk. A report that says the same as the one before is not made at all.
//!
//! What becomes of a report that the fleet manager does not take:
//!
//! | answer | what is done | why |
//! |---|---|---|
//! | none, 429, 5xx, a web page or plain text instead of JSON, or anything retryable | kept, tried again by the answer's advice | it may pass |
//! | 401, 403, or an unknown peer | kept, tried again slowly; everything else waits too | it says nothing about the report: the client was retired or its SVID ran out, and both may be put right |
//! | none, because the generation cannot express it | the same as the next | it never will |
//! | any other refusal: 400, 404, 413, 422 | logged as an error, counted, shown in the snapshot, and given up | the same bytes are refused for ever, and would hold up every later report of the deployment |

use std::collections::BTreeSet;

use jiff::Timestamp;
use margo_types::id::DeploymentId;
use margo_types::status::{DeploymentState, DeploymentStatus};

use crate::state::{Change, Report, State};
use crate::{Error, ErrorKind};

/// The most undelivered outcomes of one deployment: 64.
pub const MOST_OUTCOMES: usize = 64;

/// The changes that put a report into the outbox; none when the last report of the deployment says the same.
pub fn enqueue(state: &State, status: DeploymentStatus, at: Timestamp) -> Vec<Change> {
    let id = status.deployment_id;
    if state.last.get(&id) == Some(&status) {
        return Vec::new();
    }
    let (outcomes, passing): (Vec<u64>, Vec<u64>) = state
        .outbox
        .iter()
        .filter(|(_, report)| report.status.deployment_id == id)
        .map(|(number, _)| *number)
        .partition(|number| {
            state
                .outbox
                .get(number)
                .is_some_and(|report| is_outcome(&report.status))
        });
    let room = MOST_OUTCOMES - usize::from(is_outcome(&status));
    let surplus = outcomes.len().saturating_sub(room);
    let folded = passing
        .into_iter()
        .chain(outcomes.into_iter().take(surplus));
    let mut changes: Vec<Change> = folded.map(Change::Settle).collect();
    let number = state.outbox.keys().next_back().map_or(1, |last| {
        // No device makes as many reports. A file that says so costs one of them, not the agent.
        last.saturating_add(1)
    });
    changes.push(Change::Report(number, Report::new(at, status)));
    changes
}

/// The first report of every deployment, oldest first: what may be sent now.
pub fn due(state: &State) -> Vec<(u64, Report)> {
    let mut seen: BTreeSet<DeploymentId> = BTreeSet::new();
    let reports = state.outbox.iter();
    reports
        .filter(|(_, report)| seen.insert(report.status.deployment_id))
        .map(|(number, report)| (*number, report.clone()))
        .collect()
}

/// What becomes of a report after this answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Kept; the fleet manager is not to be asked anything for now.
    Pause,
    /// Kept; reports of other deployments may go on.
    Keep,
    /// Given up.
    GiveUp,
}

impl Verdict {
    /// The verdict of the table above.
    pub fn of(error: &Error) -> Self {
        let status = error.problem().map(|problem| problem.status);
        match error.kind() {
            ErrorKind::Refused if matches!(status, Some(401 | 403)) => Self::Pause,
            ErrorKind::Refused if !error.is_retryable() => Self::GiveUp,
            ErrorKind::Refused => match error.retry_advice().and_then(|advice| advice.after) {
                Some(_) => Self::Pause,
                None => Self::Keep,
            },
            ErrorKind::Misbehaved => Self::Keep,
            ErrorKind::Unsupported => Self::GiveUp,
            _ => Self::Pause,
        }
    }
}

fn is_outcome(status: &DeploymentStatus) -> bool {
    matches!(
        status.status.state,
        DeploymentState::Installed | DeploymentState::Failed | DeploymentState::Removed
    )
}
