//! A document as it was written: the tree between the bytes and the typed model.
//!
//! YAML and JSON both become this tree. It keeps what typed reading needs and an untyped value would
//! lose: the text of a number (`1.0` stays `1.0` where a string is wanted), and where it stood.

use std::borrow::Cow;

use crate::path::{Location, Segment};

/// A value of a document. Text is borrowed from the document where it needs no decoding.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) value: NodeValue<'a>,
    /// Where it stood; known for YAML, found later where needed for JSON.
    pub(crate) location: Option<Location>,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeValue<'a> {
    Null,
    Bool(bool),
    /// A number, and its text when the format lets a number stand for a string.
    Number(NumberValue, Option<Cow<'a, str>>),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NumberValue {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    /// A whole number that fits neither `u64` nor `i64`: usable as text only.
    OutOfRange,
}

impl<'a> Node<'a> {
    pub(crate) fn new(value: NodeValue<'a>) -> Self {
        Self {
            value,
            location: None,
        }
    }

    /// The member `key` of an object.
    pub(crate) fn get(&self, key: &str) -> Option<&Node<'a>> {
        match &self.value {
            NodeValue::Map(members) => members
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// Whether this is an object with the member `key`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn at(&self, path: &[Segment]) -> Option<&Node<'a>> {
        path.iter()
            .try_fold(self, |node, segment| match (&node.value, segment) {
                (NodeValue::Map(_), Segment::Key(key)) => node.get(key),
                (NodeValue::List(elements), Segment::Index(index)) => elements.get(*index),
                _ => None,
            })
    }

    pub(crate) fn at_mut(&mut self, path: &[Segment]) -> Option<&mut Node<'a>> {
        path.iter()
            .try_fold(self, |node, segment| match (&mut node.value, segment) {
                (NodeValue::Map(members), Segment::Key(key)) => members
                    .iter_mut()
                    .find(|(name, _)| name == key)
                    .map(|(_, node)| node),
                (NodeValue::List(elements), Segment::Index(index)) => elements.get_mut(*index),
                _ => None,
            })
    }
}
