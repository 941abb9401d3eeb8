//! Who gets in.

use std::time::Duration;

use margo_conformance::authority::{Authority, Lifetime};
use margo_server_traits::server::{Server, ServerOptions};
use margo_types::id::{ClientId, SpiffeId};
use margo_types::svid::{Identity, IdentityError, SvidError};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::device::Device;
use super::{PATIENCE, Plant, WhoAmI, client, domain, wfm, within};

#[tokio::test]
async fn requests_carry_who_the_client_is() {
    let plant = Plant::start(|_| {}).await;
    let (mut one, mut two) = (
        plant.connect(&plant.client("device-1")).await,
        plant.connect(&plant.client("device-2")).await,
    );
    for _ in 0..3 {
        assert_eq!(one.ask().await.unwrap().1, client("device-1").as_str());
        assert_eq!(two.ask().await.unwrap().1, client("device-2").as_str());
    }
}

#[tokio::test]
async fn strangers_are_refused_and_the_rest_is_served() {
    let plant = Plant::start(|_| {}).await;
    let stranger = Authority::new(&domain());
    let svid = stranger
        .intermediate("x")
        .issue(&client("device-1"), Lifetime::default());
    let stranger = Identity::new(svid.svid(), &plant.authority.bundle()).unwrap();
    let other = ClientId::parse("device-1").unwrap();
    let other = SpiffeId::wfm_client(&domain(), "wfm-2", &other).unwrap();
    let svid = plant.authority.issue(&other, Lifetime::default()).svid();
    let neighbour = Identity::new(svid, &plant.authority.bundle()).unwrap();
    // its own check of the server fails first, and it says so
    assert!(Device::connect(plant.address, &neighbour).await.is_err());

    // in TLS 1.3 a client learns with the first answer that it was refused
    if let Ok(mut device) = Device::connect(plant.address, &stranger).await {
        assert!(device.ask().await.is_err());
    }
    let refusal = plant.identity.last_refusal().unwrap();
    assert_eq!(refusal.claimed, Some(client("device-1")));
    assert_eq!(refusal.reason, SvidError::UnknownIssuer);
    let mut device = plant.connect(&plant.client("device-2")).await;
    assert!(device.ask().await.is_ok());
}

#[tokio::test]
async fn a_silent_connection_neither_stays_nor_holds_up_others() {
    const SOON: Duration = Duration::from_millis(300);
    let plant = Plant::start(|options| options.handshake_timeout = SOON).await;
    let mut silent = TcpStream::connect(plant.address).await.unwrap();
    let identity = plant.client("device-1");
    within(SOON, async || {
        let mut device = Device::connect(plant.address, &identity).await?;
        device.ask().await
    })
    .await;
    let mut rest = Vec::new();
    let end = timeout(PATIENCE, silent.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn connections_are_bounded() {
    let plant = Plant::start(|options| options.max_connections = 1).await;
    let identity = plant.client("device-1");
    let mut first = plant.connect(&identity).await;
    assert!(first.ask().await.is_ok());
    let waiting = Device::connect(plant.address, &identity);
    let mut waiting = std::pin::pin!(waiting);
    let early = timeout(Duration::from_millis(300), waiting.as_mut()).await;
    assert!(early.is_err(), "a second connection was accepted");
    drop(first);
    let mut second = waiting.await.unwrap();
    assert!(second.ask().await.is_ok());
}

/// Starts itself once more, as a process with few file descriptors.
#[cfg(unix)]
#[tokio::test]
async fn a_lack_of_file_descriptors_is_survived() {
    const FEW: &str = "MARGO_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(FEW).is_none() {
        let status = std::process::Command::new("sh")
            .args(["-c", r#"ulimit -n 64 && exec "$0" "$@""#])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "server::handshakes::a_lack_of_file_descriptors_is_survived",
            ])
            .env(FEW, "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let plant = Plant::start(|_| {}).await;
    let identity = plant.client("device-1");
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    // One is enough for the device, and leaves none for the server.
    files.pop();
    let mut waiting = std::pin::pin!(Device::connect(plant.address, &identity));
    let early = timeout(Duration::from_millis(300), waiting.as_mut()).await;
    assert!(early.is_err(), "the server had a file descriptor left");
    files.clear();
    assert!(waiting.await.unwrap().ask().await.is_ok());
}

#[tokio::test]
async fn only_a_fleet_manager_serves() {
    let authority = Authority::new(&domain());
    let svid = authority.issue(&client("device-1"), Lifetime::default());
    let identity = Identity::new(svid.svid(), &authority.bundle()).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = Server::new(identity, WhoAmI, ServerOptions::default());
    let result = server.serve(listener, std::future::pending()).await;
    assert_eq!(result, Err(IdentityError::WrongRole(client("device-1"))));
}

#[tokio::test]
async fn a_renewed_svid_and_bundle_need_no_restart() {
    let plant = Plant::start(|_| {}).await;
    let new = Authority::new(&domain());
    let id = client("device-1");
    let svid = new.issue(&id, Lifetime::default()).svid();
    let renewed = Identity::new(svid, &new.bundle()).unwrap();
    assert!(Device::connect(plant.address, &renewed).await.is_err());
    let svid = new.issue(&wfm(), Lifetime::default()).svid();
    plant.identity.replace_bundle(&new.bundle()).unwrap();
    plant.identity.replace_svid(svid).unwrap();
    let mut device = plant.connect(&renewed).await;
    assert_eq!(device.ask().await.unwrap().1, id.as_str());
    assert!(
        Device::connect(plant.address, &plant.client("device-1"))
            .await
            .is_err()
    );
}
