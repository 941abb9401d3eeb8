//! Deletion, and what goes with an object.

use margo_conformance::kubernetes::Cluster;
use reqwest::Method;
use serde_json::{Value, json};

use super::{CONFIG_MAPS, DEPLOYMENTS, World, assert_refused, config_map, deployment, read};

#[tokio::test]
async fn what_belongs_to_an_object_goes_with_it() {
    let world = World::start().await;
    world
        .create(DEPLOYMENTS, &deployment("web", 3, &[("web", "web:1")]))
        .await;
    assert_eq!(world.cluster.objects("pods").len(), 3);
    let (status, answer) = world.delete(&format!("{DEPLOYMENTS}/web")).await;
    assert_eq!((status, &answer["status"]), (200, &json!("Success")));
    for plural in ["deployments", "replicasets", "pods"] {
        assert!(
            world.cluster.objects(plural).is_empty(),
            "{plural} are left"
        );
    }
    let gone = world.delete(&format!("{DEPLOYMENTS}/web")).await;
    assert_refused(&gone, 404, "NotFound", "deployments.apps \"web\" not found");
}

#[tokio::test]
async fn a_foreground_deletion_waits_for_what_belongs_to_the_object() {
    let world = World::start().await;
    world
        .create(DEPLOYMENTS, &deployment("web", 1, &[("web", "web:1")]))
        .await;
    let pod = world.cluster.objects("pods").remove(0);
    let name = pod["metadata"]["name"].as_str().unwrap();
    let hold = |finalizers: Value| {
        world.cluster.change("pods", Some("default"), name, |pod| {
            pod["metadata"]["finalizers"] = finalizers;
        });
    };
    hold(json!(["example.org/hold"]));
    let options = json!({ "propagationPolicy": "Foreground" });
    let path = format!("{DEPLOYMENTS}/web");
    let answer = read(
        world
            .send(Method::DELETE, &path, "application/json", &options)
            .await,
    )
    .await;
    assert_eq!(answer.0, 200);
    let (_, waiting) = world.get(&path).await;
    assert_ne!(waiting["metadata"]["deletionTimestamp"], Value::Null);
    hold(json!([]));
    let is_gone = |cluster: &Cluster| cluster.objects("deployments").is_empty();
    world.cluster.wait_until(is_gone).await;
    assert!(world.cluster.objects("pods").is_empty());
}

/// Real clusters have a collector of garbage for it, which takes its time.
#[tokio::test]
async fn a_foreground_deletion_is_never_done_at_once() {
    let world = World::start().await;
    world
        .create(CONFIG_MAPS, &config_map("c", &json!({})))
        .await;
    let options = json!({ "propagationPolicy": "Foreground" });
    let path = format!("{CONFIG_MAPS}/c");
    let answer = read(
        world
            .send(Method::DELETE, &path, "application/json", &options)
            .await,
    )
    .await;
    let held = &answer.1["metadata"];
    assert_eq!(held["finalizers"], json!(["foregroundDeletion"]));
    assert_ne!(held["deletionTimestamp"], Value::Null);
    let is_gone = |cluster: &Cluster| cluster.object("configmaps", Some("default"), "c").is_none();
    world.cluster.wait_until(is_gone).await;
}

#[tokio::test]
async fn orphans_stay() {
    let world = World::start().await;
    world
        .create(DEPLOYMENTS, &deployment("web", 1, &[("web", "web:1")]))
        .await;
    world
        .delete(&format!("{DEPLOYMENTS}/web?propagationPolicy=Orphan"))
        .await;
    assert!(world.cluster.objects("deployments").is_empty());
    let sets = world.cluster.objects("replicasets");
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0]["metadata"]["ownerReferences"], json!([]));
    assert_eq!(world.cluster.objects("pods").len(), 1);
}

#[tokio::test]
async fn finalizers_hold_an_object_until_they_are_done() {
    let world = World::start().await;
    let mut object = config_map("c", &json!({}));
    object["metadata"]["finalizers"] = json!(["example.org/hold"]);
    world.create(CONFIG_MAPS, &object).await;
    let path = format!("{CONFIG_MAPS}/c");
    let (status, held) = world.delete(&path).await;
    assert_eq!(status, 200);
    assert_ne!(held["metadata"]["deletionTimestamp"], Value::Null);
    world
        .patch(
            "merge",
            &path,
            &json!({ "metadata": { "finalizers": null } }),
        )
        .await;
    assert_eq!(world.get(&path).await.0, 404);
}

#[tokio::test]
async fn a_deletion_can_be_of_one_object_only() {
    let world = World::start().await;
    world
        .create(CONFIG_MAPS, &config_map("c", &json!({})))
        .await;
    let path = format!("{CONFIG_MAPS}/c");
    let options = json!({ "preconditions": { "uid": "another" } });
    let answer = read(
        world
            .send(Method::DELETE, &path, "application/json", &options)
            .await,
    )
    .await;
    assert_refused(&answer, 409, "Conflict", "uid in the precondition");
    assert_eq!(world.get(&path).await.0, 200);
}

#[tokio::test]
async fn a_namespace_goes_with_everything_in_it_and_takes_nothing_new() {
    let world = World::start().await;
    world.cluster.add_namespace("shop");
    let maps = "/api/v1/namespaces/shop/configmaps";
    let mut held = config_map("held", &json!({}));
    held["metadata"]["finalizers"] = json!(["example.org/hold"]);
    world.create(maps, &held).await;
    world.create(maps, &config_map("free", &json!({}))).await;

    let (status, _) = world.delete("/api/v1/namespaces/shop").await;
    assert_eq!(status, 200);
    let (_, going) = world.get("/api/v1/namespaces/shop").await;
    assert_eq!(going["status"]["phase"], "Terminating");
    assert_eq!(world.get(&format!("{maps}/free")).await.0, 404);
    let refused = world.post(maps, &config_map("new", &json!({}))).await;
    assert_refused(&refused, 403, "Forbidden", "because it is being terminated");

    world
        .cluster
        .change("configmaps", Some("shop"), "held", |map| {
            map["metadata"]["finalizers"] = json!([]);
        });
    assert_eq!(world.get("/api/v1/namespaces/shop").await.0, 404);
    let refused = world.post(maps, &config_map("new", &json!({}))).await;
    assert_refused(&refused, 404, "NotFound", "namespaces \"shop\" not found");
}

#[tokio::test]
async fn many_go_at_once_by_their_labels() {
    let world = World::start().await;
    for name in ["a", "b"] {
        let mut object = config_map(name, &json!({}));
        object["metadata"]["labels"] = json!({ "app": name });
        world.create(CONFIG_MAPS, &object).await;
    }
    world
        .delete(&format!("{CONFIG_MAPS}?labelSelector=app%3Da"))
        .await;
    assert_eq!(world.get(&format!("{CONFIG_MAPS}/a")).await.0, 404);
    assert_eq!(world.get(&format!("{CONFIG_MAPS}/b")).await.0, 200);
}
