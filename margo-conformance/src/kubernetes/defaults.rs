//! What the API server itself fills in.

mod pods;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use self::pods::{pod, pod_template, quantities};
use super::document::{items, list_at, members, set, set_default, text, unset};
use super::objects::Objects;
use super::resource::Resource;

/// Fills in what an object leaves open. `before` is the object that it replaces.
pub(super) fn set_defaults(
    objects: &mut Objects,
    resource: &Resource,
    object: &mut Value,
    before: Option<&Value>,
) {
    if !resource.is_built_in {
        return;
    }
    match resource.kind.as_str() {
        "Pod" => pod(object, &["spec"]),
        "Deployment" => deployment(object),
        "StatefulSet" => stateful_set(object),
        "DaemonSet" => {
            pod_template(object);
            set_default(object, &["spec"], "revisionHistoryLimit", 10);
            let parameters = json!({ "maxSurge": 0, "maxUnavailable": 1 });
            rolling_update(object, "updateStrategy", &parameters);
        }
        "ReplicaSet" | "ReplicationController" => {
            pod_template(object);
            set_default(object, &["spec"], "replicas", 1);
        }
        "Job" => job(objects, object, before),
        "CronJob" => cron_job(object),
        "Service" => service(objects, object, before),
        "Secret" => {
            set_default(object, &[], "type", "Opaque");
            encode_secret(object);
            join_lines(object, "data");
        }
        "ConfigMap" => join_lines(object, "binaryData"),
        "Namespace" => namespace(object),
        "PersistentVolumeClaim" => claim(object, before),
        "CustomResourceDefinition" => {
            let kind = text(&object["spec"]["names"]["kind"]).to_owned();
            set_default(
                object,
                &["spec", "names"],
                "listKind",
                format!("{kind}List"),
            );
            set_default(object, &["spec", "names"], "singular", kind.to_lowercase());
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            set_default(
                object,
                &["roleRef"],
                "apiGroup",
                "rbac.authorization.k8s.io",
            );
        }
        "StorageClass" => {
            set_default(object, &[], "reclaimPolicy", "Delete");
            set_default(object, &[], "volumeBindingMode", "Immediate");
        }
        "NetworkPolicy" => set_default(object, &["spec"], "policyTypes", json!(["Ingress"])),
        _ => {}
    }
}

fn deployment(object: &mut Value) {
    pod_template(object);
    for (name, value) in [
        ("replicas", 1),
        ("progressDeadlineSeconds", 600),
        ("revisionHistoryLimit", 10),
    ] {
        set_default(object, &["spec"], name, value);
    }
    let parameters = json!({ "maxSurge": "25%", "maxUnavailable": "25%" });
    rolling_update(object, "strategy", &parameters);
}

fn stateful_set(object: &mut Value) {
    pod_template(object);
    let retention = json!({ "whenDeleted": "Retain", "whenScaled": "Retain" });
    for (name, value) in [
        ("replicas", json!(1)),
        ("revisionHistoryLimit", json!(10)),
        ("podManagementPolicy", json!("OrderedReady")),
        ("persistentVolumeClaimRetentionPolicy", retention),
    ] {
        set_default(object, &["spec"], name, value);
    }
    rolling_update(object, "updateStrategy", &json!({ "partition": 0 }));
    let claims = list_at(object, &["spec", "volumeClaimTemplates"]);
    for claim in claims.into_iter().flatten() {
        set_default(claim, &[], "apiVersion", "v1");
        set_default(claim, &[], "kind", "PersistentVolumeClaim");
        set_default(claim, &["spec"], "volumeMode", "Filesystem");
        set_default(claim, &["status"], "phase", "Pending");
        quantities(claim);
    }
}

/// Whoever made a claim does not know the volume that it got.
fn claim(object: &mut Value, before: Option<&Value>) {
    quantities(object);
    set_default(object, &["spec"], "volumeMode", "Filesystem");
    set_default(object, &["spec"], "storageClassName", DEFAULT_STORAGE_CLASS);
    if let Some(volume) = before.and_then(|before| before["spec"].get("volumeName")) {
        set_default(object, &["spec"], "volumeName", volume.clone());
    }
}

fn rolling_update(object: &mut Value, strategy: &str, parameters: &Value) {
    set_default(object, &["spec", strategy], "type", "RollingUpdate");
    if object["spec"][strategy]["type"] == "RollingUpdate" {
        for (name, value) in members(parameters) {
            set_default(
                object,
                &["spec", strategy, "rollingUpdate"],
                name,
                value.clone(),
            );
        }
    }
}

/// A new job gets a selector that nobody else has.
fn job(objects: &mut Objects, object: &mut Value, before: Option<&Value>) {
    pod_template(object);
    for (name, value) in [("backoffLimit", 6), ("completions", 1), ("parallelism", 1)] {
        set_default(object, &["spec"], name, value);
    }
    set_default(object, &["spec"], "completionMode", "NonIndexed");
    set_default(object, &["spec"], "suspend", false);
    let uid = match before {
        Some(before) => text(&before["metadata"]["uid"]).to_owned(),
        None => objects.next_uid(),
    };
    set(object, &["metadata"], "uid", uid.clone());
    let name = object["metadata"]["name"].clone();
    let by_uid = json!({ "batch.kubernetes.io/controller-uid": uid });
    set_default(object, &["spec", "selector"], "matchLabels", by_uid);
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", json!(uid)),
        ("batch.kubernetes.io/job-name", name.clone()),
        ("controller-uid", json!(uid)),
        ("job-name", name),
    ] {
        set_default(
            object,
            &["spec", "template", "metadata", "labels"],
            label,
            value,
        );
    }
}

fn cron_job(object: &mut Value) {
    for (name, value) in [
        ("concurrencyPolicy", json!("Allow")),
        ("failedJobsHistoryLimit", json!(1)),
        ("successfulJobsHistoryLimit", json!(3)),
        ("suspend", json!(false)),
    ] {
        set_default(object, &["spec"], name, value);
    }
    pod(object, &["spec", "jobTemplate", "spec", "template", "spec"]);
}

/// A service keeps the address that it was given.
fn service(objects: &mut Objects, object: &mut Value, before: Option<&Value>) {
    set_default(object, &["spec"], "type", "ClusterIP");
    set_default(object, &["spec"], "sessionAffinity", "None");
    let kind = text(&object["spec"]["type"]).to_owned();
    let mut node_port = 30_000 + objects.version() % 2_700;
    for port in list_at(object, &["spec", "ports"]).into_iter().flatten() {
        set_default(port, &[], "protocol", "TCP");
        let target = port["port"].clone();
        set_default(port, &[], "targetPort", target);
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
            let known = before.map(|before| items(&before["spec"]["ports"]));
            let known = known
                .into_iter()
                .flatten()
                .find(|it| it["port"] == port["port"]);
            match known.map(|it| it["nodePort"].clone()).filter(Value::is_u64) {
                Some(known) => set_default(port, &[], "nodePort", known),
                None => set_default(port, &[], "nodePort", node_port),
            }
            node_port += 1;
        }
    }
    if kind == "ExternalName" {
        return;
    }
    for name in [
        "clusterIP",
        "clusterIPs",
        "ipFamilies",
        "ipFamilyPolicy",
        "internalTrafficPolicy",
    ] {
        if let Some(known) = before
            .map(|before| &before["spec"][name])
            .filter(|it| !it.is_null())
        {
            set_default(object, &["spec"], name, known.clone());
        }
    }
    let number = objects.version();
    let address = format!(
        "10.{}.{}.{}",
        96 + (number >> 16) % 16,
        (number >> 8) % 256,
        number % 256
    );
    set_default(object, &["spec"], "clusterIP", address);
    let address = object["spec"]["clusterIP"].clone();
    set_default(object, &["spec"], "clusterIPs", json!([address]));
    set_default(object, &["spec"], "internalTrafficPolicy", "Cluster");
    set_default(object, &["spec"], "ipFamilies", json!(["IPv4"]));
    set_default(object, &["spec"], "ipFamilyPolicy", "SingleStack");
}

/// Moves what is there as plain text to what is there in base64.
pub(super) fn encode_secret(object: &mut Value) {
    let plain = object["stringData"].clone();
    unset(object, &[], "stringData");
    for (name, value) in members(&plain) {
        set(object, &["data"], name, STANDARD.encode(text(value)));
    }
}

/// Writes base64 as the server does.
fn join_lines(object: &mut Value, field: &str) {
    for (name, value) in members(&object[field].clone()) {
        let line = text(value).replace(['\r', '\n'], "");
        set(object, &[field], name, line);
    }
}

/// Every namespace is kept until it is empty, and can be found by its name.
pub(super) fn namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    set(
        object,
        &["metadata", "labels"],
        "kubernetes.io/metadata.name",
        name,
    );
    if object["metadata"]["deletionTimestamp"].is_null() {
        set_default(object, &["spec"], "finalizers", json!(["kubernetes"]));
    }
}

/// The storage class of claims that name none.
pub(super) const DEFAULT_STORAGE_CLASS: &str = "standard";
