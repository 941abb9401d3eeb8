//! The bytes of a component that is ready to be pushed.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use margo_types::oci::Descriptor;
use tokio::io::AsyncRead;

use super::{PublishError, blocking};
use crate::DigestReader;
use crate::oci::BlobSource;

/// A packed component: a file or bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Packed {
    /// In this file.
    File(PathBuf),
    /// In memory.
    Bytes(Bytes),
}

impl From<&Path> for Packed {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<PathBuf> for Packed {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<Bytes> for Packed {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Packed {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// A source of bytes that can be read more than once.
pub(super) trait Seekable: Read + Seek + Send {}

impl<T: Read + Seek + Send> Seekable for T {}

impl Packed {
    /// Describes the content and has it read by `check`, which says what is wrong with it.
    pub(super) async fn examine<T: Send + 'static>(
        &self,
        media_type: &'static str,
        check: impl FnOnce(Box<dyn Seekable>) -> Result<T, PublishError> + Send + 'static,
    ) -> Result<(Descriptor, T), PublishError> {
        let packed = self.clone();
        blocking(move || {
            // The digest first: what changes later is refused by the store that it is pushed to.
            let descriptor = packed.describe(media_type);
            let descriptor = descriptor.map_err(|source| packed.failed(source))?;
            let checked = check(packed.reader().map_err(|source| packed.failed(source))?)?;
            Ok((descriptor, checked))
        })
        .await
    }

    fn reader(&self) -> io::Result<Box<dyn Seekable>> {
        Ok(match self {
            Self::File(path) => Box::new(File::open(path)?),
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes.clone())),
        })
    }

    fn describe(&self, media_type: &str) -> io::Result<Descriptor> {
        let path = match self {
            Self::Bytes(bytes) => return Ok(Descriptor::of(media_type, bytes)),
            Self::File(path) => path,
        };
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let digest = DigestReader::new(file).finish(size)?;
        let mut descriptor = Descriptor::of(media_type, b"");
        descriptor.size = size;
        descriptor.digest = digest.ok_or_else(|| io::Error::other("it grows while it is read"))?;
        Ok(descriptor)
    }

    fn failed(&self, source: io::Error) -> PublishError {
        let path = match self {
            Self::File(path) => path.as_path(),
            Self::Bytes(_) => Path::new("the bytes"),
        };
        PublishError::file(path, source)
    }
}

#[async_trait]
impl BlobSource for Packed {
    async fn open(&self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        match self {
            Self::File(path) => path.open().await,
            Self::Bytes(bytes) => bytes.open().await,
        }
    }
}
