//! Patches other than server-side apply.

use serde_json::json;

use super::{CONFIG_MAPS, DEPLOYMENTS, World, assert_refused, config_map, deployment};

#[tokio::test]
async fn a_strategic_merge_patch_finds_items_by_their_names() {
    let world = World::start().await;
    world
        .create(
            DEPLOYMENTS,
            &deployment("web", 1, &[("web", "web:1"), ("side", "side:1")]),
        )
        .await;
    let patch = json!({ "spec": { "template": { "spec": {
        "$setElementOrder/containers": [{ "name": "web" }],
        "containers": [
            { "name": "web", "image": "web:2" },
            { "name": "side", "$patch": "delete" },
        ],
    }}}});
    let (status, patched) = world
        .patch("strategic-merge", &format!("{DEPLOYMENTS}/web"), &patch)
        .await;
    assert_eq!(status, 200);
    let containers = patched["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap();
    assert_eq!(containers.len(), 1);
    assert_eq!(containers[0]["image"], "web:2");
    // What the server filled in is still there.
    assert_eq!(containers[0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(patched["metadata"]["generation"], 2);
}

#[tokio::test]
async fn a_merge_patch_replaces_lists_and_removes_what_is_null() {
    let world = World::start().await;
    let mut object = config_map("c", &json!({ "a": "1", "b": "2" }));
    object["metadata"]["labels"] = json!({ "x": "1" });
    world.create(CONFIG_MAPS, &object).await;
    let patch = json!({ "data": { "a": null, "c": "3" } });
    let (_, patched) = world
        .patch("merge", &format!("{CONFIG_MAPS}/c"), &patch)
        .await;
    assert_eq!(patched["data"], json!({ "b": "2", "c": "3" }));
    assert_eq!(patched["metadata"]["labels"], json!({ "x": "1" }));
}

#[tokio::test]
async fn a_json_patch_goes_step_by_step_or_not_at_all() {
    let world = World::start().await;
    world
        .create(CONFIG_MAPS, &config_map("c", &json!({ "a": "1" })))
        .await;
    let path = format!("{CONFIG_MAPS}/c");
    let steps = json!([
        { "op": "test", "path": "/data/a", "value": "1" },
        { "op": "move", "from": "/data/a", "path": "/data/b" },
    ]);
    let (_, patched) = world.patch("json", &path, &steps).await;
    assert_eq!(patched["data"], json!({ "b": "1" }));
    let steps = json!([
        { "op": "remove", "path": "/data/b" },
        { "op": "test", "path": "/data/a", "value": "1" },
    ]);
    let refused = world.patch("json", &path, &steps).await;
    assert_refused(&refused, 422, "Invalid", "testing value /data/a failed");
    assert_eq!(world.get(&path).await.1["data"], json!({ "b": "1" }));
}

#[tokio::test]
async fn no_patch_changes_what_an_object_is() {
    let world = World::start().await;
    let made = world
        .create(CONFIG_MAPS, &config_map("c", &json!({})))
        .await;
    let path = format!("{CONFIG_MAPS}/c");
    let refused = world
        .patch("merge", &path, &json!({ "metadata": { "name": "d" } }))
        .await;
    assert_refused(
        &refused,
        400,
        "BadRequest",
        "does not match the name on the URL",
    );
    let refused = world
        .patch("merge", &path, &json!({ "metadata": { "uid": "x" } }))
        .await;
    assert_refused(&refused, 409, "Conflict", "Precondition failed: UID");
    let earlier = json!({ "metadata": { "creationTimestamp": "1999-01-01T00:00:00Z" } });
    let (_, patched) = world.patch("merge", &path, &earlier).await;
    assert_eq!(
        patched["metadata"]["creationTimestamp"],
        made["metadata"]["creationTimestamp"]
    );
    // A body that is nonsense is refused, whatever its shape.
    for nonsense in [
        json!([]),
        json!("text"),
        json!({ "metadata": 5 }),
        json!({ "data": [1] }),
    ] {
        let (status, answer) = world.patch("merge", &path, &nonsense).await;
        assert!((400..500).contains(&status), "{nonsense}: {answer}");
        let (status, answer) = world
            .patch("apply", &format!("{path}?fieldManager=us"), &nonsense)
            .await;
        assert!((400..500).contains(&status), "{nonsense}: {answer}");
    }
}
