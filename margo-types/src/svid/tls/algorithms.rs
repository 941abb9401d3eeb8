//! What is negotiated: versions, suites, signatures (rc3.md sections 7.3 and 7.6; RFC 9325).

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::sign::{Signer, SigningKey};
use rustls::{
    CipherSuite, SignatureAlgorithm, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion, version,
};
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

use crate::TlsVersion;

/// The provider of every configuration; the default of the process has no say.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let all = aws_lc_rs::default_provider();
        Arc::new(CryptoProvider {
            cipher_suites: all.cipher_suites.into_iter().filter(is_allowed).collect(),
            signature_verification_algorithms: HANDSHAKE_SIGNATURES,
            ..all
        })
    });
    Arc::clone(&PROVIDER)
}

/// The versions from this one on.
pub(super) fn versions(minimum: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static NEWEST: [&SupportedProtocolVersion; 1] = [&version::TLS13];
    static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    match minimum {
        TlsVersion::Tls13 => &NEWEST,
        TlsVersion::Tls12 => &BOTH,
    }
}

/// The signatures that a peer is told it may use.
///
/// The older padding of RSA is among them for the certificates of its chain, which TLS 1.3 covers with the same list;
/// in a handshake it is refused (C9).
pub(super) fn offered_schemes() -> Vec<SignatureScheme> {
    let mut schemes = HANDSHAKE_SIGNATURES.supported_schemes();
    schemes.push(SignatureScheme::RSA_PKCS1_SHA256);
    schemes
}

/// A private key that signs handshakes only as the specification has it.
pub(in crate::svid) fn signing_key(
    key: PrivateKeyDer<'static>,
) -> Result<Arc<dyn SigningKey>, rustls::Error> {
    let key = provider().key_provider.load_private_key(key)?;
    Ok(Arc::new(RestrictedKey(key)))
}

/// The signatures in handshakes that are accepted and made.
pub(super) static HANDSHAKE_SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        webpki::aws_lc_rs::ECDSA_P256_SHA256,
        webpki::aws_lc_rs::ECDSA_P384_SHA384,
        webpki::aws_lc_rs::ED25519,
        webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    ],
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[webpki::aws_lc_rs::ECDSA_P256_SHA256],
        ),
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[webpki::aws_lc_rs::ECDSA_P384_SHA384],
        ),
        (SignatureScheme::ED25519, &[webpki::aws_lc_rs::ED25519]),
        (
            SignatureScheme::RSA_PSS_SHA256,
            &[webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
        ),
    ],
};

#[derive(Debug)]
struct RestrictedKey(Arc<dyn SigningKey>);

impl SigningKey for RestrictedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let allowed = |scheme: &SignatureScheme| {
            let mut mapping = HANDSHAKE_SIGNATURES.mapping.iter();
            mapping.any(|(known, _)| known == scheme)
        };
        let both: Vec<_> = offered.iter().copied().filter(allowed).collect();
        self.0.choose_scheme(&both)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.0.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

/// Every suite of TLS 1.3, and those that RFC 9325 section 4.2 recommends for TLS 1.2.
fn is_allowed(suite: &SupportedCipherSuite) -> bool {
    suite.tls13().is_some()
        || matches!(
            suite.suite(),
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
}
