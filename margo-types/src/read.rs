//! Tolerant reading: from bytes of YAML or JSON to "this is an application deployment of rc.1".
//!
//! A reader finds the kind and the generation of a document by its shape, accepts every documented
//! spelling, keeps what it does not know, and gives the value beside the exact bytes. It refuses what cannot be
//! understood, with all invalid identifiers at once, each with its path, line and column. Whether the
//! document obeys the specification's rules is a separate question: [`Exact::validate`].

pub(crate) mod deserializer;
mod detect;
mod json;
pub(crate) mod limits;
mod locate;
pub(crate) mod node;

use std::fmt;

use self::deserializer::Misfit;
pub use self::limits::Limits;
use self::limits::Unreadable;
pub(crate) use self::locate::Locator;
use self::node::{Node, NodeValue};
use crate::document::{AnyDocument, Document, Format, Kind};
use crate::exact::Exact;
use crate::path::{DocumentPath, Location};
use crate::version::SpecVersion;

/// Reads a document whose kind is known, with the default [`Limits`].
///
/// # Errors
/// [`ReadError`] when the bytes are no document of this kind.
pub fn read<T: Document>(bytes: &[u8]) -> Result<Exact<T>, ReadError> {
    Reader::new().read(bytes)
}

/// Reads a document of any kind, with the default [`Limits`].
///
/// # Errors
/// [`ReadError`] when the bytes are no document of the specification.
pub fn read_any(bytes: &[u8]) -> Result<AnyDocument, ReadError> {
    Reader::new().read_any(bytes)
}

/// Reads documents within limits.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Reader {
    limits: Limits,
    generation: Option<SpecVersion>,
}

impl Reader {
    /// A reader with the default limits that accepts every generation.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same reader within these limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same reader, taking every document as one of this generation instead of looking at its shape.
    pub fn generation(mut self, generation: SpecVersion) -> Self {
        self.generation = Some(generation);
        self
    }

    /// Reads a document whose kind is known.
    pub fn read<T: Document>(&self, bytes: &[u8]) -> Result<Exact<T>, ReadError> {
        self.tree(bytes)?.read_as()
    }

    /// Reads a document of any kind.
    pub fn read_any(&self, bytes: &[u8]) -> Result<AnyDocument, ReadError> {
        let tree = self.tree(bytes)?;
        let kind = detect::kind_of(&tree.root).map_err(|why| ReadError::Unrecognised { why })?;
        AnyDocument::read(kind, tree)
    }

    fn tree<'a>(&self, bytes: &'a [u8]) -> Result<Tree<'a>, ReadError> {
        if bytes.len() > self.limits.max_bytes {
            return Err(ReadError::TooLarge {
                bytes: bytes.len(),
                limit: self.limits.max_bytes,
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let location = Location::of_offset(&before, before.len());
            ReadError::malformed(
                Unreadable::new("the text is not UTF-8", Some(location)),
                Format::Yaml,
            )
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (format, root) = self.parse(text)?;
        Ok(Tree {
            bytes,
            format,
            generation: self.generation,
            root,
        })
    }

    /// Text that starts with a brace or bracket is JSON, or else YAML in flow style.
    fn parse<'a>(&self, text: &'a str) -> Result<(Format, Node<'a>), ReadError> {
        let yaml = || crate::yaml::parse(text, &self.limits);
        if !text.trim_ascii_start().starts_with(['{', '[']) {
            let root =
                yaml().map_err(|unreadable| ReadError::malformed(unreadable, Format::Yaml))?;
            return Ok((Format::Yaml, root));
        }
        match json::parse(text, &self.limits) {
            Ok(root) => Ok((Format::Json, root)),
            Err(unreadable) if unreadable.is_syntax => {
                let no_document = |no_yaml| {
                    if is_flow_style(text) {
                        ReadError::malformed(no_yaml, Format::Yaml)
                    } else {
                        ReadError::malformed(unreadable, Format::Json)
                    }
                };
                yaml().map(|root| (Format::Yaml, root)).map_err(no_document)
            }
            Err(unreadable) => Err(ReadError::malformed(unreadable, Format::Json)),
        }
    }
}

/// Why a document cannot be read. The peer or author who wrote it is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The document is longer than the limit.
    #[error("the document has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The length of the document.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The text is not well-formed, or beyond the limits.
    #[error("not well-formed {format} at {path}{}: {message}", OptionalLocation(.location))]
    Malformed {
        /// The format the text was taken for.
        format: Format,
        /// The value that could not be read.
        path: DocumentPath,
        /// The line and column, where known.
        location: Option<Location>,
        /// What is wrong and what to do.
        message: String,
    },
    /// It is not a document of the specification, or not of the kind asked for.
    #[error("{why}")]
    Unrecognised {
        /// What was seen instead.
        why: String,
    },
    /// Values do not fit their types.
    #[error("not {} of {generation}: {}", .kind.in_words(), Faults(.faults))]
    Unfit {
        /// The kind of document.
        kind: Kind,
        /// The generation that the shape belongs to.
        generation: SpecVersion,
        /// What does not fit; at least one.
        faults: Vec<Fault>,
    },
}

impl ReadError {
    fn malformed(unreadable: Unreadable, format: Format) -> Self {
        let mut path = unreadable.trail;
        path.reverse();
        Self::Malformed {
            format,
            path: path.into(),
            location: unreadable.location,
            message: unreadable.message,
        }
    }

    /// What does not fit, where that is the reason.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Unfit { faults, .. } => faults,
            _ => &[],
        }
    }
}

/// A value that does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Where it is.
    pub path: DocumentPath,
    /// The line and column, where known.
    pub location: Option<Location>,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(
            formatter,
            "{}{}: {}",
            self.path,
            OptionalLocation(&self.location),
            self.message
        )
    }
}

/// A parsed document, not yet of any type.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    bytes: &'a [u8],
    format: Format,
    generation: Option<SpecVersion>,
    root: Node<'a>,
}

impl Tree<'_> {
    /// Reads the tree as a document of one kind.
    ///
    /// When an identifier is invalid the reader notes it, puts a valid one in its place and goes on, so
    /// that all of them are reported together.
    pub(crate) fn read_as<T: Document>(mut self) -> Result<Exact<T>, ReadError> {
        let kind = T::KIND;
        let generation = match self.generation {
            Some(generation) => generation,
            None => detect::generation_of(kind, &self.root)
                .map_err(|why| ReadError::Unrecognised { why })?,
        };
        let mut misfits = Vec::new();
        loop {
            let misfit = match T::from_tree(&self.root, generation) {
                Ok(value) if misfits.is_empty() => {
                    return Ok(Exact::new(value, self.bytes, self.format, generation));
                }
                Ok(_) => break,
                Err(misfit) => misfit,
            };
            let repaired = misfits.len() < MAX_FAULTS && self.repair(&misfit);
            misfits.push(misfit);
            if !repaired {
                break;
            }
        }
        let locator = Locator::new(self.bytes, self.format);
        let fault = |misfit: Misfit| {
            let reason = misfit.into_reason();
            let path = DocumentPath::from(reason.path.unwrap_or_default());
            Fault {
                location: reason.location.or_else(|| locator.locate(&path)),
                path,
                message: reason.message,
            }
        };
        Err(ReadError::Unfit {
            kind,
            generation,
            faults: misfits.into_iter().map(fault).collect(),
        })
    }

    fn repair(&mut self, misfit: &Misfit) -> bool {
        let reason = misfit.reason();
        let example = reason.newtype.and_then(crate::text::example_of);
        let node = reason
            .path
            .as_deref()
            .and_then(|path| self.root.at_mut(path));
        match (example, node) {
            (Some(example), Some(node)) => {
                node.value = NodeValue::Text(example.into());
                true
            }
            _ => false,
        }
    }
}

/// Whether text with brackets is meant as YAML: the first key or value has no double quotes.
fn is_flow_style(text: &str) -> bool {
    let first = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || "{[".contains(c));
    first.starts_with(|c: char| c.is_alphabetic() || "'_<&*".contains(c))
}

const MAX_FAULTS: usize = 100;

struct OptionalLocation<'a>(&'a Option<Location>);

impl fmt::Display for OptionalLocation<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {
            Some(location) => write!(formatter, " ({location})"),
            None => Ok(()),
        }
    }
}

struct Faults<'a>(&'a [Fault]);

impl fmt::Display for Faults<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        for (position, fault) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_str("; ")?;
            }
            fault.fmt(formatter)?;
        }
        Ok(())
    }
}
