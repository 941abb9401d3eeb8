//! Everything that can be done before anything on the device changes: the archive, the compose file, the images.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use margo_package::Blame;
use margo_package::archive::{Durability, Limits};
use margo_package::compose::{COMPOSE_FILE, ComposeArchive, ComposeError};
use margo_package::oci::{Failure, OciError};
use margo_package::publish::{ComponentKind, PublishError, pull_component};
use margo_types::Digest;
use margo_types::application::Component;
use margo_types::scalar::{Repository, Revision};
use serde_json::Value;

use super::engine::Files;
use super::home::{Kept, Place};
use super::names::Project;
use super::{ComposeProvider, blocking, device_trouble, with_causes};
use crate::{ProviderError, Trouble};

/// A component as the deployment wants it.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) component: &'a Component,
    pub(super) repository: &'a Repository,
    pub(super) revision: &'a Revision,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) project: Project,
    pub(super) place: Place,
    /// The digest of all that goes into it.
    pub(super) inputs: Digest,
}

/// A component that can be brought up.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) archive: Digest,
    /// The unpacked archive, still in the work directory.
    pub(super) source: PathBuf,
    /// The compose file in it that this engine reads.
    pub(super) compose_file: &'static str,
    /// The `version` of the compose file.
    pub(super) version: Option<Value>,
    pub(super) services: Vec<String>,
}

impl ComposeProvider {
    pub(super) async fn prepare(
        &self,
        wanted: &Wanted<'_>,
        kept: Option<&Kept>,
    ) -> Result<Prepared, ProviderError> {
        let place = wanted.place.clone();
        let work = blocking(move || place.fresh_work().map_err(device_trouble)).await?;
        let archive = self.fetch(wanted, kept, &work).await?;
        let mut prepared = self.unpack(wanted, archive, &work).await?;
        let files = Files {
            directory: prepared.source.clone(),
            paths: vec![prepared.source.join(prepared.compose_file)],
            variables: wanted.variables.clone(),
        };
        let resolved = self.installed.resolve(&wanted.project, &files).await?;
        for (name, service) in &resolved.services {
            self.installed.ensure_image(name, service).await?;
        }
        prepared.services = resolved.services.into_keys().collect();
        Ok(prepared)
    }

    /// The digest of the archive, which is in its place then: from an earlier time or, if there is none, from the registry.
    async fn fetch(
        &self,
        wanted: &Wanted<'_>,
        kept: Option<&Kept>,
        work: &Path,
    ) -> Result<Digest, ProviderError> {
        let is_same = |kept: &&Kept| {
            kept.repository == wanted.repository.as_str()
                && kept.revision == wanted.revision.as_str()
        };
        if let Some(kept) = kept.filter(is_same) {
            let (place, digest) = (wanted.place.clone(), kept.archive);
            if blocking(move || Ok(place.has_archive(digest))).await? {
                return Ok(digest);
            }
        }
        let to = work.join("pulled");
        let registry = &self.options.registry;
        let pulled = pull_component(registry, wanted.repository, wanted.revision, &to).await;
        let pulled = pulled.map_err(|error| publish_trouble(&error))?;
        if pulled.kind != ComponentKind::Compose {
            let message = format!("{} is no Compose component", pulled.reference);
            return Err(ProviderError::new(Trouble::Deployment, message));
        }
        let (place, digest) = (wanted.place.clone(), pulled.layer.digest);
        blocking(move || place.keep_archive(&to, digest).map_err(device_trouble)).await?;
        Ok(digest)
    }

    async fn unpack(
        &self,
        wanted: &Wanted<'_>,
        digest: Digest,
        work: &Path,
    ) -> Result<Prepared, ProviderError> {
        let (archive, next) = (wanted.place.archive(digest), work.join("next"));
        let is_first_compose = self.installed.is_first_compose();
        blocking(move || {
            let file = File::open(&archive).map_err(device_trouble)?;
            let mut archive = ComposeArchive::open(file, Limits::default())
                .map_err(|error| compose_trouble(&error))?;
            let source = archive
                .unpack(&next, Durability::Durable)
                .map_err(|error| compose_trouble(&error))?;
            let compose = archive.compose();
            let mut compose_file = COMPOSE_FILE;
            if is_first_compose && compose.get("name").is_some() {
                compose_file = WITHOUT_NAME;
                let bytes = without_name(compose);
                std::fs::write(source.join(WITHOUT_NAME), bytes).map_err(device_trouble)?;
            }
            Ok(Prepared {
                archive: digest,
                source,
                compose_file,
                version: compose.get("version").cloned(),
                services: Vec::new(),
            })
        })
        .await
    }
}

/// The compose file for Compose 1, which refuses `name`. The name is of no use here: ours is given on the command line.
fn without_name(compose: &Value) -> Vec<u8> {
    let mut compose = compose.clone();
    if let Some(members) = compose.as_object_mut() {
        members.remove("name");
    }
    serde_json::to_vec(&compose).unwrap_or_default()
}

fn publish_trouble(error: &PublishError) -> ProviderError {
    let trouble = match error {
        PublishError::Transfer { source, .. } => match source {
            OciError::Environment {
                failure: Failure::File { .. } | Failure::LocalEnd,
                ..
            } => Trouble::Device,
            OciError::Misused { .. } => Trouble::Deployment,
            _ => Trouble::Registry,
        },
        PublishError::File { .. } => Trouble::Device,
        _ => Trouble::Deployment,
    };
    ProviderError::new(trouble, with_causes(error))
}

fn compose_trouble(error: &ComposeError) -> ProviderError {
    let trouble = match error.blame() {
        Blame::Content => Trouble::Deployment,
        _ => Trouble::Device,
    };
    ProviderError::new(trouble, with_causes(error))
}

const WITHOUT_NAME: &str = ".margo-compose.json";
