//! Reading one certificate: as much as the profile of an SVID asks about (rc3.md section 7.3).

use std::fmt;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, KeyUsage};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use super::SvidError;
use crate::id::SpiffeId;
use crate::x509::{bits, timestamp};

/// One certificate of a chain.
pub(super) struct Certificate<'c> {
    parsed: X509Certificate<'c>,
    part: ChainPart,
}

impl<'c> Certificate<'c> {
    pub(super) fn read(der: &'c [u8], part: ChainPart) -> Result<Self, SvidError> {
        match X509Certificate::from_der(der) {
            Ok(([], parsed)) => Ok(Self { parsed, part }),
            _ => Err(SvidError::Malformed { part }),
        }
    }

    /// The one URI of its subject alternative names, which is a SPIFFE ID. DNS names beside it do not matter
    /// (rc3.md ambiguity 71).
    pub(super) fn spiffe_id(&self) -> Result<SpiffeId, SvidError> {
        let uris = self.uris()?;
        match uris.as_slice() {
            [] => Err(SvidError::NoUri),
            [uri] => SpiffeId::parse(uri).map_err(SvidError::NotASpiffeId),
            _ => Err(SvidError::ManyUris { count: uris.len() }),
        }
    }

    pub(super) fn not_before(&self) -> Timestamp {
        timestamp(self.parsed.validity().not_before.timestamp())
    }

    pub(super) fn not_after(&self) -> Timestamp {
        timestamp(self.parsed.validity().not_after.timestamp())
    }

    /// That the key is of a kind and size that the specification accepts (C9).
    pub(super) fn check_key(&self) -> Result<(), SvidError> {
        let info = self.parsed.public_key();
        let algorithm = &info.algorithm;
        let found = if algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = algorithm.parameters.as_ref();
            match curve.and_then(|curve| curve.clone().oid().ok()) {
                Some(curve) if curve == OID_EC_P256 || curve == OID_NIST_EC_P384 => return Ok(()),
                _ => "an elliptic curve other than P-256 and P-384".to_owned(),
            }
        } else if algorithm.algorithm == OID_SIG_ED25519 {
            return Ok(());
        } else if algorithm.algorithm == OID_PKCS1_RSAENCRYPTION {
            match info.parsed() {
                Ok(PublicKey::RSA(key)) if bits(key.modulus) >= MIN_RSA_BITS => return Ok(()),
                Ok(PublicKey::RSA(key)) => format!("RSA with {} bits", bits(key.modulus)),
                _ => "a malformed RSA key".to_owned(),
            }
        } else {
            format!("of the algorithm {}", algorithm.algorithm)
        };
        Err(SvidError::Key {
            part: self.part,
            found,
        })
    }

    /// That it is the certificate of an authority: cA true, and not forbidden to sign certificates.
    pub(super) fn check_authority(&self) -> Result<(), SvidError> {
        let may_sign = self.key_usage()?.is_none_or(KeyUsage::key_cert_sign);
        if self.is_authority()? && may_sign {
            return Ok(());
        }
        Err(SvidError::NotAnAuthority { part: self.part })
    }

    /// How many intermediates may follow it at most, if it says so.
    pub(super) fn path_length(&self) -> Option<usize> {
        let constraints = self.parsed.basic_constraints().ok()??;
        let length = constraints.value.path_len_constraint?;
        Some(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// That it is no certificate of an authority, and that TLS may use its key.
    pub(super) fn check_leaf(&self) -> Result<(), SvidError> {
        if self.is_authority()? {
            return Err(SvidError::Authority);
        }
        if let Some(usage) = self.key_usage()? {
            let wrong = if usage.key_cert_sign() {
                Some("allows keyCertSign")
            } else if usage.crl_sign() {
                Some("allows cRLSign")
            } else if !usage.digital_signature() {
                Some("lacks digitalSignature")
            } else {
                None
            };
            if let Some(found) = wrong {
                return Err(SvidError::KeyUsage { found });
            }
        }
        self.check_extended_key_usage()
    }

    /// That the extended key usage, where there is one, allows both sides of TLS.
    ///
    /// SPIFFE X.509-SVID section 4.4 recommends the extension, and wants serverAuth and clientAuth in it when it is
    /// there: an SVID without it is good, one with a single purpose is not. An authority that limits itself to other
    /// purposes vouches for no SVID.
    pub(super) fn check_extended_key_usage(&self) -> Result<(), SvidError> {
        let malformed = |_| SvidError::Malformed { part: self.part };
        match self.parsed.extended_key_usage().map_err(malformed)? {
            Some(usage)
                if !(usage.value.any || usage.value.server_auth && usage.value.client_auth) =>
            {
                Err(SvidError::ExtendedKeyUsage { part: self.part })
            }
            _ => Ok(()),
        }
    }

    fn uris(&self) -> Result<Vec<&str>, SvidError> {
        let malformed = SvidError::Malformed { part: self.part };
        let Ok(names) = self.parsed.subject_alternative_name() else {
            return Err(malformed);
        };
        let names = names.map_or(&[][..], |names| &names.value.general_names);
        let mut uris = Vec::new();
        for name in names {
            match name {
                GeneralName::URI(uri) => uris.push(*uri),
                GeneralName::Invalid(..) => return Err(malformed),
                _ => {}
            }
        }
        Ok(uris)
    }

    fn is_authority(&self) -> Result<bool, SvidError> {
        match self.parsed.basic_constraints() {
            Ok(constraints) => Ok(constraints.is_some_and(|constraints| constraints.value.ca)),
            Err(_) => Err(SvidError::Malformed { part: self.part }),
        }
    }

    fn key_usage(&self) -> Result<Option<&KeyUsage>, SvidError> {
        match self.parsed.key_usage() {
            Ok(usage) => Ok(usage.map(|usage| usage.value)),
            Err(_) => Err(SvidError::Malformed { part: self.part }),
        }
    }
}

/// The SPIFFE ID that the first certificate of a chain names, proved or not.
pub(super) fn claimed_id(chain: &[CertificateDer<'_>]) -> Option<SpiffeId> {
    let leaf = Certificate::read(chain.first()?, ChainPart::Leaf).ok()?;
    leaf.spiffe_id().ok()
}

/// A part of a certificate chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "chains have these three parts")]
pub enum ChainPart {
    /// The certificate of the peer itself.
    Leaf,
    /// A certificate of an authority that the peer presents.
    Intermediate,
    /// A certificate of the trust bundle.
    Anchor,
}

impl fmt::Display for ChainPart {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(match self {
            Self::Leaf => "leaf",
            Self::Intermediate => "intermediate",
            Self::Anchor => "trust anchor",
        })
    }
}

/// The smallest RSA key that is accepted (C9).
const MIN_RSA_BITS: usize = 3072;
