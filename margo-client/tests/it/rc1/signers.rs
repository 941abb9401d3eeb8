//! Keys that are not in memory: slow ones, and ones that fail.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use margo_client::api::Rc1Api;
use margo_client::identity::SigningIdentity;
use margo_client::onboarding::Enrolment;
use margo_client::trust::ServerTrust;
use margo_client::{ErrorKind, FleetApi as _};
use margo_conformance::authority::rcgen::{self, CertificateParams, KeyPair};
use margo_conformance::interop::Profile;
use margo_conformance::wfm::FakeWfm;
use margo_types::auth::SignatureAlgorithm;
use margo_types::signature::{Signer, SignerError, SigningKey, VerifyingKey};

use super::{Scene, told};

/// A device that signs once it was given leave, and says so.
#[derive(Debug)]
struct Device {
    key: SigningKey,
    leave: Mutex<Receiver<bool>>,
}

impl Signer for Device {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    fn public(&self) -> &VerifyingKey {
        self.key.public()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        match self.leave.lock().expect("one at a time").recv() {
            Ok(true) => self.key.sign(message),
            Ok(false) => Err(SignerError::new("the session is closed")),
            Err(gone) => Err(SignerError::new(gone)),
        }
    }
}

async fn api(scene: &Scene, wfm: &FakeWfm, patience: Duration) -> (Rc1Api, Sender<bool>) {
    let key = SigningKey::from_pem(scene.read("key.pem").as_bytes()).expect("a key");
    let (leave, waiting) = channel();
    let device = Device {
        key,
        leave: Mutex::new(waiting),
    };
    let trust = ServerTrust::anchor(scene.authority.anchor());
    let certificate = scene.read("certificate.pem");
    let identity = SigningIdentity::new(Arc::new(device), certificate.as_bytes(), trust);
    let mut settings = scene.settings(&wfm.url());
    settings.options.exchange = patience;
    let enrolment = Enrolment::open(settings, identity.expect("an identity")).await;
    (Rc1Api::new(enrolment.expect("an enrolment")), leave)
}

/// On a runtime of one thread, which gives the leave itself while the device waits for it.
#[tokio::test(flavor = "current_thread")]
async fn a_device_that_takes_its_time_holds_nobody_up() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let (api, leave) = api(&scene, &wfm, Duration::from_mins(1)).await;
    let give = async {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            leave.send(true).expect("somebody waits");
        }
    };
    let (polled, ()) = tokio::join!(api.manifest(None), give);
    polled.expect("a manifest");
}

#[tokio::test]
async fn a_device_that_fails_or_hangs_is_an_error_of_the_setup() {
    let scene = Scene::new();
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let (api, leave) = api(&scene, &wfm, Duration::from_secs(1)).await;
    leave.send(false).expect("it waits later");
    let error = api.manifest(None).await.expect_err("a closed session");
    assert_eq!(error.kind(), ErrorKind::Setup);
    assert!(
        told(&error).contains("the session is closed"),
        "{}",
        told(&error)
    );
    for _ in 0..3 {
        let error = api.manifest(None).await.expect_err("no answer");
        assert!(error.to_string().contains("was not signed"), "{error}");
    }
    assert!(wfm.requests().is_empty());
    // One signature hung, not three: the leave for it, for the enrolment and for the poll are all it takes.
    for _ in 0..3 {
        leave.send(true).expect("somebody waits");
    }
    // On a busy machine it takes some more.
    while api.manifest(None).await.is_err() {
        leave.send(true).expect("somebody waits");
    }
}

/// This fleet manager takes nothing twice, and such signatures have no chance in them.
#[tokio::test]
async fn requests_of_one_second_are_told_apart() {
    let scene = Scene::new();
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let certificate = CertificateParams::default().self_signed(&key);
    scene.write("key.pem", key.serialize_pem());
    scene.write("certificate.pem", certificate.expect("a certificate").pem());
    let wfm = FakeWfm::start_signed(&scene.authority, Profile::STRICT).await;
    let api = scene.api(&wfm.url()).await;
    for _ in 0..20 {
        api.manifest(None).await.expect("another request");
    }
}

#[tokio::test]
async fn a_key_and_a_certificate_have_to_be_of_one_another() {
    let scene = Scene::new();
    let key = SigningKey::from_pem(scene.read("key.pem").as_bytes()).expect("a key");
    let trust = ServerTrust::anchor(scene.authority.anchor());
    let other = scene.authority.issue_with(|_| ());
    for certificate in [other.chain_pem.as_bytes(), b"none", b""] {
        let error = SigningIdentity::new(Arc::new(key.clone()), certificate, trust.clone());
        assert_eq!(error.expect_err("no identity").kind(), ErrorKind::Setup);
    }
    let der = scene.authority.anchor().into_der();
    SigningIdentity::new(Arc::new(key), &der, trust).expect_err("somebody else's");
}
