//! From bundles to anchors and back (rc3.md section 7.4; SPIFFE Trust Domain and Bundle section 4).

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::anchor::{Anchor, InvalidAnchor};
use super::{BundleKey, TrustBundle};
use crate::extra::Extra;

impl TrustBundle {
    /// The longest list of keys that is accepted, far above what any rotation needs.
    pub const MAX_KEYS: usize = 256;

    /// A bundle of these anchors. Each key carries the members that a JSON Web Key of its type must have.
    ///
    /// # Errors
    /// When an anchor has a key that is neither P-256, P-384, Ed25519 nor RSA.
    pub fn of_anchors(anchors: &[Anchor]) -> Result<Self, InvalidAnchor> {
        Ok(Self {
            keys: anchors
                .iter()
                .map(BundleKey::of_anchor)
                .collect::<Result<_, _>>()?,
            spiffe_sequence: None,
            spiffe_refresh_hint: None,
            extra: Extra::default(),
        })
    }

    /// The trust anchors, each once, in the order of the bundle.
    ///
    /// Keys for other uses are ignored (C22). One malformed anchor makes the whole bundle unacceptable: a
    /// verifier that quietly trusts fewer anchors than published locks devices out, one at a time.
    ///
    /// # Errors
    /// When a key does not hold exactly one certificate, there are too many keys, or no anchor is left: a
    /// verifier then keeps the bundle it has (C19, C20).
    pub fn anchors(&self) -> Result<Vec<Anchor>, TrustBundleError> {
        if self.keys.len() > Self::MAX_KEYS {
            return Err(TrustBundleError::TooManyKeys {
                count: self.keys.len(),
            });
        }
        let mut seen = BTreeSet::new();
        let mut anchors = Vec::new();
        for (key, entry) in self.keys.iter().enumerate() {
            if !entry.is_for_x509_svids() {
                continue;
            }
            let anchor = entry.anchor(key)?;
            if seen.insert(anchor.clone()) {
                anchors.push(anchor);
            }
        }
        if anchors.is_empty() {
            return Err(TrustBundleError::NoAnchors);
        }
        Ok(anchors)
    }

    /// How long the bundle asks to be kept before it is fetched again.
    ///
    /// `None` when it does not say, or says 0 seconds. A floor is the caller's to set: some publishers send
    /// hints of a few seconds by mistake.
    pub fn refresh_after(&self) -> Option<Duration> {
        self.spiffe_refresh_hint
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs)
    }
}

impl BundleKey {
    /// The key of a bundle that publishes this anchor.
    ///
    /// # Errors
    /// When the anchor has a key that is neither P-256, P-384, Ed25519 nor RSA.
    pub fn of_anchor(anchor: &Anchor) -> Result<Self, InvalidAnchor> {
        let members = anchor.json_web_key()?;
        let mut extra = Extra::default();
        for (name, value) in members {
            extra.0.insert(name.to_owned(), value.into());
        }
        Ok(Self {
            key_use: Some(X509_SVID.to_owned()),
            x5c: Some(vec![STANDARD.encode(anchor.as_der())]),
            extra,
        })
    }

    /// Whether the key counts: keys for any other use are ignored.
    pub(crate) fn is_for_x509_svids(&self) -> bool {
        self.key_use.as_deref() == Some(X509_SVID)
    }

    /// The anchor of this key, which is the one at position `key`.
    pub(crate) fn anchor(&self, key: usize) -> Result<Anchor, TrustBundleError> {
        let certificates = self.x5c.as_deref().unwrap_or_default();
        let [certificate] = certificates else {
            return Err(TrustBundleError::NotOneCertificate {
                key,
                count: certificates.len(),
            });
        };
        let length = certificate.len() / 4 * 3;
        if length > Anchor::MAX_LENGTH + 3 {
            return Err(TrustBundleError::NotACertificate {
                key,
                source: InvalidAnchor::TooLong { length },
            });
        }
        let der = STANDARD
            .decode(certificate)
            .map_err(|_| TrustBundleError::NotBase64 { key })?;
        Anchor::from_der(der).map_err(|source| TrustBundleError::NotACertificate { key, source })
    }
}

/// Why a bundle is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustBundleError {
    /// No key is for X.509-SVIDs, so nobody could be verified (C19).
    #[error("the bundle has no key with use x509-svid; keep the current one")]
    NoAnchors,
    /// There are more keys than [`TrustBundle::MAX_KEYS`].
    #[error("the bundle has {count} keys, more than {}", TrustBundle::MAX_KEYS)]
    TooManyKeys {
        /// How many there are.
        count: usize,
    },
    /// SPIFFE wants exactly one certificate, the anchor itself.
    #[error("keys[{key}].x5c has {count} certificates; write exactly one, the anchor")]
    NotOneCertificate {
        /// Which key, counted from 0.
        key: usize,
        /// How many certificates it has.
        count: usize,
    },
    /// The certificate is not standard base64 with padding.
    #[error("keys[{key}].x5c[0] is not base64; write standard base64 with padding and no blanks")]
    NotBase64 {
        /// Which key, counted from 0.
        key: usize,
    },
    /// The bytes are not those of a certificate.
    #[error("keys[{key}].x5c[0] is not a certificate")]
    NotACertificate {
        /// Which key, counted from 0.
        key: usize,
        /// What is wrong.
        source: InvalidAnchor,
    },
}

const X509_SVID: &str = "x509-svid";
