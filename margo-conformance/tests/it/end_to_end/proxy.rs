//! A proxy that ends the TLS connections of clients, and what a fleet manager behind it is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use margo_client::api::Dialect;
use margo_conformance::authority::{Authority, Lifetime};
use margo_server_traits::FleetService;
use margo_server_traits::proxy::ForwardedOrigin;
use margo_server_traits::server::{CertificateFiles, Server};
use margo_server_traits::signed::PublicUrl;
use margo_server_traits::store::Store as _;
use margo_types::status::DeploymentState;
use reqwest::Client;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::files::Plant;
use super::fleet_manager::{FleetManager, database, quick_server, quick_signed};
use super::signed_station::SignedStation;
use super::station::deployment;

#[tokio::test]
async fn behind_a_trusted_proxy_the_forwarded_host_is_what_was_signed() {
    let plant = Plant::new();
    let wfm = FleetManager::start(&plant).await;
    for is_trusted in [false, true] {
        let service = ForwardedOrigin::new(wfm.service.clone(), move |_| is_trusted);
        let behind = Backend::start(&plant, service).await;
        let proxy = Proxy::start(&plant.authority, behind.address, Header::Forwarded).await;
        let name = if is_trusted { "line-1" } else { "line-2" };
        let line = SignedStation::new(&plant, name, Dialect::COMMON);
        let agent = line.start(&proxy.url()).await;
        if is_trusted {
            wfm.approve(name).await;
            wfm.publish(name, &[deployment(1, "1.0")]).await;
            agent.until_installed(&[1]).await;
            wfm.until_reported(name, 1, &DeploymentState::Installed)
                .await;
        } else {
            let failed = agent.until("refused", |it| it.last_error.is_some()).await;
            let why = format!("{:?}", failed.last_error);
            assert!(why.contains("signature"), "{why}");
            assert!(wfm.store.enrolments(None).await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn behind_a_silent_proxy_the_public_url_is_what_was_signed() {
    let plant = Plant::new();
    let keys = plant.wfm_keys();
    let listener = Proxy::listen().await;
    let outer = format!("https://{}", listener.local_addr().unwrap());
    let mut signed = quick_signed();
    signed.public_urls = vec![PublicUrl::parse(&outer).unwrap()];
    let wfm = FleetManager::start_on(&keys, &database(&plant), [0, 0], signed).await;
    let proxy = Proxy::over(listener, &plant.authority, wfm.signed_address, Header::None);
    let line = SignedStation::new(&plant, "line-1", Dialect::COMMON);
    let agent = line.start(&proxy.url()).await;
    wfm.approve("line-1").await;
    wfm.publish("line-1", &[deployment(1, "1.0")]).await;
    agent.until_installed(&[1]).await;
}

/// A listener of the fleet manager that only the proxy knows.
struct Backend {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Backend {
    async fn start(plant: &Plant, service: ForwardedOrigin<FleetService>) -> Self {
        let [certificate, key, _] = plant.wfm_keys().tls_paths();
        let certificate = CertificateFiles::new(certificate, key).load().unwrap();
        let listener = Proxy::listen().await;
        let address = listener.local_addr().unwrap();
        let server = Server::server_only(certificate, service, quick_server());
        let serving = tokio::spawn(async move {
            server
                .serve(listener, std::future::pending())
                .await
                .unwrap();
        });
        Self { address, serving }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What the proxy says of the host that it was asked for.
#[derive(Clone, Copy)]
enum Header {
    Forwarded,
    None,
}

struct Proxy {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Proxy {
    async fn listen() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    async fn start(authority: &Authority, backend: SocketAddr, header: Header) -> Self {
        Self::over(Self::listen().await, authority, backend, header)
    }

    fn over(
        listener: TcpListener,
        authority: &Authority,
        backend: SocketAddr,
        header: Header,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let issued = authority.issue_server(&["127.0.0.1"], Lifetime::default());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(issued.certificates(), issued.private_key())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        // Whom it speaks to is not what is tested here.
        let client = Client::builder()
            .no_proxy()
            .tls_danger_accept_invalid_certs(true)
            .build()
            .unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, client) = (acceptor.clone(), client.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(|request| {
                        let client = client.clone();
                        async move {
                            Ok::<_, Infallible>(pass_on(client, backend, header, request).await)
                        }
                    });
                    let connection = http1::Builder::new();
                    let _ = connection
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, serving }
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Asks the backend under its own name.
async fn pass_on(
    client: Client,
    backend: SocketAddr,
    header: Header,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let url = format!("https://{backend}{}", parts.uri.path_and_query().unwrap());
    let mut headers = parts.headers;
    let host = headers.remove("host").unwrap();
    if matches!(header, Header::Forwarded) {
        let forwarded = format!(
            "for=127.0.0.1;proto=https;host=\"{}\"",
            host.to_str().unwrap()
        );
        headers.insert("forwarded", forwarded.parse().unwrap());
    }
    let body = body.collect().await.unwrap().to_bytes();
    let asked = client
        .request(parts.method, url)
        .headers(headers)
        .body(body);
    let answer = asked.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    response
        .body(Full::new(answer.bytes().await.unwrap()))
        .unwrap()
}
