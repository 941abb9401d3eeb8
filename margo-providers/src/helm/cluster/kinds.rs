//! The kinds of objects that a cluster serves.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;

use super::{Cluster, requests, trouble_with};
use crate::{ProviderError, Trouble};

/// A kind in one version of its API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::helm) struct Kind {
    /// `v1`, `apps/v1`.
    pub(in crate::helm) api_version: String,
    /// `Deployment`.
    pub(in crate::helm) name: String,
    /// The name in paths, such as `deployments`.
    plural: String,
    /// Whether its objects are in namespaces.
    pub(in crate::helm) is_namespaced: bool,
}

impl Kind {
    /// Secrets: inventories are kept in them, also where nothing else is known of the cluster.
    pub(in crate::helm) fn secret() -> Self {
        Self::core("Secret", "secrets", true)
    }

    /// Pods: they tell why a workload does not run.
    pub(in crate::helm) fn pod() -> Self {
        Self::core("Pod", "pods", true)
    }

    /// Claims of volumes, which a stateful set makes for itself.
    pub(in crate::helm) fn volume_claim() -> Self {
        Self::core("PersistentVolumeClaim", "persistentvolumeclaims", true)
    }

    /// Namespaces.
    pub(in crate::helm) fn namespace() -> Self {
        Self::core("Namespace", "namespaces", false)
    }

    fn core(name: &str, plural: &str, is_namespaced: bool) -> Self {
        Self {
            api_version: "v1".to_owned(),
            name: name.to_owned(),
            plural: plural.to_owned(),
            is_namespaced,
        }
    }

    /// Whether nothing belongs to its objects.
    pub(super) fn owns_nothing(&self) -> bool {
        let name = self.name.as_str();
        self.api_version == "v1" && OWNERLESS.contains(&name)
    }

    /// The path of its objects, in one namespace or all.
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.api_version.contains('/') {
            "apis"
        } else {
            "api"
        };
        let namespace = namespace.filter(|_| self.is_namespaced);
        let namespace = namespace.map_or_else(String::new, |name| format!("namespaces/{name}/"));
        format!("/{root}/{}/{namespace}{}", self.api_version, self.plural)
    }
}

impl Cluster {
    /// The kind of this name, as the cluster serves it; asked for once for each API version.
    ///
    /// # Errors
    /// [`Trouble::Device`] when the cluster does not have it.
    pub(in crate::helm) async fn kind(
        &self,
        api_version: &str,
        name: &str,
    ) -> Result<Kind, ProviderError> {
        self.find_kind(api_version, name).await?.ok_or_else(|| {
            let message = format!(
                "the cluster has no kind {name} in {api_version}; have what defines it installed, or deploy to another device"
            );
            ProviderError::new(Trouble::Device, message)
        })
    }

    /// The same; `None` when the cluster does not have it.
    pub(in crate::helm) async fn find_kind(
        &self,
        api_version: &str,
        name: &str,
    ) -> Result<Option<Kind>, ProviderError> {
        if let Some(kind) = self.known(api_version, name) {
            return Ok(Some(kind));
        }
        let what = format!("the kinds of {api_version}");
        let served = if api_version.contains('/') {
            requests::in_time(self.client.list_api_group_resources(api_version)).await
        } else {
            requests::in_time(self.client.list_core_api_resources(api_version)).await
        };
        match served {
            Ok(served) => self.learn(api_version, &served),
            Err(error) if requests::is_not_found(&error) => {}
            Err(error) => return Err(trouble_with(error, &what)),
        }
        Ok(self.known(api_version, name))
    }

    fn known(&self, api_version: &str, name: &str) -> Option<Kind> {
        let kinds = self.kinds.lock().ok()?;
        kinds.get(api_version)?.get(name).cloned()
    }

    fn learn(&self, api_version: &str, served: &APIResourceList) {
        let Ok(mut kinds) = self.kinds.lock() else {
            return;
        };
        let known = kinds.entry(api_version.to_owned()).or_default();
        // Names with a slash are parts of objects, such as `deployments/scale`.
        for resource in served.resources.iter().filter(|it| !it.name.contains('/')) {
            let kind = Kind {
                api_version: api_version.to_owned(),
                name: resource.kind.clone(),
                plural: resource.name.clone(),
                is_namespaced: resource.namespaced,
            };
            known.insert(resource.kind.clone(), kind);
        }
    }
}

/// Kinds of the core whose objects own no others.
const OWNERLESS: &[&str] = &[
    "ConfigMap",
    "PersistentVolumeClaim",
    "Pod",
    "Secret",
    "ServiceAccount",
];
