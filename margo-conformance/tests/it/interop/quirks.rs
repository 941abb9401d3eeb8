//! What the fleet managers of the field do otherwise than the specification says (peers.md 4b, 4c and 4e).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use margo_conformance::agent::{FakeAgent, RawAnswer};
use margo_conformance::authority::Authority;
use margo_conformance::interop::Profile;
use margo_conformance::wfm::FakeWfm;
use margo_types::manifest::StateManifest;
use margo_types::signature::{Signer as _, SigningKey};
use margo_types::{Digest, media_type, read};

use super::{P256, agent, authority, deployment, text};

#[tokio::test]
async fn symphony_wants_one_accept() {
    let (wfm, agent, _authority) = enrolled(Profile::SYMPHONY_2025_12).await;
    wfm.assign(&deployment());
    for (accept, status) in [
        (Some(media_type::MANIFEST), 200),
        (Some("application/vnd.margo.manifest.v1+json, */*"), 500),
        (Some("*/*"), 500),
        (None, 500),
    ] {
        let answer = get(&agent, "deployments", accept).await;
        assert_eq!(answer.status, status, "{accept:?}");
    }
    let bundle = manifest(&agent).await.bundle.unwrap();
    let path = format!("bundles/{}", bundle.digest);
    for (accept, status) in [
        (Some(media_type::BUNDLE), 200),
        (Some("application/octet-stream"), 200),
        (Some("*/*"), 200),
        (None, 200),
        (Some("application/gzip"), 500),
    ] {
        assert_eq!(
            get(&agent, &path, accept).await.status,
            status,
            "{accept:?}"
        );
    }
}

#[tokio::test]
async fn symphony_has_bundles_only_and_only_the_newest() {
    let (wfm, agent, _authority) = enrolled(Profile::SYMPHONY_2025_12).await;
    wfm.assign(&deployment());
    let first = manifest(&agent).await;
    let bundle = first.bundle.unwrap().digest;
    let document = &first.deployments[0];
    let client = wfm.clients().into_keys().next().unwrap();
    assert_eq!(
        document.url,
        format!(
            "/api/v1/clients/{client}/deployments/{}/{}",
            document.deployment_id, document.digest
        ),
        "without the prefix"
    );
    let path = format!("deployments/{}/{}", document.deployment_id, document.digest);
    assert_eq!(get(&agent, &path, None).await.status, 404);
    let path = format!("bundles/{bundle}");
    assert_eq!(get(&agent, &path, None).await.status, 200);

    let mut changed = deployment();
    changed.metadata.name = "kiln-watch-2".to_owned();
    wfm.assign(&changed);
    manifest(&agent).await;
    assert_eq!(get(&agent, &path, None).await.status, 404);
}

#[tokio::test]
async fn tags_and_caching_are_those_of_each() {
    for (profile, is_of_bundle, manifest_caching, bundle_caching) in [
        (
            Profile::STRICT,
            false,
            Some("private"),
            Some("public, max-age=31536000, immutable"),
        ),
        (
            Profile::SYMPHONY_2025_12,
            true,
            Some("public, max-age=31536000, immutable"),
            None,
        ),
        (
            Profile::SANDBOX_9421_2026,
            true,
            Some("public, max-age=31536000, immutable"),
            Some("private, max-age=31536000, immutable"),
        ),
    ] {
        let (wfm, agent, _authority) = enrolled(profile).await;
        let empty = get(&agent, "deployments", Some(media_type::MANIFEST)).await;
        let own = |answer: &RawAnswer| format!("\"{}\"", Digest::of(&answer.body));
        assert_eq!(empty.header("etag"), Some(own(&empty)));
        assert!(text(&empty.body).contains(r#""bundle":null"#));

        wfm.assign(&deployment());
        let full = get(&agent, "deployments", Some(media_type::MANIFEST)).await;
        let bundle = read::<StateManifest>(&full.body).unwrap().into_value();
        let bundle = bundle.bundle.unwrap().digest;
        let tag = format!("\"{bundle}\"");
        let expected = if is_of_bundle {
            tag.clone()
        } else {
            own(&full)
        };
        assert_eq!(
            full.header("etag"),
            Some(expected.clone()),
            "{}",
            profile.name
        );
        assert_eq!(full.header("cache-control").as_deref(), manifest_caching);
        let held = agent.requests().manifest(Some(&expected));
        assert_eq!(agent.send(&held).await.status, 304);

        let archive = get(&agent, &format!("bundles/{bundle}"), None).await;
        assert_eq!(archive.header("cache-control").as_deref(), bundle_caching);
        assert_eq!(archive.header("etag"), bundle_caching.map(|_| tag));
        let hidden = archive.header("coa-meta-header");
        assert_eq!(hidden.is_some(), bundle_caching.is_none());
    }
}

#[tokio::test]
async fn symphony_enrols_anything_once() {
    let authority = authority();
    let profile = Profile::SYMPHONY_2025_12;
    let wfm = FakeWfm::start_signed(&authority, profile).await;
    let mut agent = agent(profile, &wfm.url(), &authority, P256);
    let client = agent.enrol().await.unwrap();
    assert!(client.as_str().starts_with("client-"), "{client}");
    assert_eq!(agent.enrol().await.unwrap_err().status, 409);

    for (body, status) in [
        (r#"{"public_certificate":"nonsense"}"#, 201),
        (r#"{"public_certificate":1}"#, 500),
        (r#"{"certificate":"nonsense"}"#, 500),
    ] {
        let requests = agent.requests();
        let request = requests.request("POST", "/api/v1/onboarding", &[], body);
        assert_eq!(agent.send(&request).await.status, status, "{body}");
    }
}

#[tokio::test]
async fn the_reference_writes_parameters_in_its_own_order() {
    let (wfm, agent, _authority) = enrolled(Profile::SANDBOX_9421_2026).await;
    for (parameters, status) in [
        (r#";created=1767225600;keyid="k""#, 200),
        (
            r#";created=1767225600;keyid="k";alg="ecdsa-p256-sha256""#,
            200,
        ),
        (r#";keyid="k";created=1767225600"#, 401),
        (
            r#";created=1767225600;alg="ecdsa-p256-sha256";keyid="k""#,
            401,
        ),
        (";created=1767225600", 401),
        (r#";created=1767225600;expires=1767225601;keyid="k""#, 401),
    ] {
        let request = signed_with(&agent, &wfm, parameters);
        let answer = agent.send(request.as_bytes()).await;
        assert_eq!(answer.status, status, "{parameters}: {answer:?}");
    }
}

#[tokio::test]
async fn every_label_has_to_verify_at_the_reference() {
    let (_wfm, agent, _authority) = enrolled(Profile::SANDBOX_9421_2026).await;
    let request = text(&agent.requests().manifest(None));
    let second = |name: &str| {
        let line = request.lines().find(|line| line.starts_with(name)).unwrap();
        let (_, value) = line.split_once(": ").unwrap();
        let again = value.replacen("sig=", "sig2=", 1);
        (line.to_owned(), format!("{name}: {value}, {again}"))
    };
    let [(input, both_inputs), (signature, both)] =
        [second("Signature-Input"), second("Signature")];
    let twice = request
        .replace(&input, &both_inputs)
        .replace(&signature, &both);
    assert_eq!(agent.send(twice.as_bytes()).await.status, 200);
    let spoilt = twice.replace("sig2=:", "sig2=:AAAA");
    assert_eq!(agent.send(spoilt.as_bytes()).await.status, 401);
}

#[tokio::test]
async fn documents_are_those_of_each() {
    for (profile, beginning) in [
        (
            Profile::STRICT,
            "apiVersion: application.margo.org/v1alpha1\nkind: ApplicationDeployment\n",
        ),
        (
            Profile::SANDBOX_9421_2026,
            "apiVersion: non-margo.org\nkind: ApplicationDeployment\nmetadata:\n  id: 6f1d2c0a",
        ),
    ] {
        let (wfm, agent, _authority) = enrolled(profile).await;
        wfm.assign(&deployment());
        let reference = manifest(&agent).await.deployments.remove(0);
        let path = format!(
            "deployments/{}/{}",
            reference.deployment_id, reference.digest
        );
        let document = text(&get(&agent, &path, None).await.body);
        assert!(document.starts_with(beginning), "{document}");
    }
}

async fn enrolled(profile: Profile) -> (FakeWfm, FakeAgent, Authority) {
    let authority = authority();
    let wfm = FakeWfm::start_signed(&authority, profile).await;
    let mut agent = agent(profile, &wfm.url(), &authority, P256);
    agent.enrol().await.unwrap();
    (wfm, agent, authority)
}

async fn get(agent: &FakeAgent, rest: &str, accept: Option<&str>) -> RawAnswer {
    let requests = agent.requests();
    let headers: Vec<_> = accept
        .map(|accept| ("Accept", accept))
        .into_iter()
        .collect();
    let request = requests.request("GET", &requests.client_path(rest), &headers, "");
    agent.send(&request).await
}

async fn manifest(agent: &FakeAgent) -> StateManifest {
    let answer = get(agent, "deployments", Some(media_type::MANIFEST)).await;
    read(&answer.body).unwrap().into_value()
}

/// A poll whose signature has these parameters, as they are.
fn signed_with(agent: &FakeAgent, wfm: &FakeWfm, parameters: &str) -> String {
    let (host, path) = (wfm.host(), agent.requests().client_path("deployments"));
    let covered = r#"("@method" "@target-uri")"#;
    let base = format!(
        "\"@method\": GET\n\"@target-uri\": https://{host}{path}\n\"@signature-params\": {covered}{parameters}"
    );
    let key = SigningKey::from_pem(P256.key.as_bytes()).unwrap();
    let signature = STANDARD.encode(key.sign(base.as_bytes()).unwrap());
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nSignature-Input: any={covered}{parameters}\r\n\
         Signature: any=:{signature}:\r\n\r\n"
    )
}
