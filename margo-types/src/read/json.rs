//! JSON bytes into a tree, by `serde_json`.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::limits::{Budget, Limits, SeenKeys, Unreadable};
use super::node::{Node, NodeValue, NumberValue};
use crate::path::{Location, Segment};

/// Reads JSON text. Refuses repeated keys, NUL characters and whole numbers beyond 64 bits.
pub(crate) fn parse<'a>(text: &'a str, limits: &Limits) -> Result<Node<'a>, Unreadable> {
    let state = State {
        budget: RefCell::new(Budget::new(limits)),
        trail: RefCell::default(),
        any_huge: Cell::new(false),
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = Seed {
        state: &state,
        depth: 0,
    }
    .deserialize(&mut json)
    .and_then(|node| json.end().map(|()| node));
    // serde_json hands over whole numbers beyond 64 bits as floats, rounded: look at their text instead.
    if parsed.is_ok()
        && state.any_huge.get()
        && let Some(offset) = huge_whole_number(text)
    {
        return Err(Unreadable {
            trail: trail_to(text, offset),
            ..Unreadable::new(BEYOND_64_BITS, Some(Location::of_offset(text, offset)))
        });
    }
    parsed.map_err(|error| {
        let location = Location {
            line: error.line(),
            column: error.column().max(1),
        };
        let message = error.to_string();
        let message = message
            .rsplit_once(" at line ")
            .map_or(message.as_str(), |(message, _)| message);
        let out_of_range = message == "number out of range";
        Unreadable {
            message: if out_of_range {
                BEYOND_64_BITS
            } else {
                message
            }
            .to_owned(),
            trail: state.trail.take(),
            location: Some(location),
            is_syntax: !error.is_data() && !out_of_range,
        }
    })
}

/// The places of all values of JSON text that is known to be well-formed, without the scalars themselves.
pub(super) fn places(text: &str) -> Option<Node<'_>> {
    let mut reading = Reading {
        text,
        offset: 0,
        location: Location { line: 1, column: 1 },
    };
    Some(reading.places_in(serde_json::from_str(text).ok()?))
}

/// A walk through JSON text that counts lines and columns.
struct Reading<'a> {
    text: &'a str,
    offset: usize,
    location: Location,
}

impl<'a> Reading<'a> {
    fn places_in(&mut self, raw: &'a RawValue) -> Node<'a> {
        self.walk_to(raw.get().as_ptr() as usize - self.text.as_ptr() as usize);
        let location = Some(self.location);
        let value = if let Ok(Members(members)) = serde_json::from_str(raw.get()) {
            let place = |(key, raw)| (key, self.places_in(raw));
            NodeValue::Map(members.into_iter().map(place).collect())
        } else if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
            NodeValue::List(
                elements
                    .into_iter()
                    .map(|raw| self.places_in(raw))
                    .collect(),
            )
        } else {
            NodeValue::Null
        };
        Node { value, location }
    }

    fn walk_to(&mut self, offset: usize) {
        for byte in &self.text.as_bytes()[self.offset..offset] {
            match byte {
                b'\n' => {
                    self.location.line += 1;
                    self.location.column = 1;
                }
                // Columns count characters: the further bytes of one do not add any.
                0x80..=0xBF => {}
                _ => self.location.column += 1,
            }
        }
        self.offset = offset;
    }
}

/// The way to the value at an offset of well-formed JSON text, innermost segment first.
fn trail_to(text: &str, offset: usize) -> Vec<Segment> {
    let wanted = text.as_ptr() as usize + offset;
    let mut trail = Vec::new();
    let mut value = text;
    while let Some((segment, inner)) = child_with(value, wanted) {
        trail.push(segment);
        value = inner;
    }
    trail.reverse();
    trail
}

/// The member or element of a JSON value that contains the byte at an address.
fn child_with(value: &str, address: usize) -> Option<(Segment, &str)> {
    let contains = |inner: &RawValue| {
        let start = inner.get().as_ptr() as usize;
        (start..start + inner.get().len()).contains(&address)
    };
    if let Ok(Members(members)) = serde_json::from_str(value) {
        let (key, inner) = members.into_iter().find(|(_, inner)| contains(inner))?;
        return Some((Segment::Key(key.into_owned()), inner.get()));
    }
    let elements: Vec<&RawValue> = serde_json::from_str(value).ok()?;
    let (index, inner) = elements
        .into_iter()
        .enumerate()
        .find(|(_, inner)| contains(inner))?;
    Some((Segment::Index(index), inner.get()))
}

struct State {
    budget: RefCell<Budget>,
    /// The way to the value that could not be read, innermost segment first.
    trail: RefCell<Vec<Segment>>,
    any_huge: Cell<bool>,
}

/// Reads one value at some depth.
struct Seed<'s> {
    state: &'s State,
    depth: usize,
}

impl Seed<'_> {
    fn spend<E: serde::de::Error>(&self, values: usize, text: usize) -> Result<(), E> {
        self.state
            .budget
            .borrow_mut()
            .spend(values, text)
            .map_err(E::custom)
    }

    fn inner(&self) -> Self {
        Seed {
            state: self.state,
            depth: self.depth + 1,
        }
    }

    fn text<'a, E: serde::de::Error>(&self, text: Cow<'a, str>) -> Result<Node<'a>, E> {
        if text.contains('\0') {
            return Err(E::custom("a NUL character is not allowed"));
        }
        self.spend(1, text.len())?;
        Ok(Node::new(NodeValue::Text(text)))
    }

    fn leaf<'a, E: serde::de::Error>(&self, value: NodeValue<'a>) -> Result<Node<'a>, E> {
        self.spend(1, 0)?;
        Ok(Node::new(value))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        self.state
            .budget
            .borrow()
            .check_depth(self.depth)
            .map_err(D::Error::custom)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node<'de>, E> {
        self.leaf(NodeValue::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Node<'de>, E> {
        self.leaf(NodeValue::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Node<'de>, E> {
        self.leaf(NodeValue::Number(NumberValue::Unsigned(value), None))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Node<'de>, E> {
        self.leaf(NodeValue::Number(NumberValue::Negative(value), None))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node<'de>, E> {
        self.state
            .any_huge
            .set(self.state.any_huge.get() || value.abs() >= TWO_TO_63);
        self.leaf(NodeValue::Number(NumberValue::Float(value), None))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Node<'de>, E> {
        self.text(Cow::Borrowed(text))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Node<'de>, E> {
        self.text(Cow::Owned(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        self.spend(1, 0)?;
        let mut elements = Vec::new();
        while let Some(element) = access.next_element_seed(self.inner()).inspect_err(|_| {
            self.state
                .trail
                .borrow_mut()
                .push(Segment::Index(elements.len()));
        })? {
            elements.push(element);
        }
        Ok(Node::new(NodeValue::List(elements)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        self.spend(1, 0)?;
        let mut seen = SeenKeys::default();
        let mut members = Vec::new();
        while let Some(Key(key)) = access.next_key()? {
            let trail = |key: &str| {
                self.state
                    .trail
                    .borrow_mut()
                    .push(Segment::Key(key.to_owned()));
            };
            if seen.is_repeated(&members, &key) {
                trail(&key);
                return Err(A::Error::custom("the key appears more than once; keep one"));
            }
            self.spend(0, key.len())?;
            let value = access
                .next_value_seed(self.inner())
                .inspect_err(|_| trail(&key))?;
            members.push((key, value));
        }
        Ok(Node::new(NodeValue::Map(members)))
    }
}

/// A key, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Key<'de>, E> {
        if text.contains('\0') {
            return Err(E::custom("a NUL character is not allowed"));
        }
        Ok(Key(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Key<'de>, E> {
        if text.contains('\0') {
            return Err(E::custom("a NUL character is not allowed"));
        }
        Ok(Key(Cow::Owned(text.to_owned())))
    }
}

/// The members of an object, each still as text.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = access.next_key()? {
                    members.push((key, access.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

const BEYOND_64_BITS: &str =
    "the number does not fit 64 bits; write a smaller one, or a string where one is allowed";
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// The offset of a whole number outside strings that fits neither `u64` nor `i64`, in well-formed JSON.
fn huge_whole_number(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut offset = 0;
    while offset < bytes.len() {
        match bytes[offset] {
            b'"' => {
                offset += 1;
                while offset < bytes.len() && bytes[offset] != b'"' {
                    offset += if bytes[offset] == b'\\' { 2 } else { 1 };
                }
                offset += 1;
            }
            b'-' | b'0'..=b'9' => {
                let number =
                    |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let end = offset
                    + bytes[offset..]
                        .iter()
                        .take_while(|byte| number(byte))
                        .count();
                let literal = &text[offset..end];
                let whole = !literal.contains(['.', 'e', 'E']);
                if whole && literal.parse::<u64>().is_err() && literal.parse::<i64>().is_err() {
                    return Some(offset);
                }
                offset = end;
            }
            _ => offset += 1,
        }
    }
    None
}
