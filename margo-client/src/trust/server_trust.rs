//! How a server that is no SVID is authenticated: that of a Margo identity service (rc3.md section 7.5, C17, C24, C25), and
//! a fleet manager of the signed generation (rc1-and-pre-draft.md section 1).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use margo_types::Digest;
use margo_types::trust::Anchor;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use crate::error::{Error, ErrorKind};

/// Whom to take for the server: anchors of a PKI, pinned keys, or both.
///
/// - With anchors, the server's certificate chains to one of them and is for the host in the URL (RFC 9525).
/// - With pins, one of them is the key of the server's certificate or of one that it chains to. A server that is
///   reached by its IP address needs no certificate for that address then.
/// - With both, both hold.
#[derive(Clone, Debug, Default)]
pub struct ServerTrust {
    anchors: Vec<Anchor>,
    pins: Vec<SpkiPin>,
}

impl ServerTrust {
    /// Servers that chain to one of these certificates (PEM), such as those in `/etc/ssl/certs/ca-certificates.crt`.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when there is none, or it cannot be read.
    pub fn anchors(pem: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            anchors: super::pem_anchors(pem)?,
            pins: Vec::new(),
        })
    }

    /// Servers that chain to this certificate.
    pub fn anchor(anchor: Anchor) -> Self {
        Self {
            anchors: vec![anchor],
            pins: Vec::new(),
        }
    }

    /// Servers with one of these keys in their chain.
    pub fn pins(pins: impl IntoIterator<Item = SpkiPin>) -> Self {
        Self::default().and_pins(pins)
    }

    /// The same servers, but only with one of these keys in their chain.
    #[must_use]
    pub fn and_pins(mut self, pins: impl IntoIterator<Item = SpkiPin>) -> Self {
        self.pins.extend(pins);
        self
    }

    /// The keys that trust rests on: of the anchors and of the pins, each as [`SpkiPin`] writes it.
    pub(crate) fn keys(&self) -> BTreeSet<String> {
        let anchors = self.anchors.iter().filter_map(|anchor| {
            let (_, certificate) = X509Certificate::from_der(anchor.as_der()).ok()?;
            Some(SpkiPin::of(&certificate))
        });
        let keys = anchors.chain(self.pins.iter().copied());
        keys.map(|pin| pin.to_string()).collect()
    }

    /// TLS 1.3 without a certificate of one's own.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, Error> {
        if self.anchors.is_empty() && self.pins.is_empty() {
            let message = "nothing says how to recognise the server; give the anchors of its PKI or pins of its keys";
            return Err(Error::new(ErrorKind::Setup, message));
        }
        let mut roots = Vec::new();
        for anchor in &self.anchors {
            let certificate = CertificateDer::from(anchor.as_der());
            let root = anchor_from_trusted_cert(&certificate).map_err(|error| {
                let message = "an anchor for the server is not a certificate that can be used";
                Error::new(ErrorKind::Setup, message).because(error)
            })?;
            roots.push(root.to_owned());
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Verifier {
            roots,
            pins: self.pins.clone(),
            provider: Arc::clone(&provider),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| {
                Error::new(ErrorKind::Setup, "TLS 1.3 is not available").because(error)
            })?;
        Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth())
    }
}

/// The SHA-256 digest of a public key (`subjectPublicKeyInfo` in DER), written in base64.
///
/// `openssl x509 -in cert.pem -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64`
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpkiPin([u8; 32]);

impl SpkiPin {
    /// Reads a pin in base64; `sha256/` before it, as other programs write it, is allowed.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when it is not base64 of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let encoded = text.trim();
        let encoded = encoded.strip_prefix("sha256/").unwrap_or(encoded);
        let bytes = STANDARD.decode(encoded).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| {
                let message = format!(
                    "{text:?} is no pin; write the base64 of the SHA-256 of the key's subjectPublicKeyInfo, 44 characters"
                );
                Error::new(ErrorKind::Setup, message)
            })
    }

    fn of(certificate: &X509Certificate<'_>) -> Self {
        Self(*Digest::of(certificate.public_key().raw).as_bytes())
    }
}

impl std::str::FromStr for SpkiPin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for SpkiPin {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for SpkiPin {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "SpkiPin({self})")
    }
}

/// No presented certificate has a pinned key.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "none of the keys that the server's certificate chains to is pinned; check the URL, or pin its new key"
)]
struct NotPinned;

#[derive(Debug)]
struct Verifier {
    roots: Vec<TrustAnchor<'static>>,
    pins: Vec<SpkiPin>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        presented: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let end_entity = EndEntityCert::try_from(leaf).map_err(refusal)?;
        if self.roots.is_empty() {
            self.verify_pinned(&end_entity, leaf, presented, now)?;
        } else {
            let accept = |path: &webpki::VerifiedPath<'_>| {
                let intermediates = path.intermediate_certificates().map(webpki::Cert::der);
                let mut keys = std::iter::once(leaf.clone()).chain(intermediates);
                let is_pinned = self.pins.is_empty()
                    || keys.any(|der| self.is_pinned(&der))
                    || self.is_pinned_anchor(path.anchor());
                // Another path may lead to a pinned key.
                is_pinned.then_some(()).ok_or(webpki::Error::UnknownIssuer)
            };
            self.verify_chain(&end_entity, &self.roots, presented, now, Some(&accept))?;
        }
        let is_free_of_name = matches!(name, ServerName::IpAddress(_)) && !self.pins.is_empty();
        if is_free_of_name {
            return Ok(());
        }
        end_entity
            .verify_is_valid_for_subject_name(name)
            .map_err(refusal)
    }

    /// Without a PKI, the presented certificates with a pinned key take the place of anchors.
    fn verify_pinned(
        &self,
        end_entity: &EndEntityCert<'_>,
        leaf: &CertificateDer<'_>,
        presented: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        if self.is_pinned(leaf) {
            return check_validity(leaf, now);
        }
        let pinned: Vec<_> = presented.iter().filter(|der| self.is_pinned(der)).collect();
        let mut roots = Vec::new();
        for der in &pinned {
            check_validity(der, now)?;
            roots.push(anchor_from_trusted_cert(der).map_err(refusal)?);
        }
        if roots.is_empty() {
            let reason = OtherError(Arc::new(NotPinned));
            return Err(CertificateError::Other(reason).into());
        }
        self.verify_chain(end_entity, &roots, presented, now, None)
    }

    fn verify_chain(
        &self,
        end_entity: &EndEntityCert<'_>,
        roots: &[TrustAnchor<'_>],
        presented: &[CertificateDer<'_>],
        now: UnixTime,
        accept: Option<&AcceptPath<'_>>,
    ) -> Result<(), rustls::Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let usage = KeyUsage::server_auth();
        end_entity
            .verify_for_usage(algorithms, roots, presented, now, usage, None, accept)
            .map(|_| ())
            .map_err(refusal)
    }

    fn is_pinned(&self, der: &CertificateDer<'_>) -> bool {
        X509Certificate::from_der(der)
            .is_ok_and(|(_, certificate)| self.pins.contains(&SpkiPin::of(&certificate)))
    }

    /// An anchor of a PKI has its key without the outermost DER header.
    fn is_pinned_anchor(&self, anchor: &TrustAnchor<'_>) -> bool {
        let key = der_sequence(&anchor.subject_public_key_info);
        self.pins.contains(&SpkiPin(*Digest::of(&key).as_bytes()))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates, server_name, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn check_validity(der: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
    let validity = certificate.validity();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let is_before = |time: &ASN1Time| now < time.timestamp();
    if is_before(&validity.not_before) {
        return Err(CertificateError::NotValidYet.into());
    }
    if !is_before(&validity.not_after) {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

fn refusal(error: webpki::Error) -> rustls::Error {
    match error {
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        // another authority with the same name
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        webpki::Error::CertNotValidForName(_) => CertificateError::NotValidForName,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    }
    .into()
}

/// The content of a DER sequence with its header.
fn der_sequence(content: &[u8]) -> Vec<u8> {
    let mut der = vec![0x30];
    if content.len() < 0x80 {
        der.extend(u8::try_from(content.len()));
    } else {
        let length = content.len().to_be_bytes();
        let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
        der.extend(u8::try_from(length.len()).map(|count| 0x80 | count));
        der.extend(length);
    }
    der.extend_from_slice(content);
    der
}

/// Whether a path that leads to an anchor is wanted.
type AcceptPath<'a> = dyn Fn(&webpki::VerifiedPath<'_>) -> Result<(), webpki::Error> + 'a;
