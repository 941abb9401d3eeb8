//! Discovery, lists and versions.

use margo_conformance::kubernetes::Cluster;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

use super::{CONFIG_MAPS, World, assert_refused, config_map, names};

#[tokio::test]
async fn a_cluster_says_what_it_is_and_has() {
    let world = World::of(Cluster::start_version(1, 29).await);
    let (_, version) = world.get("/version").await;
    assert_eq!(version["gitVersion"], "v1.29.0");

    let (_, groups) = world.get("/apis").await;
    let groups = groups["groups"].as_array().unwrap().clone();
    let autoscaling = groups
        .iter()
        .find(|it| it["name"] == "autoscaling")
        .unwrap();
    assert_eq!(autoscaling["preferredVersion"]["version"], "v2");
    let (_, apps) = world.get("/apis/apps/v1").await;
    let resources = apps["resources"].as_array().unwrap().clone();
    let deployments = resources
        .iter()
        .find(|it| it["name"] == "deployments")
        .unwrap();
    assert_eq!(deployments["kind"], "Deployment");

    let (status, answer) = world.get("/apis/example.org/v1").await;
    assert_refused(
        &(status, answer),
        404,
        "NotFound",
        "could not find the requested resource",
    );
}

#[tokio::test]
async fn discovery_comes_in_one_answer_to_those_who_ask_so() {
    let world = World::start().await;
    world
        .cluster
        .define("example.org", "v1", "Widget", "widgets");
    for (asked, got) in [("v2", "v2"), ("v2beta1", "v2beta1")] {
        let media_type = |version| {
            format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList")
        };
        let accept = format!("{},application/json", media_type(asked));
        let url = format!("{}/apis", world.cluster.url());
        let answer = world
            .client
            .get(url)
            .header(ACCEPT, accept)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()[CONTENT_TYPE], media_type(got));
        let list: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let widgets = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["metadata"]["name"] == "example.org");
        let widgets = &widgets.unwrap()["versions"][0]["resources"][0];
        assert_eq!(
            widgets["responseKind"],
            json!({ "group": "example.org", "version": "v1", "kind": "Widget" })
        );
        assert_eq!(widgets["scope"], "Namespaced");
    }
}

#[tokio::test]
async fn the_server_says_that_it_validates_fields() {
    let world = World::start().await;
    let (_, index) = world.get("/openapi/v3").await;
    let path = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        .as_str()
        .unwrap();
    let (_, document) = world.get(path).await;
    let deployments = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}";
    let parameters = document["paths"][deployments]["patch"]["parameters"]
        .as_array()
        .unwrap()
        .clone();
    assert!(parameters.iter().any(|it| it["name"] == "fieldValidation"));
}

#[tokio::test]
async fn lists_come_by_labels_fields_and_pages() {
    let world = World::start().await;
    for number in 0..7 {
        let mut object = config_map(&format!("c{number}"), &json!({}));
        object["metadata"]["labels"] =
            json!({ "app": "shop", "tier": if number < 2 { "front" } else { "back" } });
        world.create(CONFIG_MAPS, &object).await;
    }
    let mut other = config_map("other", &json!({}));
    other["metadata"]["labels"] = json!({ "app": "other" });
    world.create(CONFIG_MAPS, &other).await;

    for (selector, expected) in [
        ("labelSelector=app%3Dshop%2Ctier%3Dfront", &["c0", "c1"][..]),
        ("labelSelector=tier%20in%20(front%2Cmiddle)", &["c0", "c1"]),
        ("labelSelector=app%20notin%20(shop)%2Capp", &["other"]),
        ("labelSelector=app%21%3Dshop%2Capp", &["other"]),
        ("labelSelector=%21app", &["kube-root-ca.crt"]),
        ("fieldSelector=metadata.name%3Dc3", &["c3"]),
    ] {
        let (_, list) = world.get(&format!("{CONFIG_MAPS}?{selector}")).await;
        assert_eq!(names(&list), expected, "{selector}");
        assert_eq!(list["kind"], "ConfigMapList");
        assert_eq!(list["items"][0]["kind"], Value::Null);
    }

    let mut path = format!("{CONFIG_MAPS}?labelSelector=app%3Dshop&limit=3");
    let mut pages = Vec::new();
    loop {
        let (_, page) = world.get(&path).await;
        pages.push(
            names(&page)
                .into_iter()
                .map(ToOwned::to_owned)
                .collect::<Vec<_>>(),
        );
        let Some(token) = page["metadata"]["continue"].as_str() else {
            break;
        };
        path = format!("{CONFIG_MAPS}?labelSelector=app%3Dshop&limit=3&continue={token}");
    }
    assert_eq!(
        pages,
        [vec!["c0", "c1", "c2"], vec!["c3", "c4", "c5"], vec!["c6"]]
    );
    let bad = world.get(&format!("{CONFIG_MAPS}?continue=nonsense")).await;
    assert_refused(&bad, 400, "BadRequest", "continue key");
}

#[tokio::test]
async fn only_metadata_comes_to_those_who_want_no_more() {
    let world = World::start().await;
    world
        .create(CONFIG_MAPS, &config_map("c", &json!({ "a": "1" })))
        .await;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let url = format!("{}{CONFIG_MAPS}", world.cluster.url());
    let answer = world
        .client
        .get(url)
        .header(ACCEPT, accept)
        .send()
        .await
        .unwrap();
    let list: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["metadata"]["name"], "c");
    assert_eq!(list["items"][0]["data"], Value::Null);
}

#[tokio::test]
async fn who_knows_an_older_version_cannot_overwrite_a_newer_one() {
    let world = World::start().await;
    let first = world
        .create(CONFIG_MAPS, &config_map("c", &json!({ "a": "1" })))
        .await;
    let path = format!("{CONFIG_MAPS}/c");
    let mut mine = first.clone();
    mine["data"]["a"] = "2".into();
    let (status, second) = world.put(&path, &mine).await;
    assert_eq!(status, 200);
    assert_ne!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );

    let mut late = first.clone();
    late["data"]["a"] = "3".into();
    let refused = world.put(&path, &late).await;
    assert_refused(&refused, 409, "Conflict", "the object has been modified");
    let late = json!({ "metadata": { "resourceVersion": first["metadata"]["resourceVersion"] }, "data": { "a": "3" } });
    let refused = world.patch("merge", &path, &late).await;
    assert_refused(&refused, 409, "Conflict", "the object has been modified");

    // What changes nothing is no change.
    let version = world.cluster.version();
    let (status, same) = world.put(&path, &second).await;
    assert_eq!((status, same), (200, second));
    assert_eq!(world.cluster.version(), version);

    let refused = world.post(CONFIG_MAPS, &config_map("c", &json!({}))).await;
    assert_refused(
        &refused,
        409,
        "AlreadyExists",
        "configmaps \"c\" already exists",
    );
}

#[tokio::test]
async fn a_dry_run_checks_and_stores_nothing() {
    let world = World::start().await;
    let version = world.cluster.version();
    let (status, made) = world
        .post(
            &format!("{CONFIG_MAPS}?dryRun=All"),
            &config_map("c", &json!({})),
        )
        .await;
    assert_eq!((status, &made["metadata"]["name"]), (201, &json!("c")));
    let refused = world
        .post(
            &format!("{CONFIG_MAPS}?dryRun=All"),
            &config_map("C", &json!({})),
        )
        .await;
    assert_refused(&refused, 422, "Invalid", "RFC 1123");
    assert_eq!(world.get(&format!("{CONFIG_MAPS}/c")).await.0, 404);
    let there = format!("{CONFIG_MAPS}/kube-root-ca.crt?dryRun=All");
    let patch = json!({ "data": { "a": "1" } });
    let (_, patched) = world.patch("merge", &there, &patch).await;
    assert_eq!(patched["data"]["a"], "1");
    let applied = config_map("kube-root-ca.crt", &json!({ "b": "1" }));
    let apply = format!("{there}&fieldManager=us");
    assert_eq!(world.patch("apply", &apply, &applied).await.0, 200);
    assert_eq!(world.delete(&there).await.0, 200);
    assert_eq!(world.cluster.version(), version);
}

#[tokio::test]
async fn kinds_can_be_added_and_taken_away() {
    let world = World::start().await;
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let widgets = "/apis/example.org/v1/namespaces/default/widgets";
    assert_eq!(world.get(widgets).await.0, 404);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.example.org" },
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": { "kind": "Widget", "plural": "widgets" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } } }],
        },
    });
    world.create(definitions, &definition).await;
    let (_, found) = world
        .get(&format!("{definitions}/widgets.example.org"))
        .await;
    let conditions = found["status"]["conditions"].as_array().unwrap().clone();
    assert!(
        conditions
            .iter()
            .any(|it| it["type"] == "Established" && it["status"] == "True")
    );

    let widget = json!({ "apiVersion": "example.org/v1", "kind": "Widget", "metadata": { "name": "w" }, "spec": { "size": 3 } });
    world.create(widgets, &widget).await;
    let (_, patched) = world
        .patch(
            "merge",
            &format!("{widgets}/w"),
            &json!({ "spec": { "size": 4 } }),
        )
        .await;
    assert_eq!(patched["metadata"]["generation"], 2);
    let refused = world
        .patch("strategic-merge", &format!("{widgets}/w"), &json!({}))
        .await;
    assert_refused(&refused, 415, "UnsupportedMediaType", "unknown format");

    world
        .delete(&format!("{definitions}/widgets.example.org"))
        .await;
    assert_eq!(world.get(widgets).await.0, 404);
    assert!(world.cluster.objects("widgets").is_empty());
}

#[tokio::test]
async fn the_versions_of_a_group_show_the_same_objects() {
    let world = World::start().await;
    let hpa = |version: u8| {
        format!("/apis/autoscaling/v{version}/namespaces/default/horizontalpodautoscalers")
    };
    let object = json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "h" }, "spec": {} });
    world.create(&hpa(2), &object).await;
    let (_, older) = world.get(&format!("{}/h", hpa(1))).await;
    assert_eq!(older["apiVersion"], "autoscaling/v1");
}
