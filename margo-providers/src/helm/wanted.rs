//! A component as the deployment wants it.

use std::time::Duration;

use margo_types::Digest;
use margo_types::application::DeploymentType;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeploymentId;
use margo_types::scalar::Timeout;
use serde_json::{Map, Value};

use super::HelmProvider;
use super::names::{Owned, Release};
use super::prepare::Record;
use super::telemetry::Injection;
use super::values::values_of;
use crate::home::Place;
use crate::source::Source;
use crate::{ProviderError, Trouble};

/// A component as the deployment wants it, with all that is known of it without asking anybody.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) deployment: DeploymentId,
    pub(super) source: Source<'a>,
    /// What the chart's own values are overridden with.
    pub(super) values: Map<String, Value>,
    pub(super) release: Release,
    /// Whether the next component, and success, wait for this one.
    pub(super) wait: bool,
    /// How long it may take altogether.
    pub(super) timeout: Duration,
    pub(super) place: Place,
    /// The digest of all that goes into it.
    pub(super) inputs: Digest,
}

impl Wanted<'_> {
    /// [`inputs`](Self::inputs) within the 63 characters of a label.
    pub(super) fn mark(&self) -> String {
        mark(&self.inputs)
    }

    pub(super) fn owned(&self) -> Owned {
        Owned {
            deployment: self.deployment,
            component: self.source.component.name.clone(),
            release: self.release.clone(),
        }
    }
}

impl HelmProvider {
    /// The components of a deployment of which this is remembered.
    ///
    /// # Errors
    /// [`Trouble::Deployment`] for everything that can be seen to be wrong with it.
    pub(super) fn wanted<'a>(
        &self,
        deployment: &'a ApplicationDeployment,
        record: &Record,
    ) -> Result<Vec<Wanted<'a>>, ProviderError> {
        let sources = Source::all_of(deployment, &DeploymentType::Helm)?;
        let wanted = sources
            .into_iter()
            .map(|source| self.one(deployment, source, record));
        wanted.collect()
    }

    fn one<'a>(
        &self,
        deployment: &ApplicationDeployment,
        source: Source<'a>,
        record: &Record,
    ) -> Result<Wanted<'a>, ProviderError> {
        let name = &source.component.name;
        let properties = &source.component.properties;
        let values = values_of(deployment, name)?;
        let timeout = properties.timeout.as_ref().map(Timeout::duration);
        let release = self.release(deployment, source, record)?;
        let inputs = (
            source.repository.as_str(),
            source.revision.as_str(),
            &values,
            Injection::new(&self.options).digest(),
        );
        let inputs = serde_json::to_vec(&inputs).unwrap_or_default();
        Ok(Wanted {
            deployment: deployment.id,
            source,
            values,
            release,
            wait: properties.waits(),
            timeout: timeout.unwrap_or(self.options.default_timeout),
            place: self.home(deployment).place(name),
            inputs: Digest::of(&inputs),
        })
    }

    /// The release of a component: the one it has, else one that is named for it. What is on the cluster keeps its name and
    /// its namespace, for its data is there.
    fn release(
        &self,
        deployment: &ApplicationDeployment,
        source: Source<'_>,
        record: &Record,
    ) -> Result<Release, ProviderError> {
        let name = &source.component.name;
        let namespace = deployment.metadata.namespace.as_deref();
        let Some(kept) = record.components.get(name) else {
            return Release::new(&self.options, &deployment.id, namespace, name);
        };
        let namespace = namespace.unwrap_or(&self.options.default_namespace);
        if kept.release.namespace == namespace {
            return Ok(kept.release.clone());
        }
        let message = format!(
            "it runs in the namespace {} and cannot be moved to {namespace} with its data; keep the namespace, or remove the deployment first",
            kept.release.namespace
        );
        Err(ProviderError::new(Trouble::Deployment, message).of(name))
    }
}

/// The digest of what was delivered, within the 63 characters of a label.
pub(super) fn mark(inputs: &Digest) -> String {
    let hex = inputs.to_hex();
    hex.get(..MARK).unwrap_or_default().to_owned()
}

const MARK: usize = 40;
