//! How much a reader is willing to read.

/// Bounds on one document. The defaults suit every document of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest document, in bytes: 1 MiB.
    pub max_bytes: usize,
    /// How many lists and objects may be around a value: 64.
    pub max_depth: usize,
    /// The most values, counting those that YAML aliases repeat: 100,000.
    pub max_nodes: usize,
    /// The most text, in bytes, counting what YAML aliases repeat: 4 MiB.
    pub max_text: usize,
}

impl Limits {
    /// For documents that were read before.
    pub(super) const NONE: Self = Self {
        max_bytes: usize::MAX,
        max_depth: usize::MAX,
        max_nodes: usize::MAX,
        max_text: usize::MAX,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 20,
            max_depth: 64,
            max_nodes: 100_000,
            max_text: 4 << 20,
        }
    }
}

/// What is left of the [`Limits`] while a document is read.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    nodes: usize,
    text: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            nodes: limits.max_nodes,
            text: limits.max_text,
        }
    }

    pub(crate) fn spend(&mut self, nodes: usize, text: usize) -> Result<(), String> {
        self.nodes = self.nodes.checked_sub(nodes).ok_or_else(|| {
            format!(
                "there are more than {} values; split the document",
                self.limits.max_nodes
            )
        })?;
        self.text = self.text.checked_sub(text).ok_or_else(|| {
            format!(
                "there are more than {} bytes of text; split the document",
                self.limits.max_text
            )
        })?;
        Ok(())
    }

    pub(crate) fn check_depth(&self, depth: usize) -> Result<(), String> {
        if depth > self.limits.max_depth {
            return Err(format!(
                "lists and objects are nested deeper than {}; flatten the document",
                self.limits.max_depth
            ));
        }
        Ok(())
    }
}

/// Why a document could not be turned into a tree: a reason, the way there and the place.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) message: String,
    /// Innermost segment first.
    pub(crate) trail: Vec<crate::path::Segment>,
    pub(crate) location: Option<crate::path::Location>,
    /// Whether the text breaks the grammar, rather than a limit or a rule of ours.
    pub(crate) is_syntax: bool,
}

impl Unreadable {
    pub(crate) fn new(message: impl Into<String>, location: Option<crate::path::Location>) -> Self {
        Self {
            message: message.into(),
            trail: Vec::new(),
            location,
            is_syntax: false,
        }
    }

    /// The same, seen from the container of the value.
    pub(crate) fn inside(mut self, segment: crate::path::Segment) -> Self {
        self.trail.push(segment);
        self
    }
}

/// Tells whether a key was seen before in an object, cheaply for the usual handful of keys.
#[derive(Default)]
pub(crate) struct SeenKeys {
    many: Option<std::collections::HashSet<String>>,
}

impl SeenKeys {
    const FEW: usize = 16;

    pub(crate) fn is_repeated<T>(
        &mut self,
        members: &[(std::borrow::Cow<'_, str>, T)],
        key: &str,
    ) -> bool {
        if members.len() < Self::FEW {
            return members.iter().any(|(seen, _)| seen == key);
        }
        let many = self
            .many
            .get_or_insert_with(|| members.iter().map(|(seen, _)| seen.to_string()).collect());
        !many.insert(key.to_owned())
    }
}
