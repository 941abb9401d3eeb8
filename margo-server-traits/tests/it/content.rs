//! Documents and bundles by digest.

use margo_types::Digest;

use crate::exchange::{
    BUNDLE, Builder, DEPLOYMENT, DOCUMENT, Exchange, OTHERS_DEPLOYMENT, client, get,
};

const FOR_EVER: &str = "private, max-age=31536000, immutable";

fn document() -> String {
    let digest = Digest::of(DOCUMENT.as_bytes());
    format!("/api/v1/deployments/{DEPLOYMENT}/{digest}")
}

fn bundle() -> String {
    format!("/api/v1/bundles/{}", Digest::of(BUNDLE))
}

#[tokio::test]
async fn what_is_damaged_is_not_sent() {
    let exchange = Exchange::new();
    {
        let mut state = exchange.fleet.state();
        for bytes in state.documents.values_mut() {
            *bytes = "damaged".into();
        }
        for bytes in state.bundles.values_mut() {
            *bytes = "damaged".into();
        }
    }
    for path in [document(), bundle()] {
        exchange.get(&path).await.is_problem(500, "about:blank");
    }
}

#[tokio::test]
async fn is_sent_with_type_tag_and_caching_for_ever() {
    let exchange = Exchange::new();
    let expected: [(String, &str, &[u8]); 2] = [
        (document(), "application/yaml", DOCUMENT.as_bytes()),
        (bundle(), "application/vnd.margo.bundle.v1+tar+gzip", BUNDLE),
    ];
    for (path, media_type, content) in expected {
        let tag = Digest::of(content).to_etag();
        let answer = exchange.get(&path).await;
        answer.is(200);
        assert_eq!(answer.header("content-type"), Some(media_type));
        assert_eq!(answer.header("etag"), Some(&*tag));
        assert_eq!(answer.header("cache-control"), Some(FOR_EVER));
        assert_eq!(answer.body, content);

        let head = exchange.send(Builder::new("HEAD", &path)).await;
        let length = content.len().to_string();
        assert_eq!(head.is(200).header("content-length"), Some(&*length));
        assert!(head.body.is_empty());

        let answer = exchange
            .send(get(&path).header("if-none-match", &tag))
            .await;
        answer.is(304);
        assert_eq!(answer.header("etag"), Some(&*tag));
        assert_eq!(answer.header("cache-control"), Some(FOR_EVER));
        assert!(answer.body.is_empty());

        exchange
            .send(get(&path).header("accept", "text/html"))
            .await
            .is_problem(406, "server-cannot-generate-response");
    }
}

#[tokio::test]
async fn of_somebody_else_is_as_if_it_were_not_there() {
    let exchange = Exchange::new();
    let others = Digest::of(b"other");
    let others_document = format!("/api/v1/deployments/{OTHERS_DEPLOYMENT}/{others}");
    let others_bundle = format!("/api/v1/bundles/{others}");
    let nothing = Digest::of(b"nothing");
    for (path, kind) in [
        (others_document.clone(), "deployment-not-found"),
        (
            format!("/api/v1/deployments/{OTHERS_DEPLOYMENT}/{nothing}"),
            "deployment-not-found",
        ),
        (others_bundle.clone(), "invalid-bundle"),
        (format!("/api/v1/bundles/{nothing}"), "invalid-bundle"),
    ] {
        exchange.get(&path).await.is_problem(404, kind);
        // Not even a condition tells that it is there.
        for condition in ["*".to_owned(), others.to_etag()] {
            let request = get(&path).header("if-none-match", &condition);
            exchange.send(request).await.is_problem(404, kind);
        }
    }
    let mut details = Vec::new();
    for digest in [others, nothing] {
        let answer = exchange.get(&format!("/api/v1/bundles/{digest}")).await;
        details.push(answer.problem().detail);
    }
    assert_eq!(details[0], details[1]);

    let other = client("press-2");
    for path in [others_document, others_bundle] {
        exchange
            .send_as(Some(other.clone()), get(&path))
            .await
            .is(200);
    }
}

#[tokio::test]
async fn malformed_ids_find_nothing() {
    let exchange = Exchange::new();
    let digest = Digest::of(BUNDLE);
    for (path, kind) in [
        ("/api/v1/bundles/sha512:00".to_owned(), "invalid-bundle"),
        (format!("/api/v1/bundles/{digest}0"), "invalid-bundle"),
        (
            format!("/api/v1/deployments/not-a-uuid/{digest}"),
            "deployment-not-found",
        ),
        (
            format!("/api/v1/deployments/{DEPLOYMENT}/latest"),
            "deployment-not-found",
        ),
    ] {
        exchange.get(&path).await.is_problem(404, kind);
    }
    assert!(!exchange.calls().contains(&"bundle"));
}

#[tokio::test]
async fn percent_encoded_digests_are_understood() {
    let exchange = Exchange::new();
    let path = bundle().replace("sha256:", "sha256%3A");
    exchange.get(&path).await.is(200);
}
