//! The state manifest of rc.1 (rc1-and-pre-draft.md section 7.1): the shape of today, with the client's id in
//! its URLs. Only `bundle` differs: one text lets it be absent (ambiguity 32), which means null.

use serde::Deserialize;

use crate::extra::Extra;
use crate::manifest::{BundleReference, DeploymentReference, ManifestVersion, StateManifest};

/// The document. Written like the model: always with `bundle`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::wire) struct Rc1Manifest {
    manifest_version: ManifestVersion,
    #[serde(default)]
    bundle: Option<BundleReference>,
    deployments: Vec<DeploymentReference>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

impl From<Rc1Manifest> for StateManifest {
    fn from(manifest: Rc1Manifest) -> Self {
        Self {
            manifest_version: manifest.manifest_version,
            bundle: manifest.bundle,
            deployments: manifest.deployments,
            extra: manifest.extra,
        }
    }
}
