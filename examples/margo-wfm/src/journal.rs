//! What was decided about each deployment, and when.
//!
//! What devices should run is in the store, in the same transaction as the manifest. The journal explains it to people: names,
//! versions, earlier decisions, removed deployments. It is written after the store; should the program be killed in between,
//! [`Journal::amend`] makes up for it from the extension that every deployment carries.
//!
//! A file that is damaged is named and left as it is, and so is its deployment: nothing is concluded from what is not there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
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
    damaged: Vec<Damaged>,
}

/// A file that cannot be used.
#[derive(Debug)]
struct Damaged {
    /// The deployment that it is called after.
    deployment: Option<DeploymentId>,
    failure: Failure,
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

    /// Whether another record is about the same application in the same place, by the same name.
    fn is_about(&self, other: &Self) -> bool {
        self.name == other.name
            && self.application == other.application
            && self.client == other.client
            && self.target == other.target
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
        let mut damaged = Vec::new();
        let failed = |error: std::io::Error| Failure::file(&directory, &error);
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            // Drafts have no extension.
            if path.extension() != Some(OsStr::new("json")) {
                continue;
            }
            match read(&path) {
                Ok(record) => {
                    records.insert(record.deployment, record);
                }
                Err(failure) => {
                    tracing::warn!(%failure, "a deployment is left as it is");
                    damaged.push(Damaged::new(&path, failure));
                }
            }
        }
        Ok(Self {
            directory,
            records: Mutex::new(records),
            damaged,
        })
    }

    /// What is wrong with the files that cannot be used.
    pub(crate) fn damaged(&self) -> Vec<Failure> {
        let damaged = self.damaged.iter();
        damaged.map(|damaged| damaged.failure.clone()).collect()
    }

    /// All records, by id.
    pub(crate) fn all(&self) -> Vec<Record> {
        self.lock().values().cloned().collect()
    }

    /// The deployment with this id, a unique beginning of it, or this name; the failure of one whose file is damaged.
    pub(crate) fn find(&self, text: &str) -> Result<Record, Failure> {
        let records = self.lock();
        let exact = |record: &&Record| record.name == text || record.deployment.to_string() == text;
        if let Some(record) = records.values().find(exact) {
            return Ok(record.clone());
        }
        let wanted = text.to_lowercase();
        let begins = |id: &DeploymentId| !text.is_empty() && id.to_string().starts_with(&wanted);
        let intact = records
            .values()
            .filter(|record| begins(&record.deployment))
            .map(|record| Ok(record.clone()));
        let damaged = self
            .damaged
            .iter()
            .filter(|damaged| {
                damaged.deployment.is_some_and(|id| begins(&id)) || damaged.has_name(text)
            })
            .map(|damaged| Err(damaged.failure.clone()));
        let mut found = intact.chain(damaged);
        match (found.next(), found.next()) {
            (Some(found), None) => found,
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

    /// Adds the changes of this record to those of the deployment, which may be new. What else the record says counts from now on.
    pub(crate) fn add(&self, addition: Record) -> Result<(), Failure> {
        let mut records = self.lock();
        let mut record = addition;
        if let Some(known) = records.get(&record.deployment) {
            record.changes.splice(..0, known.changes.iter().cloned());
        }
        let bytes = loop {
            let bytes = serde_json::to_vec_pretty(&record)
                .map_err(|error| Failure::of(Kind::Environment, &error))?;
            if bytes.len() as u64 <= LONGEST || record.changes.len() == 1 {
                break bytes;
            }
            // What is written can be read again; the oldest decisions are the least to lose.
            record.changes.drain(..record.changes.len() / 2);
        };
        let file = self.directory.join(file_name(&record.deployment));
        files::write(&file, &bytes)?;
        records.insert(record.deployment, record);
        Ok(())
    }

    /// Brings the records of a client in line with what is assigned to it, each with one change: its present state.
    ///
    /// A deployment whose file is damaged is left alone: its file is not replaced by what little is known.
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
        let is_damaged = |id| {
            let damaged = &mut self.damaged.iter();
            damaged.any(|damaged| damaged.deployment == Some(id))
        };
        for found in assigned.iter().filter(|it| !is_damaged(it.deployment)) {
            let known = known.iter().find(|it| it.deployment == found.deployment);
            let Some(is) = found.last() else { continue };
            let known = known.filter(|known| known.is_about(found));
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

impl Damaged {
    fn new(path: &Path, failure: Failure) -> Self {
        let name = path.file_stem().and_then(OsStr::to_str);
        Self {
            deployment: name.and_then(|name| DeploymentId::parse(name).ok()),
            failure,
        }
    }

    /// Whether a deployment with this name is likely to be this one: names end with the first letters of the id.
    fn has_name(&self, name: &str) -> bool {
        let id = self.deployment.map(|id| id.to_string());
        let unique = id.as_deref().and_then(|id| id.split('-').next());
        name.rsplit('-').next() == unique
    }
}

fn read(path: &Path) -> Result<Record, Failure> {
    let bytes = files::read(path, LONGEST).map_err(|error| damaged(path, &error.to_string()))?;
    let record: Record =
        serde_json::from_slice(&bytes).map_err(|error| damaged(path, &error.to_string()))?;
    let name = file_name(&record.deployment);
    if path.file_name() != Some(OsStr::new(&name)) {
        return Err(damaged(path, &format!("what is in it belongs in {name}")));
    }
    if record.changes.is_empty() {
        return Err(damaged(path, "there is no decision in it"));
    }
    Ok(record)
}

fn damaged(path: &Path, why: &str) -> Failure {
    let message = format!(
        "{} is damaged, and its deployment stays as it is; restore the file from a backup, or move it away, and start the fleet \
         manager again: what is deployed is written down anew",
        path.display()
    );
    let mut failure = Failure::new(Kind::Environment, message);
    failure.causes.push(why.to_owned());
    failure
}

fn file_name(deployment: &DeploymentId) -> String {
    format!("{deployment}.json")
}

/// 16 MiB: tens of thousands of decisions about one deployment.
const LONGEST: u64 = 16 << 20;
