//! Verifying requests (rc1-and-pre-draft.md section 4).

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::signing::{CONTENT_DIGEST, SIGNATURE, SIGNATURE_INPUT};
use super::{KeyType, Policy, Tolerance, VerifyError, VerifyingKey};
use crate::auth::{
    ContentDigest, RequestParts, SignatureAlgorithm, SignatureInput, SignatureParams, Signatures,
    signature_base,
};
use crate::digest::Digest;
use crate::x509::timestamp;

/// Verifies that the owner of `key` signed this request, body included, as of `now`.
///
/// Restore the target URI that the client wrote before: behind a proxy that terminates TLS, scheme and authority are
/// its own. The body is the one received, before `Content-Encoding` is undone; empty means that there is none.
///
/// A `Content-Digest` is compared with the body whether the signature covers it or not, and without a body too. The key
/// is that of the client in the path, not one looked up by `keyid`; for a client that enrols, that of the certificate
/// in the body (contradiction 12). Whether its certificate is still valid is not looked at.
///
/// # Errors
/// [`VerifyError`] names the first check that failed. Those that need no key come first, the digest of the body last.
pub fn verify<'h, H>(
    request: &RequestParts<'_, H>,
    body: &[u8],
    key: &VerifyingKey,
    policy: &Policy,
    now: Timestamp,
) -> Result<VerifiedSignature, VerifyError>
where
    H: Fn(&str) -> Vec<&'h [u8]>,
{
    verify_head(request, !body.is_empty(), key, policy, now)?.with_body(body)
}

/// Does what [`verify`] does as far as it can be done before the body has arrived, so that a server reads nothing that
/// strangers send. `has_body` says whether a body is to come.
///
/// # Errors
/// As for [`verify`].
pub fn verify_head<'h, H>(
    request: &RequestParts<'_, H>,
    has_body: bool,
    key: &VerifyingKey,
    policy: &Policy,
    now: Timestamp,
) -> Result<VerifiedHead, VerifyError>
where
    H: Fn(&str) -> Vec<&'h [u8]>,
{
    let header =
        |name, header| joined(&request.headers, name).ok_or(VerifyError::Unsigned { header });
    let input = header(SIGNATURE_INPUT, "Signature-Input")?;
    let signatures = header(SIGNATURE, "Signature")?;
    let input = SignatureInput::parse_within(&policy.limits, input)?;
    let signatures = Signatures::parse_within(&policy.limits, signatures)?;

    let Chosen {
        label,
        params,
        signature,
    } = choose(&input, &signatures, policy)?;
    let created = check_time(params, policy, now)?;
    let digest = read_digest(joined(&request.headers, CONTENT_DIGEST), has_body)?;
    check_coverage(params, has_body, policy)?;

    let base = signature_base(request, params)?;
    let algorithm = verify_signature(key, params.alg(), &base, signature, policy)?;
    let signature = VerifiedSignature {
        label: label.to_owned(),
        params: params.clone(),
        signature: signature.to_vec(),
        replay_key: replay_key(key, &base, signature),
        replayable_until: timestamp(created.saturating_add(whole_seconds(policy.max_age))),
        created: timestamp(created),
        algorithm,
    };
    Ok(VerifiedHead {
        signature,
        digest,
        has_body,
    })
}

/// The signature of a request was verified, and the body was not looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is verified until the body is"]
pub struct VerifiedHead {
    signature: VerifiedSignature,
    digest: Option<ContentDigest>,
    has_body: bool,
}

impl VerifiedHead {
    /// Completes the proof with the whole body, as it was received.
    ///
    /// # Errors
    /// [`VerifyError::Digest`], and [`VerifyError::NoDigest`] when there is a body although none was to come.
    pub fn with_body(self, body: &[u8]) -> Result<VerifiedSignature, VerifyError> {
        if !self.has_body && !body.is_empty() {
            return Err(VerifyError::NoDigest);
        }
        if let Some(digest) = self.digest {
            digest.verify(body)?;
        }
        Ok(self.signature)
    }
}

/// A signature that was verified, and with it the request. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    label: String,
    params: SignatureParams,
    signature: Vec<u8>,
    algorithm: SignatureAlgorithm,
    created: Timestamp,
    replay_key: Digest,
    replayable_until: Timestamp,
}

impl VerifiedSignature {
    /// Its label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it covers and says.
    pub const fn params(&self) -> &SignatureParams {
        &self.params
    }

    /// The algorithm that verified it, named in the request or not.
    pub const fn algorithm(&self) -> &SignatureAlgorithm {
        &self.algorithm
    }

    /// When it was made, by the signer's clock.
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// The signer's name for its key, which proves nothing: log a surprising one.
    pub fn keyid(&self) -> Option<&str> {
        self.params.keyid()
    }

    /// A value that the signer never uses twice, if it sends one.
    pub fn nonce(&self) -> Option<&str> {
        self.params.nonce()
    }

    /// The bytes of the signature. To recognise a replay, use [`replay_key`](Self::replay_key).
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// What a replay has in common with this request, and no other request has.
    ///
    /// Not the bytes of the signature: of an ECDSA signature anybody can make a second one that verifies as well,
    /// `(r, n - s)`. This is a hash of the key, of what is covered, and of the signature without its `s`.
    pub const fn replay_key(&self) -> Digest {
        self.replay_key
    }

    /// The last second in which the request would be accepted again: so long is its
    /// [`replay_key`](Self::replay_key) to be remembered (contradiction 11).
    pub const fn replayable_until(&self) -> Timestamp {
        self.replayable_until
    }
}

struct Chosen<'s> {
    label: &'s str,
    params: &'s SignatureParams,
    signature: &'s [u8],
}

/// The one signature that counts.
fn choose<'s>(
    input: &'s SignatureInput,
    signatures: &'s Signatures,
    policy: &Policy,
) -> Result<Chosen<'s>, VerifyError> {
    let unpaired = |label: &str, header| VerifyError::Unpaired {
        label: label.to_owned(),
        header,
    };
    let mut pairs = Vec::new();
    for (label, params) in input.iter() {
        let signature = signatures
            .get(label)
            .ok_or_else(|| unpaired(label, "Signature"))?;
        pairs.push(Chosen {
            label,
            params,
            signature,
        });
    }
    if let Some((label, _)) = signatures
        .iter()
        .find(|(label, _)| input.get(label).is_none())
    {
        return Err(unpaired(label, "Signature-Input"));
    }

    let count = pairs.len();
    if count > 1 && !policy.tolerates(Tolerance::SeveralLabels) {
        return Err(VerifyError::SeveralLabels { count });
    }
    let known = pairs
        .iter()
        .position(|pair| policy.labels.contains(pair.label));
    let any = policy.tolerates(Tolerance::AnyLabel).then_some(0);
    let first = pairs.first().map_or("", |pair| pair.label).to_owned();
    let chosen = known
        .or(any)
        .and_then(|position| pairs.into_iter().nth(position));
    chosen.ok_or(VerifyError::UnknownLabel { found: first })
}

/// That the signature is neither old nor of the future; when it was made.
fn check_time(
    params: &SignatureParams,
    policy: &Policy,
    now: Timestamp,
) -> Result<i64, VerifyError> {
    let now = now.as_second();
    let (max_age, max_skew) = (
        whole_seconds(policy.max_age),
        whole_seconds(policy.max_skew),
    );
    let created = signed(params.created().ok_or(VerifyError::NoCreated)?);
    let age = now.saturating_sub(created);
    if age > max_age {
        return Err(VerifyError::Stale {
            age,
            limit: max_age,
        });
    }
    if age < -max_skew {
        return Err(VerifyError::FromTheFuture {
            ahead: -age,
            limit: max_skew,
        });
    }
    match params
        .expires()
        .map(|expires| now.saturating_sub(signed(expires)))
    {
        Some(ago) if ago > max_skew => Err(VerifyError::Expired { ago }),
        _ => Ok(created),
    }
}

fn check_coverage(
    params: &SignatureParams,
    has_body: bool,
    policy: &Policy,
) -> Result<(), VerifyError> {
    let demanded = [
        ("@method", true),
        (
            "@target-uri",
            !policy.tolerates(Tolerance::TargetUriNotCovered),
        ),
        (
            CONTENT_DIGEST,
            has_body && !policy.tolerates(Tolerance::DigestNotCovered),
        ),
    ];
    for (component, is_demanded) in demanded {
        if is_demanded && !params.covers(component) {
            return Err(VerifyError::NotCovered { component });
        }
    }
    Ok(())
}

/// The digest to compare with the body. Without a body there need not be one (contradiction 8).
fn read_digest(
    header: Option<Cow<'_, [u8]>>,
    has_body: bool,
) -> Result<Option<ContentDigest>, VerifyError> {
    match header {
        Some(header) => ContentDigest::parse(header)
            .map(Some)
            .map_err(VerifyError::MalformedDigest),
        None if has_body => Err(VerifyError::NoDigest),
        None => Ok(None),
    }
}

/// The algorithm that verifies the signature: the one named, or that of the key.
fn verify_signature(
    key: &VerifyingKey,
    named: Option<&SignatureAlgorithm>,
    base: &str,
    signature: &[u8],
    policy: &Policy,
) -> Result<SignatureAlgorithm, VerifyError> {
    let candidates = match (named, key.key_type()) {
        (Some(named), _) => std::slice::from_ref(named),
        (None, KeyType::Rsa { .. }) if policy.tolerates(Tolerance::AnyRsaPadding) => {
            key.key_type().algorithms()
        }
        (None, key_type) => &key_type.algorithms()[..1],
    };
    let mut refused = VerifyError::Mismatch;
    for algorithm in candidates {
        match key.verify(algorithm, base.as_bytes(), signature) {
            Ok(()) => return Ok(algorithm.clone()),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn replay_key(key: &VerifyingKey, base: &str, signature: &[u8]) -> Digest {
    let fixed = match key.key_type() {
        KeyType::EcdsaP256 | KeyType::EcdsaP384 => &signature[..signature.len() / 2],
        KeyType::Ed25519 | KeyType::Rsa { .. } => signature,
    };
    // All but the last have a fixed length, so nothing runs together.
    let hash = Sha256::new()
        .chain_update(key.id())
        .chain_update(Sha256::digest(base))
        .chain_update(fixed);
    Digest::from_bytes(hash.finalize().into())
}

/// The lines of a header as one; `None` when there is none.
fn joined<'h>(headers: impl Fn(&str) -> Vec<&'h [u8]>, name: &str) -> Option<Cow<'h, [u8]>> {
    match headers(name).as_slice() {
        [] => None,
        [line] => Some(Cow::Borrowed(line)),
        lines => Some(Cow::Owned(lines.join(&b", "[..]))),
    }
}

/// Times in a signature end with the year 9999.
fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn whole_seconds(duration: Duration) -> i64 {
    signed(duration.as_secs())
}
