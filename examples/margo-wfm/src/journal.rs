//! What was decided about each deployment, and when.
//!
//! What devices should run is in the store, in the same transaction as the manifest. The journal explains it to people: names,
//! versions, earlier decisions, removed deployments. It is written after the store; should the program be killed in between,
//! [`Journal::amend`] makes up for it from the extension that every deployment carries.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::{ApplicationId, ClientId, DeploymentId, DeviceTarget};
use margo_types::manifest::ManifestVersion;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Kind};
use crate::files;

/// All deployments, those that were removed too; one small file each.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    records: Mutex<BTreeMap<DeploymentId, Record>>,
}

/// One deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) deployment: DeploymentId,
    pub(crate) name: String,
    pub(crate) application: ApplicationId,
    pub(crate) client: ClientId,
    pub(crate) target: DeviceTarget,
    /// The oldest first; at least one.
    pub(crate) changes: Vec<Change>,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What.
    pub action: Action,
    /// The version of the application since then.
    pub version: String,
    /// The deployment profile since then.
    pub profile: String,
    /// The first manifest that has it.
    pub manifest: ManifestVersion,
    /// Stands for the content of the deployment since then.
    pub content: Digest,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// Deployed for the first time.
    Deployed,
    /// Changed to another version or profile.
    Updated,
    /// Given other values.
    Reconfigured,
    /// Taken away.
    Removed,
}

impl Action {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Updated => "updated",
            Self::Reconfigured => "reconfigured",
            Self::Removed => "removed",
        }
    }
}

impl Change {
    /// The same content, by another decision.
    fn repeated(&self, action: Action, manifest: ManifestVersion) -> Self {
        Self {
            at: Timestamp::now(),
            action,
            manifest,
            ..self.clone()
        }
    }

    /// What happened between this and a later state of the deployment; `None` when nothing did.
    fn action_to(&self, later: &Self) -> Option<Action> {
        if self.action == Action::Removed {
            Some(Action::Deployed)
        } else if (&self.version, &self.profile) != (&later.version, &later.profile) {
            Some(Action::Updated)
        } else {
            (self.content != later.content).then_some(Action::Reconfigured)
        }
    }
}

impl Record {
    /// The newest decision.
    pub(crate) fn last(&self) -> Option<&Change> {
        self.changes.last()
    }

    /// The same deployment with this change alone.
    fn with(&self, change: Change) -> Self {
        Self {
            changes: vec![change],
            ..self.clone()
        }
    }

    /// Whether it was taken away.
    pub(crate) fn is_removed(&self) -> bool {
        self.last()
            .is_some_and(|change| change.action == Action::Removed)
    }

    /// What was decided last before this time.
    pub(crate) fn at(&self, time: Timestamp) -> Option<&Change> {
        self.changes.iter().rev().find(|change| change.at <= time)
    }

    /// What a device had to do that adopted this manifest.
    pub(crate) fn as_of(&self, manifest: ManifestVersion) -> Option<&Change> {
        self.changes
            .iter()
            .rev()
            .find(|change| change.manifest <= manifest)
    }
}

impl Journal {
    /// The journal in this directory, which is made when it is not there.
    pub(crate) fn open(directory: PathBuf) -> Result<Self, Failure> {
        files::make_directory(&directory)?;
        let mut records = BTreeMap::new();
        let failed = |error: std::io::Error| Failure::file(&directory, &error);
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let record = read(&path)?;
                records.insert(record.deployment, record);
            }
        }
        Ok(Self {
            directory,
            records: Mutex::new(records),
        })
    }

    /// All records, by id.
    pub(crate) fn all(&self) -> Vec<Record> {
        self.lock().values().cloned().collect()
    }

    /// The deployment with this id, a unique beginning of it, or this name.
    pub(crate) fn find(&self, text: &str) -> Result<Record, Failure> {
        let records = self.lock();
        let exact = |record: &&Record| record.name == text || record.deployment.to_string() == text;
        if let Some(record) = records.values().find(exact) {
            return Ok(record.clone());
        }
        let begins = |record: &&Record| {
            !text.is_empty()
                && record
                    .deployment
                    .to_string()
                    .starts_with(&text.to_lowercase())
        };
        let mut found = records.values().filter(begins);
        match (found.next(), found.next()) {
            (Some(record), None) => Ok(record.clone()),
            (Some(_), Some(_)) => Err(Failure::new(
                Kind::Usage,
                format!(
                    "several deployment ids begin with {text:?}; give more of the one that is meant"
                ),
            )),
            (None, _) => Err(Failure::new(
                Kind::Usage,
                format!("there is no deployment {text:?}; `margo-wfm status` lists them"),
            )),
        }
    }

    /// Adds the changes of this record to those of the deployment, which may be new.
    pub(crate) fn add(&self, addition: Record) -> Result<(), Failure> {
        let mut records = self.lock();
        let record = match records.get(&addition.deployment) {
            None => addition,
            Some(known) => {
                let mut record = known.clone();
                record.changes.extend(addition.changes);
                record
            }
        };
        let bytes = serde_json::to_vec_pretty(&record)
            .map_err(|error| Failure::of(Kind::Environment, &error))?;
        let file = self.directory.join(format!("{}.json", record.deployment));
        files::write(&file, &bytes)?;
        records.insert(record.deployment, record);
        Ok(())
    }

    /// Brings the records of a client in line with what is assigned to it, each with one change: its present state.
    pub(crate) fn amend(
        &self,
        client: &ClientId,
        newest: ManifestVersion,
        assigned: &[Record],
    ) -> Result<(), Failure> {
        let known: Vec<Record> = self
            .all()
            .into_iter()
            .filter(|record| record.client == *client)
            .collect();
        for found in assigned {
            let known = known.iter().find(|it| it.deployment == found.deployment);
            let Some(is) = found.last() else { continue };
            let action = match known.and_then(Record::last) {
                None => Some(Action::Deployed),
                Some(was) => was.action_to(is),
            };
            if let Some(action) = action {
                self.add(found.with(is.repeated(action, newest)))?;
            }
        }
        for record in known.into_iter().filter(|record| !record.is_removed()) {
            let is_assigned = assigned.iter().any(|it| it.deployment == record.deployment);
            if let (false, Some(was)) = (is_assigned, record.last().cloned()) {
                self.add(record.with(was.repeated(Action::Removed, newest)))?;
            }
        }
        Ok(())
    }

    /// Puts a copy of everything at `to`.
    pub(crate) fn copy(&self, to: &Path) -> Result<(), Failure> {
        let _unchanged = self.lock();
        files::copy_directory(&self.directory, to)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<DeploymentId, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<Record, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!(
            "{} is damaged; restore it from a backup, or remove it: what is deployed is not lost with it",
            path.display()
        );
        Failure::caused(Kind::Environment, message, &error)
    })
}
