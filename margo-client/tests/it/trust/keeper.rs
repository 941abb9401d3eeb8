//! The bundle that is held, its file, and when it is refreshed.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use margo_client::ErrorKind;
use margo_client::schedule::{Schedule, ScheduleConfig};
use margo_client::trust::{KeeperOptions, Refreshed, TrustKeeper};
use margo_conformance::authority::{Authority, Lifetime};
use margo_types::id::{ClientId, SpiffeId};
use margo_types::svid::Identity;

use super::{Scene, bundle, domain, url};
use crate::server::{Reply, Server};

/// A service whose answer can be changed.
struct Service {
    scene: Scene,
    answer: Arc<Mutex<Reply>>,
    server: Server,
}

impl Service {
    async fn start(hint: Option<u64>) -> Self {
        let scene = Scene::new();
        let reply = Reply::new(200, bundle(&scene.domain, hint)).header("etag", "\"1\"");
        let answer = Arc::new(Mutex::new(reply));
        let shared = Arc::clone(&answer);
        let server = scene
            .server(move |_| shared.lock().expect("an answer").clone())
            .await;
        Self {
            scene,
            answer,
            server,
        }
    }

    fn answer(&self, reply: Reply) {
        *self.answer.lock().expect("an answer") = reply;
    }

    fn keeper(&self, cache: &Path) -> TrustKeeper {
        let mis = self
            .scene
            .mis()
            .with_bundle_uri(url(&self.server, "/bundle"))
            .expect("https");
        TrustKeeper::open(mis, cache, KeeperOptions::default()).expect("a keeper")
    }
}

/// Whether something is due in this many seconds, as the clock of a busy machine sees it.
fn assert_due_in(keeper: &TrustKeeper, before: Timestamp, seconds: i64) {
    let (earliest, latest) = (
        before.as_second() + seconds,
        Timestamp::now().as_second() + seconds + 1,
    );
    let due = keeper.due().as_second();
    assert!(
        (earliest..=latest).contains(&due),
        "{due} in {earliest}..={latest}"
    );
}

#[tokio::test]
async fn an_accepted_bundle_survives_a_restart_without_the_service() {
    let directory = tempfile::tempdir().expect("a directory");
    let cache = directory.path().join("bundle.json");
    let service = Service::start(None).await;
    let mut keeper = service.keeper(&cache);
    let error = keeper.bundle().expect_err("fail closed");
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    assert!(error.to_string().contains("bundle.json"), "{error}");
    assert!(keeper.due() <= Timestamp::now(), "at once");

    assert_eq!(
        keeper.refresh().await.expect("a bundle"),
        Refreshed::Replaced
    );
    assert_eq!(
        fs::read(&cache).expect("a file"),
        bundle(&service.scene.domain, None)
    );
    assert_eq!(
        fs::read_dir(directory.path()).expect("a directory").count(),
        1,
        "nothing is left behind"
    );

    let mut restarted = service.keeper(&cache);
    let expected = service.scene.domain.bundle();
    assert_eq!(restarted.bundle().expect("from the file"), &expected);
    service.answer(Reply::new(500, ""));
    restarted.refresh().await.expect_err("the service is down");
    assert_eq!(restarted.bundle().expect("still"), &expected);
}

#[tokio::test]
async fn a_bundle_is_replaced_as_a_whole_and_bad_ones_change_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let cache = directory.path().join("bundle.json");
    let service = Service::start(None).await;
    let mut keeper = service.keeper(&cache);
    keeper.refresh().await.expect("a bundle");
    let first = fs::read(&cache).expect("a file");
    for reply in [
        Reply::new(200, r#"{"keys":[]}"#),
        Reply::new(200, "<html>").header("content-type", "text/html"),
        Reply::new(404, ""),
        Reply::cut(200, first.clone()),
    ] {
        service.answer(reply);
        keeper.refresh().await.expect_err("nothing acceptable");
        assert_eq!(
            keeper.bundle().expect("still"),
            &service.scene.domain.bundle()
        );
        assert_eq!(fs::read(&cache).expect("a file"), first);
    }
    let next = Authority::new(&domain());
    service.answer(Reply::new(200, bundle(&next, None)));
    assert_eq!(
        keeper.refresh().await.expect("a bundle"),
        Refreshed::Replaced
    );
    assert_eq!(
        keeper
            .bundle()
            .expect("the new one")
            .anchors()
            .expect("anchors"),
        [next.anchor()]
    );
    assert_eq!(fs::read(&cache).expect("a file"), bundle(&next, None));
}

#[tokio::test]
async fn a_damaged_file_is_no_bundle() {
    let directory = tempfile::tempdir().expect("a directory");
    let cache = directory.path().join("bundle.json");
    let service = Service::start(None).await;
    for damage in ["", "{\"keys\":", "{\"keys\":[]}"] {
        fs::write(&cache, damage).expect("a file");
        let mut keeper = service.keeper(&cache);
        keeper.bundle().expect_err("damaged");
        keeper.refresh().await.expect("fetched again");
        keeper.bundle().expect("a bundle");
    }
}

#[tokio::test]
async fn hints_decide_within_reason_and_tags_never_postpone() {
    let directory = tempfile::tempdir().expect("a directory");
    for (hint, seconds) in [
        (Some(600), 600),
        // the reference service
        (Some(0), 300),
        (None, 300),
        (Some(1), 60),
        (Some(u64::MAX), 24 * 3600),
    ] {
        let service = Service::start(hint).await;
        let mut keeper = service.keeper(&directory.path().join(seconds.to_string()));
        let before = Timestamp::now();
        keeper.refresh().await.expect("a bundle");
        assert_due_in(&keeper, before, seconds);

        service.answer(Reply::new(304, "").header("cache-control", "max-age=31536000, immutable"));
        let before = Timestamp::now();
        assert_eq!(
            keeper.refresh().await.expect("current"),
            Refreshed::Unchanged
        );
        assert_eq!(service.server.last().header("if-none-match"), Some("\"1\""));
        assert_due_in(&keeper, before, seconds);
    }
}

#[tokio::test]
async fn failures_wait_as_they_are_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = Service::start(None).await;
    let mut keeper = service.keeper(&directory.path().join("bundle.json"));
    service.answer(Reply::new(503, "").header("retry-after", "120"));
    let before = Timestamp::now();
    keeper.refresh().await.expect_err("busy");
    // after the wait that was asked for, and up to a second of one's own
    let wait = keeper.due().as_second() - before.as_second();
    assert!((119..=180).contains(&wait), "{wait}");

    // not to be repeated: the next regular refresh
    service.answer(Reply::new(403, ""));
    let before = Timestamp::now();
    keeper.refresh().await.expect_err("refused");
    assert_due_in(&keeper, before, 300);

    service.answer(Reply::new(200, bundle(&service.scene.domain, None)));
    let before = Timestamp::now();
    keeper.refresh().await.expect("a bundle");
    assert_due_in(&keeper, before, 300);
}

#[tokio::test]
async fn a_running_keeper_has_the_identity_trust_the_new_bundle() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = Service::start(None).await;
    let old = Authority::new(&domain());
    let client = ClientId::parse("line-4").expect("an id");
    let id = SpiffeId::wfm_client(&domain(), "wfm-1", &client).expect("an id");
    let svid = old.issue(&id, Lifetime::default()).svid();
    let identity = Identity::new(svid, &old.bundle()).expect("an identity");
    let schedule = Schedule::new(&ScheduleConfig::default()).expect("a schedule");
    let keeper = service.keeper(&directory.path().join("bundle.json"));
    let running = tokio::spawn(keeper.run(identity.clone(), schedule));
    let replaced = async {
        while identity.anchors().to_vec() != [service.scene.domain.anchor()] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), replaced)
        .await
        .expect("replaced");
    running.abort();
}
