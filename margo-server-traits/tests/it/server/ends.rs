//! How connections end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use margo_conformance::authority::{Authority, Lifetime};
use margo_types::svid::Identity;
use margo_types::trust::TrustBundle;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PATIENCE, Plant, domain, wfm, within};

const SOON: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_connection_grows_only_so_old() {
    let plant = Plant::start(|options| options.max_age = SOON).await;
    let mut device = plant.connect(&plant.client("device-1")).await;
    device.closed().await;
    // and under way, too: asking again and again does not keep it alive
    let mut device = plant.connect(&plant.client("device-1")).await;
    let end = async { while device.ask().await.is_ok() {} };
    timeout(PATIENCE, end).await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_slow_head_cut_off() {
    let plant = Plant::start(|options| options.idle_timeout = SOON).await;
    let mut device = within(SOON, async || {
        let mut device = plant.connect(&plant.client("device-1")).await;
        device.ask().await.map(|_| device)
    })
    .await;
    device.closed().await;

    let plant = Plant::start(|options| options.header_timeout = SOON).await;
    let mut slow = plant.connect(&plant.client("device-1")).await;
    let mut patient = within(SOON, async || {
        let mut patient = plant.connect(&plant.client("device-2")).await;
        patient.ask().await.map(|_| patient)
    })
    .await;
    slow.send("GET / HTTP/1.1\r\nHost: ").await;
    slow.closed().await;
    // nor may a later head be slow, whether it begins together with the request before it or by itself
    for (first, begin) in [("GET / HT", ""), ("", "GET / HT")] {
        let mut slow = plant.connect(&plant.client("device-1")).await;
        let ask = "GET / HTTP/1.1\r\nHost: wfm.example\r\n\r\n";
        slow.send(&format!("{ask}{first}")).await;
        assert!(slow.response().await.is_ok());
        slow.send(begin).await;
        slow.closed().await;
    }
    // waiting is not reading a head
    assert!(patient.ask().await.is_ok());
}

#[tokio::test]
async fn a_replaced_svid_ends_connections_with_their_next_response() {
    let plant = Plant::start(|_| {}).await;
    let mut device = plant.connect(&plant.client("device-1")).await;
    let (head, _) = device.ask().await.unwrap();
    assert!(!head.contains("connection: close"), "{head}");
    let svid = plant.authority.issue(&wfm(), Lifetime::default()).svid();
    plant.identity.replace_svid(svid).unwrap();
    let (head, _) = device.ask().await.unwrap();
    assert!(head.contains("connection: close"), "{head}");
    device.closed().await;
}

#[tokio::test]
async fn nothing_is_answered_after_the_authority_of_the_client_is_withdrawn() {
    let plant = Plant::start(|_| {}).await;
    let new = Authority::new(&domain());
    let both = TrustBundle::of_anchors(&[plant.authority.anchor(), new.anchor()]).unwrap();
    let mut early = plant.connect(&plant.client("device-1")).await;
    let mut late = plant.connect(&plant.client("device-2")).await;
    assert!(early.ask().await.is_ok() && late.ask().await.is_ok());
    // while it is rotated, clients are served, and connect anew
    plant.identity.replace_bundle(&both).unwrap();
    let (head, _) = early.ask().await.unwrap();
    assert!(head.contains("connection: close"), "{head}");
    early.closed().await;
    plant.identity.replace_bundle(&new.bundle()).unwrap();
    assert!(late.ask().await.is_err());
}

#[tokio::test]
async fn a_replaced_bundle_ends_idle_connections() {
    let plant = Plant::start(|options| options.renewal_spread = SOON).await;
    let mut device = plant.connect(&plant.client("device-1")).await;
    assert!(device.ask().await.is_ok());
    let new = Authority::new(&domain());
    plant.identity.replace_bundle(&new.bundle()).unwrap();
    device.closed().await;
}

#[tokio::test]
async fn nothing_is_answered_after_the_svid_of_the_client_has_expired() {
    #[derive(Debug)]
    struct Clock(AtomicU64);
    impl TimeProvider for Clock {
        fn current_time(&self) -> Option<UnixTime> {
            let seconds = self.0.load(Ordering::SeqCst);
            Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
        }
    }
    let authority = Authority::new(&domain());
    let now = u64::try_from(Timestamp::now().as_second()).unwrap();
    let clock = Arc::new(Clock(AtomicU64::new(now)));
    let svid = authority.issue(&wfm(), Lifetime::default()).svid();
    let identity = Identity::new(svid, &authority.bundle()).unwrap();
    let identity = identity.with_clock(clock.clone());
    let plant = Plant::start_as(authority, identity, |_| {}).await;
    let mut device = plant.connect(&plant.client("device-1")).await;
    let (head, _) = device.ask().await.unwrap();
    assert!(!head.contains("connection: close"), "{head}");
    clock.0.fetch_add(2 * 24 * 60 * 60, Ordering::SeqCst);
    assert!(device.ask().await.is_err());
}

#[tokio::test]
async fn shutdown_answers_what_was_asked_and_closes() {
    // This long it waits for the rest of a request.
    let mut plant = Plant::start(|options| options.drain = SOON).await;
    let mut idle = plant.connect(&plant.client("device-1")).await;
    assert!(idle.ask().await.is_ok());
    let mut half = plant.connect(&plant.client("device-2")).await;
    assert!(half.ask().await.is_ok());
    half.send("GET / HTTP/1.1\r\nHost: wfm.ex").await;
    plant.stop();
    idle.closed().await;
    let result = timeout(PATIENCE, plant.task)
        .await
        .expect("the server goes on");
    assert_eq!(result.unwrap(), Ok(()));
    // A program that another test is just starting has the port, too, until it runs.
    let refused = async {
        while TcpStream::connect(plant.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused)
        .await
        .expect("somebody listens still");
}
