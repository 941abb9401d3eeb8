//! The deployment that the inputs are about: one component, `web`.

use std::fs;
use std::sync::LazyLock;

use margo_types::Digest;
use margo_types::deployment::ApplicationDeployment;
use serde_json::json;

/// Its id.
pub(super) const ID: &str = "ad9b614e-8912-45f4-a523-372358765def";

/// The deployment, of type `compose` or `helm`.
pub(super) fn deployment(kind: &str) -> ApplicationDeployment {
    let properties = json!({"repository": REPOSITORY, "revision": "1.0.0", "timeout": "5s"});
    let document = json!({
        "id": ID,
        "metadata": {"name": "app", "namespace": "shop", "deviceId": "device-1"},
        "spec": {
            "applicationId": "app",
            "deploymentProfile": {"type": kind, "components": [{"name": "web", "properties": properties}]},
        },
    });
    serde_json::from_value(document).expect("a deployment")
}

/// An archive as a registry has it.
pub(super) struct Archive {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
}

impl Archive {
    fn new(bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes);
        Self { bytes, digest }
    }
}

/// The component's archive as that of a Compose deployment: `compose.yaml` and `conf/a`.
pub(super) static COMPOSE: LazyLock<Archive> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let compose =
        "services:\n  web:\n    image: registry.example/web:1\n    volumes: [\"./data:/data\"]\n";
    fs::write(folder.path().join("compose.yaml"), compose).expect("a file");
    fs::create_dir(folder.path().join("conf")).expect("a folder");
    fs::write(folder.path().join("conf/a"), "a").expect("a file");
    let (mut bytes, name) = (Vec::new(), "web".parse().expect("a name"));
    margo_package::compose::pack(folder.path(), &name, &mut bytes).expect("an archive");
    Archive::new(bytes)
});

/// The component's chart.
pub(super) static CHART: LazyLock<Archive> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let metadata = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    fs::write(folder.path().join("Chart.yaml"), metadata).expect("a file");
    fs::create_dir(folder.path().join("templates")).expect("a folder");
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n";
    fs::write(folder.path().join("templates/web.yaml"), template).expect("a file");
    let mut bytes = Vec::new();
    margo_package::chart::pack(folder.path(), &mut bytes).expect("a chart");
    Archive::new(bytes)
});

/// Where it is published: nobody is there.
pub(super) const REPOSITORY: &str = "oci://127.0.0.1:1/app/web";
