//! Trust: discovery document and SPIFFE bundle (rc3.md section 7.4).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::extra::Extra;
use crate::id::TrustDomain;

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

/// The anchors of a trust domain: a SPIFFE bundle.
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
