//! A device of the signed generation that does what a test says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use margo_conformance::authority::rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use margo_types::auth::RequestParts;
use margo_types::deployment::ApplicationDeployment;
use margo_types::manifest::StateManifest;
use margo_types::signature::{Signing, SigningKey};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::support::{Place, Running};

/// A key with a certificate, and the fleet manager it talks to.
pub(crate) struct Signer {
    key: SigningKey,
    /// Its certificate.
    pub(crate) pem: String,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    runtime: Runtime,
}

impl Signer {
    /// With a self-signed certificate.
    pub(crate) fn new(place: &Place, wfm: &Running, subject: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params(subject).self_signed(&key).unwrap();
        Self::with(place, wfm, &key, certificate.pem())
    }

    /// With one that the development authority has issued.
    pub(crate) fn issued(place: &Place, wfm: &Running, subject: &str) -> Self {
        let read = |name: &str| {
            std::fs::read_to_string(place.path(&format!("development-identity/{name}"))).unwrap()
        };
        let authority = KeyPair::from_pem(&read("development-ca-key.pem")).unwrap();
        let root = CertificateDer::from_pem_slice(read("development-ca.pem").as_bytes()).unwrap();
        let issuer = Issuer::from_ca_cert_der(&root, authority).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params(subject).signed_by(&key, &issuer).unwrap();
        Self::with(place, wfm, &key, certificate.pem())
    }

    fn with(place: &Place, wfm: &Running, key: &KeyPair, pem: String) -> Self {
        let root = std::fs::read(place.path("development-identity/development-ca.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&root).unwrap())
            .unwrap();
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            key: SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap(),
            pem,
            address: signed_address(wfm),
            tls: Arc::new(tls),
            runtime: Runtime::new().unwrap(),
        }
    }

    /// The same device, after the fleet manager was started again.
    pub(crate) fn follow(&mut self, wfm: &Running) {
        self.address = signed_address(wfm);
    }

    /// Asks to be enrolled; gives status and body.
    pub(crate) fn ask(&self) -> (u16, Value) {
        let body = json!({
            "apiVersion": "onboarding.margo.org/v1alpha1",
            "kind": "OnboardingRequest",
            "certificate": self.pem,
        });
        let (status, body) = self.send("POST", "/api/v1/onboarding", Some(&body));
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Asks to be enrolled, and is.
    pub(crate) fn enrol(&self) -> String {
        let (status, body) = self.ask();
        assert!(matches!(status, 200 | 201), "{status}: {body}");
        body["clientId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn report_capabilities(&self, client: &str, device: &str) -> u16 {
        let body = json!({
            "apiVersion": "device.margo.org/v1alpha1",
            "kind": "DeviceCapabilitiesManifest",
            "properties": {
                "id": device, "vendor": "Example Devices", "modelNumber": "P-1", "serialNumber": "0101",
                "roles": ["Standalone Device"],
                "resources": {
                    "cpu": {"cores": 2, "architecture": "arm64"}, "memory": "2Gi", "storage": "16Gi",
                    "peripherals": [], "interfaces": [{"type": "wifi"}],
                },
            },
        });
        let path = format!("/api/v1/clients/{client}/capabilities");
        self.send("POST", &path, Some(&body)).0
    }

    /// The status of a poll.
    pub(crate) fn poll(&self, client: &str) -> u16 {
        let path = format!("/api/v1/clients/{client}/deployments");
        self.send("GET", &path, None).0
    }

    pub(crate) fn manifest(&self, client: &str) -> StateManifest {
        let path = format!("/api/v1/clients/{client}/deployments");
        let (status, body) = self.send("GET", &path, None);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        margo_types::read::<StateManifest>(&body)
            .unwrap()
            .into_value()
    }

    /// The one deployment of a client, as it is fetched, and its text.
    pub(crate) fn deployment(&self, client: &str) -> (ApplicationDeployment, String) {
        let manifest = self.manifest(client);
        assert_eq!(manifest.deployments.len(), 1);
        let (status, body) = self.send("GET", &manifest.deployments[0].url, None);
        assert_eq!(status, 200);
        let text = String::from_utf8(body.to_vec()).unwrap();
        (margo_types::read(&body).unwrap().into_value(), text)
    }

    pub(crate) fn report(&self, client: &str, deployment: &str, state: &str) -> u16 {
        let body = json!({
            "apiVersion": "deployment.margo.org/v1alpha1",
            "kind": "DeploymentStatusManifest",
            "deploymentId": deployment,
            "status": {"state": state},
            "components": [{"name": "lamp", "state": state}],
        });
        let path = format!("/api/v1/clients/{client}/deployments/{deployment}/status");
        self.send("POST", &path, Some(&body)).0
    }

    /// Gets something without signing.
    pub(crate) fn get_unsigned(&self, path: &str) -> (u16, Value) {
        let request = Request::get(path).header("host", self.address.to_string());
        let request = request.body(Full::default()).unwrap();
        let (status, body) = self.exchange(request);
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Bytes) {
        let body = body.map_or(Bytes::new(), |body| Bytes::from(body.to_string()));
        let target = format!("https://{}{path}", self.address);
        let parts = RequestParts::new(method, &target, |_| vec![]);
        let headers = Signing::new(&self.key, Timestamp::now())
            .sign(&parts, &body)
            .unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string());
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers.iter() {
            request = request.header(name, value);
        }
        self.exchange(request.body(Full::new(body)).unwrap())
    }

    fn exchange(&self, request: Request<Full<Bytes>>) -> (u16, Bytes) {
        let exchange = async {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let stream = TlsConnector::from(self.tls.clone())
                .connect(name, stream)
                .await
                .unwrap();
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            let connection = tokio::spawn(connection);
            let response = sender.send_request(request).await.unwrap();
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            connection.abort();
            (status, body)
        };
        let limited = async { tokio::time::timeout(LIMIT, exchange).await };
        self.runtime.block_on(limited).unwrap()
    }
}

fn signed_address(wfm: &Running) -> SocketAddr {
    wfm.ready["signedAddress"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

fn params(subject: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, subject);
    params
}

const LIMIT: Duration = Duration::from_mins(1);
