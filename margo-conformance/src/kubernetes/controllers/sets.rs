//! Replica sets, stateful sets and daemon sets.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::document::{items, set, text};
use super::super::garbage::{self, Propagation};
use super::super::objects::{Key, owner_reference};
use super::super::state::State;
use super::deployment::hash;
use super::pod::is_ready;
use super::status::set_status;
use super::{make_pod, pods_of, suffix};

pub(super) fn replica_set(state: &mut State, key: &Key, object: &Arc<Value>) {
    let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let mut pods = pods_of(state, object);
    // Those that are not ready go first.
    pods.sort_by_key(|(_, pod)| !is_ready(pod));
    while pods.len() as u64 > wanted
        && let Some((surplus, _)) = pods.pop()
    {
        garbage::delete(&mut state.objects, &surplus, Propagation::Background);
    }
    for _ in pods.len() as u64..wanted {
        let pod = pod_key(key, &format!("{}-{}", key.name, suffix(state)));
        make_pod(state, object, &object["spec"]["template"], pod);
    }
    let pods = pods_of(state, object);
    let ready = pods.iter().filter(|(_, pod)| is_ready(pod)).count();
    let mut status = json!({
        "observedGeneration": object["metadata"]["generation"],
        "replicas": pods.len(),
    });
    for (name, count) in [
        ("fullyLabeledReplicas", pods.len()),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
    ] {
        if count > 0 {
            status[name] = count.into();
        }
    }
    set_status(state, key, status);
}

pub(super) fn stateful_set(state: &mut State, key: &Key, object: &Arc<Value>) {
    let spec = &object["spec"];
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let revision = format!("{}-{}", key.name, hash(&spec["template"]));
    let current = match text(&object["status"]["currentRevision"]) {
        "" => revision.clone(),
        current => current.to_owned(),
    };
    for (pod, _) in pods_of(state, object) {
        if ordinal(&pod).is_none_or(|number| number >= wanted) {
            garbage::delete(&mut state.objects, &pod, Propagation::Background);
        }
    }
    roll(state, key, object, &revision);

    let pods = pods_of(state, object);
    let count =
        |test: &dyn Fn(&Value) -> bool| pods.iter().filter(|(_, pod)| test(pod)).count() as u64;
    let ready = count(&|pod| is_ready(pod));
    let updated = count(&|pod| pod["metadata"]["labels"][REVISION] == revision.as_str());
    let is_done = updated == wanted && ready == wanted;
    let current = if is_done { revision.clone() } else { current };
    let with_current = count(&|pod| pod["metadata"]["labels"][REVISION] == current.as_str());
    let status = json!({
        "observedGeneration": object["metadata"]["generation"],
        "replicas": pods.len(),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "currentReplicas": with_current,
        "updatedReplicas": updated,
        "currentRevision": current,
        "updateRevision": revision,
        "collisionCount": 0,
    });
    set_status(state, key, status);
}

/// Makes the pods that are missing from the first to the last, then replaces those of another revision from the last to
/// the first. With ordered pods nothing happens while one of them is not ready: so a broken one stays until it is deleted.
fn roll(state: &mut State, key: &Key, object: &Value, revision: &str) {
    let spec = &object["spec"];
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let is_ordered = spec["podManagementPolicy"] != "Parallel";
    let pod = |number: u64| pod_key(key, &format!("{}-{number}", key.name));
    for number in 0..wanted {
        let pod = pod(number);
        if state.objects.get(&pod).is_none() {
            make_stateful_pod(state, key, object, revision, number);
        }
        if is_ordered && !state.objects.get(&pod).is_some_and(|pod| is_ready(pod)) {
            return;
        }
    }
    if spec["updateStrategy"]["type"] == "OnDelete" {
        return;
    }
    let first = spec["updateStrategy"]["rollingUpdate"]["partition"]
        .as_u64()
        .unwrap_or(0);
    for number in (first..wanted).rev() {
        let pod = pod(number);
        let Some(found) = state.objects.get(&pod) else {
            return;
        };
        if found["metadata"]["labels"][REVISION] != revision {
            garbage::delete(&mut state.objects, &pod, Propagation::Background);
            if state.objects.get(&pod).is_none() {
                make_stateful_pod(state, key, object, revision, number);
            }
            return;
        }
        if !is_ready(found) {
            return;
        }
    }
}

fn make_stateful_pod(state: &mut State, key: &Key, object: &Value, revision: &str, number: u64) {
    let name = format!("{}-{number}", key.name);
    let mut template = object["spec"]["template"].clone();
    for (label, value) in [
        (REVISION, revision),
        ("statefulset.kubernetes.io/pod-name", &name),
        ("apps.kubernetes.io/pod-index", &number.to_string()),
    ] {
        set(&mut template, &["metadata", "labels"], label, value);
    }
    let mut volumes: Vec<Value> = items(&template["spec"]["volumes"]).cloned().collect();
    for claim in items(&object["spec"]["volumeClaimTemplates"]) {
        let claim_name = format!("{}-{name}", text(&claim["metadata"]["name"]));
        volumes.push(json!({
            "name": claim["metadata"]["name"],
            "persistentVolumeClaim": { "claimName": claim_name },
        }));
        let claim_key = Key::of("", "persistentvolumeclaims", &key.namespace, &claim_name);
        // They outlive the set, unless it says otherwise.
        if state.objects.get(&claim_key).is_none() {
            let selected = object["spec"]["selector"]["matchLabels"].as_object();
            let labels = claim["metadata"]["labels"].as_object();
            let mut labels = labels.cloned().unwrap_or_default();
            labels.extend(selected.cloned().unwrap_or_default());
            let mut made = json!({
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": { "labels": labels },
                "spec": claim["spec"],
            });
            if object["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete" {
                set(
                    &mut made,
                    &["metadata"],
                    "ownerReferences",
                    vec![owner_reference(object)],
                );
            }
            state.objects.insert(claim_key, made);
        }
    }
    if !volumes.is_empty() {
        set(&mut template, &["spec"], "volumes", volumes);
    }
    make_pod(state, object, &template, pod_key(key, &name));
}

/// There is one node, so there is one pod.
pub(super) fn daemon_set(state: &mut State, key: &Key, object: &Arc<Value>) {
    let hash = hash(&object["spec"]["template"]);
    let is_current = |pod: &Value| pod["metadata"]["labels"][REVISION] == hash.as_str();
    let keeps_old = object["spec"]["updateStrategy"]["type"] == "OnDelete";
    let old = pods_of(state, object)
        .into_iter()
        .filter(|(_, pod)| !keeps_old && !is_current(pod));
    for (pod, _) in old.collect::<Vec<_>>() {
        garbage::delete(&mut state.objects, &pod, Propagation::Background);
    }
    if pods_of(state, object).is_empty() {
        let mut template = object["spec"]["template"].clone();
        set(
            &mut template,
            &["metadata", "labels"],
            REVISION,
            hash.clone(),
        );
        let pod = pod_key(key, &format!("{}-{}", key.name, suffix(state)));
        make_pod(state, object, &template, pod);
    }
    let pods = pods_of(state, object);
    let ready = pods.iter().filter(|(_, pod)| is_ready(pod)).count();
    let updated = pods.iter().filter(|(_, pod)| is_current(pod)).count();
    let mut status = json!({
        "observedGeneration": object["metadata"]["generation"],
        "desiredNumberScheduled": 1,
        "currentNumberScheduled": 1,
        "numberMisscheduled": 0,
        "updatedNumberScheduled": updated,
        "numberReady": ready,
    });
    let name = if ready > 0 {
        "numberAvailable"
    } else {
        "numberUnavailable"
    };
    status[name] = 1.into();
    set_status(state, key, status);
}

fn pod_key(of: &Key, name: &str) -> Key {
    Key::of("", "pods", &of.namespace, name)
}

fn ordinal(pod: &Key) -> Option<u64> {
    pod.name.rsplit('-').next()?.parse().ok()
}

const REVISION: &str = "controller-revision-hash";
