//! The command: how a run ends, and what is left of it.

use std::fs;
use std::process::{Child, Command, Output, Stdio};

use margo_conformance::wfm::Answer;
use margo_types::endpoint::Operation;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::Plant;

#[tokio::test(flavor = "multi_thread")]
async fn good_run_ends_with_a_report() {
    let site = Site::start().await;
    fs::write(site.path("report.json"), "old").unwrap();
    let report = site.path("report.json");
    let output = finish(site.load(&["--duration", "300ms", "--report", &report])).await;
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["interrupted"], false);
    assert_eq!(report["errors"], json!({}));
    assert_eq!(report["errorsBefore"], report["errors"]);
    assert_eq!(report["durationSeconds"], 0.3);
    assert_eq!(report["warmUpSeconds"], 0.0);
    assert_eq!(report["settlingSeconds"], 0.0);
    assert_eq!(report["timeoutSeconds"], 30.0);
    // A machine that is busy is said to be.
    let code = i32::from(report["valid"] != true);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_end_a_run_with_a_report() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let site = Site::start().await;
        let report = site.path("report.json");
        fs::write(&report, "old").unwrap();
        let child = site.load(&["--duration", "1h", "--report", &report]);
        site.plant
            .wfm
            .wait_for_requests(Operation::Manifest, 2)
            .await;
        assert_eq!(fs::read_to_string(&report).unwrap(), "old", "{signal:?}");
        let id = Pid::from_child(&child);
        kill_process(id, signal).unwrap();
        let output = finish(child).await;
        assert!(output.status.code().is_some(), "{signal:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("interrupted"), "{signal:?}: {said}");
        let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
        assert_eq!(report["interrupted"], true, "{signal:?}");
        assert_eq!(report["durationSeconds"], 3600.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_warm_up_are_no_success() {
    let site = Site::start().await;
    let refused = Answer::problem(500);
    site.plant
        .wfm
        .fail_always(Operation::ReportCapabilities, refused);
    let arguments = ["--capabilities", "--settling", "2s", "--duration", "1s"];
    let output = finish(site.load(&[&arguments[..], &["--report", "-"]].concat())).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("error before it counted: status 500"),
        "{said}"
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["errorsBefore"]["status 500"]["count"], 1);
    assert_eq!(report["errors"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn report_goes_to_what_is_no_file() {
    let site = Site::start().await;
    for place in ["-", "/dev/stdout"] {
        let output = finish(site.load(&["--duration", "100ms", "--report", place])).await;
        let report: Result<Value, _> = serde_json::from_slice(&output.stdout);
        assert!(report.is_ok(), "{place}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn report_that_cannot_be_written_is_a_failure() {
    let site = Site::start().await;
    let output = finish(site.load(&["--duration", "100ms", "--report", "/dev/full"])).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the report cannot be written"), "{said}");
    // Seen before the run.
    let asked = site.plant.wfm.requests().len();
    let nowhere = site.path("nowhere/report.json");
    let output = finish(site.load(&["--duration", "100ms", "--report", &nowhere])).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(site.plant.wfm.requests().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_threads_are_refused() {
    let site = Site::start().await;
    let output = finish(site.load(&["--threads", "0"])).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--threads"), "{said}");
}

/// A fleet manager, and the files of the authority that it trusts.
struct Site {
    plant: Plant,
    folder: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        let plant = Plant::start().await;
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = plant.authority.to_pem();
        fs::write(folder.path().join("ca.pem"), certificate).unwrap();
        fs::write(folder.path().join("ca-key.pem"), key).unwrap();
        Self { plant, folder }
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    /// One device that polls all the time, and of which everything counts.
    fn load(&self, more: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_margo-conformance"))
            .args(["load", "--url", &self.plant.wfm.url()])
            .args(["--ca", &self.path("ca.pem")])
            .args(["--ca-key", &self.path("ca-key.pem")])
            .args(["--trust-domain", "plant.example", "--wfm-id", "wfm-1"])
            .args(["--period", "20ms", "--warm-up", "0"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

async fn finish(child: Child) -> Output {
    let wait = move || child.wait_with_output();
    tokio::task::spawn_blocking(wait).await.unwrap().unwrap()
}
