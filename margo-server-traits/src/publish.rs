//! Publishing: from "these deployments for this client" to manifest, bundle and digests (rc3.md sections 2 and 3, W12 to W35).
//!
//! # What holds
//!
//! - The same deployments under the same version are the same bytes, wherever they are published: documents and manifest are
//!   written in one way (RFC 8785 for the manifest, W23), archives are reproducible, lists go by deployment id.
//! - Versions of a client rise strictly and begin at 1 (W14). Publishing what is published already changes nothing.
//! - A deployment that did not change keeps its bytes and so its digest, also when a newer program would write it otherwise.
//! - Publishing is compare-and-set. However many programs publish at once over one store, a version has one content.
//! - Nothing invalid goes out: documents are checked against every rule and read back as a device would read them.
//! - Documents and manifest are written in the generation of the client, as its record has it. What that generation cannot
//!   express is refused with the field and the client, and nothing is published. A client whose generation
//!   [changes](Publisher::change_generation) gets everything anew, under a higher version.
//! - A client that nothing was ever assigned to gets version 1 without deployments (`bundle` is null, W15). It is published
//!   when it is first asked for, like any other version, so that whatever is assigned before is version 1 instead.
//!
//! Whoever publishes for a client waits for those who already do so through the same [`Publisher`] or a clone of it. So make one
//! in a process, and clone it.
//!
//! What was published stays retrievable until [`Store::prune`] drops it; call that now and then with the time before which
//! nobody can still be fetching, such as a week ago.

pub(crate) mod compile;
mod placement;
mod turns;

use std::collections::BTreeMap;
use std::panic;
use std::sync::Arc;

use jiff::Timestamp;
use margo_package::bundle::BundleBuildError;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::{ReadError, Report, SpecVersion, Unrepresentable, WriteError};

use self::compile::{Audience, Documents};
pub use self::placement::{Placement, placement};
use self::turns::Turns;
use crate::store::{ClientRecord, Head, Publication, Store, StoreError};

/// Publishes desired states in a store.
///
/// Clones take turns for each client; what other processes do at the same time is noticed and done over.
#[derive(Clone, Debug)]
pub struct Publisher {
    store: Arc<dyn Store>,
    turns: Turns,
}

impl Publisher {
    /// Publishes in this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            turns: Turns::default(),
        }
    }

    /// Makes these the deployments of a client, all of them, and returns the newest publication.
    ///
    /// Nothing is published when they are its deployments already. To change some and keep the others use
    /// [`change`](Self::change), which does not undo what somebody else publishes at the same time.
    pub async fn publish(
        &self,
        client: &ClientId,
        deployments: &[ApplicationDeployment],
    ) -> Result<Head, PublishError> {
        self.replace(client, |current| {
            let deployments = deployments.to_vec();
            Ok(move || current.with(&deployments))
        })
        .await
    }

    /// Changes the deployments of a client: reads them, lets `change` have them, publishes the result.
    ///
    /// When somebody else has published in the meantime, `change` is called again with what is there then.
    ///
    /// # Errors
    /// What `change` returns, and then nothing is published; or a [`PublishError`].
    pub async fn change<E, F>(&self, client: &ClientId, mut change: F) -> Result<Head, E>
    where
        E: From<PublishError>,
        F: FnMut(&mut BTreeMap<DeploymentId, ApplicationDeployment>) -> Result<(), E>,
    {
        self.replace(client, |current| {
            let mut deployments = current.deployments()?;
            change(&mut deployments)?;
            let deployments = filed(deployments)?;
            Ok(move || current.with(&deployments))
        })
        .await
    }

    /// Makes this the generation of a client, and publishes its deployments anew in it, as `adapt` leaves them.
    ///
    /// `adapt` may take out of the deployments what only the former generation can express. Generation and publication change
    /// in one step. A client without a record gets one that does not accept it.
    ///
    /// # Errors
    /// As for [`change`](Self::change); the generation stays, too, then.
    pub async fn change_generation<E, F>(
        &self,
        client: &ClientId,
        generation: SpecVersion,
        mut adapt: F,
    ) -> Result<Head, E>
    where
        E: From<PublishError>,
        F: FnMut(&mut BTreeMap<DeploymentId, ApplicationDeployment>) -> Result<(), E>,
    {
        self.note_generation(client, generation).await?;
        self.replace(client, |mut current| {
            let mut deployments = current.deployments()?;
            if !current.is_written_in(generation) {
                adapt(&mut deployments)?;
            }
            current.audience.generation = generation;
            let deployments = filed(deployments)?;
            Ok(move || current.with(&deployments))
        })
        .await
    }

    /// The newest publication of a client, in the generation it speaks; its first one, without deployments, when there is none
    /// yet.
    pub async fn head(&self, client: &ClientId) -> Result<Head, PublishError> {
        if let Some(head) = self.store.head(client).await?
            && head.generation == self.generation(client).await?
        {
            return Ok(head);
        }
        self.replace(client, |current| Ok(move || current.unchanged()))
            .await
    }

    /// Publishes the deployments of a client again, unchanged, under this version, unless there is one as high already.
    ///
    /// For a store that has forgotten versions which devices still know (rc3.md ambiguity 29).
    pub async fn raise(
        &self,
        client: &ClientId,
        to: ManifestVersion,
    ) -> Result<Head, PublishError> {
        let _turn = self.turns.take(client).await;
        for _ in 0..ATTEMPTS {
            let current = self.current(client).await?;
            match current.head {
                Some(head) if head.version >= to => return Ok(head),
                _ => {}
            }
            let expected = current.head;
            let publication = blocking(move || current.unchanged()?.publication(to)).await?;
            if let Some(head) = self.try_publish(client, expected, &publication).await? {
                return Ok(head);
            }
        }
        Err(PublishError::Outrun)
    }

    /// Which devices of a client can host a deployment, as far as they have reported what they are.
    pub async fn placement(
        &self,
        client: &ClientId,
        deployment: &ApplicationDeployment,
    ) -> Result<Placement, PublishError> {
        let mut devices = Vec::new();
        for record in self.store.devices(Some(client)).await? {
            let read = margo_types::read::<DeviceCapabilities>(&record.capabilities);
            let read = read.map_err(|source| PublishError::UnreadableDevice {
                device: record.device,
                source,
            })?;
            devices.push(read.into_value());
        }
        Ok(placement(deployment, &devices))
    }

    /// Publishes what `next` makes of what is published.
    async fn replace<E, M>(
        &self,
        client: &ClientId,
        mut next: impl FnMut(Current) -> Result<M, E>,
    ) -> Result<Head, E>
    where
        E: From<PublishError>,
        M: FnOnce() -> Result<Draft, PublishError> + Send + 'static,
    {
        let _turn = self.turns.take(client).await;
        for _ in 0..ATTEMPTS {
            let current = self.current(client).await?;
            let (head, before) = (current.head, current.documents.clone());
            let make = next(current)?;
            let publication = blocking(move || {
                let draft = make()?;
                let is_same = |head: Head| {
                    draft.documents == before && draft.audience.generation == head.generation
                };
                match head {
                    Some(head) if is_same(head) => Ok(None),
                    Some(head) => {
                        let version = head.version.next().ok_or(PublishError::Exhausted)?;
                        draft.publication(version).map(Some)
                    }
                    None => draft.publication(ManifestVersion::FIRST).map(Some),
                }
            })
            .await?;
            let published = match (&publication, head) {
                (None, _) => head,
                (Some(publication), expected) => {
                    self.try_publish(client, expected, publication).await?
                }
            };
            if let Some(head) = published {
                return Ok(head);
            }
        }
        Err(PublishError::Outrun.into())
    }

    /// Publishes once; `None` when somebody else was faster.
    async fn try_publish(
        &self,
        client: &ClientId,
        expected: Option<Head>,
        publication: &Publication,
    ) -> Result<Option<Head>, PublishError> {
        let expected = expected.map(|head| head.version);
        match self.store.publish(client, expected, publication).await {
            Ok(()) => {
                let (version, generation) = (publication.version, publication.generation);
                tracing::info!(%client, %version, %generation, "published");
                Ok(Some(publication.head()))
            }
            Err(StoreError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What is published now. Head, documents and generation belong together.
    async fn current(&self, client: &ClientId) -> Result<Current, PublishError> {
        let mut head = self.store.head(client).await?;
        loop {
            let assigned = self.store.assigned(client).await?;
            let generation = self.generation(client).await?;
            let after = self.store.head(client).await?;
            if after == head {
                return Ok(Current {
                    head,
                    documents: assigned.into_iter().collect(),
                    audience: Audience {
                        client: client.clone(),
                        generation,
                    },
                });
            }
            head = after;
        }
    }

    async fn generation(&self, client: &ClientId) -> Result<SpecVersion, PublishError> {
        let standing = self.store.standing(client).await?;
        Ok(standing.map_or(SpecVersion::NEWEST, |standing| standing.generation))
    }

    /// Sees to it that a client has a record, with this generation unless it is for publishing to put it there.
    async fn note_generation(
        &self,
        client: &ClientId,
        generation: SpecVersion,
    ) -> Result<(), PublishError> {
        for _ in 0..ATTEMPTS {
            let newest = self.store.head(client).await?;
            let before = self.store.client(client).await?;
            let written = newest.map_or(generation, |head| head.generation);
            let after = match &before {
                Some(_) if written != generation => return Ok(()),
                Some(record) => record.clone().speaking(generation),
                None => ClientRecord::new(client.clone(), false).speaking(written),
            };
            if before.as_ref() == Some(&after)
                || self.store.replace_client(before.as_ref(), &after).await?
            {
                return Ok(());
            }
        }
        Err(PublishError::Outrun)
    }
}

/// What is published for a client.
struct Current {
    head: Option<Head>,
    documents: Documents,
    audience: Audience,
}

impl Current {
    fn is_written_in(&self, generation: SpecVersion) -> bool {
        self.head.is_none_or(|head| head.generation == generation)
    }

    fn deployments(&self) -> Result<BTreeMap<DeploymentId, ApplicationDeployment>, PublishError> {
        let read = |(id, bytes): (&DeploymentId, &bytes::Bytes)| {
            let read = margo_types::read::<ApplicationDeployment>(bytes);
            let read = read.map_err(|source| PublishError::Unreadable {
                deployment: *id,
                source,
            })?;
            Ok((*id, read.into_value()))
        };
        self.documents.iter().map(read).collect()
    }

    /// These deployments instead.
    fn with(self, deployments: &[ApplicationDeployment]) -> Result<Draft, PublishError> {
        Ok(Draft {
            documents: compile::documents(deployments, &self.documents, &self.audience)?,
            audience: self.audience,
        })
    }

    /// The same deployments, in the generation of the client.
    fn unchanged(self) -> Result<Draft, PublishError> {
        if self.is_written_in(self.audience.generation) {
            return Ok(Draft {
                documents: self.documents,
                audience: self.audience,
            });
        }
        let deployments: Vec<_> = self.deployments()?.into_values().collect();
        self.with(&deployments)
    }
}

/// What is to be published for a client.
struct Draft {
    documents: Documents,
    audience: Audience,
}

impl Draft {
    fn publication(self, version: ManifestVersion) -> Result<Publication, PublishError> {
        compile::publication(self.documents, version, &self.audience, Timestamp::now())
    }
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Two deployments have the same id.
    #[error("deployment {0} is there twice; keep one")]
    Repeated(DeploymentId),
    /// A change put a deployment under an id that is not its own.
    #[error("deployment {id} is filed under {key}; file it under its own id")]
    Misfiled {
        /// Where it is filed.
        key: DeploymentId,
        /// Its id.
        id: DeploymentId,
    },
    /// A deployment breaks rules of the specification.
    #[error("deployment {deployment} is not valid; correct it: {report}")]
    Invalid {
        /// Which deployment.
        deployment: DeploymentId,
        /// The rules it breaks.
        report: Report,
    },
    /// A deployment cannot be written.
    #[error("deployment {deployment} cannot be written")]
    Unwritable {
        /// Which deployment.
        deployment: DeploymentId,
        /// Why.
        source: WriteError,
    },
    /// The generation of the client has no way to say what a deployment says; the source names the field.
    #[error(
        "deployment {deployment} cannot go to client {client}; change it, or deploy it to another client"
    )]
    Unrepresentable {
        /// Which deployment.
        deployment: DeploymentId,
        /// Which client.
        client: ClientId,
        /// Which field, and why.
        source: Unrepresentable,
    },
    /// Devices could not read the document of a deployment, because it is too large, say.
    #[error("deployment {deployment} could not be read by devices")]
    Unreadable {
        /// Which deployment.
        deployment: DeploymentId,
        /// Why.
        source: ReadError,
    },
    /// The stored capabilities of a device cannot be read.
    #[error("the stored capabilities of device {device} cannot be read; have it report them again")]
    UnreadableDevice {
        /// Which device.
        device: DeviceId,
        /// Why.
        source: ReadError,
    },
    /// The bundle cannot be built.
    #[error("the bundle cannot be built")]
    Bundle(#[from] BundleBuildError),
    /// The manifest cannot be written.
    #[error("the manifest cannot be written")]
    Manifest(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No version is left, which only a client could bring about that pretended to know an absurdly high one.
    #[error("the client has used up all versions; give it a new client id")]
    Exhausted,
    /// Others kept publishing for the same client.
    #[error("others keep publishing for this client; try again")]
    Outrun,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// The deployments, each found under its own id.
fn filed(
    deployments: BTreeMap<DeploymentId, ApplicationDeployment>,
) -> Result<Vec<ApplicationDeployment>, PublishError> {
    let filed = deployments.into_iter().map(|(key, deployment)| {
        let id = deployment.id;
        (key == id)
            .then_some(deployment)
            .ok_or(PublishError::Misfiled { key, id })
    });
    filed.collect()
}

/// Runs what takes long off the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, PublishError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            Err(cancelled) => Err(StoreError::Unavailable(Box::new(cancelled)).into()),
        },
    }
}

/// Every lost race was won by somebody, so this many in a row mean that something is wrong.
const ATTEMPTS: usize = 1000;
