//! Whole handshakes, in memory (rc3.md sections 7.2 and 7.6, C2, C14, W58, W59, D68, D69).

use std::sync::Arc;

use margo_conformance::authority::{Authority, IssuedSvid, Lifetime, rcgen};
use margo_types::id::SpiffeId;
use margo_types::svid::{ChainPart, Identity, PeerSvid, ServerHandshake, SvidError};
use margo_types::trust::TrustBundle;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, ProtocolVersion,
    ServerConfig, ServerConnection,
};
use rustls_pki_types::ServerName;

use super::{Clock, DAY, HOUR, client, domain, factory, wfm};

/// What the two sides say at the end: `Ok`, or the first error of each.
struct End {
    client: Result<(), Error>,
    server: Result<(), Error>,
    connections: (ClientConnection, ServerConnection),
}

impl End {
    fn is_good(&self) -> bool {
        self.client.is_ok() && self.server.is_ok()
    }
}

fn connect(client: Arc<ClientConfig>, server: Arc<ServerConfig>, name: &str) -> End {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    let mut results = (Ok(()), Ok(()));
    for _ in 0..8 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            if let Err(error) = server.process_new_packets() {
                results.1 = results.1.and(Err(error));
            }
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            if let Err(error) = client.process_new_packets() {
                results.0 = results.0.and(Err(error));
            }
        }
    }
    End {
        client: results.0,
        server: results.1,
        connections: (client, server),
    }
}

fn identity(authority: &Authority, id: &SpiffeId) -> Identity {
    let svid = authority.issue(id, Lifetime::default()).svid();
    Identity::new(svid, &authority.bundle()).unwrap()
}

/// A handshake of two identities, with what the server learnt.
fn meet(device: &Identity, fleet: &Identity) -> (End, ServerHandshake, Option<PeerSvid>) {
    let handshake = fleet.server_handshake().unwrap();
    let end = connect(
        device.client_config().unwrap(),
        handshake.config(),
        "wfm.example",
    );
    let peer = handshake.peer(&end.connections.1);
    (end, handshake, peer)
}

/// A client that shows whatever certificate it is given and takes any server of the right authority.
fn careless_client(identity: &Identity, shown: &IssuedSvid) -> Arc<ClientConfig> {
    let good = identity.client_config().unwrap();
    let mut config = ClientConfig::clone(&good);
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&shown.private_key()).unwrap();
    let shown = rustls::sign::CertifiedKey::new(shown.certificates(), key);
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(shown));
    Arc::new(config)
}

/// A server that shows whatever certificate it is given.
fn careless_server(identity: &Identity, shown: &IssuedSvid) -> Arc<ServerConfig> {
    let good = identity.server_config().unwrap();
    let mut config = ServerConfig::clone(&good);
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&shown.private_key()).unwrap();
    let shown = rustls::sign::CertifiedKey::new(shown.certificates(), key);
    config.cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(shown));
    Arc::new(config)
}

#[test]
fn a_client_and_its_fleet_manager_meet() {
    let authority = Authority::new(&factory()).intermediate("line 1");
    let fleet = identity(&authority, &wfm("wfm-1"));
    let device = identity(&authority, &client("wfm-1", "client-1"));
    let (end, handshake, peer) = meet(&device, &fleet);
    assert!(end.is_good(), "{:?} {:?}", end.client, end.server);
    assert_eq!(peer.unwrap().id(), device.id());
    assert!(handshake.refusal().is_none());
    assert_eq!(handshake.generation(), fleet.generation());
    let (client, server) = end.connections;
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(server.alpn_protocol(), Some(&b"http/1.1"[..]));
    // C14: nothing to resume with
    assert_eq!(client.tls13_tickets_received(), 0);
}

#[test]
fn host_names_have_no_say() {
    let authority = Authority::new(&factory());
    let fleet = identity(&authority, &wfm("wfm-1"));
    let device = identity(&authority, &client("wfm-1", "client-1"));
    for name in ["wfm.example", "something.else", "192.0.2.1", "::1"] {
        let configs = (
            device.client_config().unwrap(),
            fleet.server_config().unwrap(),
        );
        assert!(connect(configs.0, configs.1, name).is_good(), "{name}");
    }
    // a certificate of plain HTTPS does not help
    let plain = authority.issue_tls("wfm.example");
    let server = careless_server(&fleet, &plain);
    let end = connect(device.client_config().unwrap(), server, "wfm.example");
    assert!(end.client.is_err());
    let refusal = device.last_refusal().unwrap();
    assert_eq!(
        (&refusal.claimed, &refusal.reason),
        (&None, &SvidError::NoUri)
    );
}

#[test]
fn a_client_takes_only_the_fleet_manager_its_own_svid_names() {
    let authority = Authority::new(&factory());
    let fleet = identity(&authority, &wfm("wfm-1"));
    let device = identity(&authority, &client("wfm-1", "client-1"));
    let more = "spiffe://factory.example/margo/wfm/wfm-1/extra";
    for id in [
        wfm("wfm-2"),
        wfm("WFM-1"),
        client("wfm-1", "client-1"),
        client("wfm-1", "client-2"),
        SpiffeId::parse(more).unwrap(),
    ] {
        let shown = authority.issue(&id, Lifetime::default());
        let server = careless_server(&fleet, &shown);
        let end = connect(device.client_config().unwrap(), server, "wfm.example");
        let alert = Error::AlertReceived(AlertDescription::AccessDenied);
        assert_eq!(end.server, Err(alert), "{id}");
        let refusal = device.last_refusal().unwrap();
        assert_eq!(refusal.claimed.as_ref(), Some(&id));
        let expected = wfm("wfm-1");
        let reason = SvidError::OtherFleetManager {
            found: id,
            expected,
        };
        assert_eq!(refusal.reason, reason);
    }
}

#[test]
fn a_fleet_manager_takes_only_clients_of_its_namespace() {
    let authority = Authority::new(&factory());
    let fleet = identity(&authority, &wfm("wfm-1"));
    let device = identity(&authority, &client("wfm-1", "client-1"));
    let more = "spiffe://factory.example/margo/wfm/wfm-1/client/client-1/extra";
    let elsewhere = "spiffe://factory.example/not-margo/client-1";
    for id in [
        client("wfm-2", "client-1"),
        wfm("wfm-1"),
        SpiffeId::parse(more).unwrap(),
        SpiffeId::parse(elsewhere).unwrap(),
    ] {
        let shown = authority.issue(&id, Lifetime::default());
        let handshake = fleet.server_handshake().unwrap();
        let config = careless_client(&device, &shown);
        let end = connect(config, handshake.config(), "wfm.example");
        let alert = Error::AlertReceived(AlertDescription::AccessDenied);
        assert_eq!(end.client, Err(alert), "{id}");
        assert_eq!(handshake.peer(&end.connections.1), None);
        let refusal = handshake.refusal().unwrap();
        assert_eq!(refusal.claimed.as_ref(), Some(&id));
        let own = wfm("wfm-1");
        assert_eq!(refusal.reason, SvidError::NotAClient { found: id, own });
    }
}

#[test]
fn peers_of_another_domain_are_refused_by_both() {
    let (here, there) = (
        Authority::new(&factory()),
        Authority::new(&domain("other.example")),
    );
    let foreign = SpiffeId::wfm(there.domain(), "wfm-1").unwrap();
    let fleet = identity(&here, &wfm("wfm-1"));
    let device = identity(&here, &client("wfm-1", "client-1"));
    let shown = there.issue(&foreign, Lifetime::default());
    let server = careless_server(&fleet, &shown);
    let end = connect(device.client_config().unwrap(), server, "wfm.example");
    assert!(end.client.is_err());
    let reason = &device.last_refusal().unwrap().reason;
    assert!(
        matches!(reason, SvidError::OtherDomain { .. }),
        "{reason:?}"
    );

    let shown = there.issue_with(|_| {});
    let handshake = fleet.server_handshake().unwrap();
    let end = connect(
        careless_client(&device, &shown),
        handshake.config(),
        "wfm.example",
    );
    assert!(end.server.is_err());
    let reason = &handshake.refusal().unwrap().reason;
    assert!(
        matches!(reason, SvidError::OtherDomain { .. }),
        "{reason:?}"
    );
}

#[test]
fn alerts_tell_the_other_side_what_is_wrong() {
    let (authority, stranger) = (Authority::new(&factory()), Authority::new(&factory()));
    let fleet = identity(&authority, &wfm("wfm-1"));
    let device = identity(&authority, &client("wfm-1", "client-1"));
    let id = device.id();
    let two = authority.issue_with(|params| {
        let second = "spiffe://factory.example/margo/wfm/wfm-1/client/client-2";
        let second = rcgen::SanType::URI(second.try_into().unwrap());
        params.subject_alt_names.push(second);
    });
    for (shown, alert) in [
        (
            authority.issue(id, Lifetime::expired()),
            AlertDescription::CertificateExpired,
        ),
        (
            authority.issue(id, Lifetime::future()),
            AlertDescription::CertificateExpired,
        ),
        (
            stranger.intermediate("x").issue(id, Lifetime::default()),
            AlertDescription::UnknownCA,
        ),
        (two, AlertDescription::CertificateUnknown),
    ] {
        let config = careless_client(&device, &shown);
        let end = connect(config, fleet.server_config().unwrap(), "wfm.example");
        assert_eq!(end.client, Err(Error::AlertReceived(alert)));
        assert!(matches!(end.server, Err(Error::InvalidCertificate(_))));
    }
}

#[test]
fn a_client_without_certificate_is_refused() {
    let authority = Authority::new(&factory());
    let fleet = identity(&authority, &wfm("wfm-1"));
    let device = identity(&authority, &client("wfm-1", "client-1"));
    let mut config = ClientConfig::clone(&device.client_config().unwrap());
    config.client_auth_cert_resolver = Arc::new(Nothing);
    let end = connect(
        Arc::new(config),
        fleet.server_config().unwrap(),
        "wfm.example",
    );
    assert_eq!(end.server, Err(Error::NoCertificatesPresented));
}

#[test]
fn the_key_of_another_leaf_proves_nothing() {
    let authority = Authority::new(&factory());
    let fleet = identity(&authority, &wfm("wfm-1"));
    let device = identity(&authority, &client("wfm-1", "client-1"));
    let [mut shown, other] = [(); 2].map(|()| authority.issue(device.id(), Lifetime::default()));
    shown.key_pem = other.key_pem;
    let handshake = fleet.server_handshake().unwrap();
    let end = connect(
        careless_client(&device, &shown),
        handshake.config(),
        "wfm.example",
    );
    let expected = Error::InvalidCertificate(CertificateError::BadSignature);
    assert_eq!(end.server, Err(expected));
    // the chain was good, but that is no proof
    assert!(handshake.refusal().is_none());
    assert_eq!(handshake.peer(&end.connections.1), None);
}

#[test]
fn nobody_is_known_before_the_handshake_is_complete() {
    let authority = Authority::new(&factory());
    let fleet = identity(&authority, &wfm("wfm-1"));
    let device = identity(&authority, &client("wfm-1", "client-1"));
    let (end, _, _) = meet(&device, &fleet);
    // the record of one handshake says nothing about the connection of another
    let handshake = fleet.server_handshake().unwrap();
    assert_eq!(handshake.peer(&end.connections.1), None);
    let fresh = ServerConnection::new(handshake.config()).unwrap();
    assert_eq!(handshake.peer(&fresh), None);
}

#[test]
fn a_proof_without_the_last_word_of_the_client_is_none() {
    let authority = Authority::new(&factory());
    let fleet = identity(&authority, &wfm("wfm-1"));
    let device = identity(&authority, &client("wfm-1", "client-1"));
    let handshake = fleet.server_handshake().unwrap();
    let mut config = ClientConfig::clone(&device.client_config().unwrap());
    config.max_fragment_size = Some(40); // so that certificate and last word come apart
    let name = ServerName::try_from("wfm.example").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server = ServerConnection::new(handshake.config()).unwrap();
    let mut was_shown = false;
    while server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while let [_, _, _, high, low, ..] = *rest {
            let (record, after) = rest.split_at(5 + usize::from(u16::from_be_bytes([high, low])));
            server.read_tls(&mut &*record).unwrap();
            server.process_new_packets().unwrap();
            rest = after;
            let is_known = handshake.peer(&server).is_some();
            assert_eq!(is_known, !server.is_handshaking());
            was_shown |= server.is_handshaking() && server.peer_certificates().is_some();
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut &wire[..]).unwrap();
        client.process_new_packets().unwrap();
    }
    assert!(was_shown, "the certificate was there before the last word");
}

#[test]
fn tls_1_2_is_spoken_only_when_both_want_it() {
    let authority = Authority::new(&factory());
    let fleet = identity(&authority, &wfm("wfm-1"));
    let device = identity(&authority, &client("wfm-1", "client-1"));
    // a client of TLS 1.2 alone
    let old = || {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let shown = authority.issue(device.id(), Lifetime::default());
        ClientConfig::builder_with_provider(provider.into())
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer))
            .with_client_auth_cert(shown.certificates(), shown.private_key())
            .map(Arc::new)
            .unwrap()
    };
    let end = connect(old(), fleet.server_config().unwrap(), "wfm.example");
    assert!(end.server.is_err(), "TLS 1.2 was spoken");
    let alert = Error::AlertReceived(AlertDescription::ProtocolVersion);
    assert_eq!(end.client, Err(alert));

    let lenient = fleet.clone().with_tls12();
    let end = connect(old(), lenient.server_config().unwrap(), "wfm.example");
    assert!(end.is_good(), "{:?} {:?}", end.client, end.server);
    let version = end.connections.0.protocol_version();
    assert_eq!(version, Some(ProtocolVersion::TLSv1_2));

    // 1.3 stays the choice of those who speak both
    let (end, ..) = meet(&device.clone().with_tls12(), &lenient);
    let version = end.connections.0.protocol_version();
    assert_eq!(version, Some(ProtocolVersion::TLSv1_3));
}

#[test]
fn a_live_configuration_follows_the_bundle() {
    let (old, new) = (Authority::new(&factory()), Authority::new(&factory()));
    let fleet = identity(&old, &wfm("wfm-1"));
    let device = identity(&old, &client("wfm-1", "client-1"));
    let renewed = identity(&new, &client("wfm-1", "client-1"));
    let both = TrustBundle::of_anchors(&[old.anchor(), new.anchor()]).unwrap();
    device.replace_bundle(&both).unwrap();
    renewed.replace_bundle(&both).unwrap();
    let server = fleet.server_config().unwrap();
    let meets = |device: &Identity| {
        let end = connect(
            device.client_config().unwrap(),
            server.clone(),
            "wfm.example",
        );
        end.is_good()
    };
    assert!(meets(&device) && !meets(&renewed));
    fleet.replace_bundle(&new.bundle()).unwrap();
    assert!(!meets(&device) && meets(&renewed));
}

#[test]
fn a_live_configuration_shows_the_renewed_svid() {
    let authority = Authority::new(&factory());
    let clock = Clock::new();
    let fleet = identity(&authority, &wfm("wfm-1")).with_clock(clock.clone());
    let device = identity(&authority, &client("wfm-1", "client-1")).with_clock(clock.clone());
    let (client, server) = (
        device.client_config().unwrap(),
        fleet.server_config().unwrap(),
    );
    let meets = || connect(client.clone(), server.clone(), "wfm.example").is_good();
    assert!(meets());
    clock.advance(DAY + HOUR);
    assert!(!meets());
    let lasting = Lifetime::lasting(3 * DAY);
    let renew = |identity: &Identity| {
        let svid = authority.issue(identity.id(), lasting).svid();
        identity.replace_svid(svid).unwrap();
    };
    renew(&fleet);
    assert!(!meets());
    let refusal = fleet.last_refusal().unwrap();
    let reason = &refusal.reason;
    let part = ChainPart::Leaf;
    let not_after = device.svid().not_after();
    assert_eq!(*reason, SvidError::Expired { part, not_after });
    renew(&device);
    assert!(meets());
    clock.advance(DAY + 21 * HOUR);
    assert!(meets());
}

/// Shows no certificate.
#[derive(Debug)]
struct Nothing;

impl rustls::client::ResolvesClientCert for Nothing {
    fn resolve(
        &self,
        _: &[&[u8]],
        _: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Takes any server; for clients that are out to break rules.
#[derive(Debug)]
struct AnyServer;

impl rustls::client::danger::ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &[rustls_pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[test]
fn servers_keep_no_sessions() {
    let authority = Authority::new(&factory());
    let svid = authority.issue(&wfm("wfm-1"), Lifetime::default()).svid();
    let identity = Identity::new(svid, &authority.bundle()).unwrap();
    for config in [
        identity.server_config().unwrap(),
        identity.server_handshake().unwrap().config(),
    ] {
        assert!(!config.session_storage.can_cache());
        assert!(!config.ticketer.enabled());
    }
}
