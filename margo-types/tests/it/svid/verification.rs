//! `verify`: what is accepted, what is refused, and why (rc3.md section 7.3, C3 to C9).

use jiff::{SignedDuration, Timestamp};
use margo_conformance::authority::rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256,
    PKCS_RSA_SHA512, RsaKeySize, SanType,
};
use margo_conformance::authority::{Authority, Lifetime};
use margo_types::svid::{ChainPart, PeerSvid, SvidError, verify};
use margo_types::trust::Anchor;
use rustls_pki_types::CertificateDer;

use super::maker::{Maker, day, lifetime, p256, uri};
use super::{client, domain, factory};

/// What is thought of a leaf that was changed before it was signed.
fn changed(change: impl FnOnce(&mut CertificateParams)) -> Result<PeerSvid, SvidError> {
    let root = Maker::root(p256(), |_| {});
    judge(&root.leaf(&p256(), change), &root.anchors())
}

fn judge(chain: &[CertificateDer<'_>], anchors: &[Anchor]) -> Result<PeerSvid, SvidError> {
    verify(chain, &factory(), anchors, Timestamp::now())
}

fn rsa(size: RsaKeySize) -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).unwrap()
}

#[test]
fn an_svid_says_who_its_holder_is_and_until_when() {
    let authority = Authority::new(&factory());
    let id = client("wfm-1", "client-1");
    let issued = authority.issue(&id, Lifetime::default());
    let peer = judge(&issued.certificates(), &[authority.anchor()]).unwrap();
    assert_eq!(peer.id(), &id);
    assert_eq!(peer.not_after(), issued.svid().not_after());
}

#[test]
fn the_first_certificate_to_expire_ends_the_proof() {
    let root = Maker::root(p256(), |params| lifetime(params, 0, day(3)));
    let soon = root.intermediate(p256(), |params| lifetime(params, 0, day(1)));
    let chain = soon.leaf(&p256(), |params| lifetime(params, 0, day(2)));
    let peer = judge(&chain, &root.anchors()).unwrap();
    let left = peer.not_after().duration_since(Timestamp::now());
    assert!(left <= SignedDuration::from_hours(24), "{left}");
}

#[test]
fn every_key_of_the_specification_is_accepted() {
    for key in [
        || p256(),
        || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
        || KeyPair::generate_for(&PKCS_ED25519).unwrap(),
        || rsa(RsaKeySize::_3072),
    ] {
        let root = Maker::root(key(), |_| {});
        let intermediate = root.intermediate(key(), |_| {});
        let chain = intermediate.leaf(&key(), |_| {});
        let peer = judge(&chain, &root.anchors());
        assert_eq!(peer.unwrap().id(), &client("wfm-1", "client-1"));
    }
}

#[test]
fn rsa_certificates_may_have_the_newer_padding() {
    let chain = [CertificateDer::from(&include_bytes!("pss-leaf.der")[..])];
    let root = Anchor::from_der(&include_bytes!("pss-root.der")[..]).unwrap();
    let now = "2040-01-01T00:00:00Z".parse().unwrap();
    let peer = verify(&chain, &factory(), &[root], now).unwrap();
    assert_eq!(peer.id(), &client("wfm-1", "client-1"));
}

#[test]
fn short_rsa_keys_are_refused_wherever_they_are() {
    let error = |part| SvidError::Key {
        part,
        found: "RSA with 2048 bits".to_owned(),
    };
    let root = Maker::root(p256(), |_| {});
    let leaf = root.leaf(&rsa(RsaKeySize::_2048), |_| {});
    assert_eq!(judge(&leaf, &root.anchors()), Err(error(ChainPart::Leaf)));

    let weak = root.intermediate(rsa(RsaKeySize::_2048), |_| {});
    let chain = weak.leaf(&p256(), |_| {});
    let expected = Err(error(ChainPart::Intermediate));
    assert_eq!(judge(&chain, &root.anchors()), expected);

    let weak = Maker::root(rsa(RsaKeySize::_2048), |_| {});
    let chain = weak.leaf(&p256(), |_| {});
    assert_eq!(
        judge(&chain, &weak.anchors()),
        Err(error(ChainPart::Anchor))
    );
}

#[test]
fn p521_is_refused_wherever_it_is() {
    let p521 = || KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
    let root = Maker::root(p256(), |_| {});
    let leaf = root.leaf(&p521(), |_| {});
    let refused = judge(&leaf, &root.anchors()).unwrap_err();
    let SvidError::Key { part, .. } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(part, ChainPart::Leaf);
    let root = Maker::root(p521(), |_| {});
    let chain = root.leaf(&p256(), |_| {});
    assert_eq!(judge(&chain, &root.anchors()), Err(SvidError::Algorithm));
}

#[test]
fn rsa_signatures_with_another_hash_are_refused() {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA512, RsaKeySize::_3072).unwrap();
    let root = Maker::root(key, |_| {});
    let chain = root.leaf(&p256(), |_| {});
    assert_eq!(judge(&chain, &root.anchors()), Err(SvidError::Algorithm));
}

#[test]
fn the_trust_domain_comes_first() {
    // refused for its domain even though nobody vouches for it, and although the domain is a DNS name of it too
    let root = Maker::root(p256(), |_| {});
    let chain = root.leaf(&p256(), |params| {
        params.subject_alt_names = vec![
            SanType::DnsName("factory.example".try_into().unwrap()),
            uri("spiffe://other.example/margo/wfm/wfm-1"),
        ];
    });
    let refused = verify(&chain, &factory(), &[], Timestamp::now()).unwrap_err();
    let SvidError::OtherDomain { found, expected } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(found.trust_domain(), domain("other.example"));
    assert_eq!(expected, factory());
}

#[test]
fn dns_names_beside_the_uri_do_not_matter() {
    let peer = changed(|params| {
        let name = SanType::DnsName("wfm.example".try_into().unwrap());
        params.subject_alt_names.push(name);
    });
    assert_eq!(peer.unwrap().id(), &client("wfm-1", "client-1"));
}

#[test]
fn one_uri_is_needed_and_it_is_a_spiffe_id() {
    let two = changed(|params| {
        let second = uri("spiffe://factory.example/margo/wfm/wfm-2");
        params.subject_alt_names.push(second);
    });
    assert_eq!(two, Err(SvidError::ManyUris { count: 2 }));
    let none = changed(|params| {
        params.subject_alt_names = vec![SanType::DnsName("wfm.example".try_into().unwrap())];
    });
    assert_eq!(none, Err(SvidError::NoUri));
    let bare = changed(|params| params.subject_alt_names.clear());
    assert_eq!(bare, Err(SvidError::NoUri));
    for text in [
        "https://factory.example/margo/wfm/wfm-1",
        "spiffe://factory.example",
        "spiffe://factory.example/",
        "spiffe://factory.example/margo//wfm",
        "spiffe://Factory.example/margo/wfm/wfm-1",
        "spiffe://factory.example/margo/wfm/wfm-1?x=1",
    ] {
        let refused = changed(|params| params.subject_alt_names = vec![uri(text)]);
        assert!(
            matches!(refused, Err(SvidError::NotASpiffeId(_))),
            "{text}: {refused:?}"
        );
    }
}

#[test]
fn authorities_are_no_peers() {
    let authority = changed(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(authority, Err(SvidError::Authority));
    for (usages, found) in [
        (
            vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::KeyCertSign,
            ],
            "allows keyCertSign",
        ),
        (
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign],
            "allows cRLSign",
        ),
        (
            vec![KeyUsagePurpose::KeyAgreement],
            "lacks digitalSignature",
        ),
    ] {
        let refused = changed(|params| params.key_usages = usages);
        assert_eq!(refused, Err(SvidError::KeyUsage { found }));
    }
}

#[test]
fn an_extended_key_usage_may_be_missing_but_not_partial() {
    let both = [
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let usage = |usages: &[ExtendedKeyUsagePurpose]| {
        changed(|params| params.extended_key_usages = usages.to_vec())
    };
    assert!(usage(&[]).is_ok());
    assert!(usage(&both).is_ok());
    assert!(usage(&[ExtendedKeyUsagePurpose::Any]).is_ok());
    let part = ChainPart::Leaf;
    for one in [
        &both[..1],
        &both[1..],
        &[ExtendedKeyUsagePurpose::CodeSigning],
    ] {
        assert_eq!(usage(one), Err(SvidError::ExtendedKeyUsage { part }));
    }
}

#[test]
fn every_certificate_of_the_chain_has_to_be_valid_now() {
    let now = Timestamp::now();
    for (late, expected) in [
        (0, ChainPart::Anchor),
        (1, ChainPart::Intermediate),
        (2, ChainPart::Leaf),
    ] {
        for (start, end) in [(-day(3), -day(1)), (day(1), day(3))] {
            let shape = |position: i64| {
                move |params: &mut CertificateParams| {
                    lifetime(params, -day(9), day(9));
                    if position == late {
                        lifetime(params, start, end);
                    }
                }
            };
            let root = Maker::root(p256(), shape(0));
            let intermediate = root.intermediate(p256(), shape(1));
            let chain = intermediate.leaf(&p256(), shape(2));
            match verify(&chain, &factory(), &root.anchors(), now).unwrap_err() {
                SvidError::Expired { part, not_after } if end < 0 => {
                    assert_eq!(part, expected);
                    assert!(not_after < now);
                }
                SvidError::NotYetValid { part, not_before } if start > 0 => {
                    assert_eq!(part, expected);
                    assert!(not_before > now);
                }
                other => panic!("{expected} from {start} to {end}: {other:?}"),
            }
        }
    }
}

#[test]
fn clocks_may_differ_by_a_minute_and_no_more() {
    let root = Maker::root(p256(), |_| {});
    let chain = root.leaf(&p256(), |params| lifetime(params, 0, 3600));
    let peer = judge(&chain, &root.anchors()).unwrap();
    let (start, end) = (
        peer.not_after() - SignedDuration::from_hours(1),
        peer.not_after(),
    );
    let at = |time: Timestamp| verify(&chain, &factory(), &root.anchors(), time);
    let seconds = SignedDuration::from_secs;
    assert!(at(start - seconds(60)).is_ok());
    assert!(at(end + seconds(60)).is_ok());
    let part = ChainPart::Leaf;
    let not_before = start;
    let early = Err(SvidError::NotYetValid { part, not_before });
    assert_eq!(at(start - seconds(61)), early);
    let not_after = end;
    assert_eq!(
        at(end + seconds(61)),
        Err(SvidError::Expired { part, not_after })
    );
}

#[test]
fn chains_lead_to_an_anchor_by_what_is_presented() {
    let root = Maker::root(p256(), |_| {});
    let chain = root.intermediate(p256(), |_| {}).leaf(&p256(), |_| {});
    assert!(judge(&chain, &root.anchors()).is_ok());
    assert_eq!(
        judge(&chain[..1], &root.anchors()),
        Err(SvidError::UnknownIssuer)
    );
    assert_eq!(judge(&[], &root.anchors()), Err(SvidError::NoCertificate));
    assert_eq!(judge(&chain, &[]), Err(SvidError::NoAnchors));
    let other = Maker::root(p256(), |params| {
        params.distinguished_name.push(rcgen_name(), "another root");
    });
    assert_eq!(
        judge(&chain, &other.anchors()),
        Err(SvidError::UnknownIssuer)
    );
    // an anchor that only shares the name vouches for nothing
    let namesake = Maker::root(p256(), |_| {});
    assert_eq!(
        judge(&chain, &namesake.anchors()),
        Err(SvidError::UnknownIssuer)
    );
    // any anchor of the bundle will do
    let both = [other.anchors(), namesake.anchors(), root.anchors()].concat();
    assert!(judge(&chain, &both).is_ok());
}

#[test]
fn presenting_the_anchor_too_does_no_harm() {
    let root = Maker::root(p256(), |_| {});
    let mut chain = root.leaf(&p256(), |_| {});
    chain.push(root.anchors()[0].as_der().to_vec().into());
    assert!(judge(&chain, &root.anchors()).is_ok());
}

#[test]
fn of_cross_signed_authorities_one_way_to_an_anchor_is_enough() {
    let root = Maker::root(p256(), |_| {});
    let other = Maker::root(p256(), |params| {
        params.distinguished_name.push(rcgen_name(), "another root");
    });
    let key = p256();
    let copy = || KeyPair::from_pem(&key.serialize_pem()).unwrap();
    let by_other = other.intermediate(copy(), |_| {}).leaf(&p256(), |_| {});
    let expired = root
        .intermediate(copy(), |params| lifetime(params, -day(2), -day(1)))
        .leaf(&p256(), |_| {});
    let good = root.intermediate(copy(), |_| {}).leaf(&p256(), |_| {});
    let leaf = &good[0];
    let chain = [leaf, &by_other[1], &expired[1], &good[1]].map(Clone::clone);
    assert!(judge(&chain, &root.anchors()).is_ok());
    assert!(judge(&chain[..3], &root.anchors()).is_err());
}

#[test]
fn constraints_of_an_authority_bind_what_it_issues() {
    let short = Maker::root(p256(), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let direct = short.leaf(&p256(), |_| {});
    assert!(judge(&direct, &short.anchors()).is_ok());
    let part = ChainPart::Anchor;
    let chain = short.intermediate(p256(), |_| {}).leaf(&p256(), |_| {});
    assert_eq!(
        judge(&chain, &short.anchors()),
        Err(SvidError::NotAnAuthority { part })
    );
    let root = Maker::root(p256(), |_| {});
    let last = root.intermediate(p256(), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    assert!(judge(&last.leaf(&p256(), |_| {}), &root.anchors()).is_ok());
    let chain = last.intermediate(p256(), |_| {}).leaf(&p256(), |_| {});
    assert!(judge(&chain, &root.anchors()).is_err());
    // Name constraints for URIs: only those of the host other.example (RFC 5280 section 4.2.1.10).
    let constrained = root.intermediate(p256(), |params| {
        let der = [&b"\x30\x13\xa0\x11\x30\x0f\x86\x0d"[..], b"other.example"].concat();
        let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], der);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    });
    let chain = constrained.leaf(&p256(), |_| {});
    let judged = judge(&chain, &root.anchors());
    assert!(matches!(judged, Err(SvidError::Chain { .. })), "{judged:?}");
}

#[test]
fn a_chain_of_very_many_certificates_is_given_up() {
    let root = Maker::root(p256(), |_| {});
    let stranger = Maker::root(p256(), |params| {
        params.distinguished_name.push(rcgen_name(), "another root");
    });
    let mut chain = stranger.intermediate(p256(), |_| {}).leaf(&p256(), |_| {});
    for _ in 0..150 {
        // All have the same name, so every one could be the issuer of every other.
        let sham = stranger.intermediate(p256(), |_| {});
        chain.extend(sham.leaf(&p256(), |_| {}).into_iter().skip(1));
    }
    assert!(judge(&chain, &root.anchors()).is_err());
}

#[test]
fn only_authorities_issue() {
    let root = Maker::root(p256(), |_| {});
    let part = ChainPart::Intermediate;
    let refused = Err(SvidError::NotAnAuthority { part });
    let leaf = root.intermediate(p256(), |params| params.is_ca = IsCa::ExplicitNoCa);
    assert_eq!(judge(&leaf.leaf(&p256(), |_| {}), &root.anchors()), refused);
    let mute = root.intermediate(p256(), |params| {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    assert_eq!(judge(&mute.leaf(&p256(), |_| {}), &root.anchors()), refused);
    let part = ChainPart::Anchor;
    let leaf = Maker::root(p256(), |params| params.is_ca = IsCa::ExplicitNoCa);
    let refused = Err(SvidError::NotAnAuthority { part });
    assert_eq!(judge(&leaf.leaf(&p256(), |_| {}), &leaf.anchors()), refused);
}

#[test]
fn bytes_that_are_no_certificate_are_refused() {
    let root = Maker::root(p256(), |_| {});
    let chain = root.leaf(&p256(), |_| {});
    let whole = chain[0].to_vec();
    for length in (0..whole.len()).step_by(7) {
        let cut = [CertificateDer::from(&whole[..length])];
        let part = ChainPart::Leaf;
        let refused = judge(&cut, &root.anchors());
        assert_eq!(refused, Err(SvidError::Malformed { part }), "{length}");
    }
    for position in 0..whole.len() {
        let mut spoilt = whole.clone();
        spoilt[position] ^= 0x55;
        let refused = judge(&[spoilt.into()], &root.anchors());
        assert!(refused.is_err(), "byte {position} changes nothing");
    }
}

fn rcgen_name() -> margo_conformance::authority::rcgen::DnType {
    margo_conformance::authority::rcgen::DnType::OrganizationName
}
