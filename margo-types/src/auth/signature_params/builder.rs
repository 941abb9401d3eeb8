//! Describes a new signature.

use super::{
    super::{
        algorithm::SignatureAlgorithm,
        component::CoveredComponent,
        field::{FieldError, quoted},
    },
    SignatureParams,
};

/// Collects the components and parameters of a new signature; see [`SignatureParams::builder`].
///
/// Components are written in the order given, parameters always in the order `created`, `expires`,
/// `keyid`, `alg`, `nonce`, `tag`. The order carries no meaning in RFC 9421, but the verifier of
/// Margo's sandbox writes the parameters anew in just this order and fails on any other.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct SignatureParamsBuilder {
    components: Vec<CoveredComponent>,
    created: Option<u64>,
    expires: Option<u64>,
    keyid: Option<String>,
    alg: Option<SignatureAlgorithm>,
    nonce: Option<String>,
    tag: Option<String>,
}

impl SignatureParamsBuilder {
    /// Covers one more component, given by name or as a [`CoveredComponent`].
    pub fn cover(mut self, component: impl Into<CoveredComponent>) -> Self {
        self.components.push(component.into());
        self
    }

    /// Sets the time of signing, in seconds since 1970. Margo demands it.
    pub fn created(mut self, seconds: u64) -> Self {
        self.created = Some(seconds);
        self
    }

    /// Sets the time after which the signature is void, in seconds since 1970.
    pub fn expires(mut self, seconds: u64) -> Self {
        self.expires = Some(seconds);
        self
    }

    /// Names the key. Margo demands it, whatever its text.
    pub fn keyid(mut self, keyid: impl Into<String>) -> Self {
        self.keyid = Some(keyid.into());
        self
    }

    /// Names the algorithm.
    pub fn alg(mut self, alg: SignatureAlgorithm) -> Self {
        self.alg = Some(alg);
        self
    }

    /// Adds a value that is never used twice with one key.
    pub fn nonce(mut self, nonce: impl Into<String>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Names the application the signature is meant for.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Writes the parameters down.
    ///
    /// Fails where a reader would: text outside printable ASCII, a component covered twice, a time
    /// after the year 9999, or more than the default [`FieldLimits`](super::super::FieldLimits) allow.
    pub fn build(self) -> Result<SignatureParams, FieldError> {
        self.text().parse()
    }

    fn text(&self) -> String {
        let components: Vec<String> = self.components.iter().map(ToString::to_string).collect();
        let parameters = [
            ("created", self.created.map(|seconds| seconds.to_string())),
            ("expires", self.expires.map(|seconds| seconds.to_string())),
            ("keyid", self.keyid.as_deref().map(quoted)),
            ("alg", self.alg.as_ref().map(|alg| quoted(alg.as_str()))),
            ("nonce", self.nonce.as_deref().map(quoted)),
            ("tag", self.tag.as_deref().map(quoted)),
        ];

        let mut text = format!("({})", components.join(" "));
        for (name, value) in parameters {
            if let Some(value) = value {
                text.extend([";", name, "=", &value]);
            }
        }
        text
    }
}
