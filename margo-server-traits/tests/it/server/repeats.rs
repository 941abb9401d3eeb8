//! Polls that repeat the one before: answered as the first of them was, and only as long as the fleet manager says so.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use margo_conformance::authority::{Authority, Lifetime};
use margo_server_traits::server::ServerOptions;
use margo_server_traits::{Fleet, FleetService, ServiceOptions};
use margo_types::Digest;
use margo_types::id::ClientId;
use margo_types::svid::Identity;
use tokio::time::sleep;
use tower_service::Service;

use super::device::Device;
use super::{PATIENCE, Plant, domain, wfm, within};
use crate::fake_fleet::{FakeFleet, Trouble};

/// A plant, its fleet manager, and a device of it with the poll that finds nothing new.
struct Scene {
    plant: Plant,
    fleet: Arc<FakeFleet>,
    device: Device,
    poll: String,
}

impl Scene {
    async fn new() -> Self {
        Self::limited(|_| {}).await
    }

    async fn limited(limit: impl FnOnce(&mut ServerOptions)) -> Self {
        let (fleet, service) = fleet(PATIENCE);
        Self::over(fleet, service, limit).await
    }

    /// One that repeats polls, under a limit of [`SOON`].
    async fn repeating(limit: impl Fn(&mut ServerOptions)) -> Self {
        within(SOON, async || {
            let mut scene = Self::limited(&limit).await;
            scene.try_polls("http/1.1 304").await?;
            Ok(scene)
        })
        .await
    }

    async fn over<S>(
        fleet: Arc<FakeFleet>,
        service: S,
        limit: impl FnOnce(&mut ServerOptions),
    ) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let authority = Authority::new(&domain());
        let svid = authority.issue(&wfm(), Lifetime::default()).svid();
        let identity = Identity::new(svid, &authority.bundle()).unwrap();
        let plant = Plant::serve(authority, identity, service, limit).await;
        publish(&fleet, MANIFEST);
        let device = plant.connect(&plant.client(CLIENT)).await;
        Self {
            plant,
            fleet,
            device,
            poll: poll_with(MANIFEST),
        }
    }

    /// The head of what the next poll gets, and how often the policy was asked for it.
    async fn poll(&mut self) -> (String, usize) {
        self.try_poll().await.unwrap()
    }

    async fn try_poll(&mut self) -> io::Result<(String, usize)> {
        let before = self.asked();
        let (head, _) = self.device.ask_with(&self.poll).await?;
        Ok((head, self.asked() - before))
    }

    async fn polls(&mut self, expected: &str) {
        self.try_polls(expected).await.unwrap();
    }

    async fn try_polls(&mut self, expected: &str) -> io::Result<()> {
        for _ in 0..3 {
            let (head, asked) = self.try_poll().await?;
            assert!(head.starts_with(expected), "{head}");
            assert!(asked >= 1, "the policy was not asked");
        }
        Ok(())
    }

    fn asked(&self) -> usize {
        let state = self.fleet.state();
        state.calls.iter().filter(|call| **call == "admit").count()
    }

    fn trouble(&self, trouble: Option<Trouble>) {
        self.fleet.state().trouble = trouble;
    }
}

fn fleet(request_timeout: Duration) -> (Arc<FakeFleet>, FleetService) {
    let fleet = Arc::new(FakeFleet::default());
    let mut options = ServiceOptions::default();
    options.request_timeout = request_timeout;
    let service = FleetService::with_options(wfm(), Fleet::of(fleet.clone()), options);
    (fleet, service)
}

fn publish(fleet: &FakeFleet, manifest: &'static [u8]) {
    let client = ClientId::parse(CLIENT).unwrap();
    let manifest = Bytes::from_static(manifest);
    fleet.state().manifests.insert(client, manifest);
}

fn poll_with(manifest: &[u8]) -> String {
    let tag = Digest::of(manifest).to_etag();
    format!("GET /api/v1/deployments HTTP/1.1\r\nHost: wfm.example\r\nIf-None-Match: {tag}\r\n\r\n")
}

/// A head without the value of its date.
fn undated(head: &str) -> Vec<&str> {
    let is_date = |line: &&str| line.starts_with("date: ");
    assert_eq!(head.lines().filter(is_date).count(), 1, "{head}");
    head.lines().filter(|line| !is_date(line)).collect()
}

#[tokio::test]
async fn repeated_polls_get_the_same_answer_and_the_policy_is_asked_each_time() {
    let mut scene = Scene::new().await;
    let (first, _) = scene.poll().await;
    assert!(first.starts_with("http/1.1 304"), "{first}");
    for _ in 0..5 {
        let (next, asked) = scene.poll().await;
        assert_eq!(undated(&next), undated(&first));
        assert_eq!(asked, 1);
    }
}

#[tokio::test]
async fn a_repeated_poll_has_the_date_of_now() {
    let mut scene = Scene::new().await;
    scene.polls("http/1.1 304").await;
    let date = |head: &str| head.split("date: ").nth(1).unwrap()[..29].to_owned();
    let first = date(&scene.poll().await.0);
    let mut last = first.clone();
    while last == first {
        tokio::time::sleep(Duration::from_millis(100)).await;
        last = date(&scene.poll().await.0);
    }
    assert!(last.ends_with(" gmt"), "{last}");
}

#[tokio::test]
async fn what_changes_is_seen_by_the_next_poll() {
    let mut scene = Scene::new().await;
    scene.polls("http/1.1 304").await;
    publish(&scene.fleet, OTHER);
    scene.polls("http/1.1 200").await;
    publish(&scene.fleet, MANIFEST);
    scene.polls("http/1.1 304").await;

    let client = ClientId::parse(CLIENT).unwrap();
    let refused = (client.clone(), "not today".to_owned());
    scene.fleet.state().refused.extend([refused]);
    scene.polls("http/1.1 403").await;
    scene.fleet.state().refused.remove(&client);
    scene.polls("http/1.1 304").await;
}

#[tokio::test]
async fn trouble_is_answered_as_ever() {
    let (fleet, service) = fleet(Duration::from_millis(300));
    let mut scene = Scene::over(fleet, service, |_| {}).await;
    for (trouble, status) in [
        (Trouble::Unavailable { retry_after: 5 }, 503),
        (Trouble::Internal, 500),
        (Trouble::Refused, 403),
        (Trouble::Panic, 500),
    ] {
        scene.polls("http/1.1 304").await;
        scene.trouble(Some(trouble));
        scene.polls(&format!("http/1.1 {status}")).await;
        scene.trouble(None);
    }
    scene.polls("http/1.1 304").await;
    scene.trouble(Some(Trouble::Hang));
    let (head, _) = scene.poll().await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert!(head.contains("connection: close"), "{head}");
}

#[tokio::test]
async fn a_replaced_svid_ends_connections_that_repeat_polls() {
    let mut scene = Scene::new().await;
    scene.polls("http/1.1 304").await;
    let plant = &scene.plant;
    let svid = plant.authority.issue(&wfm(), Lifetime::default()).svid();
    plant.identity.replace_svid(svid).unwrap();
    let (head, _) = scene.poll().await;
    assert!(head.contains("connection: close"), "{head}");
    scene.device.closed().await;
}

#[tokio::test]
async fn a_withdrawn_authority_ends_connections_that_repeat_polls() {
    let mut scene = Scene::new().await;
    scene.polls("http/1.1 304").await;
    let asked = scene.asked();
    let new = Authority::new(&domain());
    scene.plant.identity.replace_bundle(&new.bundle()).unwrap();
    scene.device.send(&scene.poll).await;
    assert!(scene.device.response().await.is_err());
    assert_eq!(
        scene.asked(),
        asked,
        "the fleet manager knows nothing of it"
    );
}

#[tokio::test]
async fn whatever_comes_between_every_request_has_its_answer() {
    let scene = Scene::new().await;
    let poll = scene.poll.as_str();
    let (begin, end) = poll.split_at(40);
    let put = "PUT /api/v1/capabilities/edge HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    let get = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";
    // A poll as the body of a request, and as the value of a header.
    let body = format!(
        "GET /api/v1/deployments HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{poll}",
        poll.len()
    );
    let header = "GET /nowhere HTTP/1.1\r\nX-Poll: ";
    let (without_end, bare) = (put.trim_end_matches("{}"), &poll.replace("\r\n", "\n"));
    // Each piece with what is answered before the next one is sent.
    let once: (&str, &[u16]) = (poll, &[304]);
    let cases: &[&[(&str, &[u16])]] = &[
        &[once, (&poll.repeat(3), &[304; 3]), once, once],
        &[once, once, (begin, &[]), (end, &[304]), once, once],
        &[
            once,
            once,
            (&format!("{poll}{begin}"), &[304]),
            (end, &[304]),
            once,
        ],
        &[once, (put, &[422]), once, once, once],
        &[
            once,
            once,
            (without_end, &[]),
            ("{}", &[422]),
            once,
            once,
            once,
        ],
        &[
            once,
            (&format!("{put}{begin}"), &[422]),
            (end, &[304]),
            once,
            once,
        ],
        &[once, (get, &[404]), once, once],
        &[once, once, (&body, &[200]), once, once, once],
        &[once, once, (header, &[]), (poll, &[404]), once, once],
        &[
            once,
            once,
            (&format!("{get}{header}"), &[404]),
            (poll, &[404]),
            once,
            once,
        ],
        &[
            once,
            once,
            (&format!("{put}{header}"), &[422]),
            (poll, &[404]),
            once,
            once,
        ],
        &[once, once, ("\r\n", &[]), once, once, once],
        &[(bare, &[304]), (bare, &[304]), once, once],
    ];
    for pieces in cases {
        let mut device = scene.plant.connect(&scene.plant.client(CLIENT)).await;
        for (number, (piece, statuses)) in pieces.iter().enumerate() {
            device.send(piece).await;
            for status in *statuses {
                let (head, _) = device.response().await.unwrap();
                let status = format!("http/1.1 {status}");
                assert!(head.starts_with(&status), "{number} of {pieces:?}: {head}");
            }
            // What has no answer yet should be read by itself, too, which decides nothing.
            tokio::time::sleep(Duration::from_millis(if statuses.is_empty() {
                50
            } else {
                0
            }))
            .await;
        }
    }
}

#[tokio::test]
async fn what_is_around_the_service_sees_every_poll() {
    #[derive(Clone)]
    struct Counted(FleetService, Arc<AtomicUsize>);

    impl Service<Request<Incoming>> for Counted {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future = <FleetService as Service<Request<Incoming>>>::Future;

        fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Service::<Request<Incoming>>::poll_ready(&mut self.0, context)
        }

        fn call(&mut self, request: Request<Incoming>) -> Self::Future {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.call(request)
        }
    }

    let seen = Arc::new(AtomicUsize::new(0));
    let (fleet, service) = fleet(PATIENCE);
    let mut scene = Scene::over(fleet, Counted(service, Arc::clone(&seen)), |_| {}).await;
    scene.polls("http/1.1 304").await;
    assert_eq!(seen.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_server_that_stops_closes_connections_that_repeat_polls() {
    let mut scene = Scene::new().await;
    scene.polls("http/1.1 304").await;
    scene.plant.stop();
    scene.device.closed().await;
}

#[tokio::test]
async fn connections_that_repeat_polls_keep_their_limits() {
    let mut idle = Scene::repeating(|options| options.idle_timeout = SOON).await;
    idle.device.closed().await;

    // Also when the last poll came in the second half of that time; on a machine that is too busy for it, once more.
    loop {
        let mut idle = Scene::repeating(|options| options.idle_timeout = SOON).await;
        sleep(SOON * 7 / 10).await;
        if idle.try_poll().await.is_ok() {
            idle.device.closed().await;
            break;
        }
    }

    let mut old = Scene::repeating(|options| options.max_age = SOON).await;
    old.device.closed().await;

    let mut slow = Scene::repeating(|options| options.header_timeout = SOON).await;
    slow.device.send(&slow.poll[..20]).await;
    slow.device.closed().await;
}

#[tokio::test]
async fn a_replaced_bundle_ends_connections_that_repeat_polls() {
    let mut scene = Scene::limited(|options| options.renewal_spread = SOON).await;
    scene.polls("http/1.1 304").await;
    let new = Authority::new(&domain());
    scene.plant.identity.replace_bundle(&new.bundle()).unwrap();
    scene.device.closed().await;
}

/// Long enough for some polls on a busy machine.
const SOON: Duration = Duration::from_secs(1);
const CLIENT: &str = "device-1";
const MANIFEST: &[u8] = b"one manifest";
const OTHER: &[u8] = b"another manifest";
