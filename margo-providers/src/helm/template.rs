//! Template mode: Helm renders, the provider applies.
//!
//! **Rendering** has no access to the cluster: `helm template` is run without a kubeconfig, with the version and the APIs of the
//! cluster out of the options (rc3.md section 11.1, D6). Charts with hooks, custom resource definitions or `lookup` are
//! refused with file and line, also where they are seen only in what was rendered.
//!
//! **Applying** is server-side apply with a field manager for each component. All objects are tried first
//! (`dryRun=All`), so that what the cluster refuses changes nothing. New objects are applied without force: should somebody
//! else have made one meanwhile, that is an error. Objects of ours are applied with force, for the
//! deployment says what their fields are, whoever changed them. Objects of others are never touched.
//!
//! **The inventory**, a secret beside the objects, says which objects belong to a component and what was last complete. It
//! outlives the device's disk, and a kill at any moment: it is written before the first object.
//!
//! **A failed update** is taken back by applying what was last complete. Leaving the rest to the rolling update of Kubernetes
//! would not do: stateful sets and daemon sets give up old pods first, and config maps have changed already. What a new
//! revision does not have any more is removed only when the new one is complete.
//!
//! **Drift** shows in the record that the API server keeps of who set which field: a field of ours that somebody else set
//! is no longer ours. This costs no more than listing the objects. The number of replicas is left to whoever scales.

mod deliver;
mod explicit;
mod inventory;
mod object;
mod order;
mod plan;
mod remove;
mod render;
mod standing;
mod wait;

use std::time::Duration;

use async_trait::async_trait;
use margo_types::id::DeploymentId;
use serde_json::Value;

use self::inventory::Inventory;
pub(super) use self::plan::Planned;
use super::cluster::Cluster;
use super::delivery::{Delivery, Health, Plan, Standing};
use super::names::{Owned, Release};
use super::options::{Options, TemplateOptions};
use super::prepare::Prepared;
use super::program::Helm;
use super::telemetry::Injection;
use super::wanted::Wanted;
use crate::{ProviderError, Trouble};

/// Renders charts and applies what comes of it.
#[derive(Debug)]
pub(super) struct Applier {
    cluster: Cluster,
    helm: Helm,
    capabilities: TemplateOptions,
    injection: Injection,
    owner: String,
    create_namespace: bool,
    /// How long objects may take to go.
    patience: Duration,
}

impl Applier {
    pub(super) async fn new(
        options: &Options,
        capabilities: &TemplateOptions,
        helm: Helm,
    ) -> Result<Self, ProviderError> {
        let version = &capabilities.kube_version;
        if !is_version(version) {
            let message = format!(
                "the version of Kubernetes in the options, {version:?}, is none; write it like 1.32.0"
            );
            return Err(ProviderError::new(Trouble::Device, message));
        }
        Ok(Self {
            cluster: Cluster::connect(options).await?,
            helm,
            capabilities: capabilities.clone(),
            injection: Injection::new(options),
            owner: options.owner.clone(),
            create_namespace: options.create_namespace,
            patience: options.default_timeout,
        })
    }
}

#[async_trait]
impl Delivery for Applier {
    async fn answers(&self) -> Result<(), ProviderError> {
        self.cluster.version().await.map(|_| ())
    }

    async fn check(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        _first: bool,
    ) -> Result<Plan, ProviderError> {
        let objects = self.render(wanted, prepared).await?;
        let planned = self.plan(&wanted.owned(), objects).await?;
        Ok(Plan::Objects(planned))
    }

    async fn preview(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
    ) -> Result<Vec<Value>, ProviderError> {
        self.render(wanted, prepared).await
    }

    async fn objects(&self, release: &Release) -> Result<Vec<Value>, ProviderError> {
        let inventory = Inventory::load(&self.cluster, release).await?;
        Ok(inventory.map_or_else(Vec::new, Inventory::into_objects))
    }

    async fn deliver(
        &self,
        wanted: &Wanted<'_>,
        _prepared: &Prepared,
        plan: Plan,
        time: Duration,
    ) -> Result<(), ProviderError> {
        let Plan::Objects(planned) = plan else {
            let message = "a chart was planned where objects are applied";
            return Err(ProviderError::new(Trouble::Device, message));
        };
        self.apply(wanted, planned, time).await
    }

    async fn undo(&self, wanted: &Wanted<'_>) -> Result<bool, ProviderError> {
        self.put_back(&wanted.owned()).await?;
        let standing = self.look(&wanted.release).await?;
        Ok(standing.health != Health::Absent)
    }

    async fn remove(&self, owned: &Owned) -> Result<(), ProviderError> {
        self.remove_all(owned).await
    }

    async fn standing(&self, release: &Release) -> Result<Standing, ProviderError> {
        self.look(release).await
    }

    async fn list(&self, deployment: Option<&DeploymentId>) -> Result<Vec<Owned>, ProviderError> {
        Inventory::all(&self.cluster, &self.owner, deployment).await
    }
}

/// Whether Helm takes it for a version of Kubernetes: what comes after the second number is its own affair.
fn is_version(text: &str) -> bool {
    let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
    let mut is_number = || {
        let part = parts.next().unwrap_or_default();
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    is_number() && is_number()
}
