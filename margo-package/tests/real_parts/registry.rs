//! Pushing to and pulling from a real registry: open, with passwords, with TLS, with client certificates.

use bytes::Bytes;
use libtest_mimic::Trial;
use margo_package::oci::{
    ArtifactStore, Client, ClientBuilder, Credentials, DockerConfig, Manifest, OciError, Pushed,
    Reference, Refusal, Secret, StaticCredentials,
};
use margo_package::signature::{SignaturePolicy, SigningKey, Verifier, sign};
use margo_types::media_type::{OCI_EMPTY, OCI_MANIFEST, PACKAGE, PACKAGE_DESCRIPTION};
use margo_types::oci::Descriptor;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use serde_json::json;

use crate::process::{Registry, run};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("registry_plain", &["docker-registry"], plain),
        trial("registry_signatures", &["docker-registry"], signatures),
        trial(
            "registry_basic_authentication",
            &["docker-registry", "htpasswd"],
            basic,
        ),
        trial("registry_private_ca", &["docker-registry"], private_ca),
        trial(
            "registry_client_certificate",
            &["docker-registry"],
            client_certificate,
        ),
    ]
}

/// An application package with a description and a layer of some size.
pub(crate) async fn push_package(store: &dyn ArtifactStore, reference: &Reference) -> Manifest {
    let description = Bytes::from_static(b"kind: ApplicationDescription\n");
    let resource = Bytes::from(vec![7; 3_000_000]);
    let layers = [
        Descriptor::of(PACKAGE_DESCRIPTION, &description),
        Descriptor::of("application/vnd.margo.app.icon.v1+png", &resource),
    ];
    let document = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": PACKAGE,
        "config": Descriptor::empty(),
        "layers": layers,
        "annotations": { "org.opencontainers.image.title": "furnace watch" },
    });
    let manifest = Manifest::read(document.to_string().as_bytes(), None).expect("a manifest");
    let empty = Descriptor::of(OCI_EMPTY, b"{}");
    store
        .push_blob(reference, &empty, &Bytes::from_static(b"{}"))
        .await
        .expect("the config");
    for (layer, bytes) in layers.iter().zip([description, resource]) {
        store
            .push_blob(reference, layer, &bytes)
            .await
            .expect("a layer");
    }
    store
        .push_manifest(reference, &manifest)
        .await
        .expect("the manifest");
    manifest
}

pub(crate) async fn assert_pulls(
    store: &dyn ArtifactStore,
    reference: &Reference,
    expected: &Manifest,
) {
    let manifest = store.pull_manifest(reference).await.expect("the manifest");
    assert_eq!(manifest.digest(), expected.digest());
    for blob in manifest.blobs() {
        let mut sink = Vec::new();
        store
            .pull_blob(reference, blob, &mut sink)
            .await
            .expect("a blob");
    }
}

/// A client that knows nothing from the environment.
fn bare() -> ClientBuilder {
    Client::builder().no_proxy().only_these_certificates()
}

pub(crate) fn plain_client(registry: &Registry) -> Client {
    bare()
        .plain_http(&registry.host())
        .build()
        .expect("a client")
}

pub(crate) fn reference(registry: &Registry, rest: &str) -> Reference {
    format!("{}/{rest}", registry.host())
        .parse()
        .expect("a reference")
}

async fn plain() {
    let registry = Registry::plain();
    let client = plain_client(&registry);
    let package = reference(&registry, "apps/furnace:1.0.0");
    let missing = client
        .pull_manifest(&package)
        .await
        .expect_err("nothing yet");
    assert!(missing.is_not_found(), "{missing}");

    let manifest = push_package(&client, &package).await;
    assert_pulls(&client, &package, &manifest).await;
    let resource = &manifest.content().layers[1];
    let again = client
        .push_blob(&package, resource, &Bytes::from(vec![7; 3_000_000]))
        .await;
    assert_eq!(again.expect("the blob"), Pushed::Existed);
    let next = package.with_tag("1.1.0").expect("a reference");
    client
        .push_manifest(&next, &manifest)
        .await
        .expect("another tag");
    assert_eq!(
        client.tags(&package).await.expect("tags"),
        ["1.0.0", "1.1.0"]
    );
    assert_eq!(
        client.resolve(&next).await.expect("a digest"),
        manifest.digest()
    );
}

async fn signatures() {
    let registry = Registry::plain();
    let client = plain_client(&registry);
    let package = reference(&registry, "apps/furnace:1.0.0");
    let manifest = push_package(&client, &package).await;
    let key = SigningKey::generate().expect("a key");
    sign(&client, &package, &key).await.expect("a signature");

    let verifier = Verifier::new([key.verifying_key().expect("a key")]);
    let policy = SignaturePolicy::required_everywhere(verifier);
    let verdict = policy.check(&client, &package).await.expect("a verdict");
    assert!(verdict.is_acceptable(), "{verdict}");
    // This registry has no referrers API: the list is under a tag.
    let referrers = client
        .referrers(&package, manifest.digest(), None)
        .await
        .expect("referrers");
    assert_eq!(referrers.len(), 1);
}

async fn basic() {
    let folder = tempfile::tempdir().expect("a folder");
    let users = folder.path().join("users");
    std::fs::write(
        &users,
        run("htpasswd", &["-nbB", "operator", "sword fish"], &[]),
    )
    .expect("users");
    let config = folder.path().join("config.json");
    let auth = format!(
        "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
        users.display()
    );
    let registry = Registry::start(folder, &auth, "");
    let package = reference(&registry, "apps/furnace:1.0.0");
    // operator:sword fish
    let entry = json!({ "auths": { registry.host(): { "auth": "b3BlcmF0b3I6c3dvcmQgZmlzaA==" } } });
    std::fs::write(&config, entry.to_string()).expect("a configuration");

    let client = bare()
        .plain_http(&registry.host())
        .credentials(DockerConfig::at(config))
        .build();
    let client = client.expect("a client");
    let manifest = push_package(&client, &package).await;
    assert_pulls(&client, &package, &manifest).await;

    let wrong = Credentials::password("operator", "swordfish");
    let wrong = StaticCredentials::new().with(&registry.host(), wrong);
    let client = bare()
        .plain_http(&registry.host())
        .credentials(wrong)
        .build()
        .expect("a client");
    let error = client
        .pull_manifest(&package)
        .await
        .expect_err("a wrong password");
    let is_unauthenticated = matches!(
        error,
        OciError::PeerRefused {
            refusal: Refusal::Unauthenticated { .. },
            ..
        }
    );
    assert!(is_unauthenticated, "{error}");
}

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a CA"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn issue(&self, names: &[&str], usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("parameters");
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

/// A registry with TLS; it wants client certificates of the CA in `clients`, if given.
pub(crate) fn tls_registry(authority: &Authority, clients: Option<&Authority>) -> Registry {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = authority.issue(&["127.0.0.1"], ExtendedKeyUsagePurpose::ServerAuth);
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let mut tls = format!(
        "  tls:\n    certificate: {}\n    key: {}\n",
        write("server.pem", &certificate),
        write("server.key", &key)
    );
    if let Some(clients) = clients {
        tls = format!(
            "{tls}    clientcas:\n      - {}\n",
            write("clients.pem", &clients.pem())
        );
    }
    Registry::start(folder, "", &tls)
}

async fn private_ca() {
    let authority = Authority::new();
    let registry = tls_registry(&authority, None);
    let package = reference(&registry, "apps/furnace:1.0.0");
    let client = bare()
        .ca_certificates(authority.pem().as_bytes())
        .build()
        .expect("a client");
    let manifest = push_package(&client, &package).await;
    assert_pulls(&client, &package, &manifest).await;

    let stranger = Authority::new();
    let client = bare()
        .ca_certificates(stranger.pem().as_bytes())
        .retry(margo_package::oci::RetryPolicy::never())
        .build()
        .expect("a client");
    let error = client
        .pull_manifest(&package)
        .await
        .expect_err("another CA");
    assert!(matches!(error, OciError::Environment { .. }), "{error}");
}

async fn client_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let registry = tls_registry(&authority, Some(&clients));
    let package = reference(&registry, "apps/furnace:1.0.0");
    let (certificate, key) = clients.issue(&["device-7"], ExtendedKeyUsagePurpose::ClientAuth);
    let client = |host: &str| {
        bare()
            .ca_certificates(authority.pem().as_bytes())
            .client_certificate(host, certificate.as_bytes(), &Secret::from(key.as_str()))
            .retry(margo_package::oci::RetryPolicy::never())
            .build()
            .expect("a client")
    };
    let known = client(&registry.host());
    let manifest = push_package(&known, &package).await;
    assert_pulls(&known, &package, &manifest).await;

    let other = client("registry.example");
    let error = other
        .pull_manifest(&package)
        .await
        .expect_err("the certificate is for another host");
    assert!(matches!(error, OciError::Environment { .. }), "{error}");
}
