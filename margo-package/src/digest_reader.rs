//! Digests of bytes that pass by.

use std::io::{self, Read};

use margo_types::Digest;
use sha2::{Digest as _, Sha256};

/// Computes the digest of everything that is read through it.
#[derive(Clone, Debug)]
pub struct DigestReader<R> {
    source: R,
    hasher: Sha256,
}

impl<R: Read> DigestReader<R> {
    /// Reads from `source`.
    pub fn new(source: R) -> Self {
        Self {
            source,
            hasher: Sha256::new(),
        }
    }

    /// Reads what is left, at most `limit` bytes of it, and gives the digest of everything that was read.
    ///
    /// `None` when there is more than the limit.
    ///
    /// # Errors
    /// Those of the source.
    pub fn finish(mut self, limit: u64) -> io::Result<Option<Digest>> {
        let rest = io::copy(
            &mut self.by_ref().take(limit.saturating_add(1)),
            &mut io::sink(),
        )?;
        Ok((rest <= limit).then(|| Digest::from_bytes(self.hasher.finalize().into())))
    }
}

impl<R: Read> Read for DigestReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
