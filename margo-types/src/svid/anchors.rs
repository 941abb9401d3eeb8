//! Trust anchors, read once.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, VerifiedPath};

use super::certificate::Certificate;
use super::{ChainPart, SvidError};
use crate::trust::Anchor;

/// The anchors of a trust domain, ready for building chains to them.
#[derive(Debug)]
pub(super) struct AnchorSet {
    anchors: Arc<[Anchor]>,
    /// One per anchor, in the same order.
    trusted: Vec<TrustAnchor<'static>>,
    facts: Vec<AnchorFacts>,
}

/// What a chain that was verified stands on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Footing {
    /// Which of its certificates expires first, and when.
    pub(super) end: (ChainPart, Timestamp),
    /// Who vouches for it; `None` when nobody has to.
    pub(super) authority: Option<Arc<TrustAnchor<'static>>>,
}

/// What building a chain does not look at, but the specification does: anchors expire too, and bind what they issue.
#[derive(Debug)]
struct AnchorFacts {
    /// Its name, key and constraints.
    authority: Arc<TrustAnchor<'static>>,
    not_before: Timestamp,
    not_after: Timestamp,
    /// How many intermediates may follow it at most, if it says so.
    path_length: Option<usize>,
    /// What makes it unusable at any time.
    fault: Option<SvidError>,
}

impl AnchorSet {
    /// Reads the anchors.
    ///
    /// # Errors
    /// The position of the first that is not a certificate.
    pub(super) fn read(anchors: impl Into<Arc<[Anchor]>>) -> Result<Self, usize> {
        let anchors = anchors.into();
        let mut trusted = Vec::with_capacity(anchors.len());
        let mut facts = Vec::with_capacity(anchors.len());
        for (position, anchor) in anchors.iter().enumerate() {
            let certificate =
                Certificate::read(anchor.as_der(), ChainPart::Anchor).map_err(|_| position)?;
            let der = CertificateDer::from(anchor.as_der());
            let trust_anchor = webpki::anchor_from_trusted_cert(&der).map_err(|_| position)?;
            trusted.push(trust_anchor.to_owned());
            facts.push(AnchorFacts {
                authority: Arc::new(trust_anchor.to_owned()),
                not_before: certificate.not_before(),
                not_after: certificate.not_after(),
                path_length: certificate.path_length(),
                fault: certificate
                    .check_key()
                    .and_then(|()| certificate.check_authority())
                    .err(),
            });
        }
        Ok(Self {
            anchors,
            trusted,
            facts,
        })
    }

    pub(super) fn anchors(&self) -> &Arc<[Anchor]> {
        &self.anchors
    }

    /// Whether these are the same anchors, in whatever order.
    pub(super) fn is_same_set(&self, other: &Self) -> bool {
        self.anchors.len() == other.anchors.len()
            && self
                .anchors
                .iter()
                .all(|anchor| other.anchors.contains(anchor))
    }

    /// Builds a chain from a leaf to any of the anchors that is valid now, give or take [`CLOCK_SKEW`].
    pub(super) fn chain(
        &self,
        chain: &[CertificateDer<'_>],
        leaf: &Certificate<'_>,
        now: Timestamp,
    ) -> Result<Footing, SvidError> {
        if self.trusted.is_empty() {
            return Err(SvidError::NoAnchors);
        }
        // What is valid in one instant near now is valid: every certificate in the same one.
        let near = match self.chain_at(chain, leaf, now) {
            Err(SvidError::Expired { not_after, .. })
                if now.duration_since(not_after) <= CLOCK_SKEW =>
            {
                now.checked_sub(CLOCK_SKEW)
            }
            Err(SvidError::NotYetValid { not_before, .. })
                if not_before.duration_since(now) <= CLOCK_SKEW =>
            {
                now.checked_add(CLOCK_SKEW)
            }
            result => return result,
        };
        match near {
            Ok(near) => self.chain_at(chain, leaf, near),
            Err(_) => Err(SvidError::NoTime),
        }
    }

    /// Whether a chain that was verified earlier still has something to stand on: nothing in it has expired, give or take
    /// [`CLOCK_SKEW`], and the authority that vouches for it is still trusted.
    pub(super) fn carry(&self, footing: &Footing, now: Timestamp) -> Result<(), SvidError> {
        let (part, not_after) = footing.end;
        if now.duration_since(not_after) > CLOCK_SKEW {
            return Err(SvidError::Expired { part, not_after });
        }
        let Some(authority) = &footing.authority else {
            return Ok(());
        };
        let is_trusted = self.trusted.contains(authority.as_ref());
        is_trusted.then_some(()).ok_or(SvidError::UnknownIssuer)
    }

    fn chain_at(
        &self,
        chain: &[CertificateDer<'_>],
        leaf: &Certificate<'_>,
        at: Timestamp,
    ) -> Result<Footing, SvidError> {
        let (first, intermediates) = chain.split_first().ok_or(SvidError::NoCertificate)?;
        let end_entity = EndEntityCert::try_from(first).map_err(|error| named(error, leaf))?;
        // Every path is looked at before it is taken, so that a bad one does not hide a good one.
        let fault = RefCell::new(None);
        let is_acceptable = |path: &VerifiedPath<'_>| {
            self.check_path(path, at).map_err(|error| {
                fault.replace(Some(error));
                webpki::Error::UnknownIssuer
            })
        };
        let result = end_entity.verify_for_usage(
            ALGORITHMS,
            &self.trusted,
            intermediates,
            unix_time(at),
            AnyUsage,
            None,
            Some(&is_acceptable),
        );
        match result {
            Ok(path) => {
                leaf.check_key()?;
                Ok(self.footing(&path, leaf))
            }
            Err(error) => Err(fault.take().unwrap_or_else(|| named(error, leaf))),
        }
    }

    fn check_path(&self, path: &VerifiedPath<'_>, at: Timestamp) -> Result<(), SvidError> {
        let facts = self.facts_of(path).ok_or(SvidError::UnknownIssuer)?;
        facts.check(at)?;
        let depth = path.intermediate_certificates().count();
        if facts.path_length.is_some_and(|longest| depth > longest) {
            let part = ChainPart::Anchor;
            return Err(SvidError::NotAnAuthority { part });
        }
        for certificate in path.intermediate_certificates() {
            let der = certificate.der();
            let intermediate = Certificate::read(&der, ChainPart::Intermediate)?;
            intermediate.check_key()?;
            intermediate.check_authority()?;
            intermediate.check_extended_key_usage()?;
        }
        Ok(())
    }

    fn footing(&self, path: &VerifiedPath<'_>, leaf: &Certificate<'_>) -> Footing {
        let anchor = self.facts_of(path);
        let intermediates = path.intermediate_certificates().filter_map(|certificate| {
            let der = certificate.der();
            let read = Certificate::read(&der, ChainPart::Intermediate).ok()?;
            Some((ChainPart::Intermediate, read.not_after()))
        });
        let end = intermediates
            .chain(anchor.map(|anchor| (ChainPart::Anchor, anchor.not_after)))
            .fold((ChainPart::Leaf, leaf.not_after()), |first, next| {
                if next.1 < first.1 { next } else { first }
            });
        let authority = anchor.map(|anchor| Arc::clone(&anchor.authority));
        Footing { end, authority }
    }

    fn facts_of(&self, path: &VerifiedPath<'_>) -> Option<&AnchorFacts> {
        let position = self
            .trusted
            .iter()
            .position(|trusted| std::ptr::eq(trusted, path.anchor()))?;
        self.facts.get(position)
    }
}

impl AnchorFacts {
    fn check(&self, at: Timestamp) -> Result<(), SvidError> {
        let part = ChainPart::Anchor;
        if at < self.not_before {
            let not_before = self.not_before;
            return Err(SvidError::NotYetValid { part, not_before });
        }
        if at > self.not_after {
            let not_after = self.not_after;
            return Err(SvidError::Expired { part, not_after });
        }
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }
}

/// Extended key usage is looked at where the role of a certificate is known.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// By how much two clocks may differ (rc3.md section 7.6 allows a small bounded skew).
pub(super) const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// The signatures that certificates may have (C8, C9). RSA comes in both paddings, the older with its parameters
/// spelled out or absent.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::aws_lc_rs::ECDSA_P256_SHA256,
    webpki::aws_lc_rs::ECDSA_P384_SHA384,
    webpki::aws_lc_rs::ED25519,
    webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
];

fn unix_time(at: Timestamp) -> UnixTime {
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// The time of the TLS library as a timestamp.
pub(super) fn timestamp(time: UnixTime) -> Timestamp {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}

/// An error of building a chain in the words of the specification.
fn named(error: webpki::Error, leaf: &Certificate<'_>) -> SvidError {
    use webpki::Error as E;
    match error {
        E::CertExpired { not_after, .. } => {
            let not_after = timestamp(not_after);
            let part = leaf_or_intermediate(leaf.not_after() == not_after);
            SvidError::Expired { part, not_after }
        }
        E::CertNotValidYet { not_before, .. } => {
            let not_before = timestamp(not_before);
            let part = leaf_or_intermediate(leaf.not_before() == not_before);
            SvidError::NotYetValid { part, not_before }
        }
        E::UnknownIssuer | E::InvalidSignatureForPublicKey => SvidError::UnknownIssuer,
        E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => SvidError::Algorithm,
        E::CaUsedAsEndEntity => SvidError::Authority,
        E::EndEntityUsedAsCa | E::PathLenConstraintViolated => SvidError::NotAnAuthority {
            part: ChainPart::Intermediate,
        },
        other => SvidError::Chain {
            why: other.to_string(),
        },
    }
}

const fn leaf_or_intermediate(is_leaf: bool) -> ChainPart {
    if is_leaf {
        ChainPart::Leaf
    } else {
        ChainPart::Intermediate
    }
}
