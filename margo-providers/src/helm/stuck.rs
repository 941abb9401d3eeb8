//! Pods that a stateful set does not replace by itself.
//!
//! A stateful set replaces its pods one after the other and waits for each to be ready. One that can never be ready is waited for
//! for ever, also when the set has long been given back its earlier template: Kubernetes leaves it to whoever gave it the bad one
//! to delete the pod.

use std::time::Duration;

use serde_json::Value;

use super::cluster::{Cluster, Kind, trouble_with};
use super::json::text;
use crate::ProviderError;

/// Deletes the pods of the stateful sets among these objects that are neither ready nor of the set's present template.
pub(super) async fn replace_stuck_pods(
    cluster: &Cluster,
    namespace: &str,
    objects: &[Value],
) -> Result<(), ProviderError> {
    for set in objects
        .iter()
        .filter(|object| text(object, "/kind") == "StatefulSet")
    {
        let namespace = match text(set, "/metadata/namespace") {
            "" => namespace,
            own => own,
        };
        replace_in(cluster, namespace, set).await?;
    }
    Ok(())
}

async fn replace_in(cluster: &Cluster, namespace: &str, set: &Value) -> Result<(), ProviderError> {
    let name = text(set, "/metadata/name");
    let failed = |error| trouble_with(error, &format!("the StatefulSet {name}"));
    let kind = cluster
        .kind(text(set, "/apiVersion"), "StatefulSet")
        .await?;
    let mut live = None;
    // Its controller needs a moment to say which template counts.
    for _ in 0..LOOKS {
        live = cluster
            .get(&kind, Some(namespace), name)
            .await
            .map_err(failed)?;
        let number = |path| live.as_ref().and_then(|live| live.pointer(path)?.as_i64());
        if number("/status/observedGeneration") >= number("/metadata/generation") {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let Some(live) = live else {
        return Ok(());
    };
    let present = text(&live, "/status/updateRevision");
    if present.is_empty() {
        return Ok(());
    }
    for pod in cluster.pods_of(&live).await.map_err(failed)? {
        if is_of(&pod, text(&live, "/metadata/uid"))
            && !is_of_template(&pod, present)
            && !is_ready(&pod)
        {
            let (name, uid) = (text(&pod, "/metadata/name"), text(&pod, "/metadata/uid"));
            tracing::info!(
                pod = name,
                "its stateful set does not replace it; it is deleted"
            );
            cluster
                .delete(&Kind::pod(), Some(namespace), name, uid)
                .await
                .map_err(failed)?;
        }
    }
    Ok(())
}

fn is_of(pod: &Value, set: &str) -> bool {
    let owners = pod
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    owners
        .into_iter()
        .flatten()
        .any(|owner| text(owner, "/uid") == set)
}

fn is_of_template(pod: &Value, template: &str) -> bool {
    text(pod, "/metadata/labels/controller-revision-hash") == template
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|it| text(it, "/type") == "Ready" && text(it, "/status") == "True")
}

const LOOKS: usize = 25;
const PAUSE: Duration = Duration::from_millis(200);
