//! What the cluster has, for clients that ask: its version, its resources, and how requests are described.

use serde_json::{Value, json};

use super::objects::Objects;
use super::resource::Resource;
use super::route::Verb;
use super::state::State;

/// What is answered to a path that is about no object.
pub(super) struct Document {
    pub(super) media_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// Answers a path that is about no object; `None` when it is about some.
pub(super) fn answer(state: &State, path: &str, accept: &str) -> Option<Document> {
    let objects = &state.objects;
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let is_aggregated = accept.contains("as=APIGroupDiscoveryList");
    let found = match segments.as_slice() {
        ["api"] if is_aggregated => return Some(aggregated(objects, accept, true)),
        ["apis"] if is_aggregated => return Some(aggregated(objects, accept, false)),
        ["version"] => version(state.version),
        ["healthz" | "livez" | "readyz"] => return Some(Document::new("text/plain", b"ok")),
        ["api"] => json!({ "kind": "APIVersions", "versions": ["v1"] }),
        ["apis"] => {
            let names = groups(objects).into_iter().filter(|name| !name.is_empty());
            let groups: Vec<_> = names.map(|name| group(objects, name)).collect();
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
        }
        ["apis", name] if groups(objects).contains(name) => {
            let mut group = group(objects, name);
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            group
        }
        ["api", version] => resources(objects, "", version)?,
        ["apis", group, version] => resources(objects, group, version)?,
        ["openapi", "v2"] if accept.contains("protobuf") => {
            let media_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
            return Some(Document::new(media_type, OPENAPI_V2));
        }
        ["openapi", "v2"] => {
            json!({ "swagger": "2.0", "info": { "title": "t", "version": "v" }, "paths": {} })
        }
        ["openapi", "v3"] => openapi_index(objects),
        ["openapi", "v3", "api", version] => openapi(objects, "", version)?,
        ["openapi", "v3", "apis", group, version] => openapi(objects, group, version)?,
        _ => return None,
    };
    Some(Document::new(
        "application/json",
        found.to_string().as_bytes(),
    ))
}

impl Document {
    fn new(media_type: &'static str, body: &[u8]) -> Self {
        Self {
            media_type,
            body: body.to_vec(),
        }
    }
}

fn version((major, minor): (u32, u32)) -> Value {
    json!({
        "major": major.to_string(),
        "minor": minor.to_string(),
        "gitVersion": format!("v{major}.{minor}.0"),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2025-01-01T00:00:00Z",
        "goVersion": "go1.23",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// The groups in their order, each once.
fn groups(objects: &Objects) -> Vec<&str> {
    let mut groups = Vec::new();
    for resource in objects.resources() {
        if !groups.contains(&resource.group.as_str()) {
            groups.push(resource.group.as_str());
        }
    }
    groups
}

/// The versions of a group in their order, each once; the preferred one is the first.
fn versions<'a>(objects: &'a Objects, group: &str) -> Vec<&'a str> {
    let mut versions = Vec::new();
    for resource in objects.resources().iter().filter(|it| it.group == group) {
        if !versions.contains(&resource.version.as_str()) {
            versions.push(resource.version.as_str());
        }
    }
    versions
}

fn those<'a>(
    objects: &'a Objects,
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a Resource> {
    let all = objects.resources().iter().map(AsRef::as_ref);
    all.filter(move |it| it.group == group && it.version == version)
}

fn group(objects: &Objects, name: &str) -> Value {
    let versions = versions(objects, name)
        .into_iter()
        .map(|version| json!({ "groupVersion": format!("{name}/{version}"), "version": version }));
    let versions: Vec<Value> = versions.collect();
    json!({ "name": name, "preferredVersion": versions.first(), "versions": versions })
}

fn resources(objects: &Objects, group: &str, version: &str) -> Option<Value> {
    let first = those(objects, group, version).next()?;
    let mut listed = Vec::new();
    for resource in those(objects, group, version) {
        listed.push(json!({
            "name": resource.plural,
            "singularName": resource.kind.to_lowercase(),
            "namespaced": resource.is_namespaced,
            "kind": resource.kind,
            "verbs": verbs(resource),
        }));
        if resource.has_status && !resource.is_review() {
            listed.push(json!({
                "name": format!("{}/status", resource.plural),
                "singularName": "",
                "namespaced": resource.is_namespaced,
                "kind": resource.kind,
                "verbs": STATUS_VERBS,
            }));
        }
    }
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": first.api_version(),
        "resources": listed,
    }))
}

/// Everything in one answer (KEP-3352).
fn aggregated(objects: &Objects, accept: &str, is_core: bool) -> Document {
    let names = groups(objects)
        .into_iter()
        .filter(|name| name.is_empty() == is_core);
    let items = names.map(|name| {
        let versions = versions(objects, name).into_iter().map(|version| {
            let resources: Vec<_> = those(objects, name, version).map(describe).collect();
            json!({ "version": version, "resources": resources, "freshness": "Current" })
        });
        let versions: Vec<_> = versions.collect();
        json!({ "metadata": { "name": name, "creationTimestamp": null }, "versions": versions })
    });
    let items: Vec<_> = items.collect();
    // The first that is asked for is the newest that the client knows.
    let is_v2 = accept
        .find("v=v2;")
        .is_some_and(|at| accept.find("v=v2beta1").is_none_or(|beta| at < beta));
    let (version, media_type) = if is_v2 {
        (
            "v2",
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        )
    } else {
        (
            "v2beta1",
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        )
    };
    let list = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {},
        "items": items,
    });
    Document::new(media_type, list.to_string().as_bytes())
}

fn describe(resource: &Resource) -> Value {
    let response = json!({
        "group": resource.group,
        "version": resource.version,
        "kind": resource.kind,
    });
    let mut described = json!({
        "resource": resource.plural,
        "responseKind": response,
        "scope": if resource.is_namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.kind.to_lowercase(),
        "verbs": verbs(resource),
    });
    if resource.has_status && !resource.is_review() {
        described["subresources"] = json!([{
            "subresource": "status",
            "responseKind": response,
            "verbs": STATUS_VERBS,
        }]);
    }
    described
}

fn verbs(resource: &Resource) -> Vec<&'static str> {
    if resource.is_review() {
        return vec![Verb::Create.as_str()];
    }
    Verb::ALL.into_iter().map(Verb::as_str).collect()
}

fn openapi_index(objects: &Objects) -> Value {
    let mut paths = json!({});
    for group in groups(objects) {
        for version in versions(objects, group) {
            let path = match group {
                "" => format!("api/{version}"),
                group => format!("apis/{group}/{version}"),
            };
            paths[&path] = json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash=1") });
        }
    }
    json!({ "paths": paths })
}

/// What clients look for before they leave the validation of fields to the server: that it is there.
fn openapi(objects: &Objects, group: &str, version: &str) -> Option<Value> {
    let mut paths = json!({});
    those(objects, group, version).next()?;
    for resource in those(objects, group, version) {
        let place = if resource.is_namespaced {
            "namespaces/{namespace}/"
        } else {
            ""
        };
        let root = if group.is_empty() {
            "/api".to_owned()
        } else {
            format!("/apis/{group}")
        };
        let path = format!("{root}/{version}/{place}{}/{{name}}", resource.plural);
        paths[&path] = json!({
            "patch": {
                "operationId": format!("patch{}", resource.kind),
                "parameters": [
                    { "name": "dryRun", "in": "query", "schema": { "type": "string" } },
                    { "name": "fieldManager", "in": "query", "schema": { "type": "string" } },
                    { "name": "fieldValidation", "in": "query", "schema": { "type": "string" } },
                    { "name": "force", "in": "query", "schema": { "type": "boolean" } },
                ],
                "responses": { "200": { "description": "OK" } },
                "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": {
                    "group": group,
                    "version": version,
                    "kind": resource.kind,
                },
            }
        });
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": "v1" },
        "paths": paths,
        "components": {},
    }))
}

/// The OpenAPI document (version 2), in the protobuf that clients ask for: it describes nothing, so that nothing is checked
/// on the client's side.
///
/// The message is `Document { swagger: "2.0", info: Info { title: "t", version: "v" } }`.
const OPENAPI_V2: &[u8] = b"\x0a\x032.0\x12\x06\x0a\x01t\x12\x01v";

const STATUS_VERBS: [&str; 3] = ["get", "patch", "update"];
