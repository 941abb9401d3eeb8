//! The resources that a cluster has.

use std::sync::Arc;

use serde_json::Value;

use super::document::{items, text};

/// A kind of object, and where the API has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// The API group; empty for the core group.
    pub(super) group: String,
    /// The version of the group.
    pub(super) version: String,
    /// The kind, such as `Deployment`.
    pub(super) kind: String,
    /// The name in paths, such as `deployments`.
    pub(super) plural: String,
    /// Whether objects belong to a namespace.
    pub(super) is_namespaced: bool,
    /// Whether Kubernetes itself has it; lists of others are atomic.
    pub(super) is_built_in: bool,
    /// Whether status is changed through a path of its own, and by nothing else.
    pub(super) has_status: bool,
}

impl Resource {
    /// `apps/v1`, or `v1`.
    pub(super) fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `deployments.apps`, or `secrets`: how errors call it.
    pub(super) fn qualified(&self) -> String {
        match self.group.as_str() {
            "" => self.plural.clone(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// `Deployment.apps`, or `Secret`: how errors call objects of it.
    pub(super) fn qualified_kind(&self) -> String {
        match self.group.as_str() {
            "" => self.kind.clone(),
            group => format!("{}.{group}", self.kind),
        }
    }

    /// Whether creating one stores nothing, but asks something.
    pub(super) fn is_review(&self) -> bool {
        self.kind.ends_with("Review")
    }

    /// Whether it counts the changes of what is wanted (`metadata.generation`).
    pub(super) fn has_generation(&self) -> bool {
        !self.is_built_in
            || matches!(
                self.group.as_str(),
                "apps" | "batch" | "networking.k8s.io" | "policy" | "apiextensions.k8s.io"
            )
    }

    /// The resources that a `CustomResourceDefinition` adds, one for each version that is served.
    pub(super) fn of_definition(definition: &Value) -> Vec<Arc<Self>> {
        let spec = &definition["spec"];
        let served = items(&spec["versions"]).filter(|version| version["served"] == true);
        let resources = served.map(|version| Self {
            group: text(&spec["group"]).to_owned(),
            version: text(&version["name"]).to_owned(),
            kind: text(&spec["names"]["kind"]).to_owned(),
            plural: text(&spec["names"]["plural"]).to_owned(),
            is_namespaced: spec["scope"] == "Namespaced",
            is_built_in: false,
            has_status: !version["subresources"]["status"].is_null(),
        });
        resources.map(Arc::new).collect()
    }

    /// What Kubernetes itself has, as far as charts usually go.
    pub(super) fn built_in() -> impl Iterator<Item = Arc<Self>> {
        BUILT_IN.iter().flat_map(|(group, version, resources)| {
            resources.iter().map(|(kind, plural, is_namespaced)| {
                Arc::new(Self {
                    group: (*group).to_owned(),
                    version: (*version).to_owned(),
                    kind: (*kind).to_owned(),
                    plural: (*plural).to_owned(),
                    is_namespaced: *is_namespaced,
                    is_built_in: true,
                    has_status: true,
                })
            })
        })
    }
}

/// Kind, plural, and whether it is namespaced.
type Row = (&'static str, &'static str, bool);

/// Group, version, and resources (Kubernetes API reference, 1.32); the preferred version of a group comes first.
const BUILT_IN: &[(&str, &str, &[Row])] = &[
    (
        "",
        "v1",
        &[
            ("ConfigMap", "configmaps", true),
            ("Endpoints", "endpoints", true),
            ("Event", "events", true),
            ("LimitRange", "limitranges", true),
            ("Namespace", "namespaces", false),
            ("Node", "nodes", false),
            ("PersistentVolume", "persistentvolumes", false),
            ("PersistentVolumeClaim", "persistentvolumeclaims", true),
            ("Pod", "pods", true),
            ("PodTemplate", "podtemplates", true),
            ("ReplicationController", "replicationcontrollers", true),
            ("ResourceQuota", "resourcequotas", true),
            ("Secret", "secrets", true),
            ("Service", "services", true),
            ("ServiceAccount", "serviceaccounts", true),
        ],
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        &[
            (
                "MutatingWebhookConfiguration",
                "mutatingwebhookconfigurations",
                false,
            ),
            (
                "ValidatingWebhookConfiguration",
                "validatingwebhookconfigurations",
                false,
            ),
        ],
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        &[(
            "CustomResourceDefinition",
            "customresourcedefinitions",
            false,
        )],
    ),
    (
        "apps",
        "v1",
        &[
            ("ControllerRevision", "controllerrevisions", true),
            ("DaemonSet", "daemonsets", true),
            ("Deployment", "deployments", true),
            ("ReplicaSet", "replicasets", true),
            ("StatefulSet", "statefulsets", true),
        ],
    ),
    (
        "authorization.k8s.io",
        "v1",
        &[("SelfSubjectAccessReview", "selfsubjectaccessreviews", false)],
    ),
    (
        "autoscaling",
        "v2",
        &[("HorizontalPodAutoscaler", "horizontalpodautoscalers", true)],
    ),
    (
        "autoscaling",
        "v1",
        &[("HorizontalPodAutoscaler", "horizontalpodautoscalers", true)],
    ),
    (
        "batch",
        "v1",
        &[("CronJob", "cronjobs", true), ("Job", "jobs", true)],
    ),
    ("coordination.k8s.io", "v1", &[("Lease", "leases", true)]),
    (
        "discovery.k8s.io",
        "v1",
        &[("EndpointSlice", "endpointslices", true)],
    ),
    (
        "networking.k8s.io",
        "v1",
        &[
            ("Ingress", "ingresses", true),
            ("IngressClass", "ingressclasses", false),
            ("NetworkPolicy", "networkpolicies", true),
        ],
    ),
    (
        "node.k8s.io",
        "v1",
        &[("RuntimeClass", "runtimeclasses", false)],
    ),
    (
        "policy",
        "v1",
        &[("PodDisruptionBudget", "poddisruptionbudgets", true)],
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        &[
            ("ClusterRole", "clusterroles", false),
            ("ClusterRoleBinding", "clusterrolebindings", false),
            ("Role", "roles", true),
            ("RoleBinding", "rolebindings", true),
        ],
    ),
    (
        "scheduling.k8s.io",
        "v1",
        &[("PriorityClass", "priorityclasses", false)],
    ),
    (
        "storage.k8s.io",
        "v1",
        &[
            ("CSIDriver", "csidrivers", false),
            ("StorageClass", "storageclasses", false),
        ],
    ),
];
