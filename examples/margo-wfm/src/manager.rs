//! The fleet manager as its operator sees it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use margo_package::oci;
use margo_server_traits::Registrar;
use margo_server_traits::publish::{PublishError, Publisher};
use margo_server_traits::store::{SqliteStore, Store as _};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, DeploymentId};
use margo_types::{Digest, SpecVersion};
use tokio::sync::Mutex;

use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::files;
use crate::journal::{Action, Change, Journal, Record};
use crate::library::Library;
use crate::operations::{Changed, Operation};
use crate::origin::Origin;
use crate::placement::{KnownDevice, KnownFleet};

/// Does what the operator asks for; shared by the admin API and, in one process, anybody.
#[derive(Debug)]
pub struct Manager {
    store: Arc<SqliteStore>,
    publisher: Publisher,
    registrar: Registrar,
    library: Library,
    journal: Journal,
    registries: oci::Client,
    /// Held while something is published and written down, so that the journal has the same order.
    changing: Mutex<()>,
}

impl Manager {
    pub(crate) async fn open(
        config: &Config,
        store: Arc<SqliteStore>,
        publisher: Publisher,
        registries: oci::Client,
    ) -> Result<Self, Failure> {
        let directory = &config.state.directory;
        let manager = Self {
            registrar: Registrar::new(store.clone()),
            publisher,
            store,
            library: Library::open(directory.join(PACKAGES))?,
            journal: Journal::open(directory.join(DEPLOYMENTS))?,
            registries,
            changing: Mutex::new(()),
        };
        manager.amend_journal().await?;
        Ok(manager)
    }

    /// Does something.
    ///
    /// # Errors
    /// [`Failure`]: who has to act, and what to do. Nothing was changed then.
    pub async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, Failure> {
        operation.run(self).await
    }

    pub(crate) fn store(&self) -> &SqliteStore {
        &self.store
    }

    pub(crate) const fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    pub(crate) const fn library(&self) -> &Library {
        &self.library
    }

    pub(crate) const fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) const fn registries(&self) -> &oci::Client {
        &self.registries
    }

    /// All clients and devices.
    pub(crate) async fn fleet(&self) -> Result<KnownFleet, Failure> {
        let mut devices = Vec::new();
        for record in self.store.devices(None).await? {
            match KnownDevice::read(&record) {
                Ok(device) => devices.push(device),
                Err(failure) => tracing::warn!(%failure, "a device is left out"),
            }
        }
        Ok(KnownFleet {
            clients: self.store.clients().await?,
            devices,
        })
    }

    /// Changes one deployment of a client by `change`, publishes, and writes it down.
    ///
    /// When `change` leaves the deployment as it is, so does this.
    pub(crate) async fn change(
        &self,
        client: &ClientId,
        action: Action,
        id: DeploymentId,
        mut change: impl FnMut(
            &mut BTreeMap<DeploymentId, ApplicationDeployment>,
        ) -> Result<(), Failure>,
    ) -> Result<Changed, Failure> {
        let _changing = self.changing.lock().await;
        let mut states = (None, None);
        let head = self
            .publisher
            .change::<Failure, _>(client, |deployments| {
                let before = deployments.get(&id).cloned();
                change(deployments)?;
                states = (before, deployments.get(&id).cloned());
                Ok(())
            })
            .await?;

        let (before, after) = states;
        let changed = before != after;
        let Some(described) = after.or(before) else {
            let message = format!("deployment {id} was removed already");
            return Err(Failure::new(Kind::Refused, message));
        };
        let record = record(client, &described, action, head.version)?;
        let version = record.last().map(|change| change.version.clone());
        let changed = Changed {
            deployment: id,
            name: record.name.clone(),
            client: client.clone(),
            action,
            changed,
            version: version.unwrap_or_default(),
            manifest: head.version,
        };
        if changed.changed {
            self.journal.add(record)?;
        }
        Ok(changed)
    }

    /// Makes a client one of another generation.
    pub(crate) async fn change_generation(
        &self,
        client: &ClientId,
        generation: SpecVersion,
    ) -> Result<(), Failure> {
        let _changing = self.changing.lock().await;
        let adapt = |deployments: &mut BTreeMap<DeploymentId, ApplicationDeployment>| {
            for deployment in deployments.values_mut() {
                Origin::of(deployment)?.write_to(deployment, generation);
            }
            Ok::<_, Failure>(())
        };
        let changed = self.publisher.change_generation(client, generation, adapt);
        changed.await.map(drop)
    }

    /// Makes a directory that can be used as state directory.
    pub(crate) async fn backup(&self, directory: &Path) -> Result<(), Failure> {
        let _unchanged = self.changing.lock().await;
        let draft = files::Draft::new(directory)?;
        self.store.backup(&draft.path().join("wfm.db")).await?;
        self.library.copy(&draft.path().join(PACKAGES))?;
        self.journal.copy(&draft.path().join(DEPLOYMENTS))?;
        draft.place()
    }

    /// Writes down what was published when the program was killed before it could.
    async fn amend_journal(&self) -> Result<(), Failure> {
        let mut clients: Vec<ClientId> = self
            .store
            .clients()
            .await?
            .into_iter()
            .map(|it| it.id)
            .collect();
        clients.extend(self.journal.all().into_iter().map(|record| record.client));
        clients.sort();
        clients.dedup();
        for client in clients {
            let Some(head) = self.store.head(&client).await? else {
                continue;
            };
            let mut assigned = Vec::new();
            let mut unreadable = None;
            for (id, bytes) in self.store.assigned(&client).await? {
                match stored(id, &bytes) {
                    Ok(deployment) => {
                        let record = record(&client, &deployment, Action::Deployed, head.version);
                        // Only deployments of this program are in the journal.
                        assigned.extend(record.ok());
                    }
                    Err(failure) => unreadable = Some(failure),
                }
            }
            match unreadable {
                None => self.journal.amend(&client, head.version, &assigned)?,
                // It would be taken for one that was removed.
                Some(failure) => {
                    tracing::warn!(%client, %failure, "the journal of a client is left as it is");
                }
            }
        }
        Ok(())
    }
}

fn stored(id: DeploymentId, bytes: &[u8]) -> Result<ApplicationDeployment, Failure> {
    let read = margo_types::read::<ApplicationDeployment>(bytes).map_err(|error| {
        let message = format!("the stored deployment {id} cannot be read; restore a backup");
        Failure::caused(Kind::Environment, message, &error)
    })?;
    Ok(read.into_value())
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let kind = match error {
            PublishError::Invalid { .. } => Kind::Invalid,
            PublishError::Unrepresentable { .. } => Kind::Refused,
            _ => Kind::Environment,
        };
        Self::of(kind, &error)
    }
}

/// A deployment with one change, which is its present state.
fn record(
    client: &ClientId,
    deployment: &ApplicationDeployment,
    action: Action,
    manifest: margo_types::manifest::ManifestVersion,
) -> Result<Record, Failure> {
    let origin = Origin::of(deployment)?;
    let parts = (
        deployment.spec.application_id.clone(),
        deployment.metadata.device_id.clone(),
    );
    let (Some(application), Some(target)) = parts else {
        let message = format!(
            "deployment {} has no application or no device",
            deployment.id
        );
        return Err(Failure::new(Kind::Environment, message));
    };
    // The same content for clients of every generation.
    let mut content = deployment.clone();
    origin.write_to(&mut content, SpecVersion::NEWEST);
    let bytes = margo_types::write(&content, SpecVersion::NEWEST)
        .map_err(|error| Failure::of(Kind::Environment, &error))?;
    let change = Change {
        at: jiff::Timestamp::now(),
        action,
        version: origin.version,
        profile: origin.profile,
        manifest,
        content: Digest::of(&bytes),
    };
    Ok(Record {
        deployment: deployment.id,
        name: deployment.metadata.name.clone(),
        application,
        client: client.clone(),
        target,
        changes: vec![change],
    })
}

const PACKAGES: &str = "packages";
const DEPLOYMENTS: &str = "deployments";
