//! Compose components behind plain URLs.

use std::fs;
use std::path::Path;

use margo_package::compose::ComposeSource;
use margo_package::oci::{Client, Credentials, StaticCredentials};
use margo_package::publish::{FetchOptions, Fetched, PublishError, fetch_archive};
use margo_types::Digest;

use super::fake::{Body, Fake, Reply, Seen};
use super::{client_for, impatient_client_for, other_digest};
use crate::support::{Tar, tree};

const COMPOSE: &str = "services: {web: {image: web}}";

fn archive() -> Vec<u8> {
    Tar::new().file("web/compose.yaml", COMPOSE).tar_gz()
}

fn serve(seen: &Seen) -> Reply {
    match seen.path() {
        "/compose.yaml" => Reply::new(200, COMPOSE),
        "/moved" => Reply::new(302, "").header("location", "/web.tar.gz"),
        "/circle" => Reply::new(302, "").header("location", "/circle"),
        "/once" if seen.number == 0 => Reply::new(503, ""),
        "/cut" if seen.number == 0 => Reply::with(
            200,
            Body::Cut {
                bytes: b"half".to_vec(),
                announced: 1000,
            },
        ),
        "/web.tar.gz" | "/once" | "/cut" => Reply::new(200, archive()),
        "/busy" => Reply::new(503, ""),
        "/endless" => Reply::with(200, Body::Endless),
        "/drip" => Reply::with(200, Body::Drip(std::time::Duration::from_millis(50))),
        _ => Reply::new(404, ""),
    }
}

async fn fetch(
    client: &Client,
    url: &str,
    options: &FetchOptions,
) -> Result<(Fetched, Vec<u8>), PublishError> {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("fetched");
    let outcome = fetch_archive(client, url, options, &to).await;
    if outcome.is_err() {
        assert!(tree(folder.path()).is_empty(), "nothing is left");
    }
    outcome.map(|fetched| (fetched, fs::read(&to).unwrap()))
}

#[tokio::test]
async fn archives_and_bare_files() {
    let fake = Fake::start(serve).await;
    let credentials = StaticCredentials::new().with(&fake.host(), Credentials::password("a", "b"));
    let client = client_for([&fake])
        .credentials(credentials)
        .build()
        .unwrap();
    let url = |path: &str| format!("http://{}{path}", fake.host());
    let mut options = FetchOptions::default();
    options.digest = Some(Digest::of(&archive()));
    for path in ["/web.tar.gz", "/moved", "/web.tar.gz?signature=x"] {
        let (fetched, bytes) = fetch(&client, &url(path), &options).await.unwrap();
        assert_eq!(fetched.source, ComposeSource::Archive);
        assert_eq!(
            (fetched.digest, fetched.size),
            (Digest::of(&bytes), bytes.len() as u64)
        );
        assert_eq!(bytes, archive());
    }
    let bare = fetch(&client, &url("/compose.yaml"), &FetchOptions::default()).await;
    assert_eq!(bare.unwrap().0.source, ComposeSource::BareFile);
    let is_anonymous = fake
        .seen()
        .iter()
        .all(|seen| seen.header("authorization").is_none());
    assert!(is_anonymous, "credentials are for registries");
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for path in ["/once", "/cut"] {
        let fake = Fake::start(serve).await;
        let client = client_for([&fake]).build().unwrap();
        let url = format!("http://{}{path}", fake.host());
        let (_, bytes) = fetch(&client, &url, &FetchOptions::default())
            .await
            .unwrap();
        assert_eq!(bytes, archive(), "{path}");
        assert_eq!(fake.seen().len(), 2);
    }
}

#[tokio::test]
async fn what_is_wrong_leaves_nothing() {
    let fake = Fake::start(serve).await;
    let client = impatient_client_for([&fake]).build().unwrap();
    let mut options = FetchOptions::default();
    options.max_bytes = 10_000;
    for (path, expected) in [
        ("/missing", "not found"),
        ("/circle", "the chain is too long"),
        ("/busy", "answered 503 after 3 attempts"),
        ("/endless", "larger than 10000 bytes"),
        ("/drip", "nothing useful came"),
    ] {
        let url = format!("http://{}{path}?secret=x", fake.host());
        let error = fetch(&client, &url, &options).await.unwrap_err();
        let PublishError::Transfer { artefact, source } = &error else {
            panic!("{error:?}");
        };
        assert!(artefact.ends_with(path), "{artefact}");
        assert!(source.to_string().contains(expected), "{source}");
    }
    options.digest = Some(other_digest());
    let url = format!("http://{}/web.tar.gz", fake.host());
    let error = fetch(&client, &url, &options).await.unwrap_err();
    assert!(
        matches!(&error, PublishError::Transfer { source, .. } if source.is_integrity()),
        "{error:?}"
    );
}

#[tokio::test]
async fn addresses_that_are_not_visited() {
    let (fake, other) = (Fake::start(serve).await, Fake::start(serve).await);
    let location = format!("http://{}/web.tar.gz", other.host());
    let fake_host = fake.host();
    let redirecting = Fake::start(move |_| Reply::new(302, "").header("location", &location)).await;
    let client = client_for([&redirecting]).build().unwrap();
    let options = FetchOptions::default();
    for url in [
        format!("http://{fake_host}/web.tar.gz"),
        format!("http://{}/x", redirecting.host()),
    ] {
        let error = fetch(&client, &url, &options).await.unwrap_err();
        let PublishError::Transfer { source, .. } = &error else {
            panic!("{error:?}");
        };
        assert!(source.to_string().contains("not HTTPS"), "{source}");
    }
    let host = redirecting.host();
    for url in [
        format!("http://a:b@{host}/x"),
        "ftp://x.example/y".to_owned(),
        "web".to_owned(),
    ] {
        let error = fetch(&client, &url, &options).await.unwrap_err();
        assert!(
            matches!(&error, PublishError::Reference { artefact, .. } if !artefact.contains("a:b")),
            "{error}"
        );
    }
    assert!(other.seen().is_empty() && fake.seen().is_empty());
    let nowhere = fetch_archive(
        &client,
        &format!("http://{host}/x"),
        &options,
        Path::new("/no/such/folder/x"),
    )
    .await;
    assert!(nowhere.is_err());
}
