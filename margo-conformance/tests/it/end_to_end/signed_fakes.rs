//! The promises of a device in the signed generation, against fleet managers as they are in the field.

use margo_client::agent::Snapshot;
use margo_conformance::wfm::{Answer, FakeWfm, Lie};
use margo_types::endpoint::Operation;
use margo_types::status::DeploymentState;

use super::files::Plant;
use super::signed_station::SignedStation;
use super::station::{at_level, deployment, id};
use crate::interop::PAIRS;

#[tokio::test]
async fn deployments_live_and_end_under_every_fleet_manager() {
    for (profile, dialect) in PAIRS {
        let plant = Plant::new();
        let wfm = FakeWfm::start_signed(&plant.authority, profile).await;
        wfm.fail_next(Operation::Onboard, 2, Answer::pending().retry_after(0));
        let line = SignedStation::new(&plant, "line-1", dialect);
        let agent = line.start(&wfm.url()).await;
        wfm.wait_for_requests(Operation::Manifest, 1).await;
        assert_eq!(wfm.clients().len(), 1);

        for (wanted, running) in [
            (deployment(1, "1.0"), "1.0"),
            (deployment(1, "2.0"), "2.0"),
            (at_level(deployment(1, "2.0"), "7"), "2.0 at 7"),
        ] {
            wfm.assign(&wanted);
            let is_running = |_: &_| line.station.machine.runs(1).as_deref() == Some(running);
            agent.until(running, is_running).await;
            agent.until_installed(&[1]).await;
        }
        assert_eq!(
            line.station.journal.count("remove "),
            0,
            "updates are in place"
        );
        agent.kill().await;

        let agent = line.start(&wfm.url()).await;
        agent.until_installed(&[1]).await;
        agent.until_polled(2).await;
        assert_eq!(wfm.clients().len(), 1, "it enrolled once");
        wfm.withdraw(&id(1));
        let last = wfm.wait_for_status(&id(1), &DeploymentState::Removed).await;
        assert_eq!(last.components.len(), 1);
        agent.until_installed(&[]).await;
        let requests = wfm.requests_for(Operation::ReportStatus);
        let capital = profile.agent.capital_states;
        let word = if capital {
            "\"Removed\""
        } else {
            "\"removed\""
        };
        let last = String::from_utf8(requests.last().unwrap().body.to_vec()).unwrap();
        assert!(last.contains(word), "{last}");
        assert_eq!(
            agent.handle.snapshot().refused_reports,
            0,
            "{}",
            profile.name
        );
    }
}

#[tokio::test]
async fn lies_are_not_believed_and_not_kept_to_oneself() {
    for (profile, dialect) in PAIRS {
        for lie in [
            Lie::WrongDigest,
            Lie::LowerVersion,
            Lie::SameVersion,
            Lie::MissingContent,
            Lie::IncompleteBundle,
        ] {
            let plant = Plant::new();
            let wfm = FakeWfm::start_signed(&plant.authority, profile).await;
            let line = SignedStation::new(&plant, "line-1", dialect);
            wfm.assign(&deployment(1, "1.0"));
            wfm.assign(&deployment(2, "1.0"));
            let agent = line.start(&wfm.url()).await;
            agent.until_installed(&[1, 2]).await;
            wfm.lie(lie);
            let is_about_content = !matches!(lie, Lie::LowerVersion | Lie::SameVersion);
            if is_about_content {
                wfm.assign(&deployment(1, "2.0"));
            }
            let runs = |number| line.station.machine.runs(number);
            // A bundle that lacks something is no harm to who fetches documents one by one.
            let is_harmless = || lie == Lie::IncompleteBundle && runs(1).as_deref() == Some("2.0");
            let is_said = |it: &Snapshot| it.last_error.is_some() || it.security_events > 0;
            let said = agent.until("said", |it| is_said(it) || is_harmless());
            said.await;
            if !is_harmless() {
                assert_eq!(runs(1).as_deref(), Some("1.0"), "{} {lie:?}", profile.name);
            }
            assert_eq!(runs(2).as_deref(), Some("1.0"), "{} {lie:?}", profile.name);

            wfm.recover();
            wfm.assign(&deployment(1, "3.0"));
            let is_running = |_: &_| runs(1).as_deref() == Some("3.0");
            agent.until("3.0 ran", is_running).await;
            agent.until_installed(&[1, 2]).await;
        }
    }
}
