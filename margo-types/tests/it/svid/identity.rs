//! `Identity`: what is replaced, and what never is.

use margo_conformance::authority::{Authority, Lifetime};
use margo_types::svid::{ChainPart, Identity, IdentityError, SvidError};
use margo_types::trust::{TrustBundle, TrustBundleError};

use super::{Clock, DAY, HOUR, MINUTE, client, factory, wfm};

fn empty() -> TrustBundle {
    serde_json::from_value(serde_json::json!({ "keys": [] })).unwrap()
}

fn identity(authority: &Authority) -> Identity {
    let svid = authority.issue(&wfm("wfm-1"), Lifetime::default()).svid();
    Identity::new(svid, &authority.bundle()).unwrap()
}

#[test]
fn a_bundle_without_anchors_fails_closed() {
    let authority = Authority::new(&factory());
    let svid = authority.issue(&wfm("wfm-1"), Lifetime::default()).svid();
    let error = Identity::new(svid, &empty()).unwrap_err();
    assert_eq!(error, IdentityError::Bundle(TrustBundleError::NoAnchors));

    let identity = identity(&authority);
    let error = identity.replace_bundle(&empty()).unwrap_err();
    assert_eq!(error, IdentityError::Bundle(TrustBundleError::NoAnchors));
    assert_eq!(*identity.anchors(), [authority.anchor()]);
    assert_eq!(identity.generation(), 0);
}

#[test]
fn a_new_bundle_replaces_and_never_merges() {
    let (old, new) = (Authority::new(&factory()), Authority::new(&factory()));
    let identity = identity(&old);
    let peer = |authority: &Authority| {
        let issued = authority.issue(&client("wfm-1", "client-1"), Lifetime::default());
        identity.verify(&issued.certificates())
    };
    assert!(peer(&old).is_ok() && peer(&new).is_err());
    identity.replace_bundle(&new.bundle()).unwrap();
    assert!(peer(&old).is_err() && peer(&new).is_ok());
    assert_eq!(*identity.anchors(), [new.anchor()]);
}

#[test]
fn a_verified_peer_holds_until_it_expires_or_its_authority_is_gone() {
    let (old, new) = (Authority::new(&factory()), Authority::new(&factory()));
    let clock = Clock::new();
    let identity = identity(&old).with_clock(clock.clone());
    let issued = old.issue(&client("wfm-1", "client-1"), Lifetime::default());
    let peer = identity.verify(&issued.certificates()).unwrap();
    assert_eq!(identity.verify_again(&peer), Ok(()));

    let both = TrustBundle::of_anchors(&[new.anchor(), old.anchor()]).unwrap();
    identity.replace_bundle(&both).unwrap();
    assert_eq!(identity.verify_again(&peer), Ok(()));
    identity.replace_bundle(&new.bundle()).unwrap();
    let gone = Err(SvidError::UnknownIssuer);
    assert_eq!(identity.verify_again(&peer), gone);
    identity.replace_bundle(&old.bundle()).unwrap();
    assert_eq!(identity.verify_again(&peer), Ok(()));

    clock.advance(23 * HOUR);
    assert_eq!(identity.verify_again(&peer), Ok(()));
    clock.advance(HOUR + 2 * MINUTE);
    let (part, not_after) = (ChainPart::Leaf, peer.not_after());
    let expired = Err(SvidError::Expired { part, not_after });
    assert_eq!(identity.verify_again(&peer), expired);
    // as a new handshake would have it
    let again = identity.verify(&issued.certificates());
    assert_eq!(again.map(|_| ()), expired);
}

#[test]
fn the_generation_rises_with_changes_alone() {
    let (old, new) = (Authority::new(&factory()), Authority::new(&factory()));
    let identity = identity(&old);
    let both = TrustBundle::of_anchors(&[old.anchor(), new.anchor()]).unwrap();
    let turned = TrustBundle::of_anchors(&[new.anchor(), old.anchor()]).unwrap();
    identity.replace_bundle(&old.bundle()).unwrap();
    identity.replace_svid((*identity.svid()).clone()).unwrap();
    assert_eq!(identity.generation(), 0);
    identity.replace_bundle(&both).unwrap();
    assert_eq!(identity.generation(), 1);
    identity.replace_bundle(&turned).unwrap();
    assert_eq!(identity.generation(), 1);
    let renewed = old.issue(&wfm("wfm-1"), Lifetime::default()).svid();
    identity.clone().replace_svid(renewed).unwrap();
    assert_eq!(identity.generation(), 2);
}

#[test]
fn a_renewed_svid_keeps_its_id() {
    let authority = Authority::new(&factory());
    let identity = identity(&authority);
    let other = authority.issue(&wfm("wfm-2"), Lifetime::default()).svid();
    let error = identity.replace_svid(other).unwrap_err();
    let (expected, found) = (wfm("wfm-1"), wfm("wfm-2"));
    assert_eq!(error, IdentityError::OtherId { expected, found });
    assert_eq!(identity.svid().id(), &wfm("wfm-1"));
    assert_eq!(identity.generation(), 0);
}

#[test]
fn each_role_has_its_configuration() {
    let authority = Authority::new(&factory());
    let fleet = identity(&authority);
    assert!(fleet.server_config().is_ok() && fleet.server_handshake().is_ok());
    let wrong = IdentityError::WrongRole(wfm("wfm-1"));
    assert_eq!(fleet.client_config().unwrap_err(), wrong);

    let id = client("wfm-1", "client-1");
    let svid = authority.issue(&id, Lifetime::default()).svid();
    let device = Identity::new(svid, &authority.bundle()).unwrap();
    assert!(device.client_config().is_ok());
    let wrong = IdentityError::WrongRole(id);
    assert_eq!(device.server_config().unwrap_err(), wrong);
    assert_eq!(device.server_handshake().unwrap_err(), wrong);

    let stranger = "spiffe://factory.example/margo/wfm/wfm-1/client/c/extra";
    let stranger = margo_types::id::SpiffeId::parse(stranger).unwrap();
    let svid = authority.issue(&stranger, Lifetime::default()).svid();
    let error = Identity::new(svid, &authority.bundle()).unwrap_err();
    assert_eq!(error, IdentityError::WrongRole(stranger));
}

#[test]
fn it_knows_what_peers_would_say() {
    let authority = Authority::new(&factory());
    let clock = Clock::new();
    let identity = identity(&authority).with_clock(clock.clone());
    assert_eq!(identity.verify_own(), Ok(()));
    clock.advance(DAY + HOUR);
    let (part, not_after) = (ChainPart::Leaf, identity.svid().not_after());
    let expired = SvidError::Expired { part, not_after };
    assert_eq!(identity.verify_own(), Err(expired));
    let renewed = Lifetime::lasting(3 * DAY);
    let renewed = authority.issue(&wfm("wfm-1"), renewed).svid();
    identity.replace_svid(renewed).unwrap();
    assert_eq!(identity.verify_own(), Ok(()));
}
