//! Server-side apply.

use serde_json::{Value, json};

use super::{CONFIG_MAPS, DEPLOYMENTS, World, assert_refused, config_map, deployment};

#[tokio::test]
async fn what_is_applied_no_more_is_removed_and_what_others_have_stays() {
    let world = World::start().await;
    let path = format!("{CONFIG_MAPS}/c");
    let first = world
        .apply(
            &path,
            "us",
            &config_map("c", &json!({ "a": "1", "b": "1" })),
        )
        .await;
    let owned = &first["metadata"]["managedFields"][0];
    assert_eq!(
        (&owned["manager"], &owned["operation"]),
        (&json!("us"), &json!("Apply"))
    );
    assert_eq!(
        owned["fieldsV1"],
        json!({ "f:data": { "f:a": {}, "f:b": {} } })
    );

    world
        .patch(
            "merge",
            &format!("{path}?fieldManager=kubectl"),
            &json!({ "data": { "k": "1" } }),
        )
        .await;
    let applied = world
        .apply(&path, "us", &config_map("c", &json!({ "b": "2" })))
        .await;
    assert_eq!(applied["data"], json!({ "b": "2", "k": "1" }));
}

#[tokio::test]
async fn fields_of_others_are_conflicts_unless_they_are_taken() {
    let world = World::start().await;
    let path = format!("{DEPLOYMENTS}/web");
    world
        .apply(&path, "us", &deployment("web", 2, &[("web", "web:1")]))
        .await;
    world
        .patch(
            "merge",
            &format!("{path}?fieldManager=kubectl"),
            &json!({ "spec": { "replicas": 5 } }),
        )
        .await;

    let ours = deployment("web", 2, &[("web", "web:1")]);
    let refused = world
        .patch("apply", &format!("{path}?fieldManager=us"), &ours)
        .await;
    assert_refused(
        &refused,
        409,
        "Conflict",
        "conflict with \"kubectl\" using apps/v1: .spec.replicas",
    );
    assert_eq!(
        refused.1["details"]["causes"][0]["reason"],
        "FieldManagerConflict"
    );

    let (status, taken) = world
        .patch(
            "apply",
            &format!("{path}?fieldManager=us&force=true"),
            &ours,
        )
        .await;
    assert_eq!((status, &taken["spec"]["replicas"]), (200, &json!(2)));
    let again = world.apply(&path, "us", &ours).await;
    assert_eq!(
        again["metadata"]["resourceVersion"],
        world.get(&path).await.1["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let world = World::start().await;
    let path = format!("{DEPLOYMENTS}/web");
    let wanted = deployment("web", 2, &[("web", "web:1"), ("side", "side:1")]);
    world.apply(&path, "us", &wanted).await;
    let version = world.cluster.version();
    world.apply(&path, "us", &wanted).await;
    assert_eq!(world.cluster.version(), version);
}

#[tokio::test]
async fn containers_and_variables_are_told_apart_by_name() {
    let world = World::start().await;
    let path = format!("{DEPLOYMENTS}/web");
    world
        .apply(
            &path,
            "us",
            &deployment("web", 1, &[("web", "web:1"), ("side", "side:1")]),
        )
        .await;
    let mut theirs =
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" } });
    theirs["spec"]["template"]["spec"]["containers"] =
        json!([{ "name": "web", "env": [{ "name": "E", "value": "1" }] }]);
    world.apply(&path, "them", &theirs).await;
    let applied = world
        .apply(&path, "us", &deployment("web", 1, &[("web", "web:2")]))
        .await;
    let containers = applied["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap();
    assert_eq!(containers.len(), 1);
    assert_eq!(containers[0]["image"], "web:2");
    assert_eq!(containers[0]["env"], json!([{ "name": "E", "value": "1" }]));
}

#[tokio::test]
async fn a_variable_twice_is_refused() {
    let world = World::start().await;
    let mut wanted = deployment("web", 1, &[("web", "web:1")]);
    let variable = json!({ "name": "E", "value": "1" });
    wanted["spec"]["template"]["spec"]["containers"][0]["env"] = json!([variable, variable]);
    let refused = world
        .patch(
            "apply",
            &format!("{DEPLOYMENTS}/web?fieldManager=us"),
            &wanted,
        )
        .await;
    let why =
        ".spec.template.spec.containers[name=\"web\"].env: duplicate entries for key [name=\"E\"]";
    assert_refused(&refused, 500, "", why);
    // Others may do so.
    world.create(DEPLOYMENTS, &wanted).await;
}

#[tokio::test]
async fn who_applies_has_a_name_and_a_place() {
    let world = World::start().await;
    let wanted = config_map("c", &json!({}));
    let refused = world
        .patch("apply", &format!("{CONFIG_MAPS}/c"), &wanted)
        .await;
    assert_refused(&refused, 422, "Invalid", "fieldManager: Required value");
    let elsewhere = "/api/v1/namespaces/shop/configmaps/c?fieldManager=us";
    let refused = world.patch("apply", elsewhere, &wanted).await;
    assert_refused(&refused, 404, "NotFound", "namespaces \"shop\" not found");
    let mut managed = wanted.clone();
    managed["metadata"]["managedFields"] = json!([{ "manager": "us" }]);
    let refused = world
        .patch(
            "apply",
            &format!("{CONFIG_MAPS}/c?fieldManager=us"),
            &managed,
        )
        .await;
    assert_refused(&refused, 400, "BadRequest", "managedFields must be nil");
}

#[tokio::test]
async fn status_stays_with_the_controllers() {
    let world = World::start().await;
    let path = format!("{DEPLOYMENTS}/web");
    let mut wanted = deployment("web", 1, &[("web", "web:1")]);
    wanted["status"] = json!({ "readyReplicas": 7 });
    world.apply(&path, "us", &wanted).await;
    let (_, found) = world.get(&path).await;
    assert_eq!(found["status"]["readyReplicas"], 1);
    let (_, changed) = world
        .patch(
            "merge",
            &format!("{path}/status"),
            &json!({ "spec": { "replicas": 3 } }),
        )
        .await;
    assert_eq!(changed["spec"]["replicas"], 1);
    assert_ne!(changed["metadata"]["uid"], Value::Null);
}
