//! Why a workload does not run: its own status, that of its pods, and their last words.

use serde_json::Value;

use super::cluster::Cluster;
use super::json::text;
use super::readiness::{PodTrouble, Readiness, pod_trouble, readiness};

/// The readiness of a workload as it is on the cluster, with what its pods say when it is not ready.
///
/// A pod that cannot start, or ends again and again, makes it [`Readiness::Failed`]: it may recover, but will not by itself. What
/// cannot be found out is left out.
pub(super) async fn diagnose(cluster: &Cluster, live: &Value) -> Readiness {
    let (how, has_failed) = match readiness(live) {
        Readiness::Ready => return Readiness::Ready,
        Readiness::Coming(how) => (how, false),
        Readiness::Failed(how) => (how, true),
    };
    let namespace = text(live, "/metadata/namespace");
    let Some((pod, trouble)) = worst_pod(cluster, live).await else {
        return if has_failed {
            Readiness::Failed(how)
        } else {
            Readiness::Coming(how)
        };
    };
    let name = text(&pod, "/metadata/name");
    let container = trouble.container.as_deref();
    let place = container.map_or_else(String::new, |container| format!(", container {container}"));
    let mut message = format!("{how}; pod {name}{place}: {}", trouble.why);
    if let Some(container) = container.filter(|_| trouble.has_run) {
        let mut words = cluster.last_words(namespace, name, container, true).await;
        if words.is_none() {
            words = cluster.last_words(namespace, name, container, false).await;
        }
        if let Some(words) = words {
            message.push('\n');
            message.push_str(&words);
        }
    }
    Readiness::Failed(message)
}

/// The first of its pods that something is wrong with.
async fn worst_pod(cluster: &Cluster, live: &Value) -> Option<(Value, PodTrouble)> {
    if text(live, "/kind") == "Pod" {
        let trouble = pod_trouble(live)?;
        return Some((live.clone(), trouble));
    }
    let pods = cluster.pods_of(live).await.ok()?;
    // What is about to go says nothing about what comes, such as after an update was taken back.
    let staying = pods
        .into_iter()
        .filter(|pod| text(pod, "/metadata/deletionTimestamp").is_empty());
    let mut troubled = staying.filter_map(|pod| {
        let trouble = pod_trouble(&pod)?;
        Some((pod, trouble))
    });
    troubled.next()
}
