//! An authority that issues X.509-SVIDs (rc3.md sections 7.1 and 7.3).

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use margo_types::svid::Svid;
use margo_types::trust::{Anchor, TrustBundle};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What [`Authority::issue_with`] lets a test change.
pub use rcgen;

/// A certificate authority of a trust domain: a root of its own, or an intermediate of one.
///
/// Everything it issues has ECDSA P-256 keys, which every party of Margo supports.
pub struct Authority {
    domain: TrustDomain,
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, as PEM.
    certificate: String,
    /// The root it leads to; the same certificate for a root.
    anchor: Anchor,
    /// The intermediates that a leaf is presented with, its own first, as PEM; none for a root.
    intermediates: String,
}

impl Authority {
    /// A new root, valid from a year ago and for ten years from now.
    pub fn new(domain: &TrustDomain) -> Self {
        let key = key();
        let params = authority_params(&format!("{} root", domain.as_str()));
        let certificate = params.self_signed(&key).expect("a root can be signed");
        Self {
            domain: domain.clone(),
            anchor: anchor(&certificate),
            certificate: certificate.pem(),
            issuer: Issuer::new(params, key),
            intermediates: String::new(),
        }
    }

    /// The root whose certificate and key [`to_pem`](Self::to_pem) gave.
    ///
    /// # Errors
    /// [`InvalidAuthority`] when either cannot be read.
    pub fn from_pem(
        domain: &TrustDomain,
        certificate: &str,
        key: &str,
    ) -> Result<Self, InvalidAuthority> {
        let key = KeyPair::from_pem(key).map_err(InvalidAuthority::Key)?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| InvalidAuthority::Certificate)?;
        Ok(Self {
            domain: domain.clone(),
            anchor: Anchor::from_der(der.to_vec()).map_err(|_| InvalidAuthority::Certificate)?,
            issuer: Issuer::from_ca_cert_der(&der, key)
                .map_err(|_| InvalidAuthority::Certificate)?,
            certificate: certificate.to_owned(),
            intermediates: String::new(),
        })
    }

    /// A new authority below this one. What it issues is presented with its certificate.
    #[must_use]
    pub fn intermediate(&self, name: &str) -> Self {
        let key = key();
        let params = authority_params(name);
        let certificate = self.sign(&params, &key);
        Self {
            domain: self.domain.clone(),
            issuer: Issuer::new(params, key),
            certificate: certificate.pem(),
            anchor: self.anchor.clone(),
            intermediates: certificate.pem() + &self.intermediates,
        }
    }

    /// The trust domain.
    pub const fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The root.
    pub fn anchor(&self) -> Anchor {
        self.anchor.clone()
    }

    /// The trust bundle with the root alone.
    pub fn bundle(&self) -> TrustBundle {
        TrustBundle::of_anchors(&[self.anchor()]).expect("a P-256 key has a JSON Web Key")
    }

    /// The certificate and the private key, as PEM.
    pub fn to_pem(&self) -> (String, String) {
        (self.certificate.clone(), self.issuer.key().serialize_pem())
    }

    /// An SVID of the profile that Margo prescribes.
    pub fn issue(&self, id: &SpiffeId, lifetime: Lifetime) -> IssuedSvid {
        self.issue_leaf(&leaf_params(vec![uri(id)], lifetime))
    }

    /// An SVID of any shape: `change` gets the parameters of a valid one, that of the client `client-1` of the fleet
    /// manager `wfm-1` for a day, and spoils what the test wants spoilt.
    ///
    /// # Panics
    /// When what `change` made cannot be encoded as a certificate at all.
    pub fn issue_with(&self, change: impl FnOnce(&mut CertificateParams)) -> IssuedSvid {
        let id = ClientId::parse("client-1")
            .and_then(|client| SpiffeId::wfm_client(&self.domain, "wfm-1", &client))
            .expect("both ids are path segments");
        let mut params = leaf_params(vec![uri(&id)], Lifetime::default());
        change(&mut params);
        self.issue_leaf(&params)
    }

    /// The certificate of a plain HTTPS server of this DNS name or IP address, for a day.
    ///
    /// # Panics
    /// When the name is neither.
    pub fn issue_tls(&self, name: &str) -> IssuedSvid {
        self.issue_server(&[name], Lifetime::default())
    }

    /// The certificate of a plain HTTPS server of these DNS names and IP addresses.
    ///
    /// # Panics
    /// When a name is neither.
    pub fn issue_server(&self, names: &[&str], lifetime: Lifetime) -> IssuedSvid {
        let name = |name: &&str| match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName((*name).try_into().expect("a DNS name is ASCII")),
        };
        let names = names.iter().map(name).collect();
        self.issue_leaf(&leaf_params(names, lifetime))
    }

    fn issue_leaf(&self, params: &CertificateParams) -> IssuedSvid {
        let key = key();
        let leaf = self.sign(params, &key);
        IssuedSvid {
            chain_pem: leaf.pem() + &self.intermediates,
            key_pem: key.serialize_pem(),
        }
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Certificate {
        params
            .signed_by(key, &self.issuer)
            .expect("the parameters can be encoded as a certificate")
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("domain", &self.domain)
            .field("anchor", &self.anchor)
            .finish_non_exhaustive()
    }
}

/// Why there is no authority in what was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAuthority {
    /// The certificate cannot be read.
    #[error("the certificate of the authority is not one PEM certificate")]
    Certificate,
    /// The key cannot be read.
    #[error("the private key of the authority is not a PEM key")]
    Key(#[source] rcgen::Error),
}

/// A certificate with its chain and private key, as files have them. It does not print the key.
#[derive(Clone)]
#[non_exhaustive]
pub struct IssuedSvid {
    /// The leaf and all intermediates, leaf first, without the root.
    pub chain_pem: String,
    /// The private key, PKCS#8.
    pub key_pem: String,
}

impl IssuedSvid {
    /// The SVID.
    ///
    /// # Panics
    /// When it is none, because a test made it malformed.
    pub fn svid(&self) -> Svid {
        Svid::from_pem(self.chain_pem.as_bytes(), self.key_pem.as_bytes())
            .expect("the authority issued an SVID of the profile")
    }

    /// The certificates, leaf first.
    ///
    /// # Panics
    /// When the text was replaced by something else.
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.chain_pem.as_bytes())
            .collect::<Result<_, _>>()
            .expect("the chain is PEM")
    }

    /// The private key.
    ///
    /// # Panics
    /// When the text was replaced by something else.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).expect("the key is PEM")
    }
}

impl fmt::Debug for IssuedSvid {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("IssuedSvid")
            .field("chain_pem", &self.chain_pem)
            .finish_non_exhaustive()
    }
}

/// From when until when a certificate is valid. A day from now is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Lifetime {
    /// From one instant until another. Certificates count whole seconds.
    pub const fn between(not_before: Timestamp, not_after: Timestamp) -> Self {
        Self {
            not_before,
            not_after,
        }
    }

    /// From five minutes ago until this long from now.
    pub fn lasting(duration: Duration) -> Self {
        let now = Timestamp::now();
        Self::between(now - 5 * MINUTE, now + duration)
    }

    /// Over since an hour ago.
    pub fn expired() -> Self {
        let now = Timestamp::now();
        Self::between(now - DAY, now - HOUR)
    }

    /// Not begun before an hour from now.
    pub fn future() -> Self {
        let now = Timestamp::now();
        Self::between(now + HOUR, now + DAY)
    }
}

impl Default for Lifetime {
    fn default() -> Self {
        Self::lasting(DAY)
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let now = Timestamp::now();
    let mut params = params(name, Lifetime::between(now - YEAR, now + 10 * YEAR));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn uri(id: &SpiffeId) -> SanType {
    SanType::URI(id.as_str().try_into().expect("a SPIFFE ID is ASCII"))
}

fn leaf_params(names: Vec<SanType>, lifetime: Lifetime) -> CertificateParams {
    let mut params = params("margo svid", lifetime);
    params.subject_alt_names = names;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
}

fn params(name: &str, lifetime: Lifetime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = SystemTime::from(lifetime.not_before).into();
    params.not_after = SystemTime::from(lifetime.not_after).into();
    params.use_authority_key_identifier_extension = true;
    params
}

/// A new key. Only a machine without randomness has none.
fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a P-256 key can be made")
}

fn anchor(certificate: &Certificate) -> Anchor {
    Anchor::from_der(certificate.der().to_vec()).expect("a certificate is an anchor")
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(365 * 24);
