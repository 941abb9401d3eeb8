//! The tree into typed values, by serde, with the path of whatever does not fit.

use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::node::{Node, NodeValue, NumberValue};
use crate::path::{Location, Segment, Trail};

/// Reads a typed value from a tree.
pub(crate) fn from_node<'de, T: serde::Deserialize<'de>>(
    node: &'de Node<'de>,
) -> Result<T, Misfit> {
    T::deserialize(Cursor {
        node,
        trail: Trail::Root,
    })
}

/// A value that does not fit its type. It is one word, because the readers of all types hand it on.
#[derive(Debug)]
pub(crate) struct Misfit(Box<Reason>);

impl Misfit {
    #[cold]
    #[inline(never)]
    pub(crate) fn new(message: String, path: Option<Vec<Segment>>) -> Self {
        Self(Box::new(Reason {
            message,
            path,
            location: None,
            newtype: None,
        }))
    }

    pub(crate) fn reason(&self) -> &Reason {
        &self.0
    }

    pub(crate) fn into_reason(self) -> Reason {
        *self.0
    }
}

/// What does not fit, and where.
#[derive(Debug)]
pub(crate) struct Reason {
    pub(crate) message: String,
    /// Where it is; set once the error leaves the innermost value.
    pub(crate) path: Option<Vec<Segment>>,
    pub(crate) location: Option<Location>,
    /// The validated text type that refused the value, if that was the reason.
    pub(crate) newtype: Option<&'static str>,
}

/// A value in the tree and the way to it.
#[derive(Clone, Copy)]
struct Cursor<'de, 't> {
    node: &'de Node<'de>,
    trail: Trail<'t>,
}

impl Cursor<'_, '_> {
    /// Says where the error is, unless it came from further inside.
    #[cold]
    #[inline(never)]
    fn place(self, mut misfit: Misfit) -> Misfit {
        let reason = &mut *misfit.0;
        if reason.path.is_none() {
            reason.path = Some(self.trail.to_path());
            reason.location = self.node.location;
        }
        misfit
    }

    /// The error that something else was expected here.
    #[cold]
    #[inline(never)]
    fn misfit(self, expected: &dyn Expected) -> Misfit {
        self.place(de::Error::invalid_type(self.unexpected(), expected))
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match &self.node.value {
            NodeValue::Null => Unexpected::Unit,
            NodeValue::Bool(value) => Unexpected::Bool(*value),
            NodeValue::Number(NumberValue::Unsigned(value), _) => Unexpected::Unsigned(*value),
            NodeValue::Number(NumberValue::Negative(value), _) => Unexpected::Signed(*value),
            NodeValue::Number(NumberValue::Float(value), _) => Unexpected::Float(*value),
            NodeValue::Number(NumberValue::OutOfRange, _) => {
                Unexpected::Other("a number beyond 64 bits")
            }
            NodeValue::Text(text) => Unexpected::Str(text),
            NodeValue::List(_) => Unexpected::Seq,
            NodeValue::Map(_) => Unexpected::Map,
        }
    }
}

impl<'de> Deserializer<'de> for Cursor<'de, '_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            NodeValue::Null => visitor.visit_unit(),
            NodeValue::Bool(value) => visitor.visit_bool(*value),
            NodeValue::Number(NumberValue::Unsigned(value), _) => visitor.visit_u64(*value),
            NodeValue::Number(NumberValue::Negative(value), _) => visitor.visit_i64(*value),
            NodeValue::Number(NumberValue::Float(value), _) if value.is_finite() => {
                visitor.visit_f64(*value)
            }
            NodeValue::Number(NumberValue::Float(_), _) => Err(de::Error::custom(
                "the number is not finite; write one that is",
            )),
            NodeValue::Number(NumberValue::OutOfRange, _) => Err(de::Error::custom(
                "the number does not fit 64 bits; write a smaller one, or a quoted text where one is allowed",
            )),
            NodeValue::Text(text) => visitor.visit_borrowed_str(text),
            NodeValue::List(elements) => visitor.visit_seq(Elements {
                cursor: self,
                all: elements,
                next: 0,
            }),
            NodeValue::Map(members) => visitor.visit_map(Members {
                cursor: self,
                all: members,
                next: 0,
            }),
        }
        .map_err(|misfit| self.place(misfit))
    }

    /// A YAML number stands for the text it was written with where a string is wanted.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            NodeValue::Number(_, Some(text)) => visitor
                .visit_borrowed_str(text)
                .map_err(|misfit| self.place(misfit)),
            NodeValue::Text(_) => self.deserialize_any(visitor),
            _ => Err(self.misfit(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.node.value {
            NodeValue::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let is_scalar = !matches!(
            self.node.value,
            NodeValue::List(_) | NodeValue::Map(_) | NodeValue::Null
        );
        visitor.visit_newtype_struct(self).map_err(|mut misfit| {
            let newtype = &mut misfit.0.newtype;
            *newtype = newtype.or_else(|| is_scalar.then_some(name));
            self.place(misfit)
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.node.value {
            NodeValue::Text(text) => visitor
                .visit_enum(StrDeserializer::<Misfit>::new(text))
                .map_err(|misfit| self.place(misfit)),
            _ => Err(self.misfit(&"a text")),
        }
    }

    /// Only an object: serde would also take a list, member by member.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.node.value {
            NodeValue::List(_) => Err(self.misfit(&"an object")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
}

/// The elements of a list, one after the other.
struct Elements<'de, 't> {
    cursor: Cursor<'de, 't>,
    all: &'de [Node<'de>],
    next: usize,
}

impl<'de> SeqAccess<'de> for Elements<'de, '_> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let Some(node) = self.all.get(self.next) else {
            return Ok(None);
        };
        let cursor = Cursor {
            node,
            trail: Trail::Index(&self.cursor.trail, self.next),
        };
        self.next += 1;
        seed.deserialize(cursor)
            .map(Some)
            .map_err(|misfit| cursor.place(misfit))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.all.len() - self.next)
    }
}

/// The members of an object, one after the other.
struct Members<'de, 't> {
    cursor: Cursor<'de, 't>,
    all: &'de [(std::borrow::Cow<'de, str>, Node<'de>)],
    next: usize,
}

impl<'de> MapAccess<'de> for Members<'de, '_> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        let Some((key, _)) = self.all.get(self.next) else {
            return Ok(None);
        };
        seed.deserialize(BorrowedStrDeserializer::new(key))
            .map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Misfit> {
        let Some((key, node)) = self.all.get(self.next) else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        self.next += 1;
        let cursor = Cursor {
            node,
            trail: Trail::Key(&self.cursor.trail, key),
        };
        seed.deserialize(cursor)
            .map_err(|misfit| cursor.place(misfit))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.all.len() - self.next)
    }
}

impl de::Error for Misfit {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string(), None)
    }

    #[cold]
    #[inline(never)]
    fn invalid_type(found: Unexpected, expected: &dyn Expected) -> Self {
        Self::custom(format_args!(
            "expected {}, found {}",
            Wanted(expected),
            Found(found)
        ))
    }

    #[cold]
    #[inline(never)]
    fn invalid_value(found: Unexpected, expected: &dyn Expected) -> Self {
        Self::custom(format_args!(
            "expected {}, found {}",
            Wanted(expected),
            Found(found)
        ))
    }

    #[cold]
    #[inline(never)]
    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("`{field}` is missing; write it"))
    }

    #[cold]
    #[inline(never)]
    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format_args!(
            "`{field}` is given twice, by two of its names; keep one"
        ))
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl std::error::Error for Misfit {}

/// What was expected, in words of documents rather than of Rust.
struct Wanted<'a>(&'a dyn Expected);

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let whole = |formatter: &mut fmt::Formatter, least: u64, most: u64| {
            write!(formatter, "a whole number from {least} to {most}")
        };
        match self.0.to_string().as_str() {
            "u16" => whole(formatter, 0, u16::MAX.into()),
            "u32" => whole(formatter, 0, u32::MAX.into()),
            "u64" => whole(formatter, 0, u64::MAX),
            "a nonzero u64" => whole(formatter, 1, u64::MAX),
            "f64" => formatter.write_str("a number"),
            "a boolean" => formatter.write_str("true or false"),
            "a sequence" => formatter.write_str("a list"),
            "a map" => formatter.write_str("an object"),
            named if named.starts_with("struct ") => formatter.write_str("an object"),
            other => formatter.write_str(other),
        }
    }
}

/// What was found, in words of documents rather than of Rust.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {
            Unexpected::Unit | Unexpected::Option => formatter.write_str("nothing"),
            Unexpected::Map => formatter.write_str("an object"),
            Unexpected::Seq => formatter.write_str("a list"),
            Unexpected::Str(text) => write!(formatter, "the text {:?}", crate::text::shorten(text)),
            Unexpected::Bool(value) => write!(formatter, "{value}"),
            Unexpected::Unsigned(value) => write!(formatter, "the number {value}"),
            Unexpected::Signed(value) => write!(formatter, "the number {value}"),
            Unexpected::Float(value) => write!(formatter, "the number {value:?}"),
            other => other.fmt(formatter),
        }
    }
}
