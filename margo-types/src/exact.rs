//! A document together with the exact bytes it was read from.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::digest::Digest;
use crate::document::Format;
use crate::path::{DocumentPath, Location};
use crate::read::Locator;
use crate::version::SpecVersion;

/// A value beside the bytes it was read from.
///
/// Digests, signatures and whatever is handed on only ever touch the bytes: a document is never
/// serialised again on its way through.
#[derive(Clone)]
pub struct Exact<T> {
    value: T,
    bytes: Arc<[u8]>,
    digest: OnceLock<Digest>,
    format: Format,
    generation: SpecVersion,
}

impl<T> Exact<T> {
    pub(crate) fn new(value: T, bytes: &[u8], format: Format, generation: SpecVersion) -> Self {
        Self {
            value,
            bytes: bytes.into(),
            digest: OnceLock::new(),
            format,
            generation,
        }
    }

    /// The value.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The value, without the bytes.
    pub fn into_value(self) -> T {
        self.value
    }

    /// The bytes, exactly as they were read.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// The digest of the bytes; computed once, when first asked for.
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Digest::of(&self.bytes))
    }

    /// Whether the bytes are JSON or YAML.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The generation that the document's shape belongs to.
    pub const fn generation(&self) -> SpecVersion {
        self.generation
    }

    /// Where in the bytes the value at `path` stands, or the nearest value around it that is there.
    pub fn locate(&self, path: &DocumentPath) -> Option<Location> {
        self.locator().locate(path)
    }

    /// Where in the bytes all values stand, to ask for many.
    pub(crate) fn locator(&self) -> Locator<'_> {
        Locator::new(&self.bytes, self.format)
    }
}

impl<T> AsRef<T> for Exact<T> {
    fn as_ref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Exact<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Exact")
            .field("value", &self.value)
            .field("bytes", &self.bytes.len())
            .field("format", &self.format)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
