//! What is known of the workloads, in memory or in files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use margo_types::Digest;
use margo_types::application::Component;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ComponentName, DeploymentId};
use margo_types::status::{ComponentStatus, DeploymentState};
use serde_json::{Value, json};

use crate::{ProviderError, Trouble};

/// All workloads.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    records: BTreeMap<DeploymentId, Record>,
    directory: Option<PathBuf>,
}

/// The workloads of one deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    /// In the order of the deployment: how each fares, and what was installed.
    components: Vec<(ComponentStatus, String)>,
    /// Whether any version was ever complete.
    was_installed: bool,
    pub(super) data: Option<String>,
}

impl Workloads {
    /// Those in a directory, which is made if it is not there.
    pub(super) fn in_directory(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory).map_err(|error| at(&directory, &error))?;
        let mut records = BTreeMap::new();
        for entry in fs::read_dir(&directory).map_err(|error| at(&directory, &error))? {
            let path = entry.map_err(|error| at(&directory, &error))?.path();
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            if path.extension().is_none_or(|extension| extension != "json") {
                continue; // a file that was not complete when the process ended
            }
            let bytes = fs::read(&path).map_err(|error| at(&path, &error))?;
            let record = serde_json::from_slice(&bytes).ok();
            let record = record.as_ref().and_then(Record::from_json);
            // IDs are read in either case, and files are named for them in one.
            let id = DeploymentId::parse(name).ok();
            let id = id.filter(|id| id.to_string() == name);
            let (Some(id), Some(record)) = (id, record) else {
                let why = "it is not a simulated workload; remove it";
                return Err(at(&path, &io::Error::new(io::ErrorKind::InvalidData, why)));
            };
            records.insert(id, record);
        }
        Ok(Self {
            records,
            directory: Some(directory),
        })
    }

    pub(super) fn ids(&self) -> Vec<DeploymentId> {
        self.records.keys().copied().collect()
    }

    pub(super) fn get(&self, id: DeploymentId) -> Option<&Record> {
        self.records.get(&id)
    }

    /// Changes what is there; what is not there stays so.
    pub(super) fn change(
        &mut self,
        id: DeploymentId,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), ProviderError> {
        if self.records.contains_key(&id) {
            self.change_or_begin(id, change)?;
        }
        Ok(())
    }

    pub(super) fn change_or_begin(
        &mut self,
        id: DeploymentId,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), ProviderError> {
        let record = self.records.entry(id).or_default();
        change(record);
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        // Killed in between, the process leaves the old file or the new one.
        let path = file(directory, id);
        let unfinished = path.with_extension("new");
        fs::write(&unfinished, record.to_json().to_string())
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(|error| unwritten(&path, error))
    }

    /// Forgets a deployment with its data.
    pub(super) fn end(&mut self, id: DeploymentId) -> Result<(), ProviderError> {
        self.records.remove(&id);
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let path = file(directory, id);
        for path in [path.with_extension("new"), path] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unwritten(&path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A failed first installation leaves nothing behind.
    pub(super) fn end_if_never_installed(&mut self, id: DeploymentId) -> Result<(), ProviderError> {
        match self.records.get(&id) {
            Some(record) if !record.was_installed => self.end(id),
            _ => Ok(()),
        }
    }
}

impl Record {
    pub(super) fn names(&self) -> Vec<ComponentName> {
        let names = self.components.iter().map(|(status, _)| &status.name);
        names.cloned().collect()
    }

    pub(super) fn status(&self, name: &ComponentName) -> Option<&ComponentStatus> {
        let mut statuses = self.components.iter().map(|(status, _)| status);
        statuses.find(|status| status.name == *name)
    }

    /// Whether a component with this content is installed.
    pub(super) fn is_up(&self, name: &ComponentName, content: &str) -> bool {
        self.components.iter().any(|(status, own)| {
            status.name == *name && status.state == DeploymentState::Installed && own == content
        })
    }

    pub(super) fn set(&mut self, name: &ComponentName, state: DeploymentState, content: String) {
        let new = (ComponentStatus::new(name.clone(), state), content);
        match self.find(name) {
            Some(old) => *old = new,
            None => self.components.push(new),
        }
    }

    pub(super) fn fail(&mut self, name: &ComponentName, error: &ProviderError) {
        if let Some((status, _)) = self.find(name) {
            status.state = DeploymentState::Failed;
            status.error = Some(error.to_status(name.as_str()));
        }
    }

    pub(super) fn forget(&mut self, name: &ComponentName) {
        self.components.retain(|(status, _)| status.name != *name);
    }

    /// Says that a deployment with these components is complete.
    pub(super) fn complete(&mut self, order: &[ComponentName]) {
        self.was_installed = true;
        self.components
            .sort_by_key(|(status, _)| order.iter().position(|name| *name == status.name));
    }

    fn find(&mut self, name: &ComponentName) -> Option<&mut (ComponentStatus, String)> {
        let mut components = self.components.iter_mut();
        components.find(|(status, _)| status.name == *name)
    }

    fn to_json(&self) -> Value {
        json!({
            "components": self.components,
            "wasInstalled": self.was_installed,
            "data": self.data,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let components = value.get("components")?.clone();
        Some(Self {
            components: serde_json::from_value(components).ok()?,
            was_installed: value.get("wasInstalled")?.as_bool()?,
            data: value.get("data")?.as_str().map(ToOwned::to_owned),
        })
    }
}

/// What a component is installed from: another content is an update.
pub(super) fn content_of(deployment: &ApplicationDeployment, component: &Component) -> String {
    let content = json!([component, deployment.spec.parameters]);
    Digest::of(content.to_string().as_bytes()).to_string()
}

fn file(directory: &Path, id: DeploymentId) -> PathBuf {
    directory.join(format!("{id}.json"))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn unwritten(path: &Path, error: io::Error) -> ProviderError {
    let message = format!(
        "{} cannot be written; free space and check its permissions",
        path.display()
    );
    ProviderError::new(Trouble::Device, message).because(error)
}
