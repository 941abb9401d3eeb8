//! The controllers: what becomes of objects, at once.

mod batch;
mod claims;
mod deployment;
mod pod;
mod sets;
mod status;

use std::sync::Arc;

use serde_json::{Value, json};

use super::document::{items, set, text};
use super::garbage;
use super::objects::{Key, owner_reference};
use super::state::State;

/// Brings everything that has changed to where the controllers of a cluster would bring it.
pub(super) fn settle(state: &mut State) {
    while let Some(key) = state.objects.next_unsettled() {
        garbage::collect(&mut state.objects, &mut state.clock, &key);
        let Some(object) = state.objects.get(&key).cloned() else {
            continue;
        };
        if object["metadata"]["deletionTimestamp"].is_null() {
            reconcile(state, &key, &object);
        }
    }
}

fn reconcile(state: &mut State, key: &Key, object: &Arc<Value>) {
    match (key.group.as_str(), key.plural.as_str()) {
        ("apps", "deployments") => deployment::reconcile(state, key, object),
        ("apps", "replicasets") | ("", "replicationcontrollers") => {
            sets::replica_set(state, key, object);
        }
        ("apps", "statefulsets") => sets::stateful_set(state, key, object),
        ("apps", "daemonsets") => sets::daemon_set(state, key, object),
        ("batch", "jobs") => batch::job(state, key, object),
        ("", "pods") => pod::reconcile(state, key, object),
        ("", "persistentvolumeclaims") => claims::claim(state, key, object),
        ("", "namespaces") => namespace(state, key),
        ("", "services") if object["spec"]["type"] == "LoadBalancer" => load_balancer(state, key),
        ("networking.k8s.io", "ingresses") => load_balancer(state, key),
        ("policy", "poddisruptionbudgets") => {
            let status = json!({
                "observedGeneration": object["metadata"]["generation"],
                "currentHealthy": 0,
                "desiredHealthy": 0,
                "disruptionsAllowed": 0,
                "expectedPods": 0,
            });
            status::set_status(state, key, status);
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => definition(state, key, object),
        _ => {}
    }
}

/// Every namespace begins with a service account, and the certificate by which its pods know the cluster.
fn namespace(state: &mut State, key: &Key) {
    let is_new = state
        .objects
        .get(key)
        .is_some_and(|it| it["status"].is_null());
    if !is_new {
        return;
    }
    status::set_status(state, key, json!({ "phase": "Active" }));
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {} });
    let certificate = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {},
        "data": { "ca.crt": "" },
    });
    for (plural, name, object) in [
        ("serviceaccounts", "default", account),
        ("configmaps", "kube-root-ca.crt", certificate),
    ] {
        let key = Key::of("", plural, &key.name, name);
        if state.objects.get(&key).is_none() {
            state.objects.insert(key, object);
        }
    }
}

fn load_balancer(state: &mut State, key: &Key) {
    let status = json!({ "loadBalancer": { "ingress": [{ "ip": "127.0.0.1", "ipMode": "VIP" }] } });
    status::set_status(state, key, status);
}

fn definition(state: &mut State, key: &Key, object: &Value) {
    let versions = items(&object["spec"]["versions"]);
    let stored = versions
        .filter(|version| version["storage"] == true)
        .map(|version| &version["name"]);
    let stored: Vec<_> = stored.collect();
    let old = &object["status"];
    let status = json!({
        "acceptedNames": object["spec"]["names"],
        "conditions": [
            status::condition(old, "NamesAccepted", true, "NoConflicts", "no conflicts found"),
            status::condition(old, "Established", true, "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "storedVersions": stored,
    });
    status::set_status(state, key, status);
}

/// Makes a pod from the template of its owner.
fn make_pod(state: &mut State, owner: &Value, template: &Value, key: Key) {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": template["metadata"],
        "spec": template["spec"],
    });
    set(
        &mut pod,
        &["metadata"],
        "ownerReferences",
        vec![owner_reference(owner)],
    );
    state.objects.insert(key, pod);
}

/// The pods of a workload that are not about to go.
fn pods_of(state: &State, owner: &Value) -> Vec<(Key, Arc<Value>)> {
    let uid = text(&owner["metadata"]["uid"]);
    let keys = state
        .objects
        .dependents(uid)
        .filter(|key| key.is("", "pods"));
    let pods = keys.filter_map(|key| Some((key.clone(), state.objects.get(key)?.clone())));
    pods.filter(|(_, pod)| pod["metadata"]["deletionTimestamp"].is_null())
        .collect()
}

/// Five characters that no other pod has in its name.
fn suffix(state: &State) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    // Spread by a prime, so that neighbours look different.
    let mut number = state.objects.version() * 7_368_787 % 14_348_907;
    let letters = (0..5).map(|_| {
        let at = usize::try_from(number % 27).unwrap_or_default();
        number /= 27;
        char::from(LETTERS[at])
    });
    letters.collect()
}
