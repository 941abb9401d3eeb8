//! Signatures: made, checked, copied, forged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use margo_package::oci::{ArtifactStore, LayoutDirectory, Manifest, Reference, Secret, transfer};
use margo_package::signature::{
    Identity, InvalidKey, Requirement, SignaturePolicy, SigningKey, Unverified, Verifier,
    VerifyingKey, sign,
};
use margo_types::Digest;
use margo_types::media_type::OCI_MANIFEST;
use margo_types::oci::Descriptor;
use serde_json::json;

use super::memory::{self, Behaviour};
use super::{blob_of, client_for, empty_config, manifest_of, reference};

async fn push(store: &dyn ArtifactStore, reference: &Reference, layer: &[u8]) -> Digest {
    let manifest = manifest_of(layer);
    store
        .push_blob(reference, &empty_config(), &Bytes::from_static(b"{}"))
        .await
        .expect("config");
    let bytes = Bytes::from(layer.to_vec());
    store
        .push_blob(reference, &blob_of(layer), &bytes)
        .await
        .expect("layer");
    store
        .push_manifest(reference, &manifest)
        .await
        .expect("manifest");
    manifest.digest()
}

fn key() -> (SigningKey, VerifyingKey) {
    let key = SigningKey::generate().expect("a key");
    let public = key.verifying_key().expect("its public key");
    (key, public)
}

fn required(key: &VerifyingKey) -> SignaturePolicy {
    SignaturePolicy::required_everywhere(Verifier::new([key.clone()]))
}

#[tokio::test]
async fn a_signed_artefact_is_accepted_wherever_it_is_kept() {
    let (key, public) = key();
    for referrers in [true, false] {
        let fake = memory::start(Behaviour {
            referrers,
            ..Behaviour::default()
        })
        .await;
        let client = client_for([&fake]).build().expect("a client");
        let web = reference(&fake, "web:1");
        let digest = push(&client, &web, b"layer").await;
        let before = required(&public)
            .check(&client, &web)
            .await
            .expect("a verdict");
        assert!(!before.is_acceptable());
        assert_eq!(before.unverified(), Some(&Unverified::Unsigned));

        assert_eq!(
            sign(&client, &web, &key).await.expect("a signature"),
            digest
        );
        let verdict = required(&public)
            .check(&client, &web)
            .await
            .expect("a verdict");
        assert!(verdict.is_acceptable(), "{verdict}");
        assert_eq!(verdict.signed_by(), Some(public.fingerprint()));
        assert_eq!(verdict.digest(), digest);

        // And after a copy, which has to say where it comes from.
        let folder = tempfile::tempdir().expect("a folder");
        let layout = LayoutDirectory::create(folder.path())
            .await
            .expect("a layout");
        let there: Reference = "site.example/web:1".parse().expect("a reference");
        let follow = transfer::Signatures::Follow;
        transfer::copy(&client, &web, &layout, &there, follow)
            .await
            .expect("a copy");
        let verdict = required(&public)
            .check(&layout, &there)
            .await
            .expect("a verdict");
        assert!(!verdict.is_acceptable());
        assert!(
            verdict.to_string().contains("not for site.example/web"),
            "{verdict}"
        );
        let mirror = Verifier::new([public.clone()]).identity(Identity::Named(web.name()));
        let policy = SignaturePolicy::off().required("site.example", mirror);
        assert!(
            policy
                .check(&layout, &there)
                .await
                .expect("a verdict")
                .is_acceptable()
        );
    }
}

#[tokio::test]
async fn several_signers_sign_the_same_artefact() {
    let fake = memory::start(Behaviour::default()).await;
    let client = client_for([&fake]).build().expect("a client");
    let web = reference(&fake, "web:1");
    push(&client, &web, b"layer").await;
    let ((first, first_public), (second, second_public)) = (key(), key());
    sign(&client, &web, &first).await.expect("a signature");
    sign(&client, &web, &second).await.expect("a signature");
    for public in [first_public, second_public] {
        let verdict = required(&public)
            .check(&client, &web)
            .await
            .expect("a verdict");
        assert_eq!(verdict.signed_by(), Some(public.fingerprint()), "{verdict}");
    }
    let (_, stranger) = key();
    let verdict = required(&stranger)
        .check(&client, &web)
        .await
        .expect("a verdict");
    assert!(
        matches!(
            verdict.unverified(),
            Some(Unverified::NoneValid { tried: 2, .. })
        ),
        "{verdict}"
    );
}

/// Puts a layer with this payload and signature where signatures are looked for.
async fn plant(
    store: &dyn ArtifactStore,
    about: &Reference,
    digest: Digest,
    payload: &[u8],
    signature: &str,
) {
    let mut layer = Descriptor::of("application/vnd.dev.cosign.simplesigning.v1+json", payload);
    layer.annotations.insert(
        "dev.cosignproject.cosign/signature".to_owned(),
        signature.to_owned(),
    );
    let document = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": Descriptor::empty(),
        "layers": [layer],
    });
    let manifest = Manifest::read(document.to_string().as_bytes(), None).expect("a manifest");
    let tag = format!("sha256-{}.sig", digest.to_hex());
    let tagged = about.with_tag(&tag).expect("a reference");
    store
        .push_blob(&tagged, &layer, &Bytes::from(payload.to_vec()))
        .await
        .expect("the payload");
    store
        .push_manifest(&tagged, &manifest)
        .await
        .expect("the signature");
}

#[tokio::test]
async fn a_signature_of_something_else_does_not_count() {
    let fake = memory::start(Behaviour::default()).await;
    let client = client_for([&fake]).build().expect("a client");
    let (key, public) = key();
    let (good, evil) = (reference(&fake, "web:good"), reference(&fake, "web:evil"));
    push(&client, &good, b"good").await;
    let evil_digest = push(&client, &evil, b"evil").await;
    let good_digest = sign(&client, &good, &key).await.expect("a signature");

    // The true signature of the good artefact, put beside the evil one.
    let tag = format!("sha256-{}.sig", good_digest.to_hex());
    let signed = client
        .pull_manifest(&good.with_tag(&tag).expect("a reference"))
        .await
        .expect("it");
    let layer = &signed.content().layers[0];
    let mut payload = Vec::new();
    client
        .pull_blob(&good, layer, &mut payload)
        .await
        .expect("the payload");
    let signature = &layer.annotations["dev.cosignproject.cosign/signature"];
    plant(&client, &evil, evil_digest, &payload, signature).await;
    let verdict = required(&public)
        .check(&client, &evil)
        .await
        .expect("a verdict");
    assert!(!verdict.is_acceptable());
    assert!(
        verdict.to_string().contains("signed another artefact"),
        "{verdict}"
    );

    // The payload corrected for the evil one, with the old signature.
    let text = String::from_utf8(payload).expect("JSON");
    let changed = text.replace(&good_digest.to_string(), &evil_digest.to_string());
    plant(&client, &evil, evil_digest, changed.as_bytes(), signature).await;
    let verdict = required(&public)
        .check(&client, &evil)
        .await
        .expect("a verdict");
    assert!(
        verdict.to_string().contains("not by a trusted key"),
        "{verdict}"
    );

    plant(
        &client,
        &evil,
        evil_digest,
        changed.as_bytes(),
        &STANDARD.encode(b"nonsense"),
    )
    .await;
    assert!(
        !required(&public)
            .check(&client, &evil)
            .await
            .expect("a verdict")
            .is_acceptable()
    );
}

#[tokio::test]
async fn the_longest_prefix_decides_and_optional_tells() {
    let fake = memory::start(Behaviour::default()).await;
    let client = client_for([&fake]).build().expect("a client");
    let web = reference(&fake, "apps/web:1");
    push(&client, &web, b"layer").await;
    let (_, public) = key();
    let verifier = Verifier::new([public]);
    let policy = SignaturePolicy::required_everywhere(verifier.clone())
        .without(&fake.host())
        .optional(&format!("{}/apps", fake.host()), verifier);
    assert_eq!(policy.requirement(&web), Requirement::Optional);
    assert_eq!(
        policy.requirement(&reference(&fake, "appstore:1")),
        Requirement::Off
    );
    let elsewhere = "registry.example/web:1".parse().expect("a reference");
    assert_eq!(policy.requirement(&elsewhere), Requirement::Required);

    let verdict = policy.check(&client, &web).await.expect("a verdict");
    assert!(verdict.is_acceptable());
    assert_eq!(verdict.signed_by(), None);
    assert!(
        verdict
            .to_string()
            .contains("allowed although there is no signature"),
        "{verdict}"
    );
}

#[test]
fn keys_are_read_and_written_as_pem() {
    let (key, public) = key();
    let again = SigningKey::from_pem(&key.to_pem()).expect("the key");
    let pem = public.to_pem();
    assert_eq!(again.verifying_key().expect("a key").to_pem(), pem);
    assert_eq!(
        VerifyingKey::from_pem(&pem).expect("the key").fingerprint(),
        public.fingerprint()
    );
    assert!(pem.lines().all(|line| line.len() <= 64));
    assert_eq!(format!("{key:?}"), "SigningKey { .. }");

    let error = SigningKey::from_pem(&Secret::from(
        "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----",
    ));
    assert_eq!(error.expect_err("encrypted"), InvalidKey::Encrypted);
    let private = key.to_pem();
    assert!(
        VerifyingKey::from_pem(private.expose()).is_err(),
        "a private key is no public one"
    );
    // Ed25519, from RFC 8410.
    let other = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    assert_eq!(
        VerifyingKey::from_pem(other).expect_err("another kind"),
        InvalidKey::NotP256
    );
}
