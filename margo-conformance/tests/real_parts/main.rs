//! The fakes against real programs, both sides of Margo on disks that are really full, and the whole line with the real `helm`.
//!
//! What is missing makes its tests *visibly ignored, with the reason*; with `CI=true` it makes them fail.

#[path = "../../../margo-providers/tests/real_parts/charts.rs"]
#[allow(dead_code, reason = "shared with the tests of margo-providers")]
mod charts;
mod full_disk;
mod kubernetes;

/// The line with its real parts, of which the tests in `it` have more.
#[path = "../it/end_to_end"]
mod end_to_end {
    #![allow(dead_code, reason = "shared with the tests in `it`")]

    mod files;
    mod fleet_manager;
    #[path = "../../real_parts/helm.rs"]
    pub(super) mod helm;
    mod journal;
    mod station;
}

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use margo_conformance::registry::Registry;
use margo_package::oci::{ArtifactStore as _, Client, LayoutDirectory, Manifest, Reference};
use margo_types::media_type::{OCI_EMPTY, OCI_MANIFEST, PACKAGE};
use margo_types::oci::Descriptor;
use serde_json::json;

use self::end_to_end::helm;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let disk = full_disk::obstacle();
    let mut trials = vec![
        trial("skopeo_copies_away_and_back", program("skopeo"), skopeo),
        trial(
            "an_agent_survives_a_full_disk",
            disk.clone(),
            full_disk::agent,
        ),
        trial(
            "a_fleet_manager_survives_a_full_disk",
            disk,
            full_disk::fleet_manager,
        ),
    ];
    kubernetes::add(&mut trials);
    for (mode_name, mode) in helm::modes() {
        for (name, test) in helm::TESTS {
            let mode = mode.clone();
            let name = format!("{mode_name}_{name}");
            trials.push(trial(&name, program("helm"), move || test(mode)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

async fn skopeo() {
    let registry = Registry::builder()
        .credentials("operator", "sword fish")
        .start()
        .await;
    let open = Registry::start().await;
    let client = Client::builder()
        .no_proxy()
        .plain_http(&open.host())
        .build()
        .expect("a client");
    let package = reference(&open, "apps/furnace:1.0.0");
    let manifest = push_package(&client, &package).await;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("layout");
    let layout = format!("oci:{}:1.0.0", path.display());
    let guarded = format!("docker://{}", reference(&registry, "copies/furnace:2.0.0"));
    let back = reference(&open, "back/furnace:1.0.0");
    copy(&format!("docker://{package}"), &guarded).await;
    copy(&guarded, &layout).await;
    copy(&layout, &format!("docker://{back}")).await;

    let pulled = client.pull_manifest(&back).await.expect("the manifest");
    assert_eq!(pulled.digest(), manifest.digest());
    let opened = LayoutDirectory::open(&path).await.expect("skopeo's layout");
    for blob in pulled.blobs() {
        for store in [&client as &dyn margo_package::oci::ArtifactStore, &opened] {
            let mut sink = Vec::new();
            let pulled = store.pull_blob(&back, blob, &mut sink).await;
            pulled.expect("a blob with the right digest");
        }
    }
}

async fn copy(from: &str, to: &str) {
    let arguments = [
        "--insecure-policy",
        "copy",
        "--preserve-digests",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        "--src-creds=operator:sword fish",
        "--dest-creds=operator:sword fish",
        from,
        to,
    ]
    .map(ToOwned::to_owned);
    let run = || Command::new("skopeo").args(arguments).output();
    let output = tokio::task::spawn_blocking(run).await;
    let output = output.expect("it ends").expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{from} to {to}: {errors}");
}

/// An artefact with a layer of some size.
async fn push_package(client: &Client, reference: &Reference) -> Manifest {
    let blobs = [
        (OCI_EMPTY, b"{}".to_vec()),
        ("application/vnd.margo.app.icon.v1+png", vec![7; 3_000_000]),
    ];
    let [config, layer] = blobs.map(|(kind, bytes)| (Descriptor::of(kind, &bytes), bytes));
    let document = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": PACKAGE,
        "config": config.0,
        "layers": [layer.0],
    });
    let manifest = Manifest::read(document.to_string().as_bytes(), None).expect("a manifest");
    for (descriptor, bytes) in [config, layer] {
        let bytes = bytes::Bytes::from(bytes);
        let pushed = client.push_blob(reference, &descriptor, &bytes).await;
        pushed.expect("a blob");
    }
    let pushed = client.push_manifest(reference, &manifest).await;
    pushed.expect("the manifest");
    manifest
}

fn reference(registry: &Registry, rest: &str) -> Reference {
    let text = format!("{}/{rest}", registry.host());
    text.parse().expect("a reference")
}

/// A test, or why it cannot be made here: ignored with the reason then, or failed in CI.
fn trial<F, T>(name: &str, obstacle: Option<String>, test: T) -> Trial
where
    F: Future<Output = ()>,
    T: FnOnce() -> F + Send + 'static,
{
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let is_ignored = obstacle.is_some() && !in_ci;
    let kind = obstacle.clone().unwrap_or_default();
    let run = move || {
        if let Some(reason) = obstacle {
            return Err(Failed::from(reason));
        }
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(test());
        Ok(())
    };
    Trial::test(name, run)
        .with_kind(kind)
        .with_ignored_flag(is_ignored)
}

/// Why this program cannot be run; `None` when it can.
fn program(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(name));
    let found: Option<PathBuf> = files.find(|file| Path::is_file(file));
    match found {
        Some(_) => None,
        None => Some(format!("{name} is missing; .ci/install installs it")),
    }
}
