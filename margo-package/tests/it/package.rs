//! Packages from directories and as OCI artefacts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use margo_package::package::{ApplicationPackage, PackageError, PackageLimits, ResourceRole};
use margo_types::oci::PackageManifest;
use margo_types::{media_type, read};
use tempfile::TempDir;

const DESCRIPTION: &str = "\
apiVersion: v1
id: pump-monitor
metadata:
  name: Pump monitor
  version: \"2.1\"
  catalog:
    application:
      icon: ./resources/pump.png
      descriptionFile: resources/about.md
      site: https://pumps.example
      releaseNotes: https://pumps.example/notes
    organization:
      - name: Pumps
deploymentProfiles:
  - type: compose
    id: compose
    components:
      - name: monitor
        properties:
          repository: oci://registry.example/pumps/monitor
          revision: 2.1.0
";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

#[test]
fn a_directory_and_its_artefact_give_the_same_package() {
    let directory = sample();
    let package = open(directory.path()).unwrap();
    assert_eq!(package.version(), "2.1");
    let roles: Vec<_> = package.resources().keys().copied().collect();
    assert_eq!(
        roles,
        [ResourceRole::Icon, ResourceRole::DescriptionFile],
        "the web link is no file"
    );

    let artifact = package.to_artifact().unwrap();
    assert_eq!(artifact.manifest, package.to_artifact().unwrap().manifest);
    let manifest = read::<PackageManifest>(&artifact.manifest)
        .unwrap()
        .into_value();
    assert_eq!(manifest.artifact_type.as_deref(), Some(media_type::PACKAGE));
    assert_eq!(
        manifest.layers[0].annotations["org.opencontainers.image.title"],
        "margo.yaml"
    );
    assert_eq!(
        manifest.layers[1].media_type,
        "application/vnd.margo.app.icon.v1+png"
    );
    assert_eq!(
        manifest.layers[1].annotations["org.margo.app.resource"],
        "icon"
    );
    assert_eq!(
        manifest.layers[2].media_type,
        "application/vnd.margo.app.descriptionFile.v1+markdown"
    );

    let blobs: BTreeMap<_, _> = artifact
        .blobs
        .iter()
        .map(|blob| (blob.descriptor.digest, blob.bytes.clone()))
        .collect();
    let again =
        ApplicationPackage::from_blobs("there", &manifest, &blobs, &PackageLimits::default())
            .unwrap();
    assert_eq!(again.description().bytes(), package.description().bytes());
    assert_eq!(again.resources(), package.resources());
}

#[test]
fn a_directory_without_description_says_where_it_belongs() {
    let directory = TempDir::new().unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(
        matches!(error, PackageError::NoDescription { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("margo.yaml"), "{error}");
}

#[test]
fn a_missing_resource_names_the_member_and_the_path() {
    let directory = sample();
    fs::remove_file(directory.path().join("resources/pump.png")).unwrap();
    let error = open(directory.path()).unwrap_err().to_string();
    assert!(
        error.contains("resources/pump.png")
            && error.contains("icon")
            && error.contains("does not exist"),
        "{error}"
    );
}

#[test]
fn resources_outside_the_package_are_refused() {
    for link in [
        "../secret",
        "/etc/passwd",
        "resources/../../secret",
        "C:/secret",
        "resources//pump.png",
        ".",
    ] {
        let directory = sample();
        let text = DESCRIPTION.replace("./resources/pump.png", link);
        fs::write(directory.path().join("margo.yaml"), text).unwrap();
        let error = open(directory.path()).unwrap_err();
        assert!(
            matches!(error, PackageError::Resource { member: "icon", .. }),
            "{link}: {error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_package_is_refused() {
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("pump.png"), PNG).unwrap();
    let directory = sample();
    fs::remove_file(directory.path().join("resources/pump.png")).unwrap();
    std::os::unix::fs::symlink(
        outside.path().join("pump.png"),
        directory.path().join("resources/pump.png"),
    )
    .unwrap();
    let error = open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("link out of the package"), "{error}");
}

#[test]
fn files_beyond_their_limits_are_refused() {
    let directory = sample();
    let mut limits = PackageLimits::default();
    limits.resource = 4;
    let error = ApplicationPackage::open(directory.path(), &limits)
        .unwrap_err()
        .to_string();
    assert!(error.contains("more than 4 bytes"), "{error}");

    limits = PackageLimits::default();
    limits.description = 100;
    assert!(ApplicationPackage::open(directory.path(), &limits).is_err());
}

#[test]
fn manifests_of_other_artefacts_are_refused_by_name() {
    let artifact = open(sample().path()).unwrap().to_artifact().unwrap();
    let manifest = read::<PackageManifest>(&artifact.manifest)
        .unwrap()
        .into_value();
    let limits = PackageLimits::default();

    let mut other = manifest.clone();
    other.artifact_type = Some(media_type::COMPOSE_COMPONENT.to_owned());
    let error = ApplicationPackage::wanted_blobs("reg.example/x:1", &other, &limits)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("reg.example/x:1") && error.contains(media_type::COMPOSE_COMPONENT),
        "{error}"
    );

    let mut without = manifest.clone();
    without.layers.remove(0);
    let error = ApplicationPackage::wanted_blobs("x", &without, &limits).unwrap_err();
    assert!(
        matches!(error, PackageError::NoDescription { .. }),
        "{error}"
    );

    let mut endless = manifest;
    endless.layers[0].size = u64::MAX;
    assert!(ApplicationPackage::wanted_blobs("x", &endless, &limits).is_err());
}

fn open(directory: &Path) -> Result<ApplicationPackage, PackageError> {
    ApplicationPackage::open(directory, &PackageLimits::default())
}

fn sample() -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("resources")).unwrap();
    fs::write(directory.path().join("margo.yaml"), DESCRIPTION).unwrap();
    fs::write(directory.path().join("resources/pump.png"), PNG).unwrap();
    fs::write(directory.path().join("resources/about.md"), "# Pumps\n").unwrap();
    directory
}

#[test]
fn files_must_be_what_they_are_used_for() {
    let directory = sample();
    let report = open(directory.path()).unwrap().validate(Some("2.1"));
    assert!(report.is_valid(), "{report}");

    fs::write(directory.path().join("resources/pump.png"), "not an image").unwrap();
    fs::write(
        directory.path().join("resources/about.md"),
        [0xff, 0xfe, 0x00],
    )
    .unwrap();
    let report = open(directory.path()).unwrap().validate(Some("3.0"));
    let errors: Vec<_> = report
        .errors()
        .map(|finding| (finding.rule.name, finding.path.to_string()))
        .collect();
    assert_eq!(
        errors,
        [
            ("package.tag", "metadata.version".to_owned()),
            (
                "package.icon",
                "metadata.catalog.application.icon".to_owned()
            ),
            (
                "package.file-type",
                "metadata.catalog.application.descriptionFile".to_owned()
            ),
        ],
        "{report}"
    );
    assert!(report.errors().all(|finding| finding.location.is_some()));
}

#[test]
fn a_version_must_be_a_tag() {
    let directory = sample();
    let text = DESCRIPTION.replace("version: \"2.1\"", "version: 2.1+build");
    fs::write(directory.path().join("margo.yaml"), text).unwrap();
    let report = open(directory.path()).unwrap().validate(None);
    assert_eq!(
        report
            .errors()
            .map(|finding| finding.rule.name)
            .collect::<Vec<_>>(),
        ["package.version-tag"]
    );
}
