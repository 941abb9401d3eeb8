//! When a registry is busy or broken for a moment.

use std::time::{Duration, Instant};

use margo_package::oci::{ArtifactStore as _, OciError, Refusal};

use super::fake::{Fake, Reply};
use super::{client_for, manifest_of, reference};

#[tokio::test]
async fn five_hundreds_are_tried_again() {
    let fake = Fake::start(|seen| match seen.number {
        0 => Reply::new(503, ""),
        1 => Reply::new(500, ""),
        _ => Reply::new(200, manifest_of(b"x").bytes()),
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    client
        .pull_manifest(&reference(&fake, "web:1"))
        .await
        .expect("a manifest");
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let fake = Fake::start(|seen| match seen.number {
        0 => Reply::new(429, "").header("retry-after", 1),
        _ => Reply::new(200, manifest_of(b"x").bytes()),
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    let start = Instant::now();
    client
        .pull_manifest(&reference(&fake, "web:1"))
        .await
        .expect("a manifest");
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_reported_instead() {
    for after in ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"] {
        let fake = Fake::start(move |_| {
            Reply::new(429, "slow down\nsecond line").header("retry-after", after)
        })
        .await;
        let client = client_for([&fake]).build().expect("a client");
        let error = client
            .pull_manifest(&reference(&fake, "web:1"))
            .await
            .expect_err("busy");
        let OciError::PeerRefused { refusal, .. } = &error else {
            panic!("{error}");
        };
        let Refusal::Busy {
            status: 429,
            attempts: 1,
            retry_after,
            detail,
        } = refusal
        else {
            panic!("{error}");
        };
        assert!(*retry_after >= Some(Duration::from_hours(1)));
        assert_eq!(detail, "slow down");
        assert!(error.is_retryable());
        assert_eq!(fake.seen().len(), 1);
    }
}

#[tokio::test]
async fn attempts_are_bounded() {
    let fake = Fake::start(|_| Reply::new(502, "")).await;
    let client = client_for([&fake]).build().expect("a client");
    let error = client
        .pull_manifest(&reference(&fake, "web:1"))
        .await
        .expect_err("broken");
    assert!(
        error.to_string().contains("answered 502 after 3 attempts"),
        "{error}"
    );
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn no_connection_is_not_the_registrys_fault() {
    let fake = Fake::start(|_| Reply::new(200, "")).await;
    let client = client_for([&fake]).build().expect("a client");
    let web = reference(&fake, "web:1");
    drop(fake);
    tokio::task::yield_now().await;
    let error = client.pull_manifest(&web).await.expect_err("nobody there");
    assert!(matches!(error, OciError::Environment { .. }), "{error:?}");
    let source = std::error::Error::source(&error)
        .expect("a cause")
        .to_string();
    assert!(
        !error.to_string().contains(&source),
        "the cause is not printed twice"
    );
}
