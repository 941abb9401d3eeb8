//! The processes of ours and of the bare responder: ports on standard output, and the end with standard input.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use margo_conformance::load::SimulatedDevice;
use margo_server_traits::publish::Publisher;
use margo_server_traits::server::{CertificateFiles, Server, ServerOptions};
use margo_server_traits::signed::{ReplayCache, SignedOptions};
use margo_server_traits::store::{
    ClientRecord, EnrolmentChange, EnrolmentRecord, SqliteStore, Store as _,
};
use margo_server_traits::{Fleet, FleetService, StoreFleet};
use margo_types::manifest::{ManifestVersion, StateManifest};
use margo_types::svid::{Identity, Svid};
use margo_types::trust::TrustBundle;
use margo_types::{Digest, SpecVersion, media_type};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::{Failure, file};

/// The first argument of such a process; then come what to serve, the directory of the bench, and the store.
pub(crate) const COMMAND: &str = "serve";

pub(crate) fn main(mut arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let (Some(name), Some(place), Some(store)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("serve what?".into());
    };
    let runtime = runtime()?;
    let bind = || runtime.block_on(TcpListener::bind(("127.0.0.1", 0)));
    let (listener, signed) = (bind()?, bind()?);
    let ports = [listener.local_addr()?.port(), signed.local_addr()?.port()];
    println!("{} {}", ports[0], ports[1]);
    let place = Path::new(&place).to_owned();
    runtime.spawn(async move {
        let served = match &*name {
            "ours" => ours(listener, &place, store.as_ref()).await,
            BOTH => both(listener, signed, &place, store.as_ref()).await,
            _ => bare(listener, &place).await,
        };
        if let Err(error) = served {
            eprintln!("{name}: {error}");
        }
    });
    _ = std::io::stdin().read_to_end(&mut Vec::new());
    runtime.shutdown_background();
    Ok(())
}

/// A server of both generations.
pub(crate) const BOTH: &str = "both";

/// A store with a record and a publication for each of these clients.
pub(crate) fn fill(store: &Path, devices: &[SimulatedDevice]) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let store = Arc::new(SqliteStore::open(store).await?);
        let publisher = Publisher::new(store.clone());
        for device in devices {
            let client = device.client();
            let record = ClientRecord::new(client.clone(), true);
            match device.certificate() {
                None => store.put_client(&record).await?,
                Some(certificate) => {
                    let enrolment = EnrolmentRecord::new(certificate, Timestamp::now())?;
                    let enrolment = enrolment.accepted_for(client.clone());
                    let mut change = EnrolmentChange::new(None, Some(enrolment));
                    change.client = Some((None, record.speaking(SpecVersion::Rc1)));
                    store.change_enrolment(&change).await?;
                }
            }
            publisher.head(client).await?;
        }
        store.close().await;
        Ok(())
    })
}

async fn ours(listener: TcpListener, place: &Path, store: &OsStr) -> Result<(), Failure> {
    let identity = identity(place)?;
    let fleet = fleet(store).await?;
    let service = FleetService::new(identity.id().clone(), Fleet::of(fleet));
    let server = Server::new(identity, service, options());
    server.serve(listener, std::future::pending()).await?;
    Ok(())
}

/// One service on two listeners.
async fn both(
    listener: TcpListener,
    signed: TcpListener,
    place: &Path,
    store: &OsStr,
) -> Result<(), Failure> {
    let identity = identity(place)?;
    let certificate = CertificateFiles::new(file(place, "tls.pem"), file(place, "tls-key.pem"));
    let certificate = certificate.load()?;
    let fleet = fleet(store).await?;
    let mut demanded = SignedOptions::default();
    // Without pause, devices send more within five minutes than any has reason to.
    demanded.replays = Arc::new(ReplayCache::new(1 << 20));
    let service = FleetService::new(identity.id().clone(), Fleet::of(fleet.clone()))
        .with_enrolment(fleet, demanded);
    let mutual = Server::new(identity, service.clone(), options());
    let server_only = Server::server_only(certificate, service, options());
    tokio::try_join!(
        mutual.serve(listener, std::future::pending()),
        server_only.serve(signed, std::future::pending()),
    )?;
    Ok(())
}

fn identity(place: &Path) -> Result<Identity, Failure> {
    let read = |name| std::fs::read(file(place, name));
    let svid = Svid::from_pem(&read("wfm.pem")?, &read("wfm-key.pem")?)?;
    let bundle = margo_types::read::<TrustBundle>(&read("bundle.json")?)?;
    Ok(Identity::new(svid, bundle.value())?)
}

async fn fleet(store: &OsStr) -> Result<Arc<StoreFleet>, Failure> {
    let store = Arc::new(SqliteStore::open(Path::new(store)).await?);
    Ok(Arc::new(StoreFleet::new(store)))
}

fn options() -> ServerOptions {
    let mut options = ServerOptions::default();
    options.max_connections = 12_000;
    options
}

/// A manifest without deployments.
pub(crate) fn manifest() -> Result<Vec<u8>, Failure> {
    let manifest = StateManifest::new(ManifestVersion::FIRST, None, Vec::new());
    Ok(margo_types::write(&manifest, SpecVersion::Rc3)?)
}

/// Answers everything with 304 that has any tag at all; the first answer to a device needs a manifest.
async fn bare(listener: TcpListener, place: &Path) -> Result<(), Failure> {
    let acceptor = TlsAcceptor::from(Arc::new(bare_config(place)?));
    let manifest = Bytes::from(manifest()?);
    let tag = HeaderValue::from_str(&Digest::of(&manifest).to_etag())?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, manifest, tag) = (acceptor.clone(), manifest.clone(), tag.clone());
        tokio::spawn(async move {
            _ = stream.set_nodelay(true);
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(async |request: Request<Incoming>| {
                let mut response = Response::new(Full::default());
                if request.headers().contains_key(IF_NONE_MATCH) {
                    *response.status_mut() = StatusCode::NOT_MODIFIED;
                } else {
                    *response.body_mut() = Full::new(manifest.clone());
                    let media_type = HeaderValue::from_static(media_type::MANIFEST);
                    response.headers_mut().insert(CONTENT_TYPE, media_type);
                }
                response.headers_mut().insert(ETAG, tag.clone());
                let cache_control = HeaderValue::from_static("no-cache");
                response.headers_mut().insert(CACHE_CONTROL, cache_control);
                Ok::<_, Infallible>(response)
            });
            _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn bare_config(place: &Path) -> Result<ServerConfig, Failure> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file(place, "root.pem"))?)?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build()?;
    let chain = CertificateDer::pem_file_iter(file(place, "wfm.pem"))?.collect::<Result<_, _>>()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            chain,
            PrivateKeyDer::from_pem_file(file(place, "wfm-key.pem"))?,
        )?;
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
}

const WORKERS: usize = 2;
