//! Watches.

use margo_conformance::kubernetes::Verb;
use serde_json::{Value, json};

use super::{CONFIG_MAPS, World, assert_refused, config_map};

/// The lines of a watch.
struct Lines {
    response: reqwest::Response,
    read: String,
}

impl Lines {
    async fn of(world: &World, query: &str) -> Self {
        let url = format!("{}{CONFIG_MAPS}?watch=true&{query}", world.cluster.url());
        Self {
            response: world.client.get(url).send().await.unwrap(),
            read: String::new(),
        }
    }

    /// The kind of the next line, and the object. Both are empty when there is no next.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some(end) = self.read.find('\n') {
                let line: String = self.read.drain(..=end).collect();
                let line: Value = serde_json::from_str(&line).unwrap();
                let kind = line["type"].as_str().unwrap();
                return (kind.to_owned(), line["object"].clone());
            }
            match self.response.chunk().await.unwrap() {
                Some(chunk) => self.read += std::str::from_utf8(&chunk).unwrap(),
                None => return (String::new(), Value::Null),
            }
        }
    }

    /// The same, as kind and name.
    async fn next_name(&mut self) -> (String, String) {
        let (kind, object) = self.next().await;
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        (kind, name.to_owned())
    }
}

fn labelled(name: &str, label: &str) -> Value {
    let mut object = config_map(name, &json!({}));
    object["metadata"]["labels"] = json!({ "app": label });
    object
}

#[tokio::test]
async fn a_watch_tells_what_there_is_and_what_happens() {
    let world = World::start().await;
    world.create(CONFIG_MAPS, &labelled("a", "us")).await;
    let mut lines = Lines::of(&world, "labelSelector=app%3Dus").await;
    assert_eq!(
        lines.next_name().await,
        ("ADDED".to_owned(), "a".to_owned())
    );
    world.create(CONFIG_MAPS, &labelled("them", "them")).await;
    world.create(CONFIG_MAPS, &labelled("b", "us")).await;
    assert_eq!(
        lines.next_name().await,
        ("ADDED".to_owned(), "b".to_owned())
    );
    world
        .patch(
            "merge",
            &format!("{CONFIG_MAPS}/b"),
            &json!({ "data": { "x": "1" } }),
        )
        .await;
    assert_eq!(
        lines.next_name().await,
        ("MODIFIED".to_owned(), "b".to_owned())
    );

    // What is not selected any more is gone, and what is selected from now on is new.
    world
        .patch(
            "merge",
            &format!("{CONFIG_MAPS}/b"),
            &json!({ "metadata": { "labels": { "app": "them" } } }),
        )
        .await;
    assert_eq!(
        lines.next_name().await,
        ("DELETED".to_owned(), "b".to_owned())
    );
    world
        .patch(
            "merge",
            &format!("{CONFIG_MAPS}/them"),
            &json!({ "metadata": { "labels": { "app": "us" } } }),
        )
        .await;
    assert_eq!(
        lines.next_name().await,
        ("ADDED".to_owned(), "them".to_owned())
    );
    world.delete(&format!("{CONFIG_MAPS}/a")).await;
    assert_eq!(
        lines.next_name().await,
        ("DELETED".to_owned(), "a".to_owned())
    );
}

#[tokio::test]
async fn a_watch_goes_on_from_a_version() {
    let world = World::start().await;
    world.create(CONFIG_MAPS, &labelled("a", "us")).await;
    let (_, list) = world.get(CONFIG_MAPS).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    world.create(CONFIG_MAPS, &labelled("b", "us")).await;
    let mut lines = Lines::of(&world, &format!("resourceVersion={version}")).await;
    assert_eq!(
        lines.next_name().await,
        ("ADDED".to_owned(), "b".to_owned())
    );
}

#[tokio::test]
async fn a_watch_ends_with_a_bookmark_where_it_is_asked_for() {
    let world = World::start().await;
    let mut lines = Lines::of(&world, "resourceVersion=1&timeoutSeconds=0&allowWatchBookmarks=true&fieldSelector=metadata.name%3Dnone").await;
    let (kind, object) = lines.next().await;
    assert_eq!(
        (kind.as_str(), &object["kind"]),
        ("BOOKMARK", &json!("ConfigMap"))
    );
    assert_eq!(
        object["metadata"]["resourceVersion"],
        world.cluster.version().to_string()
    );
    assert_eq!(lines.next().await.0, "");
}

#[tokio::test]
async fn a_watch_can_be_a_list_first() {
    let world = World::start().await;
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut lines = Lines::of(&world, query).await;
    assert_eq!(lines.next_name().await.1, "kube-root-ca.crt");
    let (kind, object) = lines.next().await;
    assert_eq!(kind, "BOOKMARK");
    assert_eq!(
        object["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
}

#[tokio::test]
async fn watching_can_be_forbidden() {
    let world = World::start().await;
    world.cluster.forbid(Verb::Watch, "configmaps");
    let refused = world.get(&format!("{CONFIG_MAPS}?watch=true")).await;
    assert_refused(
        &refused,
        403,
        "Forbidden",
        "cannot watch resource \"configmaps\"",
    );
    assert_eq!(world.get(CONFIG_MAPS).await.0, 200);
}
