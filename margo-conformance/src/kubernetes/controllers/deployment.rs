//! Deployments: a new template gets a replica set of its own, and the old ones go as the new one gets ready.

use std::sync::Arc;
use std::time::Duration;

use margo_types::Digest;
use serde_json::{Value, json};

use super::super::document::{self, set, text};
use super::super::objects::{Key, owner_reference};
use super::super::state::State;
use super::status::{condition, set_status};

pub(super) fn reconcile(state: &mut State, key: &Key, deployment: &Arc<Value>) {
    let spec = &deployment["spec"];
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let newest = newest(state, key, deployment);
    let mut older = replica_sets(state, deployment);
    older.retain(|(key, _)| *key != newest);

    let (surge, unavailable) = allowance(&spec["strategy"], wanted);
    let current = Counts::of(state, &newest);
    let old: Vec<(Key, Counts)> = older
        .iter()
        .map(|(key, _)| (key.clone(), Counts::of(state, key)))
        .collect();
    let old_replicas: u64 = old.iter().map(|(_, counts)| counts.wanted).sum();
    let old_pods: u64 = old.iter().map(|(_, counts)| counts.pods).sum();
    let is_recreated = spec["strategy"]["type"] == "Recreate";
    if is_recreated {
        for (key, _) in &old {
            scale(state, key, 0);
        }
        if old_pods == 0 {
            scale(state, &newest, wanted);
        }
    } else {
        let room = wanted
            .saturating_add(surge)
            .saturating_sub(current.wanted + old_replicas);
        let target = (current.wanted + room).min(wanted);
        scale(state, &newest, target);
        let available = current.ready + old.iter().map(|(_, counts)| counts.ready).sum::<u64>();
        let least = wanted.saturating_sub(unavailable);
        let unready = target.saturating_sub(current.ready);
        let mut to_go = (target + old_replicas).saturating_sub(least + unready);
        let mut ready_to_go = available.saturating_sub(least);
        for (key, counts) in &old {
            // Those that do not run go first.
            let broken = counts.wanted.saturating_sub(counts.ready).min(to_go);
            let running = counts.ready.min(to_go - broken).min(ready_to_go);
            to_go -= broken + running;
            ready_to_go -= running;
            scale(state, key, counts.wanted - broken - running);
        }
    }
    forget_old(
        state,
        &older,
        spec["revisionHistoryLimit"].as_u64().unwrap_or(10),
    );
    report(state, key, deployment, &newest);
}

/// The replica set of the template as it is, which is made where there is none.
fn newest(state: &mut State, key: &Key, deployment: &Value) -> Key {
    let template = &deployment["spec"]["template"];
    let hash = hash(template);
    let newest = Key::of(
        "apps",
        "replicasets",
        &key.namespace,
        &format!("{}-{hash}", key.name),
    );
    let revisions = replica_sets(state, deployment);
    let revision = |set: &Value| {
        let revision = text(&set["metadata"]["annotations"][REVISION]).parse::<u64>();
        revision.unwrap_or_default()
    };
    let others = revisions.iter().filter(|(key, _)| *key != newest);
    let last = others
        .map(|(_, set)| revision(set))
        .max()
        .unwrap_or_default();
    let known = revisions
        .iter()
        .find(|(key, _)| *key == newest)
        .map(|(_, set)| revision(set));
    let number = match known {
        Some(known) if known > last => known,
        _ => last + 1,
    };
    if known.is_none() {
        let mut template = template.clone();
        set(&mut template, &["metadata", "labels"], HASH, hash.clone());
        let mut selector = deployment["spec"]["selector"].clone();
        set(&mut selector, &["matchLabels"], HASH, hash);
        let set = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": { "replicas": 0, "selector": selector, "template": template },
        });
        state.objects.insert(newest.clone(), set);
    }
    for key in [&newest, key] {
        state.objects.change(key, |object| {
            set(
                object,
                &["metadata", "annotations"],
                REVISION,
                number.to_string(),
            );
        });
    }
    newest
}

fn report(state: &mut State, key: &Key, deployment: &Value, newest: &Key) {
    let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    let (_, unavailable) = allowance(&deployment["spec"]["strategy"], wanted);
    let new = Counts::of(state, newest);
    let all = replica_sets(state, deployment);
    let all: Vec<Counts> = all.iter().map(|(key, _)| Counts::of(state, key)).collect();
    let pods: u64 = all.iter().map(|counts| counts.pods).sum();
    let ready: u64 = all.iter().map(|counts| counts.ready).sum();
    let is_complete = new.pods == wanted && pods == wanted && ready == wanted;

    let uid = text(&deployment["metadata"]["uid"]);
    let limit = deployment["spec"]["progressDeadlineSeconds"]
        .as_u64()
        .unwrap_or(600);
    let progress = format!(
        "{} {} {} {pods} {ready} {is_complete}",
        newest.name, new.pods, new.ready
    );
    let is_stuck = state
        .clock
        .is_stuck(uid, progress, Duration::from_secs(limit), key)
        && !is_complete;
    let (reason, message) = if is_complete {
        (
            "NewReplicaSetAvailable",
            format!("ReplicaSet {:?} has successfully progressed.", newest.name),
        )
    } else if is_stuck {
        (
            "ProgressDeadlineExceeded",
            format!("ReplicaSet {:?} has timed out progressing.", newest.name),
        )
    } else {
        (
            "ReplicaSetUpdated",
            format!("ReplicaSet {:?} is progressing.", newest.name),
        )
    };
    let is_available = ready >= wanted.saturating_sub(unavailable);
    let (why, what) = if is_available {
        (
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        (
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    let old = &deployment["status"];
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "conditions": [
            condition(old, "Available", is_available, why, what),
            condition(old, "Progressing", !is_stuck, reason, &message),
        ],
    });
    // As the API does it: what is zero is not there.
    for (name, count) in [
        ("replicas", pods),
        ("updatedReplicas", new.pods),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
        (
            "unavailableReplicas",
            pods.max(wanted) - ready.min(pods.max(wanted)),
        ),
    ] {
        if count > 0 {
            status[name] = count.into();
        }
    }
    set_status(state, key, status);
}

/// Removes replica sets that nobody goes back to.
fn forget_old(state: &mut State, older: &[(Key, Arc<Value>)], limit: u64) {
    let mut idle: Vec<_> = older
        .iter()
        .filter(|(key, _)| Counts::of(state, key).pods == 0)
        .map(|(key, set)| {
            (
                text(&set["metadata"]["annotations"][REVISION])
                    .parse::<u64>()
                    .unwrap_or(0),
                key,
            )
        })
        .collect();
    idle.sort();
    let surplus = idle
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    for (_, key) in idle.into_iter().take(surplus) {
        state.objects.remove(key);
    }
}

fn scale(state: &mut State, key: &Key, replicas: u64) {
    state.objects.change(key, |set| {
        document::set(set, &["spec"], "replicas", replicas);
    });
}

/// The replica sets of a deployment.
fn replica_sets(state: &State, deployment: &Value) -> Vec<(Key, Arc<Value>)> {
    let keys = state
        .objects
        .dependents(text(&deployment["metadata"]["uid"]));
    let keys = keys.filter(|key| key.is("apps", "replicasets"));
    keys.filter_map(|key| Some((key.clone(), state.objects.get(key)?.clone())))
        .collect()
}

/// The pods of a replica set.
#[derive(Clone, Copy, Default)]
struct Counts {
    wanted: u64,
    pods: u64,
    ready: u64,
}

impl Counts {
    fn of(state: &State, key: &Key) -> Self {
        let Some(set) = state.objects.get(key) else {
            return Self::default();
        };
        let count = |value: &Value| value.as_u64().unwrap_or_default();
        let wanted = count(&set["spec"]["replicas"]);
        Self {
            wanted,
            pods: count(&set["status"]["replicas"]),
            // Those that are about to go do not count.
            ready: count(&set["status"]["readyReplicas"]).min(wanted),
        }
    }
}

/// How many pods there may be above what is wanted, and how many of them may be missing.
fn allowance(strategy: &Value, wanted: u64) -> (u64, u64) {
    let parameters = &strategy["rollingUpdate"];
    let part = |value: &Value, round_up: u64| {
        let percent = text(value)
            .strip_suffix('%')
            .and_then(|it| it.parse::<u64>().ok());
        match percent {
            Some(percent) => wanted.saturating_mul(percent).saturating_add(round_up) / 100,
            None => value.as_u64().unwrap_or_default(),
        }
    };
    let surge = part(&parameters["maxSurge"], 99);
    let unavailable = part(&parameters["maxUnavailable"], 0);
    if surge == 0 && unavailable == 0 {
        return (0, 1);
    }
    (surge, unavailable)
}

/// Ten characters that tell templates apart.
pub(super) fn hash(template: &Value) -> String {
    let digest = Digest::of(template.to_string().as_bytes()).to_hex();
    digest.chars().take(10).collect()
}

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
