//! What the older device documents have in common: members under several names, objects that are
//! sometimes lists, texts in any letter case, and rejections that say where in the document they are.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::capabilities::{Interface, InterfaceType};
use crate::extra::Extra;
use crate::path::Segment;
use crate::read::deserializer::Misfit;
use crate::version::SpecVersion;
use crate::write::Unrepresentable;

/// A document of an older generation that cannot become one of the model.
#[derive(Debug)]
pub(super) struct Rejected {
    path: Vec<Segment>,
    why: String,
}

impl Rejected {
    /// A rejection of the member that these keys lead to.
    pub(super) fn at<'k>(keys: impl IntoIterator<Item = &'k str>, why: impl Into<String>) -> Self {
        Self {
            path: keys
                .into_iter()
                .map(|key| Segment::Key(key.to_owned()))
                .collect(),
            why: why.into(),
        }
    }

    /// The same, for one element of the list that the keys lead to.
    pub(super) fn element(mut self, index: usize) -> Self {
        self.path.push(Segment::Index(index));
        self
    }
}

impl From<Rejected> for Misfit {
    fn from(rejected: Rejected) -> Self {
        Self::new(rejected.why, Some(rejected.path))
    }
}

/// The `apiVersion` and `kind` around a document that is written for an older generation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Enveloped<T> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    document: T,
}

impl<T> Enveloped<T> {
    pub(super) fn new(api_version: &'static str, kind: &'static str, document: T) -> Self {
        Self {
            api_version,
            kind,
            document,
        }
    }
}

/// An object that some texts of the specification print as a list; read as either, written as an object.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct OneInList<T>(pub(super) T);

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for OneInList<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneInList_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<T>();
        let list =
            schemars::json_schema!({ "type": "array", "items": one, "minItems": 1, "maxItems": 1 });
        schemars::json_schema!({ "anyOf": [one, list] })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneInList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneVisitor<T> {
            type Value = OneInList<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(access)).map(OneInList)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let only_one = || A::Error::custom("write one object, or a list of exactly one");
                let first = access.next_element()?.ok_or_else(only_one)?;
                match access.next_element::<IgnoredAny>()? {
                    None => Ok(OneInList(first)),
                    Some(_) => Err(only_one()),
                }
            }
        }

        deserializer.deserialize_any(OneVisitor(PhantomData))
    }
}

/// One value, or a list of any length; written as a list unless there is exactly one.
#[derive(Debug)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<T: Serialize> Serialize for OneOrMany<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ManyVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("one value or a list of them")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(StrDeserializer::new(text)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(access)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut many = Vec::new();
                while let Some(element) = access.next_element()? {
                    many.push(element);
                }
                Ok(OneOrMany(many))
            }
        }

        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}

/// A communication interface, or several that one published example lists under a single `type`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct Interfaces {
    #[serde(rename = "type")]
    types: OneOrMany<InterfaceType>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

impl Interfaces {
    /// One interface of the model for each type.
    pub(super) fn into_each(self) -> impl Iterator<Item = Interface> {
        let Self {
            types: OneOrMany(types),
            extra,
        } = self;
        types.into_iter().map(move |mut interface_type| {
            respell(&mut interface_type, InterfaceType::KNOWN, &[]);
            let mut interface = Interface::new(interface_type);
            interface.extra = extra.clone();
            interface
        })
    }
}

impl From<Interface> for Interfaces {
    fn from(interface: Interface) -> Self {
        Self {
            types: OneOrMany(vec![interface.interface_type]),
            extra: interface.extra,
        }
    }
}

/// Replaces a value of an open enumeration by the known one that it is another spelling of.
///
/// Letter case never matters; `synonyms` are in lower case.
pub(super) fn respell<T>(value: &mut T, known: &[T], synonyms: &[(&str, T)])
where
    T: Clone + fmt::Display,
{
    let spelling = value.to_string().to_ascii_lowercase();
    let synonym = synonyms.iter().find(|(synonym, _)| *synonym == spelling);
    let meant = match synonym {
        Some((_, meant)) => Some(meant),
        None => known.iter().find(|known| known.to_string() == spelling),
    };
    if let Some(meant) = meant {
        *value = meant.clone();
    }
}

/// Checks that no unknown member of the model has a name that means something in an older generation.
pub(super) fn no_clash(
    extra: &Extra,
    inside: &str,
    names: &[&str],
    generation: SpecVersion,
) -> Result<(), Unrepresentable> {
    let Some(clash) = names.iter().find(|name| extra.0.contains_key(**name)) else {
        return Ok(());
    };
    let field = match inside {
        "" => (*clash).to_owned(),
        inside => format!("{inside}.{clash}"),
    };
    let why = "the generation has a member of this name with another meaning; remove it";
    Err(Unrepresentable::new(field, generation, why))
}
