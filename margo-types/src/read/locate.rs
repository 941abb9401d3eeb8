//! Where in a document its values stand.

use super::limits::Limits;
use super::{json, node::Node};
use crate::document::Format;
use crate::path::{DocumentPath, Location};

/// The places of all values of a document that was read: found once, asked often.
pub(crate) struct Locator<'a> {
    root: Option<Node<'a>>,
}

impl<'a> Locator<'a> {
    pub(crate) fn new(bytes: &'a [u8], format: Format) -> Self {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = match format {
            Format::Json => json::places(text),
            // It was read within limits before, so none are needed now.
            Format::Yaml => crate::yaml::parse(text, &Limits::NONE).ok(),
        };
        Self { root }
    }

    /// The place of the value at `path`, or of the nearest value around it that is there.
    pub(crate) fn locate(&self, path: &DocumentPath) -> Option<Location> {
        let root = self.root.as_ref()?;
        let mut path = path.segments();
        loop {
            match (root.at(path), path.split_last()) {
                (Some(node), _) => return node.location,
                (None, Some((_, outer))) => path = outer,
                (None, None) => return None,
            }
        }
    }
}
