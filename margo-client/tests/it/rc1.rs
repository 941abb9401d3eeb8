//! The signed generation over real connections: `Rc1Api`, and how a device becomes a client.

mod device;
mod dialects;
mod enrolment;
mod renewal;
mod requests;
mod roots;
mod signers;

use std::fs;
use std::path::PathBuf;

use margo_client::Error;
use margo_client::api::{Dialect, Rc1Api};
use margo_client::identity::{SigningFiles, SigningIdentity};
use margo_client::onboarding::{Enrolment, EnrolmentSettings};
use margo_conformance::authority::{Authority, IssuedSvid};
use margo_conformance::wfm::FakeWfm;
use margo_types::application::DeploymentType;
use margo_types::capabilities::{Cpu, DeviceCapabilities, DeviceProperties, Runtime};
use margo_types::id::{DeploymentId, TrustDomain};
use margo_types::manifest::ManifestVersion;
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus, StatusError};
use tempfile::TempDir;

/// A device on its disk, and the authority of its fleet manager.
struct Scene {
    folder: TempDir,
    authority: Authority,
}

impl Scene {
    /// A device with a key and a certificate that trusts the authority.
    fn new() -> Self {
        let scene = Self {
            folder: tempfile::tempdir().expect("a folder"),
            authority: authority(),
        };
        scene.write("ca.pem", &scene.authority.to_pem().0);
        scene.renew();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    /// Gives the device another key and certificate.
    fn renew(&self) -> IssuedSvid {
        let issued = self.authority.issue_with(|_| ());
        self.write("key.pem", &issued.key_pem);
        self.write("certificate.pem", &issued.chain_pem);
        issued
    }

    fn files(&self) -> SigningFiles {
        let mut files = SigningFiles::new(self.path("key.pem"), self.path("certificate.pem"));
        files.ca_certificates = Some(self.path("ca.pem"));
        files
    }

    fn identity(&self) -> SigningIdentity {
        self.files().load().expect("an identity")
    }

    fn settings(&self, url: &str) -> EnrolmentSettings {
        EnrolmentSettings::new(url.parse().expect("a URL"), self.path("enrolment.json"))
    }

    /// The device, started anew.
    async fn enrolment(&self, url: &str) -> Enrolment {
        Enrolment::open(self.settings(url), self.identity())
            .await
            .expect("an enrolment")
    }

    async fn api(&self, url: &str) -> Rc1Api {
        Rc1Api::new(self.enrolment(url).await)
    }

    async fn api_in(&self, dialect: Dialect, wfm: &FakeWfm) -> Rc1Api {
        let mut settings = self.settings(&wfm.url());
        settings.dialect = dialect;
        let enrolment = Enrolment::open(settings, self.identity()).await;
        Rc1Api::new(enrolment.expect("an enrolment"))
    }
}

/// A device that hosts Compose applications.
fn host(id: &str) -> DeviceCapabilities {
    let id = id.parse().expect("an id");
    let mut properties = DeviceProperties::new(id, "ACME", "E7", "0001");
    properties.cpus = Some(vec![Cpu::new(4.0, None)]);
    properties.memory = Some("8Gi".parse().expect("a size"));
    properties.storage = Some("64Gi".parse().expect("a size"));
    properties.peripherals = Some(Vec::new());
    properties.interfaces = Some(Vec::new());
    properties.otel_collector = Some(true);
    properties.supported_runtimes = Some(vec![Runtime::Oci]);
    properties.supported_deployment_types = Some(vec![DeploymentType::Compose]);
    DeviceCapabilities::new(properties)
}

/// A deployment that failed.
fn status(id: DeploymentId) -> DeploymentStatus {
    let mut component =
        ComponentStatus::new("web".parse().expect("a name"), DeploymentState::Failed);
    component.error = Some(StatusError::new("E1", "web", "no room"));
    DeploymentStatus::new(id, ManifestVersion::FIRST, vec![component])
}

fn authority() -> Authority {
    Authority::new(&TrustDomain::parse("factory.example").expect("a domain"))
}

fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(beneath) = source {
        text = format!("{text}: {beneath}");
        source = beneath.source();
    }
    text
}
