//! Clients, crashes and backups.

use std::fs;

use crate::device::Device;
use crate::support::{Place, package};

#[test]
fn client_is_served_when_it_is_accepted_and_as_long_as_it_is() {
    let place = Place::new();
    let running = place.start();
    let device = Device::new(&place, &running, "line-1");
    let refusal = device.report_capabilities("panel").unwrap_err();
    assert!(format!("{refusal:?}").contains("403"), "{refusal:?}");
    let clients = place.json(&["client", "list"]);
    assert_eq!(clients[0]["client"], "line-1");
    assert_eq!(clients[0]["waiting"], true);

    place.json(&["client", "accept", "line-1"]);
    device.report_capabilities("panel").unwrap();
    assert_eq!(place.json(&["device", "list"])[0]["device"], "panel");

    place.json(&["client", "refuse", "line-1", "--reason", "stolen"]);
    let refusal = device.report_capabilities("panel").unwrap_err();
    assert!(format!("{refusal:?}").contains("stolen"), "{refusal:?}");
}

#[test]
fn every_client_of_the_namespace_is_served_when_that_is_the_policy() {
    let place = Place::new();
    place.configure("\n[identity]", "accept = \"all\"\n[identity]");
    let running = place.start();
    Device::new(&place, &running, "line-1")
        .report_capabilities("panel")
        .unwrap();
    place.json(&["client", "refuse", "line-2"]);
    let refused = Device::new(&place, &running, "line-2");
    assert!(refused.report_capabilities("panel").is_err());
}

#[test]
fn killed_fleet_manager_carries_on() {
    let place = Place::new();
    let running = place.start();
    place.write("lamp/margo.yaml", &package("1.0"));
    place.json(&["package", "import", "lamp"]);
    place.json(&["client", "accept", "line-1"]);
    Device::new(&place, &running, "line-1")
        .report_capabilities("panel")
        .unwrap();
    place.json(&["deploy", "com-example-lamp"]);
    let commands = [
        &["status"][..],
        &["package", "list"],
        &["client", "list"],
        &["device", "list"],
    ];
    let before: Vec<_> = commands.iter().map(|command| place.json(command)).collect();
    running.kill();

    let running = place.start();
    let after: Vec<_> = commands.iter().map(|command| place.json(command)).collect();
    assert_eq!(after, before);
    let device = Device::new(&place, &running, "line-1");
    assert_eq!(device.manifest().value().manifest_version.get(), 1);
}

#[test]
fn what_was_published_but_not_written_down_is_made_up_for() {
    let place = Place::new();
    let running = place.start();
    place.write("lamp/margo.yaml", &package("1.0"));
    place.json(&["package", "import", "lamp"]);
    let deployed = place.json(&[
        "deploy",
        "com-example-lamp",
        "--profile",
        "small",
        "--device",
        "line-1/panel",
        "--force",
    ]);
    running.kill();
    // As if it had been killed between the two.
    let id = deployed["deployment"].as_str().unwrap();
    fs::remove_file(place.path(&format!("state/deployments/{id}.json"))).unwrap();

    let _running = place.start();
    let found = place.json(&["status"]);
    assert_eq!(found[0]["deployment"], id);
    assert_eq!(found[0]["version"], "1.0");
    assert_eq!(found[0]["profile"], "small");
}

#[test]
fn backup_is_a_state_directory() {
    let place = Place::new();
    let running = place.start();
    place.write("lamp/margo.yaml", &package("1.0"));
    place.json(&["package", "import", "lamp"]);
    place.json(&[
        "deploy",
        "com-example-lamp",
        "--profile",
        "small",
        "--device",
        "line-1/panel",
        "--force",
    ]);
    let before = place.json(&["status"]);
    place.json(&["backup", "copy"]);
    let (code, why) = place.failure(&["backup", "copy"]);
    assert_eq!(code, 2);
    assert!(why.contains("is there already"), "{why}");
    running.kill();

    place.configure("\"state\"", "\"copy\"");
    let _running = place.start();
    assert_eq!(place.json(&["status"]), before);
    assert_eq!(place.json(&["package", "list"])[0]["version"], "1.0");
}

#[test]
fn terminated_fleet_manager_ends_well() {
    let place = Place::new();
    let running = place.start();
    let address = running.address();
    assert_eq!(running.terminate(), Some(0));
    assert!(std::net::TcpStream::connect(address).is_err());
    assert!(!place.path("state/admin.sock").exists());
    assert!(!place.path("state/wfm.db-wal").exists());
}
