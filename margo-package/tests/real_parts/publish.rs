//! Whole packages and components in a real registry, also as other tools see them.

use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use margo_package::oci::ArtifactStore as _;
use margo_package::package::{ApplicationPackage, PackageLimits};
use margo_package::publish::{
    ComponentInfo, ComponentKind, pull_component, pull_package, push_chart, push_compose,
    push_package,
};
use margo_types::id::ComponentName;
use margo_types::scalar::{Repository, Revision};
use tempfile::TempDir;

use crate::process::{Registry, run};
use crate::registry::{plain_client, reference};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let registry = "docker-registry";
    vec![
        trial("publish_package", &[registry, "skopeo"], package),
        trial("publish_compose", &[registry, "skopeo"], compose),
        trial("publish_chart", &[registry, "helm", "skopeo"], chart),
    ]
}

fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, content).expect("a file");
    }
    folder
}

/// The manifest as Skopeo gets it.
fn inspect(reference: &impl std::fmt::Display) -> String {
    let image = format!("docker://{reference}");
    run(
        "skopeo",
        &["inspect", "--raw", "--tls-verify=false", &image],
        &[],
    )
}

async fn package() {
    let registry = Registry::plain();
    let client = plain_client(&registry);
    let description = "apiVersion: v1\nid: kiln-watch\nmetadata:\n  name: Kiln watch\n  version: \"3.0\"\n  \
                       catalog:\n    application: {releaseNotes: ./resources/notes.md}\n    organization: [{name: Kilns}]\n\
                       deploymentProfiles: []\n";
    let files = [
        ("margo.yaml", description),
        ("resources/notes.md", "# Notes"),
    ];
    let folder = folder_with(&files);
    let limits = PackageLimits::default();
    let package = ApplicationPackage::open(folder.path(), &limits).expect("a package");
    let target = reference(&registry, "kilns/app");
    let pushed = push_package(&client, &target, &package)
        .await
        .expect("a push");

    let pulled = pull_package(&client, &pushed.reference, &limits)
        .await
        .expect("a pull");
    assert_eq!(
        pulled.package.description().bytes(),
        package.description().bytes()
    );
    assert_eq!(pulled.package.resources(), package.resources());
    assert_eq!(
        inspect(&pushed.reference).as_bytes(),
        pulled.manifest.bytes()
    );
    assert_eq!(client.tags(&target).await.expect("tags"), ["3.0"]);
}

async fn compose() {
    let registry = Registry::plain();
    let client = plain_client(&registry);
    let folder = folder_with(&[("compose.yaml", "services: {web: {image: web}}")]);
    let name: ComponentName = "watch".parse().expect("a name");
    let mut archive = Vec::new();
    margo_package::compose::pack(folder.path(), &name, &mut archive).expect("an archive");
    let target = reference(&registry, "kilns/watch:1.0.0");
    let info = ComponentInfo::from(name);
    let pushed = push_compose(&client, &target, archive.clone(), &info)
        .await
        .expect("a push");

    let to = folder.path().join("pulled.tar.gz");
    let pulled = pull(
        &client,
        &format!("oci://{}/kilns/watch", registry.host()),
        &to,
    )
    .await;
    assert_eq!(pulled.kind, ComponentKind::Compose);
    assert_eq!(fs::read(&to).expect("the file"), archive);
    pulled.compose_archive().expect("a valid archive");
    let seen = inspect(&pushed.reference);
    assert_eq!(seen.as_bytes(), pulled.manifest.bytes());
    assert!(
        seen.contains("application/vnd.org.margo.component.compose+json"),
        "{seen}"
    );
}

async fn chart() {
    let registry = Registry::plain();
    let client = plain_client(&registry);
    let folder = folder_with(&[
        (
            "chart/Chart.yaml",
            "apiVersion: v2\nname: watch\nversion: 1.0.0+b7\nappVersion: 1.16\ndescription: Watches\n",
        ),
        ("chart/values.yaml", "size: 3\n"),
        (
            "chart/templates/note.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: note}\ndata: {size: \"{{ .Values.size }}\"}\n",
        ),
    ]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut packed = Vec::new();
    margo_package::chart::pack(&folder.path().join("chart"), &mut packed).expect("a chart");
    let target = reference(&registry, "charts/watch");
    let pushed = push_chart(&client, &target, packed.clone())
        .await
        .expect("a push");

    let own = [
        "HELM_CONFIG_HOME",
        "HELM_CACHE_HOME",
        "HELM_DATA_HOME",
        "HOME",
    ];
    let own = own.map(|name| (name, folder.path()));
    let url = format!("oci://{}/charts/watch", registry.host());
    let pull_by_helm = [
        "pull",
        &url,
        "--version",
        "1.0.0+b7",
        "--plain-http",
        "-d",
        &path(""),
    ];
    run("helm", &pull_by_helm, &own);
    let file = folder.path().join("watch-1.0.0+b7.tgz");
    assert_eq!(
        fs::read(&file).expect("Helm's file"),
        packed,
        "not a byte is changed"
    );
    let rendered = run(
        "helm",
        &["template", "watch", &file.display().to_string()],
        &own,
    );
    assert!(rendered.contains("size: \"3\""), "{rendered}");

    // Helm's own push of the same chart is laid out alike.
    let helms = format!("oci://{}/helms", registry.host());
    run(
        "helm",
        &["push", &file.display().to_string(), &helms, "--plain-http"],
        &own,
    );
    let helms = reference(&registry, "helms/watch:1.0.0_b7");
    let theirs = client.pull_manifest(&helms).await.expect("Helm's manifest");
    let ours = client
        .pull_manifest(&pushed.reference)
        .await
        .expect("our manifest");
    let (theirs, ours) = (theirs.content(), ours.content());
    assert_eq!(theirs.config.media_type, ours.config.media_type);
    assert_eq!(theirs.layers, ours.layers);
    assert_eq!(theirs.artifact_type, ours.artifact_type);
    for (name, value) in &ours.annotations {
        assert_eq!(theirs.annotations.get(name), Some(value), "{name}");
    }
    assert!(inspect(&pushed.reference).contains("application/vnd.cncf.helm.config.v1+json"));

    let to = folder.path().join("pulled.tgz");
    let repository = Repository::parse(&url).expect("a repository");
    let revision = Revision::parse("1.0.0_b7").expect("a revision");
    let pulled = pull_component(&client, &repository, &revision, &to)
        .await
        .expect("a pull");
    assert_eq!(
        pulled.chart().expect("a chart").metadata.version,
        "1.0.0+b7"
    );
}

async fn pull(
    client: &margo_package::oci::Client,
    repository: &str,
    to: &Path,
) -> margo_package::publish::PulledComponent {
    let repository = Repository::parse(repository).expect("a repository");
    let revision = Revision::parse("1.0.0").expect("a revision");
    pull_component(client, &repository, &revision, to)
        .await
        .expect("a pull")
}
