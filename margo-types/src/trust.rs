//! Trust: discovery document and SPIFFE bundle (rc3.md section 7.4).

mod anchor;
mod bundle;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::extra::Extra;
use crate::id::TrustDomain;

pub use anchor::{Anchor, InvalidAnchor};
pub use bundle::TrustBundleError;

/// Where the bundle of a trust domain is: `/.well-known/margo`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct DiscoveryDocument {
    /// The trust domain.
    pub trust_domain: TrustDomain,
    /// The URL of its bundle; `https` only.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^https://.+")))]
    pub trust_bundle_uri: String,
    /// Unknown members, ignored.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl DiscoveryDocument {
    /// A discovery document.
    pub fn new(trust_domain: TrustDomain, trust_bundle_uri: impl Into<String>) -> Self {
        Self {
            trust_domain,
            trust_bundle_uri: trust_bundle_uri.into(),
            extra: Extra::default(),
        }
    }

    /// The URL of the bundle.
    ///
    /// The trust that led to this document has to cover the origin of that URL as well (C18).
    ///
    /// # Errors
    /// When it is not an absolute URL, or its scheme is not `https` (C18).
    pub fn bundle_uri(&self) -> Result<Url, BundleUriError> {
        let url = Url::parse(&self.trust_bundle_uri).map_err(BundleUriError::Malformed)?;
        match url.scheme() {
            "https" => Ok(url),
            scheme => Err(BundleUriError::NotHttps {
                scheme: crate::text::shorten(scheme),
            }),
        }
    }
}

/// Why a discovery document leads to no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleUriError {
    /// It is not an absolute URL.
    #[error("trustBundleUri is not an absolute URL; write one that starts with https://")]
    Malformed(#[source] url::ParseError),
    /// Trust never comes over an unauthenticated connection.
    #[error("trustBundleUri has the scheme {scheme}; only https is allowed")]
    NotHttps {
        /// The scheme it has.
        scheme: String,
    },
}

/// The anchors of a trust domain: a SPIFFE bundle.
///
/// An accepted bundle replaces the anchors, never merges with them (C20). [`anchors`](Self::anchors) says
/// whether a bundle is acceptable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct TrustBundle {
    /// A JSON Web Key set.
    pub keys: Vec<BundleKey>,
    /// Rises with every change; never compared (rc3.md ambiguity 69).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spiffe_sequence: Option<u64>,
    /// After how many seconds the bundle should be fetched again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spiffe_refresh_hint: Option<u64>,
    /// Unknown members, ignored.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

/// One key of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct BundleKey {
    /// What the key is for; only `x509-svid` counts.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub key_use: Option<String>,
    /// The certificate of an anchor: base64 of DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x5c: Option<Vec<String>>,
    /// The members of the key itself (RFC 7517) and unknown ones.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}
