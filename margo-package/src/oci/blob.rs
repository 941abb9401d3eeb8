//! The bytes of a blob: where they come from, and the check that they are the right ones.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use margo_types::Digest;
use margo_types::oci::Descriptor;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::error::{Failure, Misbehaviour, OciError, Place};

/// Gives the bytes of a blob, from the start, as often as a transfer is attempted.
#[async_trait]
pub trait BlobSource: Send + Sync {
    /// The bytes from the start.
    async fn open(&self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>>;
}

#[async_trait]
impl BlobSource for Bytes {
    async fn open(&self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        Ok(Box::new(io::Cursor::new(self.clone())))
    }
}

/// The file at this path.
#[async_trait]
impl BlobSource for PathBuf {
    async fn open(&self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        let mut file = tokio::fs::File::open(self).await?;
        file.set_max_buf_size(CHUNK);
        Ok(Box::new(file))
    }
}

/// A reader that can be read only once, so that a transfer from it cannot be repeated.
pub struct OneShot(Mutex<Option<Box<dyn AsyncRead + Send + Unpin>>>);

impl OneShot {
    /// Takes the reader.
    pub fn new(reader: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self(Mutex::new(Some(Box::new(reader))))
    }
}

impl std::fmt::Debug for OneShot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.debug_struct("OneShot").finish_non_exhaustive()
    }
}

#[async_trait]
impl BlobSource for OneShot {
    async fn open(&self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        let reader = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        reader.ok_or_else(|| io::Error::other("the reader was used up by an earlier attempt"))
    }
}

/// How much of a blob is in memory at a time, in bytes.
pub(crate) const CHUNK: usize = 256 << 10;

/// Counts and hashes the bytes of a blob as they pass.
pub(crate) struct Checked {
    digest: Digest,
    size: u64,
    seen: u64,
    hasher: Sha256,
}

impl Checked {
    pub(crate) fn new(blob: &Descriptor) -> Self {
        Self {
            digest: blob.digest,
            size: blob.size,
            seen: 0,
            hasher: Sha256::new(),
        }
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether a peer that announces this size in all can be right.
    pub(crate) fn announced(&self, size: u64) -> Result<(), Misbehaviour> {
        if size == self.size {
            Ok(())
        } else {
            Err(self.wrong_size(size))
        }
    }

    /// Takes the next bytes; an error as soon as there is one more than the descriptor allows.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), Misbehaviour> {
        let seen = self.seen + bytes.len() as u64;
        if seen > self.size {
            return Err(self.wrong_size(self.size + 1));
        }
        self.hasher.update(bytes);
        self.seen = seen;
        Ok(())
    }

    /// Whether all bytes came and were the right ones.
    pub(crate) fn finish(self) -> Result<(), Misbehaviour> {
        if self.seen != self.size {
            return Err(self.wrong_size(self.seen));
        }
        let found = Digest::from_bytes(self.hasher.finalize().into());
        if found != self.digest {
            return Err(Misbehaviour::Digest {
                expected: self.digest,
                found,
            });
        }
        Ok(())
    }

    fn wrong_size(&self, found: u64) -> Misbehaviour {
        Misbehaviour::Size {
            digest: self.digest,
            expected: self.size,
            found,
        }
    }
}

/// Copies a blob from a reader to a sink, checking it on the way.
pub(crate) async fn copy_checked(
    reader: &mut (dyn AsyncRead + Send + Unpin),
    blob: &Descriptor,
    sink: &mut (dyn AsyncWrite + Send + Unpin),
    place: &Place,
) -> Result<(), OciError> {
    use tokio::io::AsyncReadExt as _;

    let local = |error| OciError::environment(place, Failure::LocalEnd, error);
    let misbehaved = |fault| OciError::misbehaved(place, fault);
    let mut checked = Checked::new(blob);
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = reader.read(&mut buffer).await.map_err(local)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        checked.take(bytes).map_err(misbehaved)?;
        sink.write_all(bytes).await.map_err(local)?;
    }
    checked.finish().map_err(misbehaved)?;
    sink.flush().await.map_err(local)
}
