//! Pulling from registries that lie, stop, drip or never end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use margo_package::oci::{ArtifactStore as _, Misbehaviour, OciError, transfer};
use margo_types::Digest;

use super::fake::{Body, Fake, Reply};
use super::{
    blob_of, client_for, impatient_client_for, manifest_of, other_digest, reference, some_bytes,
};

fn fault(error: &OciError) -> &Misbehaviour {
    match error {
        OciError::PeerMisbehaved { fault, .. } => fault,
        other => panic!("not the peer's fault: {other}"),
    }
}

#[tokio::test]
async fn a_manifest_comes_with_its_exact_bytes() {
    let text = format!(
        "{}\n",
        String::from_utf8_lossy(manifest_of(b"layer").bytes())
    );
    let body = text.clone();
    let fake = Fake::start(move |_| Reply::new(200, body.clone())).await;
    let client = client_for([&fake]).build().expect("a client");
    let manifest = client
        .pull_manifest(&reference(&fake, "web:1.0.0"))
        .await
        .expect("a manifest");
    assert_eq!(manifest.bytes(), text.as_bytes());
    assert_eq!(manifest.digest(), Digest::of(text.as_bytes()));
    assert_eq!(fake.lines(), ["GET /v2/web/manifests/1.0.0"]);
}

#[tokio::test]
async fn a_manifest_with_another_digest_is_refused() {
    let manifest = manifest_of(b"layer");
    let (bytes, announced) = (manifest.bytes().to_vec(), other_digest());
    let fake = Fake::start(move |_| {
        Reply::new(200, bytes.clone()).header("docker-content-digest", announced)
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    // By tag: the registry contradicts itself.
    let error = client
        .pull_manifest(&reference(&fake, "web:1"))
        .await
        .expect_err("a lie");
    assert!(error.is_integrity(), "{error}");
    // By digest: the registry gives something else.
    let pinned = reference(&fake, "web").with_digest(other_digest());
    let error = client.pull_manifest(&pinned).await.expect_err("a lie");
    assert!(error.is_integrity(), "{error}");
    assert!(
        error.to_string().contains(&fake.host()),
        "names the registry: {error}"
    );
}

#[tokio::test]
async fn a_huge_or_dripping_manifest_is_given_up() {
    let announced = Fake::start(|_| Reply::new(200, "").header("content-length", 5 << 20)).await;
    let endless = Fake::start(|_| Reply::with(200, Body::Endless)).await;
    for fake in [&announced, &endless] {
        let client = client_for([fake]).build().expect("a client");
        let error = client
            .pull_manifest(&reference(fake, "web:1"))
            .await
            .expect_err("too large");
        assert!(
            matches!(
                fault(&error),
                Misbehaviour::TooLarge {
                    limit: 4_194_304,
                    ..
                }
            ),
            "{error}"
        );
    }
    let drip = Fake::start(|_| Reply::with(200, Body::Drip(Duration::from_millis(50)))).await;
    let client = impatient_client_for([&drip]).build().expect("a client");
    let error = client
        .pull_manifest(&reference(&drip, "web:1"))
        .await
        .expect_err("too slow");
    assert!(
        matches!(fault(&error), Misbehaviour::Stalled { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_index_and_a_two_faced_manifest_are_named() {
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let both = r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#;
    let fake = Fake::start(move |seen| match seen.path() {
        "/v2/a/manifests/index" => Reply::new(200, index),
        "/v2/a/manifests/both" => Reply::new(200, both),
        _ => Reply::new(200, manifest_of(b"x").bytes()).header(
            "content-type",
            "application/vnd.docker.distribution.manifest.v2+json",
        ),
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    let pull = async |rest| {
        client
            .pull_manifest(&reference(&fake, rest))
            .await
            .expect_err(rest)
    };
    let error = pull("a:index").await;
    assert!(
        error
            .to_string()
            .contains("index (application/vnd.oci.image.index.v1+json)"),
        "{error}"
    );
    let error = pull("a:both").await;
    assert!(
        error.to_string().contains("both layers and manifests"),
        "{error}"
    );
    let error = pull("a:types").await;
    assert!(error.to_string().contains("was sent as"), "{error}");
}

#[tokio::test]
async fn wrong_bytes_and_wrong_sizes_are_refused() {
    let good = some_bytes(1000);
    let mut wrong = good.clone();
    wrong[500] ^= 1;
    let (short, long) = (good[..999].to_vec(), [good.as_slice(), b"!"].concat());
    let blob = blob_of(&good);
    for bytes in [wrong, short, long] {
        let fake = Fake::start(move |_| Reply::new(200, bytes.clone())).await;
        let client = client_for([&fake]).build().expect("a client");
        let mut sink = Vec::new();
        let pulled = client
            .pull_blob(&reference(&fake, "web:1"), &blob, &mut sink)
            .await;
        let error = pulled.expect_err("a lie");
        assert!(error.is_integrity(), "{error}");
        assert!(sink.len() <= good.len());
    }
}

#[tokio::test]
async fn an_endless_body_ends_at_the_size_in_the_descriptor() {
    let fake = Fake::start(|_| Reply::with(200, Body::Endless)).await;
    let client = client_for([&fake]).build().expect("a client");
    let mut sink = Vec::new();
    let blob = blob_of(&vec![b'x'; 100_000]);
    let pulled = client
        .pull_blob(&reference(&fake, "web:1"), &blob, &mut sink)
        .await;
    assert!(pulled.expect_err("endless").is_integrity());
    assert!(sink.len() <= 100_000, "{} bytes came through", sink.len());
    assert_eq!(fake.seen().len(), 1, "it is not asked again");
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_stopped() {
    let bytes = some_bytes(300_000);
    let source = bytes.clone();
    let fake = Fake::start(move |seen| {
        let start = seen.header("range").map_or(0, |range| {
            let range = range.strip_prefix("bytes=").expect("bytes");
            range
                .split('-')
                .next()
                .expect("a start")
                .parse()
                .expect("a number")
        });
        let rest = source[start..].to_vec();
        let announced = rest.len();
        // Each answer breaks off in the middle, until little is left.
        let body = if rest.len() > 90_000 {
            Body::Cut {
                bytes: rest[..100_000.min(rest.len() / 2)].to_vec(),
                announced,
            }
        } else {
            Body::Whole(rest)
        };
        let status = if start == 0 { 200 } else { 206 };
        let end = source.len() - 1;
        Reply::with(status, body).header("content-range", format!("bytes {start}-{end}/300000"))
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    let mut sink = Vec::new();
    let pulled = client
        .pull_blob(&reference(&fake, "web:1"), &blob_of(&bytes), &mut sink)
        .await;
    pulled.expect("the whole blob");
    assert!(sink == bytes);
    assert_eq!(fake.seen()[1].header("range"), Some("bytes=100000-299999"));
}

#[tokio::test]
async fn a_registry_without_ranges_starts_again_and_nothing_comes_twice() {
    let bytes = some_bytes(200_000);
    let source = bytes.clone();
    let fake = Fake::start(move |seen| match seen.number {
        0 => {
            let half = source[..80_000].to_vec();
            Reply::with(
                200,
                Body::Cut {
                    bytes: half,
                    announced: 200_000,
                },
            )
        }
        _ => Reply::new(200, source.clone()),
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    let mut sink = Vec::new();
    let pulled = client
        .pull_blob(&reference(&fake, "web:1"), &blob_of(&bytes), &mut sink)
        .await;
    pulled.expect("the whole blob");
    assert!(sink == bytes);
}

#[tokio::test]
async fn a_range_that_leaves_something_out_is_refused() {
    let bytes = some_bytes(1000);
    let source = bytes.clone();
    let fake = Fake::start(move |seen| match seen.number {
        0 => Reply::with(
            200,
            Body::Cut {
                bytes: source[..400].to_vec(),
                announced: 1000,
            },
        ),
        _ => Reply::new(206, &source[600..]).header("content-range", "bytes 600-999/1000"),
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    let mut sink = Vec::new();
    let pulled = client
        .pull_blob(&reference(&fake, "web:1"), &blob_of(&bytes), &mut sink)
        .await;
    let error = pulled.expect_err("a gap");
    assert!(
        error
            .to_string()
            .contains("starts at 600 where 400 was asked for"),
        "{error}"
    );
}

#[tokio::test]
async fn a_drip_counts_as_silence() {
    let fake = Fake::start(|_| Reply::with(200, Body::Drip(Duration::from_millis(20)))).await;
    let client = impatient_client_for([&fake]).build().expect("a client");
    let mut sink = Vec::new();
    let blob = blob_of(&vec![b'['; 1_000_000]);
    let web = reference(&fake, "web:1");
    let error = client
        .pull_blob(&web, &blob, &mut sink)
        .await
        .expect_err("a drip");
    assert!(
        matches!(fault(&error), Misbehaviour::Stalled { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn silence_ends_after_the_idle_time() {
    let fake = Fake::start(|_| {
        Reply::with(
            200,
            Body::Hang {
                bytes: vec![b'x'; 10],
                announced: 1000,
            },
        )
    })
    .await;
    let client = impatient_client_for([&fake]).build().expect("a client");
    let mut sink = Vec::new();
    let blob = blob_of(&[b'x'; 1000]);
    let pulled = client
        .pull_blob(&reference(&fake, "web:1"), &blob, &mut sink)
        .await;
    let error = pulled.expect_err("silence");
    assert!(
        matches!(fault(&error), Misbehaviour::Stalled { .. }),
        "{error}"
    );
    assert!(error.is_retryable());
    assert_eq!(fake.seen().len(), 3, "as often as the policy says");
}

#[tokio::test]
async fn a_file_appears_only_when_it_is_right() {
    let bytes = some_bytes(50_000);
    let served = Arc::new(Mutex::new(bytes.clone()));
    let source = Arc::clone(&served);
    let fake = Fake::start(move |_| Reply::new(200, source.lock().expect("bytes").clone())).await;
    let client = client_for([&fake]).build().expect("a client");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("blob");
    let names = || folder.path().read_dir().expect("a folder").count();
    let web = reference(&fake, "web:1");

    served.lock().expect("bytes")[0] ^= 1;
    let pulled = transfer::blob_to_file(&client, &web, &blob_of(&bytes), &path).await;
    assert!(pulled.expect_err("a lie").is_integrity());
    assert_eq!(names(), 0, "nothing is left");

    served.lock().expect("bytes")[0] ^= 1;
    let pulled = transfer::blob_to_file(&client, &web, &blob_of(&bytes), &path).await;
    pulled.expect("the file");
    assert!(std::fs::read(&path).expect("the file") == bytes);
    assert_eq!(names(), 1);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown tag"}]}"#;
    let fake = Fake::start(move |_| Reply::new(404, body)).await;
    let client = client_for([&fake]).build().expect("a client");
    let error = client
        .pull_manifest(&reference(&fake, "web:9"))
        .await
        .expect_err("nothing");
    assert!(error.is_not_found());
    assert!(
        error.to_string().contains("MANIFEST_UNKNOWN: unknown tag"),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_none());
}
