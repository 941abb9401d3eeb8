//! Push and pull of one large blob against `skopeo copy` of the same artefact, over loopback to
//! `docker-registry`; and the peak memory of our process while it does so.
//!
//! `cargo bench -p margo-package --features oci --bench transfer` prints medians of interleaved runs.
//! `MARGO_BENCH_MB` (200) sets the size, `MARGO_BENCH_RUNS` (5) the number of runs.

#[path = "../tests/real_parts/process.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod process;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use margo_package::oci::{
    ArtifactStore as _, Client, LayoutDirectory, Manifest, Reference, transfer,
};
use margo_types::media_type::{OCI_EMPTY, OCI_MANIFEST};
use margo_types::oci::Descriptor;
use process::{Registry, find, run};
use serde_json::json;
use sha2::{Digest as _, Sha256};

const CHILD: &str = "MARGO_BENCH_CHILD";
const REPOSITORY: &str = "bench/blob:1.0.0";
/// The name of the artefact in the layout.
const LOCAL: &str = "bench.example/bench/blob:1.0.0";

fn main() {
    if let Ok(task) = std::env::var(CHILD) {
        child(&task);
        return;
    }
    for program in ["docker-registry", "skopeo"] {
        if find(program).is_none() {
            println!("not run: {program} is missing; .ci/install installs it");
            return;
        }
    }
    let megabytes = number("MARGO_BENCH_MB", 200);
    let runs = number("MARGO_BENCH_RUNS", 5);
    let folder = tempfile::tempdir().expect("a folder");
    let layout = folder.path().join("source");
    runtime().block_on(make_artefact(&layout, megabytes));

    let mut times = [const { Vec::new() }; 4];
    let mut peak = [0, 0];
    for _ in 0..runs {
        let ours = Registry::plain();
        let theirs = Registry::plain();
        let (time, memory) = ours_in_child("push", &ours.host(), &layout);
        times[0].push(time);
        peak[0] = peak[0].max(memory);
        times[1].push(skopeo(
            &layout_name(&layout),
            &format!("docker://{}/{REPOSITORY}", theirs.host()),
        ));

        let target = folder.path().join("pulled");
        let (time, memory) = ours_in_child("pull", &ours.host(), &target);
        times[2].push(time);
        peak[1] = peak[1].max(memory);
        std::fs::remove_dir_all(&target).expect("clean up");
        times[3].push(skopeo(
            &format!("docker://{}/{REPOSITORY}", ours.host()),
            &layout_name(&target),
        ));
        std::fs::remove_dir_all(&target).expect("clean up");
    }
    let [push, skopeo_push, pull, skopeo_pull] = times.map(median);
    println!("one blob of {megabytes} MB, medians of {runs} interleaved runs, whole processes");
    print_row("push", push, skopeo_push, peak[0]);
    print_row("pull", pull, skopeo_pull, peak[1]);
}

fn print_row(name: &str, ours: Duration, theirs: Duration, peak: u64) {
    let (ours, theirs) = (ours.as_secs_f64(), theirs.as_secs_f64());
    let ratio = ours / theirs;
    println!(
        "{name}: {ours:.3} s, skopeo copy {theirs:.3} s, ratio {ratio:.2}; peak memory {peak} KiB"
    );
}

/// Runs this program again for one transfer, so that its memory is its own: wall time and peak in KiB.
fn ours_in_child(task: &str, host: &str, path: &Path) -> (Duration, u64) {
    let start = Instant::now();
    let output = Command::new(std::env::current_exe().expect("this program"))
        .env(CHILD, task)
        .env("MARGO_BENCH_HOST", host)
        .env("MARGO_BENCH_PATH", path)
        .output()
        .expect("the child runs");
    let time = start.elapsed();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (time, text.trim().parse().expect("the peak"))
}

fn child(task: &str) {
    let variable = |name| std::env::var(name).expect("set by the parent");
    let host = variable("MARGO_BENCH_HOST");
    let path = PathBuf::from(variable("MARGO_BENCH_PATH"));
    runtime().block_on(async {
        let client = Client::builder()
            .no_proxy()
            .plain_http(&host)
            .build()
            .expect("a client");
        let remote: Reference = format!("{host}/{REPOSITORY}").parse().expect("a reference");
        match task {
            "push" => push(&client, &remote, &path).await,
            _ => pull(&client, &remote, &path).await,
        }
    });
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    println!("{}", peak.trim().trim_end_matches(" kB"));
}

async fn push(client: &Client, remote: &Reference, layout: &Path) {
    let source = LayoutDirectory::open(layout).await.expect("the layout");
    let local: Reference = LOCAL.parse().expect("a reference");
    let manifest = source.pull_manifest(&local).await.expect("the manifest");
    for blob in manifest.blobs() {
        let file = layout.join("blobs/sha256").join(blob.digest.to_hex());
        client.push_blob(remote, blob, &file).await.expect("a blob");
    }
    client
        .push_manifest(remote, &manifest)
        .await
        .expect("the manifest");
}

async fn pull(client: &Client, remote: &Reference, folder: &Path) {
    std::fs::create_dir(folder).expect("a folder");
    let manifest = client.pull_manifest(remote).await.expect("the manifest");
    for blob in manifest.blobs() {
        let file = folder.join(blob.digest.to_hex());
        transfer::blob_to_file(client, remote, blob, &file)
            .await
            .expect("a blob");
    }
}

fn skopeo(from: &str, to: &str) -> Duration {
    let start = Instant::now();
    let arguments = [
        "--insecure-policy",
        "copy",
        "--quiet",
        "--preserve-digests",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        from,
        to,
    ];
    run("skopeo", &arguments, &[]);
    start.elapsed()
}

fn layout_name(path: &Path) -> String {
    format!("oci:{}:1.0.0", path.display())
}

/// A layout with one artefact of one blob, which does not compress.
async fn make_artefact(folder: &Path, megabytes: usize) {
    let file = folder.with_extension("blob");
    let mut writer = std::io::BufWriter::new(std::fs::File::create(&file).expect("a file"));
    let mut hasher = Sha256::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut piece = vec![0; 1_000_000];
    for _ in 0..megabytes {
        for eight in piece.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            eight.copy_from_slice(&state.to_le_bytes());
        }
        hasher.update(&piece);
        writer.write_all(&piece).expect("the blob");
    }
    writer.flush().expect("the blob");
    let mut layer = Descriptor::of("application/octet-stream", b"");
    layer.digest = margo_types::Digest::from_bytes(hasher.finalize().into());
    layer.size = megabytes as u64 * 1_000_000;
    let document = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": Descriptor::empty(),
        "layers": [&layer],
    });
    let manifest = Manifest::read(document.to_string().as_bytes(), None).expect("a manifest");
    let layout = LayoutDirectory::create(folder).await.expect("a layout");
    let name: Reference = format!("bench.example/{REPOSITORY}")
        .parse()
        .expect("a reference");
    let empty = Descriptor::of(OCI_EMPTY, b"{}");
    layout
        .push_blob(&name, &empty, &Bytes::from_static(b"{}"))
        .await
        .expect("the config");
    layout
        .push_blob(&name, &layer, &file)
        .await
        .expect("the blob");
    layout
        .push_manifest(&name, &manifest)
        .await
        .expect("the manifest");
    std::fs::remove_file(file).expect("clean up");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}
