//! Lines and columns of values, for messages.

use super::limits::Limits;
use super::node::Node;
use crate::document::Format;
use crate::path::{DocumentPath, Location};

/// The place of every value of one document: made once, asked often.
#[derive(Debug)]
pub(crate) struct Locator<'a>(Node<'a>);

impl<'a> Locator<'a> {
    /// The places in these bytes; `None` when they are not well-formed.
    pub(crate) fn new(bytes: &'a [u8], format: Format) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match format {
            Format::Json => super::json::parse_places(text),
            Format::Yaml => crate::yaml::parse(text, &Limits::for_known(bytes.len())).ok(),
        }
        .map(Self)
    }

    /// Where the value at `path` stands, or the nearest value around it that is there.
    pub(crate) fn locate(&self, path: &DocumentPath) -> Option<Location> {
        let mut path = path.segments();
        loop {
            match (self.0.at(path), path.split_last()) {
                (Some(node), _) => return node.location,
                (None, Some((_, outer))) => path = outer,
                (None, None) => return None,
            }
        }
    }
}
