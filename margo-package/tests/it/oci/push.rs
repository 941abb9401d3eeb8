//! Pushing, and lists of referrers.

use bytes::Bytes;
use margo_package::oci::{ArtifactStore, Client, Manifest, OciError, OneShot, Pushed, Reference};
use margo_types::media_type::OCI_MANIFEST;
use margo_types::oci::Descriptor;
use serde_json::json;

use super::fake::{Fake, Reply};
use super::memory::{self, Behaviour};
use super::{blob_of, client_for, empty_config, manifest_of, reference, some_bytes};

async fn push(client: &Client, reference: &Reference, layer: &[u8]) -> Manifest {
    let manifest = manifest_of(layer);
    let config = Bytes::from_static(b"{}");
    client
        .push_blob(reference, &empty_config(), &config)
        .await
        .expect("the config");
    let bytes = Bytes::from(layer.to_vec());
    client
        .push_blob(reference, &blob_of(layer), &bytes)
        .await
        .expect("the layer");
    client
        .push_manifest(reference, &manifest)
        .await
        .expect("the manifest");
    manifest
}

#[tokio::test]
async fn what_is_pushed_comes_back() {
    let fake = memory::start(Behaviour::default()).await;
    let client = client_for([&fake]).build().expect("a client");
    let web = reference(&fake, "apps/web:1.0.0");
    let layer = some_bytes(700_000);
    let pushed = push(&client, &web, &layer).await;

    let pulled = client.pull_manifest(&web).await.expect("the manifest");
    assert_eq!(pulled.bytes(), pushed.bytes());
    let mut sink = Vec::new();
    client
        .pull_blob(&web, &blob_of(&layer), &mut sink)
        .await
        .expect("the layer");
    assert!(sink == layer);
    assert_eq!(client.tags(&web).await.expect("tags"), ["1.0.0"]);

    let again = client
        .push_blob(&web, &blob_of(&layer), &Bytes::from(layer.clone()))
        .await;
    assert_eq!(again.expect("the layer"), Pushed::Existed);
    let uploads = fake
        .lines()
        .iter()
        .filter(|line| line.starts_with("POST"))
        .count();
    assert_eq!(uploads, 2, "nothing is sent twice");
}

#[tokio::test]
async fn pieces_are_sent_where_the_whole_is_too_large() {
    let fake = memory::start(Behaviour {
        max_body: Some(5 << 20),
        ..Behaviour::default()
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    let web = reference(&fake, "web:1");
    let layer = some_bytes((9 << 20) + 17);
    push(&client, &web, &layer).await;
    let mut sink = Vec::new();
    client
        .pull_blob(&web, &blob_of(&layer), &mut sink)
        .await
        .expect("the layer");
    assert!(sink == layer);
    let ranges: Vec<_> = fake
        .seen()
        .iter()
        .filter(|seen| seen.method == "PATCH")
        .map(|seen| seen.header("content-range").expect("a range").to_owned())
        .collect();
    assert_eq!(ranges, ["0-4194303", "4194304-8388607", "8388608-9437200"]);
}

#[tokio::test]
async fn an_upload_is_started_again_after_a_failure() {
    let fake = Fake::start(|seen| match (seen.method.as_str(), seen.number) {
        ("HEAD", _) => Reply::new(404, ""),
        ("POST", _) => Reply::new(202, "").header("location", "/upload/one"),
        ("PUT", number) if number < 4 => Reply::new(503, ""),
        _ => Reply::new(201, ""),
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    let web = reference(&fake, "web:1");
    let bytes = Bytes::from(some_bytes(1000));
    let pushed = client.push_blob(&web, &blob_of(&bytes), &bytes).await;
    assert_eq!(pushed.expect("the second attempt"), Pushed::Sent);
    assert_eq!(fake.seen().last().expect("a request").body, bytes);

    // What can be read only once cannot be sent twice.
    let fake = Fake::start(|seen| match seen.method.as_str() {
        "HEAD" => Reply::new(404, ""),
        "POST" => Reply::new(202, "").header("location", "/upload/one"),
        _ => Reply::new(503, ""),
    })
    .await;
    let client = client_for([&fake]).build().expect("a client");
    let once = OneShot::new(std::io::Cursor::new(bytes.clone()));
    let pushed = client
        .push_blob(&reference(&fake, "web:1"), &blob_of(&bytes), &once)
        .await;
    let error = pushed.expect_err("used up");
    let source = std::error::Error::source(&error)
        .expect("a cause")
        .to_string();
    assert!(source.contains("used up by an earlier attempt"), "{source}");
}

#[tokio::test]
async fn a_source_with_other_bytes_than_its_descriptor_is_our_fault() {
    let fake = memory::start(Behaviour::default()).await;
    let client = client_for([&fake]).build().expect("a client");
    let web = reference(&fake, "web:1");
    let blob = blob_of(&some_bytes(1000));
    let mut wrong = some_bytes(1000);
    wrong[3] ^= 1;
    for bytes in [wrong, some_bytes(999), some_bytes(1001)] {
        let pushed = client.push_blob(&web, &blob, &Bytes::from(bytes)).await;
        let error = pushed.expect_err("other bytes");
        // With the right length only the registry can notice in time, and it does.
        let is_ours = matches!(error, OciError::Misused { .. });
        assert!(
            is_ours || error.to_string().contains("DIGEST_INVALID"),
            "{error}"
        );
    }
}

fn signature_of(subject: &Manifest) -> Manifest {
    let subject = subject.descriptor();
    let document = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.test.note",
        "config": Descriptor::empty(),
        "layers": [],
        "subject": { "mediaType": subject.media_type, "digest": subject.digest, "size": subject.size },
    });
    Manifest::read(document.to_string().as_bytes(), None).expect("a manifest")
}

#[tokio::test]
async fn referrers_are_listed_by_the_registry_or_under_a_tag() {
    for referrers in [true, false] {
        let fake = memory::start(Behaviour {
            referrers,
            ..Behaviour::default()
        })
        .await;
        let client = client_for([&fake]).build().expect("a client");
        let web = reference(&fake, "web:1");
        let artefact = push(&client, &web, b"layer").await;
        let note = signature_of(&artefact);
        let noted = reference(&fake, "web").with_digest(note.digest());
        client.push_manifest(&noted, &note).await.expect("the note");
        client
            .push_manifest(&noted, &note)
            .await
            .expect("the note again");

        let list = async |kind| {
            client
                .referrers(&web, artefact.digest(), kind)
                .await
                .expect("a list")
        };
        assert_eq!(list(None).await.len(), 1, "referrers API: {referrers}");
        assert_eq!(
            list(Some("application/vnd.test.note")).await[0].digest,
            note.digest()
        );
        assert_eq!(list(Some("application/vnd.test.other")).await.len(), 0);

        let fallback = format!("sha256-{}", artefact.digest().to_hex());
        let has_tag = client.tags(&web).await.expect("tags").contains(&fallback);
        assert_eq!(
            has_tag, !referrers,
            "the tag is written only where it is needed"
        );
    }
}

#[tokio::test]
async fn a_manifest_is_not_pushed_under_a_foreign_digest() {
    let fake = memory::start(Behaviour::default()).await;
    let client = client_for([&fake]).build().expect("a client");
    let pinned = reference(&fake, "web").with_digest(super::other_digest());
    let error = client
        .push_manifest(&pinned, &manifest_of(b"x"))
        .await
        .expect_err("a contradiction");
    assert!(matches!(error, OciError::Misused { .. }), "{error}");
    assert_eq!(fake.seen().len(), 0);
}
