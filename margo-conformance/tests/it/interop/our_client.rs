//! Our client and the fleet managers of the field.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use margo_client::api::{Dialect, Rc1Api};
use margo_client::identity::SigningIdentity;
use margo_client::onboarding::{Enrolment, EnrolmentSettings, Standing, fetch_root};
use margo_client::trust::ServerTrust;
use margo_client::{FleetApi as _, Poll};
use margo_conformance::RecordedRequest;
use margo_conformance::authority::Authority;
use margo_conformance::interop::{CertificateForm, Profile};
use margo_conformance::wfm::{Answer, FakeWfm};
use margo_types::endpoint::Operation;
use margo_types::etag::EntityTag;
use margo_types::manifest::{ManifestVersion, StateManifest};
use margo_types::signature::SigningKey;
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus};
use tempfile::TempDir;

use super::{HOST, Key, P256, PAIRS, RSA, assert_recorded, at, authority, deployment};
use crate::end_to_end::host;

#[tokio::test]
async fn every_request_is_what_the_profile_demands() {
    for (profile, dialect) in PAIRS {
        let place = Place::new(profile).await;
        if profile == Profile::SYMPHONY_2025_12 {
            place.wfm.stop_clock(at(0)); // the client id has the time in it
        }
        let api = place.api(dialect, P256).await;
        let deployment = deployment();
        place.wfm.assign(&deployment);
        let (manifest, tag) = changed(api.manifest(None).await.unwrap());
        let held = api.manifest(Some(&tag)).await.unwrap();
        assert!(matches!(held, Poll::Unchanged));
        api.bundle(manifest.bundle.as_ref().unwrap()).await.unwrap();
        let document = api.deployment(&manifest.deployments[0]).await;
        assert_eq!(document.is_ok(), profile.fleet_manager.serves_documents);
        api.report_capabilities(&host("press-line-7"))
            .await
            .unwrap();
        api.report_status(&installed()).await.unwrap();

        for (name, operation, index) in [
            ("onboarding", Operation::Onboard, 0),
            ("manifest", Operation::Manifest, 0),
            ("manifest-held", Operation::Manifest, 1),
            ("bundle", Operation::Bundle, 0),
            ("document", Operation::Deployment, 0),
            ("capabilities", Operation::ReportCapabilities, 0),
            ("status", Operation::ReportStatus, 0),
        ] {
            let request = &place.wfm.requests_for(operation)[index];
            assert_signed(profile, request);
            let sent = without_accidents(request);
            assert_recorded(profile, &format!("client/{name}"), &sent);
        }
    }
}

#[tokio::test]
async fn signatures_of_the_common_profile_are_accepted_everywhere() {
    for (profile, mut dialect) in PAIRS {
        dialect.signature = Dialect::COMMON.signature;
        for key in [P256, RSA] {
            let place = Place::new(profile).await;
            let api = place.api(dialect, key).await;
            changed(api.manifest(None).await.unwrap());
            api.report_status(&installed()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_device_waits_for_its_operator() {
    let place = Place::new(Profile::STRICT).await;
    let api = place.api(Dialect::COMMON, P256).await;
    place
        .wfm
        .fail_next(Operation::Onboard, 2, Answer::pending());
    for _ in 0..2 {
        let error = api.manifest(None).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert_eq!(api.enrolment().standing(), Standing::Pending);
    }
    changed(api.manifest(None).await.unwrap());
    assert!(place.wfm.requests_for(Operation::Manifest).len() == 1);

    let place = Place::new(Profile::STRICT).await;
    let api = place.api(Dialect::COMMON, P256).await;
    place
        .wfm
        .fail_always(Operation::Onboard, Answer::rejected());
    let error = api.manifest(None).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    assert!(error.to_string().contains("Client rejected"), "{error}");
    assert!(matches!(
        api.enrolment().standing(),
        Standing::Refused { .. }
    ));
}

/// Its answer to a certificate that it knows is 409 without an id.
#[tokio::test]
async fn symphony_enrols_once_and_the_id_is_kept() {
    let place = Place::new(Profile::SYMPHONY_2025_12).await;
    let first = place.api(Dialect::SYMPHONY_2025_12, P256).await;
    let client = first.enrolment().client_id().await.unwrap();
    drop(first);
    let again = place.api(Dialect::SYMPHONY_2025_12, P256).await;
    changed(again.manifest(None).await.unwrap());
    assert_eq!(place.wfm.requests_for(Operation::Onboard).len(), 1);

    // Without its file it depends on what the operator says.
    let mut settings = place.settings(Dialect::SYMPHONY_2025_12);
    settings.record = place.folder.path().join("other.json");
    let lost = Rc1Api::new(place.enrolment(settings.clone(), P256).await);
    let error = lost.manifest(None).await.unwrap_err().to_string();
    assert!(error.contains("configure the client id"), "{error}");
    settings.client_id = Some(client);
    let told = Rc1Api::new(place.enrolment(settings, P256).await);
    changed(told.manifest(None).await.unwrap());
}

#[tokio::test]
async fn a_root_certificate_is_read_in_every_form() {
    let authority = authority();
    let trust = ServerTrust::anchor(authority.anchor());
    for form in [
        CertificateForm::Base64Der,
        CertificateForm::Base64Pem,
        CertificateForm::Pem,
    ] {
        let mut rules = Profile::STRICT.fleet_manager;
        rules.root_certificate = Some(form);
        let wfm = FakeWfm::start_signed_with(&authority, rules).await;
        let root = fetch_root(wfm.url().parse().unwrap(), &trust)
            .await
            .unwrap();
        assert_eq!(root, authority.anchor());
    }
}

/// A fleet manager, and a device's folder.
struct Place {
    authority: Authority,
    wfm: FakeWfm,
    folder: TempDir,
}

impl Place {
    async fn new(profile: Profile) -> Self {
        let authority = authority();
        Self {
            wfm: FakeWfm::start_signed(&authority, profile).await,
            authority,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn settings(&self, dialect: Dialect) -> EnrolmentSettings {
        let url = self.wfm.url().parse().unwrap();
        let mut settings = EnrolmentSettings::new(url, self.folder.path().join("enrolment.json"));
        settings.dialect = dialect;
        "margo-client".clone_into(&mut settings.options.user_agent);
        settings
    }

    async fn enrolment(&self, settings: EnrolmentSettings, key: Key) -> Enrolment {
        let trust = ServerTrust::anchor(self.authority.anchor());
        let signer = SigningKey::from_pem(key.key.as_bytes()).unwrap();
        let certificate = key.certificate.as_bytes();
        let identity = SigningIdentity::new(Arc::new(signer), certificate, trust).unwrap();
        Enrolment::open(settings, identity).await.unwrap()
    }

    async fn api(&self, dialect: Dialect, key: Key) -> Rc1Api {
        Rc1Api::new(self.enrolment(self.settings(dialect), key).await)
    }
}

fn changed(poll: Poll) -> (StateManifest, EntityTag) {
    match poll {
        Poll::Changed { manifest, tag } => (manifest.into_value(), tag.unwrap()),
        other => panic!("{other:?}"),
    }
}

fn installed() -> DeploymentStatus {
    let deployment = deployment();
    let component = &deployment.spec.deployment_profile.components[0];
    let component = ComponentStatus::new(component.name.clone(), DeploymentState::Installed);
    DeploymentStatus::new(deployment.id, ManifestVersion::FIRST, vec![component])
}

/// The request as text, without what is another every time: port, time and signature.
fn without_accidents(request: &RecordedRequest) -> String {
    let mut text = request.to_text().replace(host_of(request), HOST);
    for (name, accident) in [
        ("created", created(request)),
        ("signature", signature(request)),
    ] {
        text = text.replace(&accident, &format!("{{{name}}}"));
    }
    if !request.body.is_empty() {
        text.push('\n');
    }
    text
}

/// Verifies the signature over a base that is written down here, not made by the code under test.
fn assert_signed(profile: Profile, request: &RecordedRequest) {
    let input = request.header("signature-input").unwrap();
    let (_, params) = input.split_once('=').unwrap();
    let query = request.query.as_deref();
    assert_eq!(query, None, "no endpoint has one");
    let host = host_of(request);
    let values = BTreeMap::from([
        ("@method", request.method.to_string()),
        ("@target-uri", format!("https://{host}{}", request.path)),
        ("@authority", host.to_owned()),
        (
            "content-digest",
            request
                .header("content-digest")
                .unwrap_or_default()
                .to_owned(),
        ),
    ]);
    let digest = profile.agent.signing.covers_digest && !request.body.is_empty();
    let covered = ["@method", "@target-uri", "@authority"]
        .into_iter()
        .chain(digest.then_some("content-digest"));
    let lines = covered.map(|name| format!("\"{name}\": {}\n", values[name]));
    let base = lines.collect::<String>() + "\"@signature-params\": " + params;
    let key = SigningKey::from_pem(P256.key.as_bytes()).unwrap();
    let signature = STANDARD.decode(signature(request)).unwrap();
    let algorithm = &key.public().key_type().algorithms()[0];
    let verified = key.public().verify(algorithm, base.as_bytes(), &signature);
    assert_eq!(verified, Ok(()), "{base}");
}

fn host_of(request: &RecordedRequest) -> &str {
    request.header("host").unwrap()
}

fn created(request: &RecordedRequest) -> String {
    let input = request.header("signature-input").unwrap();
    let (_, rest) = input.split_once("created=").unwrap();
    rest.split(';').next().unwrap().to_owned()
}

/// The base64 of the signature.
fn signature(request: &RecordedRequest) -> String {
    let signature = request.header("signature").unwrap();
    let (_, rest) = signature.split_once("=:").unwrap();
    rest.strip_suffix(':').unwrap().to_owned()
}
