//! What was decided about a deployment and what was reported on it.

use jiff::Timestamp;
use margo_server_traits::store::{HISTORY, Store as _};
use serde::{Deserialize, Serialize};

use super::{Operation, Report};
use crate::failure::Failure;
use crate::journal::Change;
use crate::manager::Manager;

/// Tells the history of a deployment, the oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct History {
    /// Its id, a unique beginning of it, or its name.
    pub deployment: String,
}

impl History {
    /// Of this deployment.
    pub fn new(deployment: impl Into<String>) -> Self {
        Self {
            deployment: deployment.into(),
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Entry {
    /// The operator decided something.
    Decided(Change),
    /// A device reported.
    Reported(Report),
}

impl Entry {
    /// When.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Decided(change) => change.at,
            Self::Reported(report) => report.reported_at,
        }
    }
}

impl Operation for History {
    const NAME: &'static str = "history";
    type Output = Vec<Entry>;

    async fn run(self, manager: &Manager) -> Result<Vec<Entry>, Failure> {
        let record = manager.journal().find(&self.deployment)?;
        let reports = manager
            .store()
            .history(&record.client, &record.deployment, HISTORY)
            .await?;
        let mut entries = Vec::new();
        for report in &reports {
            entries.push(Entry::Reported(Report::read(report, &record)?));
        }
        entries.extend(record.changes.into_iter().map(Entry::Decided));
        entries.sort_by_key(Entry::at);
        Ok(entries)
    }
}
