//! Strict writing: a document of the model in the shape of a named generation, always the same bytes.

mod canonical_json;

use serde::Serialize;

use crate::document::{Document, Format};
use crate::version::SpecVersion;

/// Writes a document in the shape of a generation, in the format in which its kind travels.
///
/// The same value always gives the same bytes: JSON is written by RFC 8785 except that integers beyond 2^53
/// stay exact; YAML has its members in the order of the specification and is read back unchanged by YAML 1.1
/// readers.
///
/// # Errors
/// [`WriteError::Unrepresentable`] when the generation has no way to say what the value says.
pub fn write<T: Document>(document: &T, generation: SpecVersion) -> Result<Vec<u8>, WriteError> {
    write_as(document, generation, T::KIND.format())
}

/// Writes a document in the shape of a generation, in this format.
///
/// # Errors
/// As for [`write()`].
pub fn write_as<T: Document>(
    document: &T,
    generation: SpecVersion,
    format: Format,
) -> Result<Vec<u8>, WriteError> {
    document.to_text(generation, format).map(String::into_bytes)
}

/// Why a document cannot be written. The caller is to blame: the value does not fit the generation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The generation cannot express a value.
    #[error(transparent)]
    Unrepresentable(#[from] Unrepresentable),
    /// The value cannot be written at all, such as a number that is not finite.
    #[error("cannot be written as {format}: {why}")]
    Unwritable {
        /// The format.
        format: Format,
        /// The reason.
        why: String,
    },
}

/// A value that a generation has no way to express.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{generation} cannot express {field}: {why}")]
#[non_exhaustive]
pub struct Unrepresentable {
    /// The field of the model, such as `spec.deploymentProfile.type`.
    pub field: String,
    /// The generation.
    pub generation: SpecVersion,
    /// Why not, and what to do.
    pub why: String,
}

impl Unrepresentable {
    pub(crate) fn new(
        field: impl Into<String>,
        generation: SpecVersion,
        why: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            generation,
            why: why.into(),
        }
    }
}

/// A value as deterministic text.
pub(crate) fn to_text<T: Serialize>(value: &T, format: Format) -> Result<String, WriteError> {
    match format {
        Format::Json => canonical_json::to_string(value),
        Format::Yaml => crate::yaml::write(value),
    }
    .map_err(|why| WriteError::Unwritable { format, why })
}
