//! Requests that are signed, over real connections of both kinds.

use std::sync::Arc;

use margo_conformance::authority::{Authority, Lifetime};
use margo_server_traits::server::{Server, ServerOptions};
use margo_server_traits::signed::SignedOptions;
use margo_server_traits::{Fleet, FleetService, ServiceOptions};
use margo_types::Digest;
use margo_types::svid::Identity;
use rustls::version;
use tokio::net::TcpListener;

use super::device::Device;
use super::server_only::{certificate, client};
use super::{Plant, domain, wfm};
use crate::exchange::{MANIFEST, fill};
use crate::fake_fleet::FakeFleet;
use crate::signed::device::{Device as Signer, Sent};
use crate::signed::fake_enrolment::FakeEnrolment;

/// The fleet and the enrolment of `press-1`, which has this key.
fn parts() -> (Arc<FakeFleet>, Arc<FakeEnrolment>, Signer) {
    let (fleet, enrolment) = (Arc::<FakeFleet>::default(), Arc::<FakeEnrolment>::default());
    fill(&mut fleet.state());
    let signer = Signer::new();
    enrolment.enrol_as("press-1", &signer);
    (fleet, enrolment, signer)
}

/// A poll that finds nothing new.
fn poll(signer: &Signer) -> String {
    let tag = Digest::of(MANIFEST.as_bytes()).to_etag();
    Sent::get("/api/v1/clients/press-1/deployments")
        .with("if-none-match", &tag)
        .signed(signer)
        .to_wire()
}

async fn ask(device: &mut Device, request: &str) -> String {
    device.send(request).await;
    device.response().await.unwrap().0
}

/// Each poll is good once, whatever a server remembers of the last one.
async fn polls_are_good_once(mut device: Device, signer: &Signer) {
    for _ in 0..3 {
        let request = poll(signer);
        let head = ask(&mut device, &request).await;
        assert!(head.starts_with("http/1.1 304"), "{head}");
        let head = ask(&mut device, &request).await;
        assert!(head.starts_with("http/1.1 401"), "{head}");
    }
}

#[tokio::test]
async fn without_client_certificates() {
    let (fleet, enrolment, signer) = parts();
    let service = FleetService::signed(
        enrolment,
        Fleet::of(fleet),
        ServiceOptions::default(),
        SignedOptions::default(),
    );
    let authority = Authority::new(&domain());
    let certificate = certificate(&authority.issue_tls("wfm.example"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::server_only(certificate, service, ServerOptions::default());
    let task = tokio::spawn(server.serve(listener, std::future::pending()));
    let config = client(&authority, &[&version::TLS13]);
    let device = Device::connect_with(address, config).await.unwrap();
    polls_are_good_once(device, &signer).await;
    task.abort();
}

#[tokio::test]
async fn over_mutual_tls() {
    let (fleet, enrolment, signer) = parts();
    let service = FleetService::new(wfm(), Fleet::of(fleet))
        .with_enrolment(enrolment, SignedOptions::default());
    let authority = Authority::new(&domain());
    let svid = authority.issue(&wfm(), Lifetime::default()).svid();
    let identity = Identity::new(svid, &authority.bundle()).unwrap();
    let plant = Plant::serve(authority, identity, service, |_| {}).await;
    // The client of the connection is not the one that signs, and has the same manifest.
    let device = plant.connect(&plant.client("press-1")).await;
    polls_are_good_once(device, &signer).await;
}
