//! A device that does what a test says: margo-client's interface with the identity of a client of the place.

use std::time::Duration;

use margo_client::api::Rc3Api;
use margo_client::identity::IdentityFiles;
use margo_client::{Error, FleetApi as _, Poll};
use margo_types::Exact;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeploymentId;
use margo_types::manifest::{ManifestVersion, StateManifest};
use margo_types::status::{ComponentStatus, DeploymentState, DeploymentStatus, StatusError};
use tokio::runtime::Runtime;

use crate::support::{Place, Running};

pub(crate) struct Device {
    api: Rc3Api,
    runtime: Runtime,
}

impl Device {
    pub(crate) fn new(place: &Place, wfm: &Running, client: &str) -> Self {
        let folder = place.path(&format!("development-identity/clients/{client}"));
        let files = IdentityFiles::new(
            folder.join("svid.pem"),
            folder.join("svid-key.pem"),
            folder.join("bundle.json"),
        );
        let url = wfm.ready["publicUrl"].as_str().unwrap().parse().unwrap();
        let runtime = Runtime::new().unwrap();
        let _context = runtime.enter();
        Self {
            api: Rc3Api::new(url, files.load().unwrap()).unwrap(),
            runtime,
        }
    }

    pub(crate) fn report_capabilities(&self, id: &str) -> Result<(), Error> {
        let text = CAPABILITIES.replace("DEVICE", id);
        let document = margo_types::read::<DeviceCapabilities>(text.as_bytes()).unwrap();
        self.wait(self.api.report_capabilities(document.value()))
    }

    pub(crate) fn manifest(&self) -> Exact<StateManifest> {
        match self.wait(self.api.manifest(None)).unwrap() {
            Poll::Changed { manifest, .. } => *manifest,
            other => panic!("{other:?}"),
        }
    }

    /// The deployment with this id, as it is fetched.
    pub(crate) fn deployment(&self, id: &str) -> ApplicationDeployment {
        let id = DeploymentId::parse(id).unwrap();
        let manifest = self.manifest();
        let reference = manifest.value().deployment(&id).unwrap();
        let bytes = self.wait(self.api.deployment(reference)).unwrap();
        margo_types::read(&bytes).unwrap().into_value()
    }

    /// Reports on a deployment as of the manifest of this version.
    pub(crate) fn report(
        &self,
        id: &str,
        manifest: u64,
        state: DeploymentState,
        why: Option<&str>,
    ) {
        let name = "lamp".parse().unwrap();
        let mut component = ComponentStatus::new(name, state);
        component.error = why.map(|why| StatusError::new("E7", "lamp", why));
        let status = DeploymentStatus::new(
            DeploymentId::parse(id).unwrap(),
            ManifestVersion::new(manifest).unwrap(),
            vec![component],
        );
        self.wait(self.api.report_status(&status)).unwrap();
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let limited = async { tokio::time::timeout(LIMIT, work).await };
        self.runtime.block_on(limited).unwrap()
    }
}

const LIMIT: Duration = Duration::from_mins(1);

/// A small machine that runs Compose.
const CAPABILITIES: &str = r#"{
  "properties": {
    "id": "DEVICE",
    "vendor": "Example Devices",
    "modelNumber": "P-2",
    "serialNumber": "0207",
    "cpus": [{ "cores": 2, "architecture": "arm64" }],
    "memory": "2Gi",
    "storage": "16Gi",
    "peripherals": [],
    "interfaces": [{ "type": "wifi" }],
    "otelCollector": true,
    "supportedRuntimes": ["oci"],
    "supportedDeploymentTypes": ["compose"]
  }
}"#;
