//! In which order objects are applied.

/// When a kind is applied; those of one wave do not need each other. Objects are removed in the reverse order.
///
/// The waves follow Helm's own order of kinds. Kinds that Helm does not know come last.
pub(super) fn wave(kind: &str) -> usize {
    let is_in = |wave: &&[&str]| wave.contains(&kind);
    WAVES.iter().position(is_in).unwrap_or(WAVES.len())
}

/// How many waves there are.
pub(super) const COUNT: usize = WAVES.len() + 1;

const WAVES: [&[&str]; 4] = [
    &["Namespace", "PriorityClass", "StorageClass", "IngressClass"],
    &[
        "ClusterRole",
        "ConfigMap",
        "LimitRange",
        "NetworkPolicy",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "PodSecurityPolicy",
        "ResourceQuota",
        "Role",
        "ServiceAccount",
    ],
    // A token belongs to a service account, a binding to a role.
    &["ClusterRoleBinding", "RoleBinding", "Secret", "Service"],
    &[
        "CronJob",
        "DaemonSet",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Job",
        "Pod",
        "ReplicaSet",
        "ReplicationController",
        "StatefulSet",
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first() {
        let order = [
            "Namespace",
            "ServiceAccount",
            "RoleBinding",
            "Deployment",
            "Ingress",
        ];
        let waves: Vec<usize> = order.iter().map(|kind| wave(kind)).collect();
        assert!(
            waves.is_sorted() && waves.last() == Some(&(COUNT - 1)),
            "{waves:?}"
        );
        assert!(wave("ConfigMap") < wave("Pod"));
        assert_eq!(wave("Anything"), COUNT - 1);
    }
}
