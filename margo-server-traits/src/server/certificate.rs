//! The certificate of a server whose clients have none: that of the signed generation (rc1-and-pre-draft.md section 1).

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use margo_types::TlsVersion;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// An ordinary server certificate with its private key, replaceable while connections are open. Clones share it.
///
/// Clients recognise it by host name and root certificate, as browsers do; they are not asked for one of their own. TLS 1.3
/// unless asked otherwise. It does not print the key.
#[derive(Clone)]
pub struct ServerCertificate {
    current: Arc<ArcSwap<Current>>,
    config: Arc<ServerConfig>,
}

impl ServerCertificate {
    /// Reads the chain (PEM, leaf first, then all intermediates) and the private key (PEM: PKCS#8, SEC1 or PKCS#1).
    ///
    /// # Errors
    /// [`InvalidServerCertificate`] when either cannot be read, or the key is not the leaf's. Expiry and host names are not
    /// looked at.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, InvalidServerCertificate> {
        let current = Arc::new(ArcSwap::from_pointee(Current {
            certified: Arc::new(read(chain, key)?),
            generation: 0,
        }));
        Ok(Self {
            config: Arc::new(config(&current, TlsVersion::Tls13)),
            current,
        })
    }

    /// Also speaks TLS 1.2 with clients that do not speak 1.3 (rc1-and-pre-draft.md ambiguity 18). Not the default.
    #[must_use]
    pub fn with_tls12(self) -> Self {
        Self {
            config: Arc::new(config(&self.current, TlsVersion::Tls12)),
            ..self
        }
    }

    /// Shows this certificate from the next handshake on; true when it is another than before.
    ///
    /// # Errors
    /// As for [`from_pem`](Self::from_pem). The old one stays then.
    pub fn replace_pem(&self, chain: &[u8], key: &[u8]) -> Result<bool, InvalidServerCertificate> {
        let certified = Arc::new(read(chain, key)?);
        let before = self.current.rcu(|current| {
            let is_new = current.certified.cert != certified.cert;
            Current {
                certified: Arc::clone(&certified),
                generation: current.generation + u64::from(is_new),
            }
        });
        Ok(before.certified.cert != certified.cert)
    }

    /// Rises with every change; a connection made under a lower number should be replaced soon.
    pub fn generation(&self) -> u64 {
        self.current.load().generation
    }

    /// How connections are accepted.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("ServerCertificate")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

/// Why there is no server certificate in what was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidServerCertificate {
    /// The text is cut off or not PEM.
    #[error("the text is not well-formed PEM; check that it was copied as a whole")]
    NotPem,
    /// There is no certificate.
    #[error("there is no certificate; give the PEM of the leaf and of all intermediates")]
    NoCertificate,
    /// There is no private key.
    #[error("there is no private key; give the PEM of one, unencrypted (PKCS#8, SEC1 or PKCS#1)")]
    NoKey,
    /// The private key cannot be used.
    #[error("the private key cannot be used; give one of ECDSA P-256 or P-384, Ed25519, or RSA")]
    UnusableKey,
    /// The private key is not that of the first certificate, or that is none.
    #[error(
        "the private key is not that of the first certificate; give both of the same server, leaf first"
    )]
    KeyMismatch,
}

impl InvalidServerCertificate {
    /// Whether the private key is to blame, and not the certificates.
    pub(super) const fn is_about_key(&self) -> bool {
        matches!(self, Self::NoKey | Self::UnusableKey | Self::KeyMismatch)
    }
}

/// What is replaced as one.
#[derive(Debug)]
struct Current {
    certified: Arc<CertifiedKey>,
    generation: u64,
}

/// Shows what is current when a handshake takes place.
#[derive(Debug)]
struct CurrentCertificate(Arc<ArcSwap<Current>>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

fn read(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, InvalidServerCertificate> {
    type Invalid = InvalidServerCertificate;
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Invalid::NotPem)?;
    if chain.is_empty() {
        return Err(Invalid::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
        pem::Error::NoItemsFound => Invalid::NoKey,
        _ => Invalid::NotPem,
    })?;
    let key = provider().key_provider.load_private_key(key);
    let certified = CertifiedKey::new(chain, key.map_err(|_| Invalid::UnusableKey)?);
    certified.keys_match().map_err(|_| Invalid::KeyMismatch)?;
    Ok(certified)
}

fn config(current: &Arc<ArcSwap<Current>>, minimum: TlsVersion) -> ServerConfig {
    let versions: &[_] = match minimum {
        TlsVersion::Tls12 => &[&version::TLS13, &version::TLS12],
        _ => &[&version::TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .expect("the provider has suites for every version")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(CurrentCertificate(Arc::clone(current))));
    // As with SVIDs, no connection outlives the certificate it was made with by a ticket.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.require_ems = true;
    config
}

/// The default of the process has no say.
fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}
