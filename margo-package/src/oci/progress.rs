//! Seeing how far transfers are.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use margo_types::Digest;
use margo_types::oci::Descriptor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::blob::BlobSource;
use super::error::OciError;
use super::manifest::Manifest;
use super::reference::Reference;
use super::store::{ArtifactStore, Pushed};

/// Is told how far transfers are, such as what draws a progress bar.
///
/// It is called between pieces of a blob and must return at once.
pub trait Progress: Send + Sync {
    /// `done` of the blob's `size` bytes passed. A repeated upload starts again at 0; a blob that is complete, or that the
    /// other side has already, ends at its size.
    fn transferred(&self, blob: &Descriptor, done: u64);
}

impl<F: Fn(&Descriptor, u64) + Send + Sync> Progress for F {
    fn transferred(&self, blob: &Descriptor, done: u64) {
        self(blob, done);
    }
}

/// A store that says how far the transfers from and to it are; otherwise the store it was made of.
///
/// ```
/// use std::sync::Arc;
///
/// use margo_package::oci::{Client, Observed};
/// use margo_types::oci::Descriptor;
///
/// # fn example(client: &Client) {
/// let print = |blob: &Descriptor, done: u64| eprintln!("{}: {done} of {} bytes", blob.digest, blob.size);
/// let client = Observed::new(client, Arc::new(print));
/// # }
/// ```
pub struct Observed<'a> {
    store: &'a dyn ArtifactStore,
    progress: Arc<dyn Progress>,
}

impl<'a> Observed<'a> {
    /// Tells `progress` of every blob that `store` gives or takes.
    pub fn new(store: &'a dyn ArtifactStore, progress: Arc<dyn Progress>) -> Self {
        Self { store, progress }
    }

    fn counter(&self, blob: &Descriptor) -> Counter {
        self.progress.transferred(blob, 0);
        Counter {
            blob: blob.clone(),
            done: 0,
            progress: Arc::clone(&self.progress),
        }
    }
}

impl fmt::Debug for Observed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let mut form = formatter.debug_struct("Observed");
        form.field("store", &self.store).finish_non_exhaustive()
    }
}

#[async_trait]
impl ArtifactStore for Observed<'_> {
    async fn resolve(&self, reference: &Reference) -> Result<Digest, OciError> {
        self.store.resolve(reference).await
    }

    async fn pull_manifest(&self, reference: &Reference) -> Result<Manifest, OciError> {
        self.store.pull_manifest(reference).await
    }

    async fn pull_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<(), OciError> {
        let counter = self.counter(blob);
        let mut sink = Counted {
            inner: sink,
            counter,
        };
        self.store.pull_blob(reference, blob, &mut sink).await?;
        self.progress.transferred(blob, blob.size);
        Ok(())
    }

    async fn push_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        source: &dyn BlobSource,
    ) -> Result<Pushed, OciError> {
        let source = CountedSource {
            store: self,
            source,
            blob,
        };
        let pushed = self.store.push_blob(reference, blob, &source).await?;
        self.progress.transferred(blob, blob.size);
        Ok(pushed)
    }

    async fn push_manifest(
        &self,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<(), OciError> {
        self.store.push_manifest(reference, manifest).await
    }

    async fn tags(&self, reference: &Reference) -> Result<Vec<String>, OciError> {
        self.store.tags(reference).await
    }

    async fn referrers(
        &self,
        reference: &Reference,
        subject: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, OciError> {
        self.store
            .referrers(reference, subject, artifact_type)
            .await
    }

    async fn commit(&self) -> Result<(), OciError> {
        self.store.commit().await
    }
}

struct CountedSource<'a> {
    store: &'a Observed<'a>,
    source: &'a dyn BlobSource,
    blob: &'a Descriptor,
}

#[async_trait]
impl BlobSource for CountedSource<'_> {
    async fn open(&self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        let inner = self.source.open().await?;
        let counter = self.store.counter(self.blob);
        Ok(Box::new(Counted { inner, counter }))
    }
}

struct Counter {
    blob: Descriptor,
    done: u64,
    progress: Arc<dyn Progress>,
}

impl Counter {
    fn add(&mut self, count: usize) {
        if count > 0 {
            self.done += count as u64;
            self.progress.transferred(&self.blob, self.done);
        }
    }
}

/// A reader or writer whose bytes are counted.
struct Counted<T> {
    inner: T,
    counter: Counter,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context,
        buffer: &mut ReadBuf,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.counter.add(buffer.filled().len() - before);
        outcome
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = outcome {
            self.counter.add(count);
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
