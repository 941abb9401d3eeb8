//! Everything that is wrong is named, with what to do, and nothing is half done.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use margo_conformance::authority::{Authority, Lifetime};
use margo_types::SpecVersion;
use margo_types::id::{SpiffeId, TrustDomain};

use crate::support::Place;

#[track_caller]
fn refused(place: &Place, code: i32, parts: &[&str]) {
    let (found, why) = place.failure(&["run"]);
    assert_eq!(found, code, "{why}");
    for part in parts {
        assert!(why.contains(part), "{part:?} is not in:\n{why}");
    }
    assert!(!place.path("state").exists(), "it left a state directory");
}

#[test]
fn missing_configuration() {
    let place = Place::empty();
    refused(&place, 2, &["margo-wfm.toml", "--config"]);
}

#[test]
fn unknown_key() {
    let place = Place::new();
    place.configure("[state]", "[state]\ncolour = \"red\"");
    refused(
        &place,
        2,
        &[
            "margo-wfm.toml, line 9, colour",
            "unknown field",
            "admin_socket",
        ],
    );
}

#[test]
fn value_of_a_wrong_type() {
    let place = Place::new();
    place.configure("\"127.0.0.1:0\"", "8443");
    refused(&place, 2, &["line 1, listen", "listen = \"0.0.0.0:8443\""]);
}

#[test]
fn missing_key() {
    let place = Place::new();
    place.configure("key = \"development-identity/wfm-key.pem\"\n", "");
    refused(
        &place,
        2,
        &["margo-wfm.toml, line 3", "missing field `key`"],
    );
}

#[test]
fn address_that_devices_cannot_call() {
    let place = Place::new();
    place.configure("127.0.0.1:0", "0.0.0.0:0");
    refused(&place, 2, &["line 1, listen", "public_url ="]);
}

#[test]
fn public_url_without_encryption() {
    let place = Place::new();
    place.configure(
        "\n[identity]",
        "public_url = \"http://fleet.example\"\n[identity]",
    );
    refused(&place, 2, &["line 2, public_url", "HTTPS"]);
}

#[test]
fn half_a_login() {
    let place = Place::new();
    place.configure(
        "[state]",
        "[registries.\"registry.example\"]\nusername = \"fleet\"\n[state]",
    );
    refused(&place, 2, &["registry.example", "password_file"]);
}

#[test]
fn key_that_is_not_there() {
    let place = Place::new();
    fs::remove_file(place.path("development-identity/wfm-key.pem")).unwrap();
    refused(
        &place,
        4,
        &["development-identity/wfm-key.pem", "check that it exists"],
    );
}

#[test]
fn identity_that_was_never_made() {
    let place = Place::new();
    fs::remove_dir_all(place.path("development-identity")).unwrap();
    refused(
        &place,
        4,
        &["development-identity/wfm.pem", "margo-wfm identity init"],
    );
}

#[test]
fn key_that_is_none() {
    let place = Place::new();
    place.write("development-identity/wfm-key.pem", "not a key");
    refused(&place, 4, &["development-identity/wfm-key.pem"]);
}

#[test]
fn key_of_somebody_else() {
    let place = Place::new();
    fs::copy(
        place.path("development-identity/clients/line-1/svid-key.pem"),
        place.path("development-identity/wfm-key.pem"),
    )
    .unwrap();
    refused(&place, 4, &["development-identity/wfm-key.pem"]);
}

#[test]
fn svid_of_a_client() {
    let place = Place::new();
    for file in ["svid", "svid-key"] {
        let wfm = file.replace("svid", "wfm");
        fs::copy(
            place.path(&format!("development-identity/clients/line-1/{file}.pem")),
            place.path(&format!("development-identity/{wfm}.pem")),
        )
        .unwrap();
    }
    refused(&place, 4, &["wfm.pem", "line-1"]);
}

#[test]
fn expired_svid() {
    let place = Place::new();
    let domain = TrustDomain::parse("development.invalid").unwrap();
    let authority = Authority::new(&domain);
    let id = SpiffeId::wfm(&domain, "wfm").unwrap();
    let expired = authority.issue(&id, Lifetime::expired());
    place.write("development-identity/wfm.pem", &expired.chain_pem);
    place.write("development-identity/wfm-key.pem", &expired.key_pem);
    let bundle = margo_types::write(&authority.bundle(), SpecVersion::NEWEST).unwrap();
    fs::write(place.path("development-identity/bundle.json"), bundle).unwrap();
    refused(&place, 4, &["development-identity/wfm.pem", "expired"]);
}

#[test]
fn bundle_that_does_not_vouch_for_the_svid() {
    let place = Place::new();
    let domain = TrustDomain::parse("development.invalid").unwrap();
    let other = Authority::new(&domain).bundle();
    let bundle = margo_types::write(&other, SpecVersion::NEWEST).unwrap();
    fs::write(place.path("development-identity/bundle.json"), bundle).unwrap();
    refused(&place, 4, &["bundle.json", "trust anchor"]);
}

#[test]
fn port_that_is_taken() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.configure("127.0.0.1:0", &address);
    refused(&place, 4, &[&address, "listen"]);
}

#[test]
fn second_server_on_the_same_database() {
    let place = Place::new();
    let first = place.start();
    let (code, why) = place.failure(&["run"]);
    assert_eq!(code, 4);
    assert!(why.contains("wfm.db") && why.contains("another"), "{why}");
    assert_eq!(
        place.json(&["status"]),
        serde_json::json!([]),
        "the first one still answers"
    );
    drop(first);
}

#[test]
fn second_server_on_the_same_socket() {
    let place = Place::new();
    let first = place.start();
    place.configure("[state]", "[state]\ndatabase = \"other.db\"");
    let (code, why) = place.failure(&["run"]);
    assert_eq!(code, 4);
    assert!(why.contains("admin.sock"), "{why}");
    drop(first);
}

#[test]
fn database_of_something_else() {
    let place = Place::new();
    fs::create_dir(place.path("state")).unwrap();
    place.write(
        "state/wfm.db",
        "not a database, but long enough to be looked at by whoever opens it",
    );
    let (code, why) = place.failure(&["run"]);
    assert_eq!(code, 4);
    assert!(why.contains("wfm.db"), "{why}");
}

#[test]
fn commands_without_a_server() {
    let place = Place::new();
    for command in [
        &["status"][..],
        &["device", "list"],
        &["deploy", "com-example-lamp"],
    ] {
        let (code, why) = place.failure(command);
        assert_eq!(code, 6, "{why}");
        assert!(
            why.contains("margo-wfm run --config margo-wfm.toml"),
            "{why}"
        );
    }
}

#[test]
fn nobody_else_can_use_the_socket() {
    let place = Place::new();
    let _running = place.start();
    let mode = |name| {
        let metadata = fs::metadata(place.path(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("state/admin.sock"), 0o600);
    assert_eq!(mode("state"), 0o700);
}
