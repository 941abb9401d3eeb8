//! Simulated devices: that they are devices, and that what is reported is what happened.

mod answers;
#[cfg(feature = "cli")]
mod command;
mod peer;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use margo_conformance::authority::Authority;
use margo_conformance::load::{
    Connections, Load, LoadError, Pace, Phase, Report, Settings, SimulatedDevice, Target,
};
use margo_conformance::wfm::{Answer, FakeWfm};
use margo_types::SpecVersion;
use margo_types::endpoint::Operation;
use margo_types::id::{SpiffeId, TrustDomain};
use margo_types::media_type;
use margo_types::status::DeploymentState;
use serde_json::json;

use crate::wfm::deployment;

#[tokio::test(flavor = "multi_thread")]
async fn devices_ask_for_what_is_new_and_report_it() {
    let plant = Plant::start().await;
    let deployment = deployment(1);
    plant.wfm.assign(&deployment);
    let report = plant
        .run(40, |settings| {
            settings.capabilities = true;
            settings.statuses = true;
        })
        .await;
    assert_eq!(report.errors.len(), 0, "{report:?}");
    let devices = plant.wfm.devices();
    assert_eq!(devices.len(), DEVICES);
    for device in devices.values() {
        let report = margo_types::validate(device, SpecVersion::Rc3);
        assert!(report.is_valid(), "{report}");
        assert!(device.properties.supported_runtimes.is_some(), "a host");
    }
    let statuses = plant.wfm.statuses(&deployment.id);
    assert_eq!(statuses.len(), DEVICES);
    for status in statuses {
        assert_eq!(status.status.state, DeploymentState::Installed);
        assert_eq!(status.components.len(), 1);
    }
    let polls = plant.wfm.requests_for(Operation::Manifest);
    let without_tag = polls
        .iter()
        .filter(|poll| !poll.headers.contains_key("if-none-match"));
    assert_eq!(
        without_tag.count(),
        DEVICES,
        "only the first poll has no tag"
    );
    let count = |operation| {
        report
            .operations
            .get(operation)
            .map_or(0, |operation| operation.count)
    };
    let devices = u64::try_from(DEVICES).unwrap();
    assert_eq!(report.unchanged + devices, count("poll"));
    for operation in ["handshake", "capabilities", "document", "status"] {
        assert_eq!(count(operation), devices, "{operation}");
    }
    assert!(report.requests >= 40);
    assert!(report.bytes_sent > 0 && report.bytes_received > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_a_handshake_of_its_own_if_wanted() {
    let plant = Plant::start().await;
    let report = plant
        .run(20, |settings| {
            settings.connections = Connections::PerRequest;
        })
        .await;
    assert_eq!(report.errors.len(), 0, "{report:?}");
    assert!(report.operations["handshake"].count >= report.operations["poll"].count);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_more_threads_than_have_something_to_do() {
    let plant = Plant::start().await;
    let report = plant.run(5, |settings| settings.threads = usize::MAX).await;
    assert_eq!(report.errors.len(), 0, "{report:?}");
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(report.generator.threads, processors.min(DEVICES));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_counted_by_kind() {
    let plant = Plant::start().await;
    plant
        .wfm
        .fail_always(Operation::Manifest, Answer::problem(503));
    assert_only_error(&plant.run(5, |_| {}).await, "status 503");
    plant.wfm.recover();
    plant
        .wfm
        .fail_always(Operation::Manifest, Answer::html(200));
    assert_only_error(&plant.run(5, |_| {}).await, "content type");
    plant.wfm.recover();
    let broken = Answer::body(200, media_type::MANIFEST, "{");
    plant.wfm.fail_always(Operation::Manifest, broken);
    assert_only_error(&plant.run(5, |_| {}).await, "malformed");
    plant.wfm.recover();
    plant
        .wfm
        .fail_always(Operation::Manifest, Answer::silence());
    let report = plant
        .run(5, |settings| settings.timeout = Duration::from_millis(300))
        .await;
    assert_only_error(&report, "timeout");
    plant.wfm.recover();
    // A peer that is trusted by nobody here.
    plant.wfm.move_to(
        &Authority::new(&domain()),
        margo_conformance::authority::Lifetime::default(),
    );
    let report = plant.run(5, |_| {}).await;
    assert_only_error(&report, "handshake");
    let said = &report.errors["handshake"].first;
    assert!(said.contains("leads to no trust anchor"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_that_was_closed_while_idle_is_no_error() {
    let plant = Plant::start().await;
    let wfm = &plant.wfm;
    let mut restarts = 0;
    let handle = tokio::runtime::Handle::current();
    // Between two polls a connection is idle nearly all the time.
    let load = plant.load(|settings| {
        settings.pace = Pace::Every {
            period: Duration::from_secs(1),
            jitter: 0.0,
        };
    });
    let each = u64::try_from(DEVICES).unwrap();
    let report = tokio::task::block_in_place(|| {
        load.run(|progress| {
            if progress.requests >= each && restarts == 0 {
                restarts += 1;
                handle.block_on(wfm.stop());
                wfm.restart();
            }
            if restarts == 1 && progress.requests >= 4 * each {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .unwrap()
    });
    assert!(report.reconnections > 0, "{report:?}");
    assert!(report.operations["poll"].count > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_manager_that_stops_answering_is_noticed_before_the_timeout() {
    let plant = Plant::start().await;
    plant
        .wfm
        .fail_always(Operation::Manifest, Answer::silence());
    let load = plant.load(|_| {});
    let mut all_ask_since = None;
    let report = tokio::task::block_in_place(|| {
        load.run(|progress| {
            if plant.wfm.requests_for(Operation::Manifest).len() < DEVICES {
                return ControlFlow::Continue(());
            }
            let since = *all_ask_since.get_or_insert(progress.elapsed);
            if progress.elapsed.saturating_sub(since) > Duration::from_secs(1) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .unwrap()
    });
    assert_only_error(&report, "unanswered");
    let errors = &report.errors["unanswered"];
    assert_eq!(errors.count, u64::try_from(DEVICES).unwrap());
    assert!(errors.first.starts_with("nothing within "), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_in_the_warm_up_is_told_at_once() {
    let plant = Plant::start().await;
    plant
        .wfm
        .fail_always(Operation::Manifest, Answer::problem(403));
    // Devices come in the course of it, and it is not over when the first has come.
    let load = plant.load(|settings| settings.warm_up = Duration::from_secs(20));
    let mut told = String::new();
    let run = move || {
        load.run(|progress| match &progress.first_error {
            Some(error) => {
                told.clone_from(error);
                assert_eq!(progress.requests, 0, "none of them counts");
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        })
        .map(|_| told)
    };
    let told = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    assert!(told.starts_with("status 403: "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_counts_before_the_fleet_has_settled() {
    let plant = Plant::start().await;
    let load = plant.load(|settings| {
        settings.warm_up = Duration::from_millis(10);
        settings.settling = Duration::from_millis(300);
    });
    let mut phases = Vec::new();
    let run = move || {
        load.run(|progress| {
            if phases.last() != Some(&progress.phase) {
                phases.push(progress.phase);
            }
            if matches!(progress.phase, Phase::WarmUp | Phase::Settling) {
                assert_eq!(progress.requests, 0, "none of them counts");
            }
            if progress.requests > 0 {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .map(|report| (report, phases))
    };
    let (report, mut phases) = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    phases.retain(|phase| *phase != Phase::Measuring); // the first answer may come before it
    let all = [Phase::WarmUp, Phase::Settling, Phase::Begin, Phase::End];
    assert_eq!(phases, all);
    let asked = plant.wfm.requests().len();
    let counted = usize::try_from(report.operations["poll"].count).unwrap();
    assert!(counted < asked, "{counted} of {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_before_anything_counts_are_told_apart() {
    let plant = Plant::start().await;
    let good = plant.run(5, |_| {}).await;
    plant
        .wfm
        .fail_always(Operation::ReportCapabilities, Answer::problem(500));
    let load = plant.load(|settings| {
        settings.capabilities = true;
        settings.settling = Duration::from_mins(10);
    });
    // Who polls has been refused before.
    let polling = || {
        let polls = plant.wfm.requests_for(Operation::Manifest);
        let polls = polls.into_iter().map(|poll| poll.client_certificate);
        polls.collect::<BTreeSet<_>>().len()
    };
    let before = polling();
    let report = tokio::task::block_in_place(|| {
        load.run(|_| {
            if polling() < before + DEVICES {
                return ControlFlow::Continue(());
            }
            ControlFlow::Break(())
        })
        .unwrap()
    });
    assert_eq!(report.requests, 0, "{report:?}");
    assert_eq!(report.errors.len(), 0, "{report:?}");
    let errors = &report.errors_before["status 500"];
    assert_eq!(errors.count, u64::try_from(DEVICES).unwrap());
    // Whatever came later.
    let mut report = good;
    report.valid = true;
    assert!(report.is_good());
    report
        .errors_before
        .insert("status 500".to_owned(), errors.clone());
    assert!(!report.is_good());
}

#[tokio::test(flavor = "multi_thread")]
async fn report_says_what_was_asked_for_and_whether_it_came_to_that() {
    let plant = Plant::start().await;
    let asked = |settings: &mut Settings| {
        settings.warm_up = Duration::from_millis(10);
        settings.settling = Duration::from_millis(20);
        settings.duration = Duration::from_millis(300);
        settings.timeout = Duration::from_secs(7);
    };
    let load = plant.load(asked);
    let whole = move || load.run(|_| ControlFlow::Continue(()));
    let whole = tokio::task::spawn_blocking(whole).await.unwrap().unwrap();
    let whole = serde_json::to_value(whole).unwrap();
    for (name, said) in [
        ("interrupted", json!(false)),
        ("warmUpSeconds", json!(0.01)),
        ("settlingSeconds", json!(0.02)),
        ("durationSeconds", json!(0.3)),
        ("timeoutSeconds", json!(7.0)),
    ] {
        assert_eq!(whole[name], said, "{name}");
    }
    assert!(whole["seconds"].as_f64() >= Some(0.3), "{whole}");
    let load = plant.load(asked);
    let ended = move || load.run(|_| ControlFlow::Break(()));
    let ended = tokio::task::spawn_blocking(ended).await.unwrap().unwrap();
    let ended = serde_json::to_value(ended).unwrap();
    for (name, said) in [
        ("interrupted", json!(true)),
        ("seconds", json!(0.0)),
        ("durationSeconds", json!(0.3)),
    ] {
        assert_eq!(ended[name], said, "{name}");
    }
}

#[tokio::test]
async fn directory_without_devices_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = SimulatedDevice::read_directory(directory.path()).unwrap_err();
    let named = error.to_string();
    assert!(
        named.contains(directory.path().to_str().unwrap()),
        "{named}"
    );
}

#[tokio::test]
async fn run_without_devices_says_so() {
    let target = Target::resolve(&"https://127.0.0.1:9".parse().unwrap()).unwrap();
    let load = Load::new(target, Vec::new(), Settings::default());
    let refused = load.run(|_| ControlFlow::Continue(()));
    assert!(matches!(refused, Err(LoadError::NoDevices)));
}

#[test]
fn only_root_urls_are_targets() {
    for url in [
        "http://127.0.0.1:9",
        // What is secret would be in the report, and none of it would be sent.
        "https://operator:secret@127.0.0.1:9",
        "https://operator@127.0.0.1:9",
        "https://127.0.0.1:9/?site=4",
        "https://127.0.0.1:9/#4",
    ] {
        assert!(Target::resolve(&url.parse().unwrap()).is_err(), "{url}");
    }
    assert!(Target::resolve(&"https://127.0.0.1:9/fleet/".parse().unwrap()).is_ok());
}

struct Plant {
    authority: Authority,
    wfm: FakeWfm,
}

impl Plant {
    async fn start() -> Self {
        let authority = Authority::new(&domain());
        let id = SpiffeId::wfm(&domain(), "wfm-1").unwrap();
        let wfm = FakeWfm::start(&authority, &id).await;
        Self { authority, wfm }
    }

    fn load(&self, change: impl FnOnce(&mut Settings)) -> Load {
        self.load_at(&self.wfm.url(), change)
    }

    fn load_at(&self, url: &str, change: impl FnOnce(&mut Settings)) -> Load {
        let devices = SimulatedDevice::issue(&self.authority, "wfm-1", "load", DEVICES).unwrap();
        let mut settings = settings();
        change(&mut settings);
        Load::new(
            Target::resolve(&url.parse().unwrap()).unwrap(),
            devices,
            settings,
        )
    }

    /// Runs until there were so many requests.
    async fn run(&self, requests: u64, change: impl FnOnce(&mut Settings)) -> Report {
        run(self.load(change), requests).await
    }
}

/// Without pause, and all of it counts.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.pace = Pace::Unpaced;
    settings.warm_up = Duration::ZERO;
    settings.duration = Duration::from_mins(1);
    settings
}

/// Runs until there were so many requests.
async fn run(load: Load, requests: u64) -> Report {
    let run = move || {
        load.run(|progress| {
            if progress.requests < requests {
                return ControlFlow::Continue(());
            }
            ControlFlow::Break(())
        })
    };
    tokio::task::spawn_blocking(run).await.unwrap().unwrap()
}

fn assert_only_error(report: &Report, kind: &str) {
    let kinds: Vec<_> = report.errors.keys().map(String::as_str).collect();
    assert_eq!(kinds, [kind], "{report:?}");
}

fn domain() -> TrustDomain {
    TrustDomain::parse("plant.example").unwrap()
}

const DEVICES: usize = 3;
