//! Devices of the signed generation (rc1-and-pre-draft.md sections 3 and 6.4): they only poll, and sign every poll.

use std::sync::Arc;

use jiff::Timestamp;
use margo_types::auth::RequestParts;
use margo_types::endpoint::{PathCaller, Route};
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use margo_types::signature::{Signing, SigningKey};
use margo_types::{InvalidText, SpecVersion, media_type};
use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore, version};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::drive::head;
use super::fault::Fault;
use super::{Settings, SimulatedDevice, Target};
use crate::authority::Authority;

/// What a device signs with.
#[derive(Debug)]
pub(super) struct Identity {
    key: SigningKey,
    certificate: Certificate,
}

impl SimulatedDevice {
    /// So many devices that sign, with keys (ECDSA P-256) and certificates of their own: `prefix-1`, `prefix-2` and so on.
    /// They know a fleet manager by a certificate of this authority.
    ///
    /// # Errors
    /// When the prefix cannot be part of a client id.
    ///
    /// # Panics
    /// On a machine without randomness.
    pub fn issue_signed(
        authority: &Authority,
        prefix: &str,
        count: usize,
    ) -> Result<Vec<Self>, InvalidText> {
        let tls = Arc::new(client_config(authority));
        let issue = |number| {
            Ok(Self {
                client: ClientId::parse(&format!("{prefix}-{number}"))?,
                tls: Arc::clone(&tls),
                identity: None,
                signs_as: Some(Arc::new(Identity::issue())),
            })
        };
        (1..=count).map(issue).collect()
    }

    /// The certificate to enrol the device with, if it signs.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.signs_as.as_ref().map(|identity| &identity.certificate)
    }
}

impl Identity {
    fn issue() -> Self {
        let key =
            KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a P-256 key can be made");
        let certificate = CertificateParams::default()
            .self_signed(&key)
            .expect("a certificate can be signed");
        Self {
            key: SigningKey::from_pem(key.serialize_pem().as_bytes())
                .expect("the key is PEM of P-256"),
            certificate: Certificate::from_der(certificate.der())
                .expect("the certificate is one DER object"),
        }
    }

    /// A poll that is signed now.
    pub(super) fn poll(
        &self,
        client: &ClientId,
        target: &Target,
        settings: &Settings,
        tag: Option<&str>,
    ) -> Result<Vec<u8>, Fault> {
        let malformed = |error: &dyn std::fmt::Display| Fault::malformed(&error.to_string());
        let caller = PathCaller::Client(client.clone());
        let path = Route::Manifest.path(SpecVersion::Rc1, &caller);
        let path = path.map_err(|error| malformed(&error))?;
        let uri = format!("https://{}{}{path}", target.host, target.prefix);
        let signed = Signing::new(&self.key, Timestamp::now())
            .sign(&RequestParts::new("GET", &uri, |_| vec![]), b"")
            .map_err(|error| malformed(&error))?;

        let mut request = head(target, settings, "GET", &path);
        let mut line = |name: &str, value: &str| request.extend([name, ": ", value, "\r\n"]);
        line("Accept", media_type::MANIFEST);
        if let Some(tag) = tag {
            line("If-None-Match", tag);
        }
        for (name, value) in signed.iter() {
            line(name, value);
        }
        request.push_str("\r\n");
        Ok(request.into_bytes())
    }
}

fn client_config(authority: &Authority) -> ClientConfig {
    let root = CertificateDer::from_pem_slice(authority.to_pem().0.as_bytes())
        .expect("the authority has a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("the certificate is an anchor");
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .expect("the provider has suites for TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
