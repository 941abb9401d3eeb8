//! YAML of authors into JSON values: the only file of this crate that names a YAML crate.
//!
//! The documents of the specification are read by `margo-types`. Compose files and charts are other people's formats:
//! they use anchors and merge keys, so they are read here, within a budget that aliases cannot exceed.

mod helm;

use std::collections::BTreeMap;
use std::fmt;

use margo_types::{DocumentPath, Location, Segment};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy, Options, Spanned};

use crate::line::in_a_line;

/// The longest file, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// Why a file is not read: in the words of the parser, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}{}", .location.map(|location| format!(" ({location})")).unwrap_or_default())]
#[non_exhaustive]
pub struct YamlError {
    /// What is wrong.
    pub why: String,
    /// Where, if known.
    pub location: Option<Location>,
}

/// Reads one YAML document: at most [`MAX_BYTES`], 64 levels, 50,000 values and 100 anchors and aliases.
///
/// Repeated keys are refused; anchors, aliases and merge keys are applied. Tags such as `!reset` of Compose are dropped:
/// nothing is ever written back, and the value behind the tag is still looked at. `yes` and `on` are text.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, YamlError> {
    parse_with(bytes, options())
}

/// Reads one document within the same limits, but as Helm and `kubectl` do, whose parser follows YAML 1.1: `yes` is true and
/// `0644` is octal, also as keys. Of repeated keys the last counts.
pub(crate) fn parse_as_helm(bytes: &[u8]) -> Result<Value, YamlError> {
    let mut options = options();
    options.duplicate_keys = DuplicateKeyPolicy::LastWins;
    options.strict_booleans = false;
    options.legacy_octal_numbers = true;
    options.non_finite_float_policy = NonFiniteFloatPolicy::PassThrough;
    let node = parse_with(bytes, options)?;
    helm::value(node, std::str::from_utf8(bytes).unwrap_or_default())
}

fn parse_with<T: DeserializeOwned>(bytes: &[u8], options: Options) -> Result<T, YamlError> {
    let error = |why: String, location| YamlError { why, location };
    if bytes.len() > MAX_BYTES {
        return Err(too_long());
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| error("it is not UTF-8; save it as UTF-8".to_owned(), None))?;
    serde_saphyr::from_str_with_options(text, options).map_err(|failure| {
        let location = failure.location().map(|at| Location {
            line: usize::try_from(at.line()).unwrap_or(usize::MAX),
            column: usize::try_from(at.column()).unwrap_or(usize::MAX),
        });
        // It quotes what is in the file.
        error(
            in_a_line(&failure.without_snippet().to_string(), 1000),
            location,
        )
    })
}

/// Where the value at a path stands, or the nearest value around it that is there.
pub(crate) fn locate(bytes: &[u8], path: &DocumentPath) -> Option<Location> {
    let text = std::str::from_utf8(bytes).ok()?;
    let root: Spanned<Tree> = serde_saphyr::from_str_with_options(text, options()).ok()?;
    let mut place = &root;
    for segment in path.segments() {
        let inner = match (segment, &place.value) {
            (Segment::Key(key), Tree::Mapping(members)) => members.get(key),
            (Segment::Index(index), Tree::List(elements)) => elements.get(*index),
            _ => None,
        };
        match inner {
            Some(inner) => place = inner,
            None => break,
        }
    }
    Some(Location {
        line: usize::try_from(place.referenced.line()).ok()?,
        column: usize::try_from(place.referenced.column()).ok()?,
    })
}

/// The shape of a document, of which only the places count.
enum Tree {
    Mapping(BTreeMap<String, Spanned<Tree>>),
    List(Vec<Spanned<Tree>>),
    Scalar,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut mapping = BTreeMap::new();
        while let Some((key, value)) = members.next_entry()? {
            mapping.insert(key, value);
        }
        Ok(Tree::Mapping(mapping))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Tree::List(list))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar)
    }
}

/// The error for a file longer than [`MAX_BYTES`].
pub(crate) fn too_long() -> YamlError {
    YamlError {
        why: format!("it is longer than {MAX_BYTES} bytes; shorten it"),
        location: None,
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_nodes: 50_000,
            max_aliases: 100,
            max_anchors: 100,
            max_total_scalar_bytes: 4 << 20,
            max_documents: 1,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Merge,
        strict_booleans: true,
        with_snippet: false,
    }
}
