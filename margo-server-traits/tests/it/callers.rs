//! Who is served.

use margo_types::id::ClientId;

use crate::exchange::{Builder, Exchange, WFM, client, get, peer};

/// One request of every kind, and what does not exist.
fn requests() -> Vec<Builder> {
    [
        ("GET", "/api/v1/deployments"),
        ("HEAD", "/api/v1/deployments"),
        ("GET", "/api/v1/bundles/sha256:00"),
        ("GET", "/api/v1/deployments/x/y"),
        ("POST", "/api/v1/deployments/x/status"),
        ("PUT", "/api/v1/capabilities/x"),
        ("DELETE", "/api/v1/capabilities/x"),
        ("PATCH", "/api/v1/deployments"),
        ("GET", "/nothing/here"),
    ]
    .map(|(method, path)| Builder::new(method, path))
    .into()
}

#[tokio::test]
async fn nobody_is_served_without_an_svid() {
    let exchange = Exchange::new();
    for request in requests() {
        let is_head = request.0.method() == "HEAD";
        let answer = exchange.send_as(None, request).await;
        if is_head {
            assert_eq!(answer.status, 403);
        } else {
            answer.is_problem(403, "not-authorized");
        }
    }
    assert!(exchange.calls().is_empty());
}

#[tokio::test]
async fn nobody_is_served_who_is_no_client_of_this_fleet_manager() {
    let exchange = Exchange::new();
    for id in [
        WFM.to_owned(),
        format!("{WFM}/client"),
        format!("{WFM}/client/a/b"),
        format!("{WFM}/device/a"),
        "spiffe://factory.example/margo/wfm/plant-2/client/press-1".to_owned(),
        "spiffe://other.example/margo/wfm/plant-1/client/press-1".to_owned(),
        "spiffe://factory.example/press-1".to_owned(),
    ] {
        let answer = exchange
            .send_as(Some(peer(&id)), get("/api/v1/deployments"))
            .await;
        answer.is_problem(403, "not-authorized");
    }
    assert!(exchange.calls().is_empty());
}

#[tokio::test]
async fn policy_is_asked_on_every_request_and_first() {
    let exchange = Exchange::new();
    for request in requests() {
        exchange.send(request).await;
        let calls = exchange.calls();
        assert_eq!(calls[0], "admit");
        let asked = calls.iter().filter(|call| **call == "admit").count();
        assert_eq!(asked, 1);
    }
}

#[tokio::test]
async fn client_can_be_refused_from_one_request_to_the_next() {
    let exchange = Exchange::new();
    exchange.get("/api/v1/deployments").await.is(200);
    let id = ClientId::parse("press-1").unwrap();
    let reason = "this client was retired; enrol its successor".to_owned();
    exchange.fleet.state().refused.insert(id, reason.clone());
    exchange.calls();
    for request in requests() {
        let is_head = request.0.method() == "HEAD";
        let answer = exchange.send(request).await;
        if !is_head {
            let problem = answer.is_problem(403, "not-authorized");
            assert_eq!(problem.detail.as_ref(), Some(&reason));
        }
        assert_eq!(exchange.calls(), ["admit"]);
    }
    exchange
        .send_as(Some(client("press-2")), get("/api/v1/deployments"))
        .await
        .is(200);
}
