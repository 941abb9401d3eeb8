//! What goes wrong because a test wants it.

use std::time::{Duration, Instant};

use margo_conformance::kubernetes::{Fault, Verb};
use serde_json::json;

use super::{CONFIG_MAPS, World, assert_refused, config_map};

#[tokio::test]
async fn what_is_forbidden_is_refused_and_can_be_asked_for() {
    let world = World::start().await;
    world.cluster.forbid(Verb::Create, "secrets");
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" } });
    let refused = world.post(secrets, &secret).await;
    let why = "User \"margo\" cannot create resource \"secrets\" in API group \"\" in the namespace \"default\"";
    assert_refused(&refused, 403, "Forbidden", why);

    let asked = |verb: &str| {
        json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": { "verb": verb, "resource": "secrets", "namespace": "default" } },
        })
    };
    let reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    assert_eq!(
        world.post(reviews, &asked("create")).await.1["status"]["allowed"],
        false
    );
    assert_eq!(
        world.post(reviews, &asked("get")).await.1["status"]["allowed"],
        true
    );
    world.cluster.allow_all();
    assert_eq!(world.post(secrets, &secret).await.0, 201);
}

#[tokio::test]
async fn requests_fail_as_often_as_they_should() {
    let world = World::start().await;
    for (fault, status) in [
        (Fault::Unauthorized, 401),
        (Fault::Conflict, 409),
        (Fault::TooManyRequests, 429),
        (Fault::InternalError, 500),
        (Fault::Unavailable, 503),
    ] {
        world
            .cluster
            .fail_next(Verb::Create, "configmaps", 2, fault);
        for _ in 0..2 {
            let (got, _) = world.post(CONFIG_MAPS, &config_map("c", &json!({}))).await;
            assert_eq!(got, status);
        }
        assert_eq!(
            world
                .post(CONFIG_MAPS, &config_map("c", &json!({})))
                .await
                .0,
            201
        );
        world.cluster.delete("configmaps", Some("default"), "c");
    }
}

#[tokio::test]
async fn connections_break_and_nothing_is_done() {
    let world = World::start().await;
    world
        .cluster
        .fail_next(Verb::Delete, "configmaps", 1, Fault::Disconnect);
    let url = format!("{}{CONFIG_MAPS}/kube-root-ca.crt", world.cluster.url());
    let is_cut = match world.client.delete(&url).send().await {
        Ok(answer) => answer.text().await.is_err(),
        Err(_) => true,
    };
    assert!(is_cut);
    assert!(
        world
            .cluster
            .object("configmaps", Some("default"), "kube-root-ca.crt")
            .is_some()
    );
}

#[tokio::test]
async fn answers_take_their_time() {
    let world = World::start().await;
    world.cluster.slow_down(Duration::from_millis(300));
    let begun = Instant::now();
    assert_eq!(world.get(CONFIG_MAPS).await.0, 200);
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_cluster_goes_down_and_comes_back_with_its_objects() {
    let world = World::start().await;
    world
        .create(CONFIG_MAPS, &config_map("c", &json!({})))
        .await;
    let url = format!("{}{CONFIG_MAPS}/c", world.cluster.url());
    world.cluster.stop().await;
    assert!(world.client.get(&url).send().await.is_err());
    world.cluster.restart();
    assert_eq!(world.client.get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn every_request_is_recorded() {
    let world = World::start().await;
    assert!(world.cluster.requests().is_empty());
    world
        .create(CONFIG_MAPS, &config_map("c", &json!({})))
        .await;
    world.get("/version").await;
    let lines: Vec<_> = world
        .cluster
        .requests()
        .iter()
        .map(margo_conformance::RecordedRequest::line)
        .collect();
    assert_eq!(
        lines,
        [format!("POST {CONFIG_MAPS}"), "GET /version".to_owned()]
    );
}
