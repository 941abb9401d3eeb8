//! Everything that can be done before anything on the device changes: the archive, the compose file, the images.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;

use margo_package::Blame;
use margo_package::archive::{Durability, Limits};
use margo_package::compose::{COMPOSE_FILE, ComposeArchive, ComposeError};
use margo_package::publish::ComponentKind;
use margo_types::Digest;
use serde_json::Value;

use super::ComposeProvider;
use super::engine::{Claim, Files};
use super::home::Kept;
use super::names::Project;
use crate::error::with_causes;
use crate::files::{blocking, device_trouble};
use crate::home::Place;
use crate::source::{Pin, Source};
use crate::{ProviderError, Trouble};

/// A component as the deployment wants it.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) source: Source<'a>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) project: Project,
    pub(super) place: Place,
    /// The digest of all that goes into it.
    pub(super) inputs: Digest,
}

/// A component that can be brought up.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) pin: Pin,
    /// The unpacked archive, still in the work directory.
    pub(super) source: PathBuf,
    /// The compose file in it that this engine reads.
    pub(super) compose_file: &'static str,
    /// The `version` of the compose file.
    pub(super) version: Option<Value>,
    pub(super) services: Vec<String>,
    /// What they take for themselves.
    pub(super) claims: BTreeSet<Claim>,
}

impl ComposeProvider {
    pub(super) async fn prepare(
        &self,
        wanted: &Wanted<'_>,
        kept: Option<&Kept>,
    ) -> Result<Prepared, ProviderError> {
        let earlier = kept.map(|kept| &kept.pin);
        let fetched = wanted.source.fetch(
            &self.options.registry,
            ComponentKind::Compose,
            earlier,
            &wanted.place,
        );
        let mut prepared = self.unpack(wanted, fetched.await?).await?;
        let files = Files {
            directory: prepared.source.clone(),
            paths: vec![prepared.source.join(prepared.compose_file)],
            variables: wanted.variables.clone(),
        };
        let resolved = self.installed.resolve(&wanted.project, &files).await?;
        for (name, service) in &resolved.services {
            self.installed.ensure_image(name, service).await?;
        }
        prepared.claims = resolved.claims();
        prepared.services = resolved.services.into_keys().collect();
        Ok(prepared)
    }

    async fn unpack(&self, wanted: &Wanted<'_>, pin: Pin) -> Result<Prepared, ProviderError> {
        let place = &wanted.place;
        let (archive, next) = (place.archive(pin.archive), place.work().join("next"));
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
                pin,
                source,
                compose_file,
                version: compose.get("version").cloned(),
                services: Vec::new(),
                claims: BTreeSet::new(),
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

fn compose_trouble(error: &ComposeError) -> ProviderError {
    let trouble = match error.blame() {
        Blame::Content => Trouble::Deployment,
        _ => Trouble::Device,
    };
    ProviderError::new(trouble, with_causes(error))
}

const WITHOUT_NAME: &str = ".margo-compose.json";
