//! Signing requests (rc1-and-pre-draft.md section 3).

use jiff::Timestamp;

use super::{Profile, SignError, Signer};
use crate::auth::{
    ContentDigest, RequestParts, SignatureInput, SignatureParams, Signatures, signature_base,
};

/// How a request is signed.
#[derive(Clone, Debug)]
#[must_use = "nothing is signed until `sign` is called"]
pub struct Signing<'a> {
    signer: &'a dyn Signer,
    profile: Profile,
    created: Timestamp,
    expires: Option<Timestamp>,
    keyid: Option<&'a str>,
    nonce: Option<&'a str>,
    tag: Option<&'a str>,
}

impl<'a> Signing<'a> {
    /// Signs with this key at this time, as [`Profile::COMMON`] has it.
    pub fn new(signer: &'a dyn Signer, created: Timestamp) -> Self {
        Self {
            signer,
            profile: Profile::COMMON,
            created,
            expires: None,
            keyid: None,
            nonce: None,
            tag: None,
        }
    }

    /// Covers and says what this profile has.
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Ends the life of the signature earlier than the fleet manager does.
    pub const fn expires(mut self, expires: Timestamp) -> Self {
        self.expires = Some(expires);
        self
    }

    /// Names the key otherwise than by its [id](super::VerifyingKey::id).
    pub const fn keyid(mut self, keyid: &'a str) -> Self {
        self.keyid = Some(keyid);
        self
    }

    /// Tells two requests of the same second apart, which an Ed25519 or `rsa-v1_5-sha256` signature otherwise does not:
    /// a fleet manager takes the second for a replay.
    pub const fn nonce(mut self, nonce: &'a str) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// Names the application the signature is meant for.
    pub const fn tag(mut self, tag: &'a str) -> Self {
        self.tag = Some(tag);
        self
    }

    /// The headers to send with the request. Send the body byte for byte; empty means that there is none.
    ///
    /// Sign the target URI and the authority that the HTTP client sends: default ports and escapes are as written.
    ///
    /// # Errors
    /// [`SignError`] when the request cannot be covered or the key does not sign.
    pub fn sign<'h, H>(
        &self,
        request: &RequestParts<'_, H>,
        body: &[u8],
    ) -> Result<SignatureHeaders, SignError>
    where
        H: Fn(&str) -> Vec<&'h [u8]>,
    {
        let content_digest = (!body.is_empty()).then(|| ContentDigest::sha256(body).to_string());
        let params = self.params(content_digest.is_some())?;
        let mut complete =
            RequestParts::new(
                request.method,
                request.target_uri,
                |name| match &content_digest {
                    Some(digest) if name == CONTENT_DIGEST => vec![digest.as_bytes()],
                    _ => (request.headers)(name),
                },
            );
        complete.authority = request.authority;
        let base = signature_base(&complete, &params)?;
        let signature = self.signer.sign(base.as_bytes())?;

        let label = self.profile.label;
        Ok(SignatureHeaders {
            signature_input: SignatureInput::new(label, params)?.to_string(),
            signature: Signatures::new(label, signature)?.to_string(),
            content_digest,
        })
    }

    fn params(&self, has_body: bool) -> Result<SignatureParams, SignError> {
        let mut params = SignatureParams::builder()
            .created(seconds(self.created)?)
            .keyid(self.keyid.unwrap_or(self.signer.public().id()));
        for component in self.profile.components {
            params = params.cover(*component);
        }
        if has_body && self.profile.covers_digest {
            params = params.cover(CONTENT_DIGEST);
        }
        if let Some(expires) = self.expires {
            params = params.expires(seconds(expires)?);
        }
        if self.profile.names_algorithm {
            params = params.alg(self.signer.algorithm());
        }
        if let Some(nonce) = self.nonce {
            params = params.nonce(nonce);
        }
        if let Some(tag) = self.tag {
            params = params.tag(tag);
        }
        Ok(params.build()?)
    }
}

/// The headers that make a request a signed one. They replace others of these names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignatureHeaders {
    /// `Signature-Input`.
    pub signature_input: String,
    /// `Signature`.
    pub signature: String,
    /// `Content-Digest`, when there is a body.
    pub content_digest: Option<String>,
}

impl SignatureHeaders {
    /// Names, in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let digest = self.content_digest.as_deref();
        let digest = digest.map(|digest| (CONTENT_DIGEST, digest));
        digest.into_iter().chain([
            (SIGNATURE_INPUT, self.signature_input.as_str()),
            (SIGNATURE, self.signature.as_str()),
        ])
    }

    /// The lines of the header of this name, in lower case, as [`RequestParts`] asks for them.
    pub fn lines(&self, name: &str) -> Vec<&[u8]> {
        let lines = self.iter().filter(|(known, _)| *known == name);
        lines.map(|(_, value)| value.as_bytes()).collect()
    }
}

fn seconds(time: Timestamp) -> Result<u64, SignError> {
    u64::try_from(time.as_second()).map_err(|_| SignError::Clock)
}

pub(super) const CONTENT_DIGEST: &str = "content-digest";
pub(super) const SIGNATURE_INPUT: &str = "signature-input";
pub(super) const SIGNATURE: &str = "signature";
