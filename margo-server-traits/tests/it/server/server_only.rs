//! The server of the signed generation, whose clients show no certificate.

use std::error::Error as _;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use margo_conformance::authority::{Authority, IssuedSvid};
use margo_server_traits::server::{
    CertificateFiles, IdentityFilesError, InvalidServerCertificate, Server, ServerCertificate,
    ServerOptions,
};
use margo_types::svid::IdentityError;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::device::Device;
use super::{WhoAmI, domain};

struct Plant {
    authority: Authority,
    certificate: ServerCertificate,
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
    _task: JoinHandle<Result<(), IdentityError>>,
}

impl Plant {
    async fn start() -> Self {
        let authority = Authority::new(&domain());
        let certificate = certificate(&authority.issue_tls("wfm.example"));
        Self::start_with(authority, certificate).await
    }

    async fn start_with(authority: Authority, certificate: ServerCertificate) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = Server::server_only(certificate.clone(), WhoAmI, ServerOptions::default());
        let task = tokio::spawn(server.serve(listener, async {
            _ = stopped.await;
        }));
        Self {
            authority,
            certificate,
            address,
            _stop: stop,
            _task: task,
        }
    }

    async fn connect(&self) -> Device {
        let config = client(&self.authority, &[&version::TLS13]);
        Device::connect_with(self.address, config).await.unwrap()
    }
}

pub(super) fn certificate(issued: &IssuedSvid) -> ServerCertificate {
    ServerCertificate::from_pem(issued.chain_pem.as_bytes(), issued.key_pem.as_bytes()).unwrap()
}

/// A client as a browser is one.
pub(super) fn client(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let (root, _) = authority.to_pem();
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

#[tokio::test]
async fn client_without_certificate_is_nobody_yet() {
    let plant = Plant::start().await;
    let mut device = plant.connect().await;
    for _ in 0..2 {
        assert_eq!(device.ask().await.unwrap().1, "nobody");
    }
}

#[tokio::test]
async fn tls_1_2_is_spoken_when_asked() {
    let plant = Plant::start().await;
    let old = || client(&plant.authority, &[&version::TLS12]);
    assert!(Device::connect_with(plant.address, old()).await.is_err());
    let authority = Authority::new(&domain());
    let tolerant = certificate(&authority.issue_tls("wfm.example")).with_tls12();
    let plant = Plant::start_with(authority, tolerant).await;
    let old = client(&plant.authority, &[&version::TLS12]);
    let mut device = Device::connect_with(plant.address, old).await.unwrap();
    assert_eq!(device.ask().await.unwrap().1, "nobody");
}

#[tokio::test]
async fn a_replaced_certificate_ends_connections_with_their_next_response() {
    let plant = Plant::start().await;
    let mut device = plant.connect().await;
    let (head, _) = device.ask().await.unwrap();
    assert!(!head.contains("connection: close"), "{head}");
    let renewed = plant.authority.issue_tls("wfm.example");
    let (chain, key) = (renewed.chain_pem.as_bytes(), renewed.key_pem.as_bytes());
    assert_eq!(plant.certificate.replace_pem(chain, key), Ok(true));
    assert_eq!(plant.certificate.replace_pem(chain, key), Ok(false));
    let (head, _) = device.ask().await.unwrap();
    assert!(head.contains("connection: close"), "{head}");
    device.closed().await;
    assert!(plant.connect().await.ask().await.is_ok());
}

#[tokio::test]
async fn a_huge_header_is_not_read() {
    let plant = Plant::start().await;
    let mut device = plant.connect().await;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: wfm.example\r\nSignature: {}\r\n\r\n",
        "a".repeat(1 << 20)
    );
    let said = device.exchange(request.as_bytes()).await;
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 431"),
        "{said}"
    );
}

#[test]
fn what_is_no_certificate_is_refused() {
    let authority = Authority::new(&domain());
    let [one, other] = [(); 2].map(|()| authority.issue_tls("wfm.example"));
    for (chain, key, expected) in [
        ("", &*one.key_pem, InvalidServerCertificate::NoCertificate),
        (
            "-----BEGIN CERTIFICATE-----",
            &one.key_pem,
            InvalidServerCertificate::NotPem,
        ),
        (&one.chain_pem, "", InvalidServerCertificate::NoKey),
        (
            &one.chain_pem,
            &one.chain_pem,
            InvalidServerCertificate::NoKey,
        ),
        (
            &one.chain_pem,
            &other.key_pem,
            InvalidServerCertificate::KeyMismatch,
        ),
    ] {
        let refused = ServerCertificate::from_pem(chain.as_bytes(), key.as_bytes());
        assert_eq!(refused.unwrap_err(), expected);
    }
}

#[test]
fn changes_of_files_are_taken_over_when_they_are_whole() {
    let authority = Authority::new(&domain());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |issued: &IssuedSvid, names: &[&str]| {
        for name in names {
            let text = match *name {
                "tls.pem" => &issued.chain_pem,
                _ => &issued.key_pem,
            };
            fs::write(path(name), text).unwrap();
        }
    };
    let files = CertificateFiles::new(path("tls.pem"), path("tls.key"));
    let error = files.load().unwrap_err();
    assert!(matches!(&error, IdentityFilesError::Unreadable { .. }));
    assert!(error.to_string().contains("tls.pem") && error.source().is_some());

    write(&authority.issue_tls("wfm.example"), &["tls.pem", "tls.key"]);
    let mut watch = files.watch().unwrap();
    let certificate = watch.certificate().clone();
    assert!(!watch.poll().unwrap());
    let renewed = authority.issue_tls("wfm.example");
    write(&renewed, &["tls.pem"]);
    let error = watch.poll().unwrap_err();
    assert!(error.to_string().contains("tls.key"), "{error}");
    assert_eq!(certificate.generation(), 0);
    write(&renewed, &["tls.key"]);
    assert!(watch.poll().unwrap());
    assert_eq!(certificate.generation(), 1);
    assert!(!watch.poll().unwrap());
}
