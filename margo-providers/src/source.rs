//! Where the components of a deployment come from, and getting them from there.

use std::collections::BTreeSet;

use margo_package::oci::{Client, Failure, OciError};
use margo_package::publish::{ComponentKind, PublishError, pull_component};
use margo_types::Digest;
use margo_types::application::{Component, DeploymentType};
use margo_types::deployment::ApplicationDeployment;
use margo_types::scalar::{Repository, Revision};
use serde::{Deserialize, Serialize};

use crate::error::with_causes;
use crate::files::{blocking, device_trouble};
use crate::home::Place;
use crate::{ProviderError, Trouble};

/// A component with the place it is published at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) component: &'a Component,
    pub(crate) repository: &'a Repository,
    pub(crate) revision: &'a Revision,
}

/// What a revision was when it was first pulled. A revision is a version and stays what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pin {
    pub(crate) repository: String,
    pub(crate) revision: String,
    /// The digest of the archive.
    pub(crate) archive: Digest,
}

impl<'a> Source<'a> {
    /// The components of a deployment of this type, in their order.
    ///
    /// # Errors
    /// [`Trouble::Deployment`] when it is of another type, when two components have one name, and when one has no
    /// repository or revision.
    pub(crate) fn all_of(
        deployment: &'a ApplicationDeployment,
        expected: &DeploymentType,
    ) -> Result<Vec<Self>, ProviderError> {
        let profile = &deployment.spec.deployment_profile;
        let invalid = |message: String| ProviderError::new(Trouble::Deployment, message);
        if profile.deployment_type != *expected {
            let message = format!("its type is {}, not {expected}", profile.deployment_type);
            return Err(invalid(message));
        }
        let mut names = BTreeSet::new();
        let mut sources = Vec::new();
        for component in &profile.components {
            let name = &component.name;
            if !names.insert(name) {
                return Err(invalid("there are two of this name".to_owned()).of(name));
            }
            let properties = &component.properties;
            let (Some(repository), Some(revision)) = (&properties.repository, &properties.revision)
            else {
                let message = "it has no repository and revision; name both";
                return Err(invalid(message.to_owned()).of(name));
            };
            sources.push(Self {
                component,
                repository,
                revision,
            });
        }
        Ok(sources)
    }

    /// Has the archive put into its place, from an earlier time or, if there is none, from the registry, and gives what it is
    /// pinned to. What was left in the work directory of the place is gone afterwards.
    ///
    /// # Errors
    /// Beside those of the registry: [`Trouble::Deployment`] when the artefact is of another kind, or the revision is another
    /// archive now than it was.
    pub(crate) async fn fetch(
        &self,
        registry: &Client,
        kind: ComponentKind,
        earlier: Option<&Pin>,
        place: &Place,
    ) -> Result<Pin, ProviderError> {
        let new = place.clone();
        let work = blocking(move || new.fresh_work().map_err(device_trouble)).await?;
        let earlier = earlier.filter(|pin| self.is_pinned_by(pin));
        if let Some(pin) = earlier {
            let (place, digest) = (place.clone(), pin.archive);
            if blocking(move || Ok(place.has_archive(digest))).await? {
                return Ok(pin.clone());
            }
        }
        let to = work.join("pulled");
        let pulled = pull_component(registry, self.repository, self.revision, &to).await;
        let pulled = pulled.map_err(|error| publish_trouble(&error))?;
        if pulled.kind != kind {
            let message = format!("{} is no {}", pulled.reference, shown(kind));
            return Err(ProviderError::new(Trouble::Deployment, message));
        }
        let archive = pulled.layer.digest;
        if let Some(pin) = earlier.filter(|pin| pin.archive != archive) {
            let message = format!(
                "the revision {} of {} was {} when it was installed and is {archive} now; publish what changed as another revision",
                self.revision, self.repository, pin.archive
            );
            return Err(ProviderError::new(Trouble::Deployment, message));
        }
        let place = place.clone();
        blocking(move || place.keep_archive(&to, archive).map_err(device_trouble)).await?;
        Ok(Pin {
            repository: self.repository.to_string(),
            revision: self.revision.to_string(),
            archive,
        })
    }

    fn is_pinned_by(&self, pin: &Pin) -> bool {
        pin.repository == self.repository.as_str() && pin.revision == self.revision.as_str()
    }
}

const fn shown(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Helm => "Helm chart",
        _ => "Compose component",
    }
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
