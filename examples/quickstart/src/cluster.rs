//! The rack, a device with a Kubernetes cluster, and Helm, which brings charts into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use margo_conformance::kubernetes::Cluster;
use margo_conformance::registry::Registry;
use margo_providers::Provider;
use margo_providers::helm::{HelmProvider, Options};

use crate::fleet::run_name;
use crate::narrator::Narrator;
use crate::{Failure, package};

/// Which cluster the rack has.
#[derive(Clone, Debug)]
pub(crate) enum ClusterChoice {
    /// The Kubernetes API in this process, with nodes that only say that pods run.
    Simulated,
    /// The one of this kubeconfig file.
    Kubeconfig(PathBuf),
}

/// The cluster of the rack, with `helm`.
pub(crate) struct RackCluster {
    /// What brings charts into it.
    pub provider: Arc<dyn Provider>,
    /// The cluster itself, where it is in this process.
    simulated: Option<Cluster>,
}

impl RackCluster {
    /// Starts the cluster, or finds it, and tells which it is.
    ///
    /// # Errors
    /// When there is no `helm`, with what to install, or the cluster does not answer.
    pub(crate) async fn start(
        narrator: &mut Narrator,
        choice: &ClusterChoice,
        registry: &Registry,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let (kubeconfig, simulated) = match choice {
            ClusterChoice::Kubeconfig(file) => (file.clone(), None),
            ClusterChoice::Simulated => {
                let cluster = Cluster::start().await;
                let file = folder.join("kubeconfig");
                std::fs::write(&file, cluster.kubeconfig())?;
                (file, Some(cluster))
            }
        };
        let mut options = Options::new(folder.join("charts"), package::client(&registry.host())?);
        options.kubeconfig = Some(kubeconfig);
        // The fleet manager gives every deployment a namespace of its own.
        options.create_namespace = true;
        // Fleets that run at the same time may share the cluster.
        options.owner = format!("quickstart{}", run_name(folder));
        let helm = HelmProvider::detect(options).await?;
        // Said here, and not by the first deployment.
        let engine = helm.engine().await?;
        narrator.cluster(engine.to_string(), choice);
        Ok(Self {
            provider: Arc::new(helm),
            simulated,
        })
    }

    /// Tells what is in the cluster, as far as it can be seen without Helm.
    pub(crate) fn tell(&self, narrator: &mut Narrator) {
        let Some(cluster) = &self.simulated else {
            return;
        };
        for deployment in cluster.objects("deployments") {
            let metadata = &deployment["metadata"];
            let name = metadata["name"].as_str().unwrap_or_default();
            let version = metadata["labels"]["app.kubernetes.io/version"].as_str();
            let version = version.unwrap_or("?");
            let ready = deployment["status"]["readyReplicas"].as_u64();
            let ready = ready.unwrap_or_default();
            let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
            let state = format!("Deployment {name}: {version}, {ready} of {wanted} pods ready");
            narrator.see("cluster of the rack", &state);
        }
    }

    /// What is left in the cluster of this process.
    pub(crate) fn left(&self) -> Vec<String> {
        let Some(cluster) = &self.simulated else {
            return Vec::new();
        };
        let mut left = Vec::new();
        for kind in ["deployments", "pods", "secrets", "configmaps"] {
            let objects = cluster.objects(kind);
            let names = objects
                .iter()
                .filter_map(|it| it["metadata"]["name"].as_str());
            // Every namespace has this one.
            let names = names.filter(|name| *name != "kube-root-ca.crt");
            left.extend(names.map(|name| format!("{kind}/{name}")));
        }
        left
    }
}

impl ClusterChoice {
    /// What it is, for the story.
    pub(crate) fn description(&self) -> String {
        match self {
            Self::Simulated => "simulated".to_owned(),
            Self::Kubeconfig(file) => file.display().to_string(),
        }
    }
}
