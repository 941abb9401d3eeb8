//! Where the values of a JSON text stand, found when somebody asks.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::Key;
use crate::path::{Location, Segment};

/// The values of a JSON text that is known to be well-formed. No object or list is looked through twice,
/// however many places in it are asked for.
pub(super) struct Places<'a> {
    text: &'a str,
    containers: RefCell<BTreeMap<Vec<Segment>, Container<'a>>>,
}

type Container<'a> = BTreeMap<Segment, &'a RawValue>;

impl<'a> Places<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            containers: RefCell::default(),
        }
    }

    /// Where the value at this path stands.
    pub(super) fn locate(&self, path: &[Segment]) -> Option<Location> {
        let value = self.value(path)?.get();
        let offset = (value.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        Some(Location::of_offset(self.text, offset))
    }

    fn value(&self, path: &[Segment]) -> Option<&'a RawValue> {
        let Some((last, outer)) = path.split_last() else {
            return serde_json::from_str(self.text).ok();
        };
        if !self.containers.borrow().contains_key(outer) {
            let container = container(self.value(outer)?);
            self.containers
                .borrow_mut()
                .insert(outer.to_vec(), container);
        }
        self.containers.borrow().get(outer)?.get(last).copied()
    }
}

/// The members or elements of a value; none of a value that has none.
fn container(value: &RawValue) -> Container<'_> {
    if let Ok(Members(members)) = serde_json::from_str(value.get()) {
        let keyed = |(key, value): (Cow<'_, str>, _)| (Segment::Key(key.into_owned()), value);
        return members.into_iter().map(keyed).collect();
    }
    let elements: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
    let indexed = |(index, value)| (Segment::Index(index), value);
    elements.into_iter().enumerate().map(indexed).collect()
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
