//! One object: its name, whose it is, and what of it is ours.

use std::collections::BTreeMap;
use std::fmt;

use margo_types::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::helm::cluster::Kind;
use crate::helm::json::text;
use crate::helm::names::{COMPONENT_LABEL, DEPLOYMENT_LABEL, OWNER_LABEL, Release};

/// Names an object, whatever the version of its API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct ObjectId {
    /// `apps`; empty for the core.
    pub(super) group: String,
    /// `Deployment`.
    pub(super) kind: String,
    /// `None` for what is in no namespace.
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl ObjectId {
    pub(super) fn of(object: &Value) -> Self {
        let api_version = text(object, "/apiVersion");
        let namespace = text(object, "/metadata/namespace");
        Self {
            group: group_of(api_version).to_owned(),
            kind: text(object, "/kind").to_owned(),
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: text(object, "/metadata/name").to_owned(),
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "the {} {}", self.kind, self.name)
    }
}

/// Puts a rendered object into its namespace, and our labels on it.
///
/// The claims that a stateful set makes get the labels too: only by them are its volumes found when the deployment is removed.
pub(super) fn make_ours(
    object: &mut Value,
    kind: &Kind,
    release: &Release,
    labels: &BTreeMap<String, String>,
) {
    if let Some(templates) = object.pointer_mut("/spec/volumeClaimTemplates") {
        for template in templates.as_array_mut().into_iter().flatten() {
            if let Some(metadata) = member(template, "metadata") {
                add_labels(metadata, labels);
            }
        }
    }
    let Some(metadata) = member(object, "metadata") else {
        return;
    };
    if kind.is_namespaced {
        let namespace = metadata.entry("namespace").or_insert(Value::Null);
        if namespace.as_str().is_none_or(str::is_empty) {
            *namespace = release.namespace.clone().into();
        }
    } else {
        metadata.remove("namespace");
    }
    add_labels(metadata, labels);
    let Some(there) = labels_of(metadata) else {
        return;
    };
    // Whoever reads it must not take the object for a part of a release of Helm.
    there.insert(MANAGED_BY.to_owned(), MANAGER.into());
    there
        .entry(INSTANCE)
        .or_insert_with(|| release.name.clone().into());
}

/// Whether an object carries these labels of ours.
pub(super) fn is_ours(live: &Value, labels: &BTreeMap<String, String>) -> bool {
    let there = live.pointer("/metadata/labels");
    let has = |label: &str| there.and_then(|there| there.get(label)?.as_str());
    labels
        .iter()
        .all(|(label, value)| has(label) == Some(value))
}

/// Whose an object is that is not ours.
pub(super) fn whose(live: &Value) -> String {
    let label = |name: &str| {
        let labels = live.pointer("/metadata/labels")?;
        labels.get(name)?.as_str()
    };
    if let Some(owner) = label(OWNER_LABEL) {
        let of = |name| label(name).unwrap_or("?");
        return format!(
            "the component {} of the deployment {} of {owner}",
            of(COMPONENT_LABEL),
            of(DEPLOYMENT_LABEL)
        );
    }
    let release = live.pointer("/metadata/annotations/meta.helm.sh~1release-name");
    if let Some(release) = release.and_then(Value::as_str) {
        return format!("the Helm release {release}");
    }
    "somebody else".to_owned()
}

/// Whether its author wants it kept when all else goes.
pub(super) fn is_kept(live: &Value) -> bool {
    let policy = live.pointer("/metadata/annotations/helm.sh~1resource-policy");
    policy.and_then(Value::as_str) == Some("keep")
}

/// A digest that is the same for the same content.
pub(super) fn digest_of(object: &Value) -> Digest {
    let mut text = String::new();
    write_canonical(object, &mut text);
    Digest::of(text.as_bytes())
}

/// A digest over which fields of an object are ours, by the API server's own record; `None` when none is.
pub(super) fn our_fields(live: &Value, manager: &str) -> Option<Digest> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let is_ours = |entry: &&Value| {
        text(entry, "/manager") == manager
            && text(entry, "/operation") == "Apply"
            && text(entry, "/subresource").is_empty()
    };
    let mut fields = entries.iter().find(is_ours)?.get("fieldsV1")?.clone();
    if let Some(Value::Object(spec)) = fields.get_mut("f:spec") {
        spec.remove("f:replicas");
        // Nobody can change them; an old controller takes them over all the same when it tells of the status.
        spec.remove("f:volumeClaimTemplates");
    }
    Some(digest_of(&fields))
}

/// Who set fields of an object last that are not ours, for messages.
pub(super) fn last_other(live: &Value, manager: &str) -> Option<String> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let others = entries.iter().filter(|entry| {
        text(entry, "/manager") != manager && text(entry, "/subresource").is_empty()
    });
    let last = others.max_by_key(|entry| text(entry, "/time"))?;
    Some(text(last, "/manager").to_owned())
}

/// The part of an API version before the slash.
fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn add_labels(metadata: &mut Map<String, Value>, labels: &BTreeMap<String, String>) {
    let Some(there) = labels_of(metadata) else {
        return;
    };
    for (label, value) in labels {
        there.insert(label.clone(), value.clone().into());
    }
}

fn labels_of(metadata: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    let labels = metadata.entry("labels").or_insert(Value::Null);
    if labels.is_null() {
        *labels = Value::Object(Map::new());
    }
    labels.as_object_mut()
}

fn member<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    let member = value.as_object_mut()?.entry(name).or_insert(Value::Null);
    if member.is_null() {
        *member = Value::Object(Map::new());
    }
    member.as_object_mut()
}

/// JSON with sorted members.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            text.push('{');
            for (name, value) in sorted {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const INSTANCE: &str = "app.kubernetes.io/instance";
const MANAGER: &str = "margo";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labels() -> BTreeMap<String, String> {
        BTreeMap::from([(OWNER_LABEL.to_owned(), "margo".to_owned())])
    }

    fn release() -> Release {
        Release {
            name: "web-1".to_owned(),
            namespace: "shop".to_owned(),
        }
    }

    #[test]
    fn objects_get_their_namespace_and_our_labels() {
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "labels": {"app.kubernetes.io/managed-by": "Helm"}},
            "spec": {"template": {"metadata": {}}, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]},
        });
        let kind = Kind::volume_claim();
        make_ours(&mut set, &kind, &release(), &labels());
        assert_eq!(set["metadata"]["namespace"], "shop");
        assert_eq!(
            set["metadata"]["labels"],
            json!({
                "app.kubernetes.io/instance": "web-1", "app.kubernetes.io/managed-by": "margo", "margo.owner": "margo",
            })
        );
        assert_eq!(
            set["spec"]["template"]["metadata"],
            json!({}),
            "pods stay as they are"
        );
        let claim = &set["spec"]["volumeClaimTemplates"][0]["metadata"]["labels"];
        assert_eq!(*claim, json!({"margo.owner": "margo"}));
        assert!(is_ours(&set, &labels()));

        let mut role = json!({"kind": "ClusterRole", "metadata": {"name": "r", "namespace": "x", "labels": null}});
        make_ours(&mut role, &Kind::namespace(), &release(), &labels());
        assert_eq!(role["metadata"].get("namespace"), None);
        let mut elsewhere = json!({"kind": "Secret", "metadata": {"name": "r", "namespace": "x"}});
        make_ours(&mut elsewhere, &Kind::secret(), &release(), &labels());
        assert_eq!(elsewhere["metadata"]["namespace"], "x");
    }

    #[test]
    fn other_owners_are_named() {
        let of_helm = json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "shop"}}});
        assert_eq!(whose(&of_helm), "the Helm release shop");
        let of_us = json!({"metadata": {"labels": {"margo.owner": "b", "margo.component": "web", "margo.deployment": "1"}}});
        assert_eq!(whose(&of_us), "the component web of the deployment 1 of b");
        assert!(!is_ours(&of_us, &labels()));
        assert_eq!(whose(&json!({})), "somebody else");
    }

    #[test]
    fn a_field_that_somebody_else_sets_is_ours_no_more_but_replicas_may() {
        let live = |fields: &Value| {
            let ours = json!({"manager": "m", "operation": "Apply", "fieldsV1": fields});
            let theirs = json!({"manager": "kubectl", "operation": "Update", "time": "2026-01-02T00:00:00Z", "fieldsV1": {}});
            json!({"metadata": {"managedFields": [theirs, ours]}})
        };
        let all = live(
            &json!({"f:data": {"f:a": {}, "f:b": {}}, "f:spec": {"f:replicas": {}, "f:volumeClaimTemplates": {}}}),
        );
        let scaled = live(&json!({"f:spec": {}, "f:data": {"f:b": {}, "f:a": {}}}));
        let changed = live(&json!({"f:data": {"f:a": {}}, "f:spec": {"f:replicas": {}}}));
        assert_eq!(our_fields(&all, "m"), our_fields(&scaled, "m"));
        assert_ne!(our_fields(&all, "m"), our_fields(&changed, "m"));
        assert_eq!(our_fields(&all, "other"), None);
        assert_eq!(last_other(&all, "m").as_deref(), Some("kubectl"));
    }

    #[test]
    fn digests_do_not_depend_on_the_order_of_members() {
        let one: Value =
            serde_json::from_str(r#"{"a": [1, {"b": 2, "c": null}], "d": "x"}"#).unwrap();
        let other: Value =
            serde_json::from_str(r#"{"d": "x", "a": [1, {"c": null, "b": 2}]}"#).unwrap();
        assert_eq!(digest_of(&one), digest_of(&other));
        assert_ne!(
            digest_of(&one),
            digest_of(&json!({"a": [{"b": 2, "c": null}, 1], "d": "x"}))
        );
    }
}
