//! `GET /api/v1/deployments`.

use margo_types::Digest;

use crate::exchange::{Builder, Exchange, MANIFEST, OTHERS_MANIFEST, client, get};

const PATH: &str = "/api/v1/deployments";
const TYPE: &str = "application/vnd.margo.manifest.v1+json";

fn tag() -> String {
    Digest::of(MANIFEST.as_bytes()).to_etag()
}

#[tokio::test]
async fn is_sent_with_type_tag_and_caching() {
    let exchange = Exchange::new();
    let answer = exchange.get(PATH).await;
    answer.is(200);
    assert_eq!(answer.header("content-type"), Some(TYPE));
    assert_eq!(answer.header("etag"), Some(&*tag()));
    assert_eq!(answer.header("cache-control"), Some("private"));
    assert_eq!(answer.body, MANIFEST);
}

#[tokio::test]
async fn is_that_of_the_caller() {
    let exchange = Exchange::new();
    let answer = exchange.send_as(Some(client("press-2")), get(PATH)).await;
    assert_eq!(answer.is(200).body, OTHERS_MANIFEST);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let exchange = Exchange::new();
    let answer = exchange.send(Builder::new("HEAD", PATH)).await;
    answer.is(200);
    let expected = MANIFEST.len().to_string();
    assert_eq!(answer.header("content-length"), Some(&*expected));
    assert_eq!(answer.header("etag"), Some(&*tag()));
    assert_eq!(answer.header("content-type"), Some(TYPE));
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn unchanged_poll_asks_for_one_digest_and_nothing_else() {
    let exchange = Exchange::new();
    let answer = exchange
        .send(get(PATH).header("if-none-match", &tag()))
        .await;
    answer.is(304);
    assert_eq!(answer.header("etag"), Some(&*tag()));
    assert_eq!(answer.header("cache-control"), Some("private"));
    assert_eq!(answer.header("content-type"), None);
    assert!(answer.body.is_empty());
    assert_eq!(exchange.calls(), ["admit", "manifest_digest"]);
}

#[tokio::test]
async fn every_way_of_having_it_gives_304() {
    let exchange = Exchange::new();
    let tag = tag();
    let ways = [
        format!("W/{tag}"),
        format!("\"other\", {tag}"),
        format!(" ,{tag} ,"),
        "*".to_owned(),
    ];
    for way in ways {
        let answer = exchange.send(get(PATH).header("if-none-match", &way)).await;
        assert_eq!(answer.status, 304, "{way}");
        assert!(answer.body.is_empty(), "{way}");
    }
    let two_lines = get(PATH)
        .header("if-none-match", "\"other\"")
        .header("if-none-match", &tag);
    exchange.send(two_lines).await.is(304);
    assert!(exchange.fleet.state().held.is_empty());
}

#[tokio::test]
async fn every_way_of_not_having_it_gives_the_manifest() {
    let exchange = Exchange::new();
    let unquoted = tag().trim_matches('"').to_owned();
    let ways = [
        "\"other\"",
        "",
        "garbage",
        "\"unclosed",
        "\u{e9}",
        &unquoted,
    ];
    for way in ways {
        let answer = exchange.send(get(PATH).header("if-none-match", way)).await;
        assert_eq!(answer.status, 200, "{way}");
        assert_eq!(answer.body, MANIFEST, "{way}");
    }
}

#[tokio::test]
async fn fleet_is_told_what_the_client_holds_instead() {
    let exchange = Exchange::new();
    let request = get(PATH).header("if-none-match", "\"one\", W/\"two\"");
    exchange.send(request).await.is(200);
    let held = std::mem::take(&mut exchange.fleet.state().held);
    let held: Vec<_> = held.iter().map(ToString::to_string).collect();
    assert_eq!(held, ["\"one\"", "W/\"two\""]);

    let many = vec!["\"x\""; 60].join(",");
    exchange
        .send(get(PATH).header("if-none-match", &many))
        .await
        .is(200);
    assert!(exchange.fleet.state().held.len() <= 8);
}

#[tokio::test]
async fn accept_decides() {
    let exchange = Exchange::new();
    for accepted in [
        TYPE,
        "*/*",
        "application/*",
        "text/html, application/vnd.margo.manifest.v1+json;q=0.1",
        "",
    ] {
        let answer = exchange.send(get(PATH).header("accept", accepted)).await;
        assert_eq!(answer.status, 200, "{accepted}");
        assert_eq!(answer.header("content-type"), Some(TYPE), "{accepted}");
    }
    for refused in [
        "application/json",
        "text/*",
        "*/*;q=0",
        "application/vnd.margo.manifest.v1+json;q=0, */*",
        "garbage",
    ] {
        let answer = exchange.send(get(PATH).header("accept", refused)).await;
        assert_eq!(answer.status, 406, "{refused}");
        answer.is_problem(406, "server-cannot-generate-response");
    }
    let two_lines = get(PATH)
        .header("accept", "text/html")
        .header("accept", TYPE);
    exchange.send(two_lines).await.is(200);
}

#[tokio::test]
async fn what_cannot_be_accepted_is_not_304_either() {
    let exchange = Exchange::new();
    let request = get(PATH)
        .header("accept", "text/html")
        .header("if-none-match", &tag());
    exchange
        .send(request)
        .await
        .is_problem(406, "server-cannot-generate-response");
}
