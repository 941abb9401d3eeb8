//! `identity init` and `identity issue`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use margo_types::id::{Principal, SpiffeId};
use margo_types::svid::{Identity, Svid};
use margo_types::trust::TrustBundle;

use crate::support::{Place, stderr, stdout};

/// The identity in three files of a place, verified as a peer would.
fn identity(place: &Place, svid: &str, key: &str, bundle: &str) -> SpiffeId {
    let read = |name| fs::read(place.path(name)).unwrap();
    let bundle = margo_types::read::<TrustBundle>(&read(bundle)).unwrap();
    let svid = Svid::from_pem(&read(svid), &read(key)).unwrap();
    let identity = Identity::new(svid, bundle.value()).unwrap();
    identity.verify_own().unwrap();
    identity.id().clone()
}

#[test]
fn init_makes_a_fleet_manager_and_clients_that_recognise_each_other() {
    let place = Place::new();
    let domain = "development-identity";
    let wfm = identity(
        &place,
        &format!("{domain}/wfm.pem"),
        &format!("{domain}/wfm-key.pem"),
        &format!("{domain}/bundle.json"),
    );
    let folder = format!("{domain}/clients/line-1");
    let client = identity(
        &place,
        &format!("{folder}/svid.pem"),
        &format!("{folder}/svid-key.pem"),
        &format!("{folder}/bundle.json"),
    );
    assert!(client.recognises_wfm(&wfm));
    assert!(wfm.recognise_client(&client).is_some());
}

#[test]
fn what_is_for_development_says_so() {
    let place = Place::empty();
    let output = place.run(&["identity", "init", "here"]);
    assert!(
        stdout(&output).contains("FOR DEVELOPMENT ONLY"),
        "{}",
        stderr(&output)
    );
    let readme = fs::read_to_string(place.path("here/README.md")).unwrap();
    assert!(readme.contains("FOR DEVELOPMENT ONLY"));
    for name in ["development-ca.pem", "development-ca-key.pem"] {
        let mode = fs::metadata(place.path("here").join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let mode = fs::metadata(place.path("here"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn init_overwrites_nothing() {
    let place = Place::new();
    let key = place.path("development-identity/development-ca-key.pem");
    let before = fs::read(&key).unwrap();
    let (code, why) = place.failure(&["identity", "init"]);
    assert_eq!(code, 2);
    assert!(
        why.contains("development-identity is there already"),
        "{why}"
    );
    assert_eq!(fs::read(&key).unwrap(), before);
}

#[test]
fn init_that_fails_leaves_nothing_behind() {
    let place = Place::empty();
    let (code, why) = place.failure(&["identity", "init", "--wfm-id", "not one"]);
    assert_eq!(code, 2);
    assert!(why.contains("a WFM id"), "{why}");
    assert_eq!(fs::read_dir(place.directory()).unwrap().count(), 0);
}

#[test]
fn issue_adds_a_client_once() {
    let place = Place::new();
    let issued = place.json(&["identity", "issue", "line-3"]);
    let id = SpiffeId::parse(issued["id"].as_str().unwrap()).unwrap();
    assert!(matches!(id.principal(), Some(Principal::WfmClient { .. })));
    let folder = "development-identity/clients/line-3";
    let found = identity(
        &place,
        &format!("{folder}/svid.pem"),
        &format!("{folder}/svid-key.pem"),
        &format!("{folder}/bundle.json"),
    );
    assert_eq!(found, id);

    let (code, why) = place.failure(&["identity", "issue", "line-3"]);
    assert_eq!(code, 2);
    assert!(why.contains("is there already"), "{why}");
}

#[test]
fn issue_needs_a_trust_domain() {
    let place = Place::empty();
    let (code, why) = place.failure(&["identity", "issue", "line-1"]);
    assert_eq!(code, 2);
    assert!(why.contains("margo-wfm identity init"), "{why}");
}
