//! Media types of the specification (rc3.md sections 3.1, 6 and 8).

/// A state manifest.
pub const MANIFEST: &str = "application/vnd.margo.manifest.v1+json";
/// An archive with all deployments of a manifest.
pub const BUNDLE: &str = "application/vnd.margo.bundle.v1+tar+gzip";
/// A deployment.
pub const YAML: &str = "application/yaml";
/// Capabilities and status reports.
pub const JSON: &str = "application/json";
/// An error (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";

/// The `artifactType` of an application package.
pub const PACKAGE: &str = "application/vnd.margo.app.v1+json";
/// The layer with an application description.
pub const PACKAGE_DESCRIPTION: &str = "application/vnd.margo.app.description.v1+yaml";
/// Layers with an icon start with this and end in the format.
pub const PACKAGE_ICON_PREFIX: &str = "application/vnd.margo.app.icon.v1+";
/// Layers with a description file start with this and end in the format.
pub const PACKAGE_DESCRIPTION_FILE_PREFIX: &str = "application/vnd.margo.app.descriptionFile.v1+";
/// Layers with a licence file start with this and end in the format.
pub const PACKAGE_LICENSE_FILE_PREFIX: &str = "application/vnd.margo.app.licenseFile.v1+";
/// Layers with release notes start with this and end in the format.
pub const PACKAGE_RELEASE_NOTES_PREFIX: &str = "application/vnd.margo.app.releaseNotes.v1+";

/// The `artifactType` of a Compose component.
///
/// Its root differs from that of application packages (rc3.md ambiguity 61).
pub const COMPOSE_COMPONENT: &str = "application/vnd.org.margo.component.compose+json";
/// The one layer of a Compose component.
pub const COMPOSE_ARCHIVE: &str = "application/vnd.org.margo.component.compose.tar+gzip";

/// The config of a Helm chart; Helm's own type, the specification names none (rc3.md section 8).
pub const HELM_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// The layer with a Helm chart.
pub const HELM_CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// The layer with the provenance file of a Helm chart.
pub const HELM_PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The OCI empty descriptor.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
