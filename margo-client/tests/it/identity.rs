//! Identities from files, and what becomes of them when the files change.

use std::error::Error as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use margo_client::identity::IdentityFiles;
use margo_client::{Error, ErrorKind};
use margo_conformance::authority::{Authority, IssuedSvid, Lifetime};
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;

struct Scene {
    directory: TempDir,
    authority: Authority,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            directory: tempfile::tempdir().expect("a directory"),
            authority: Authority::new(&domain()),
        };
        scene.write_svid(&scene.issue("line-4"));
        scene.write("bundle.json", json(&scene.authority));
        scene
    }

    fn issue(&self, client: &str) -> IssuedSvid {
        self.authority
            .issue(&client_id(client), Lifetime::default())
    }

    fn files(&self) -> IdentityFiles {
        IdentityFiles::new(
            self.path("svid.pem"),
            self.path("key.pem"),
            self.path("bundle.json"),
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file");
    }

    fn write_svid(&self, svid: &IssuedSvid) {
        self.write("svid.pem", &svid.chain_pem);
        self.write("key.pem", &svid.key_pem);
    }
}

fn domain() -> TrustDomain {
    TrustDomain::parse("factory.example").expect("a domain")
}

fn client_id(client: &str) -> SpiffeId {
    let client = ClientId::parse(client).expect("an id");
    SpiffeId::wfm_client(&domain(), "wfm-1", &client).expect("an id")
}

fn json(authority: &Authority) -> Vec<u8> {
    margo_types::write(&authority.bundle(), margo_types::SpecVersion::Rc3).expect("a bundle")
}

fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[test]
fn a_bundle_may_be_json_or_pem() {
    let scene = Scene::new();
    let from_json = scene.files().load().expect("an identity");
    assert_eq!(*from_json.id(), client_id("line-4"));
    scene.write("bundle.json", scene.authority.to_pem().0);
    let from_pem = scene.files().load().expect("an identity");
    assert_eq!(from_pem.anchors(), from_json.anchors());
}

#[test]
fn errors_name_the_file_and_what_to_do() {
    type Spoil = fn(&Scene);
    let remove = |scene: &Scene, name: &str| fs::remove_file(scene.path(name)).expect("removed");
    let cases: [(&str, Spoil, &str, &str); 12] = [
        ("no svid", |_| {}, "svid.pem", "check the path"),
        ("no key", |_| {}, "key.pem", "check the path"),
        ("no bundle", |_| {}, "bundle.json", "check the path"),
        (
            "empty key",
            |scene| scene.write("key.pem", ""),
            "key.pem",
            "is empty",
        ),
        (
            "svid is not PEM",
            |scene| scene.write("svid.pem", "hello"),
            "svid.pem",
            "no certificate",
        ),
        (
            "key is not PEM",
            |scene| scene.write("key.pem", "hello"),
            "key.pem",
            "no private key",
        ),
        (
            "another key",
            |scene| scene.write("key.pem", scene.issue("line-5").key_pem),
            "key.pem",
            "does not belong to the SVID",
        ),
        (
            "bundle is neither",
            |scene| scene.write("bundle.json", "hello"),
            "bundle.json",
            "neither a SPIFFE bundle",
        ),
        (
            "bundle is empty",
            |scene| scene.write("bundle.json", r#"{"keys":[]}"#),
            "bundle.json",
            "x509-svid",
        ),
        (
            "bundle is cut off",
            |scene| scene.write("bundle.json", "-----BEGIN CERTIFICATE-----\nMIIB"),
            "bundle.json",
            "PEM",
        ),
        (
            "too long",
            |scene| scene.write("svid.pem", vec![b'-'; 2 << 20]),
            "svid.pem",
            "1 MiB",
        ),
        (
            "of a fleet manager",
            |scene| {
                let id = SpiffeId::wfm(&domain(), "wfm-1").expect("an id");
                scene.write_svid(&scene.authority.issue(&id, Lifetime::default()));
            },
            "svid.pem",
            "/client/<client-id>",
        ),
    ];
    for (case, spoil, file, expected) in cases {
        let scene = Scene::new();
        if case.starts_with("no ") {
            remove(&scene, file);
        }
        spoil(&scene);
        let error = scene.files().load().expect_err(case);
        assert_eq!(error.kind(), ErrorKind::Setup, "{case}");
        assert!(error.to_string().contains(file), "{case}: {error}");
        assert!(told(&error).contains(expected), "{case}: {}", told(&error));
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_noticed() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new();
    for (mode, is_exposed) in [
        (0o600, false),
        (0o400, false),
        (0o640, true),
        (0o644, true),
        (0o602, true),
    ] {
        fs::set_permissions(scene.path("key.pem"), fs::Permissions::from_mode(mode))
            .expect("a mode");
        let exposure = scene.files().key_exposure();
        assert_eq!(exposure.is_some(), is_exposed, "{mode:o}");
        assert!(exposure.is_none_or(|text| text.contains("chmod 600") && text.contains("key.pem")));
        scene.files().load().expect("it is a warning only");
    }
}

#[test]
fn a_renewed_svid_is_taken_over_when_it_is_complete() {
    let scene = Scene::new();
    let mut watch = scene.files().watch().expect("an identity");
    let identity = watch.identity().clone();
    let (first, generation) = (identity.svid(), identity.generation());
    assert!(
        !watch.poll().expect("nothing is wrong"),
        "nothing has changed"
    );

    let renewed = scene.issue("line-4");
    // chain first, then key; the first one cut off at that
    scene.write("svid.pem", &renewed.chain_pem[..100]);
    watch.poll().expect_err("half written");
    scene.write("svid.pem", &renewed.chain_pem);
    let error = watch.poll().expect_err("the key is still the old one");
    assert!(error.to_string().contains("key.pem"), "{error}");
    fs::remove_file(scene.path("key.pem")).expect("removed");
    watch.poll().expect_err("between two files");
    assert_eq!(
        (identity.svid().chain(), identity.generation()),
        (first.chain(), generation)
    );

    scene.write("key.pem", &renewed.key_pem);
    assert!(watch.poll().expect("complete"));
    let leaf = CertificateDer::clone(&renewed.certificates()[0]);
    assert_eq!(identity.svid().chain().first(), Some(&leaf));
    assert!(identity.generation() > generation);
    assert!(!watch.poll().expect("nothing is wrong"), "once is enough");
}

#[test]
fn a_bundle_replaces_and_a_bad_one_does_not() {
    let scene = Scene::new();
    let mut watch = scene.files().watch().expect("an identity");
    let identity = watch.identity().clone();
    let next = Authority::new(&domain());
    scene.write("bundle.json", r#"{"keys":[]}"#);
    watch.poll().expect_err("no anchors");
    assert_eq!(identity.anchors().to_vec(), [scene.authority.anchor()]);
    scene.write("bundle.json", json(&next));
    assert!(watch.poll().expect("a bundle"));
    assert_eq!(
        identity.anchors().to_vec(),
        [next.anchor()],
        "replaced, not merged"
    );
}

#[test]
fn nobody_becomes_somebody_else() {
    let scene = Scene::new();
    let mut watch = scene.files().watch().expect("an identity");
    let generation = watch.identity().generation();
    scene.write_svid(&scene.issue("line-5"));
    let error = watch.poll().expect_err("somebody else");
    assert!(error.to_string().contains("restart"), "{error}");
    assert_eq!(*watch.identity().svid().id(), client_id("line-4"));
    assert_eq!(watch.identity().generation(), generation);
}

#[tokio::test]
async fn a_running_watch_takes_over_by_itself() {
    let scene = Scene::new();
    let watch = scene.files().watch().expect("an identity");
    let identity = watch.identity().clone();
    let generation = identity.generation();
    let running = tokio::spawn(watch.run(Duration::from_millis(5)));
    scene.write("svid.pem", "half");
    scene.write_svid(&scene.issue("line-4"));
    let changed = async {
        while identity.generation() == generation {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), changed)
        .await
        .expect("taken over");
    running.abort();
}
