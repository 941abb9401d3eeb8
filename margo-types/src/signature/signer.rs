//! Keys that sign, wherever they are.

use std::error::Error;
use std::fmt;

use super::VerifyingKey;
use crate::auth::SignatureAlgorithm;

/// A private key that signs: a [`SigningKey`](super::SigningKey) in memory, or one in a TPM or an HSM.
///
/// Synchronous, as most interfaces of such devices are. A signature in memory takes less than a few milliseconds; one
/// that waits for a device belongs on a thread that may block (`tokio::task::spawn_blocking`).
pub trait Signer: fmt::Debug + Send + Sync {
    /// The algorithm of every signature: one that goes with the key.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// The public half of the key.
    fn public(&self) -> &VerifyingKey;

    /// Signs `message`, which is hashed first where the algorithm says so.
    ///
    /// An ECDSA signature is `r || s`, 64 or 96 bytes, not DER (RFC 9421, section 3.3.4); many devices give DER.
    ///
    /// # Errors
    /// [`SignerError`] when the key did not sign.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError>;
}

/// The key did not sign; the source says why.
#[derive(Debug, thiserror::Error)]
#[error("the private key did not sign; check that it and its device are available")]
pub struct SignerError(#[source] Box<dyn Error + Send + Sync>);

impl SignerError {
    /// What a [`Signer`] reports.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
