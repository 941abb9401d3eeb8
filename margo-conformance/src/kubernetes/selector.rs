//! Which objects of a list are meant: label and field selectors.

use serde_json::Value;

use super::failure::Failure;
use super::route::Query;

/// The selectors of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

impl Selector {
    pub(super) fn parse(query: &Query) -> Result<Self, Failure> {
        let parse = |text: &str| {
            let requirements = split(text).into_iter().map(Requirement::parse);
            requirements.collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            labels: parse(query.get("labelSelector").unwrap_or_default())?,
            fields: parse(query.get("fieldSelector").unwrap_or_default())?,
        })
    }

    /// The same, of the object with this name.
    pub(super) fn and_name(mut self, name: &str) -> Self {
        self.fields.push(Requirement {
            key: "metadata.name".to_owned(),
            test: Test::In(vec![name.to_owned()]),
        });
        self
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels
            .iter()
            .all(|it| it.holds(labels[&it.key].as_str()))
            && self.fields.iter().all(|it| {
                let pointer = format!("/{}", it.key.replace('.', "/"));
                it.holds(object.pointer(&pointer).and_then(Value::as_str))
            })
    }
}

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
}

impl Requirement {
    fn parse(text: &str) -> Result<Self, Failure> {
        let requirement = |key: &str, test| {
            Ok(Self {
                key: key.trim().to_owned(),
                test,
            })
        };
        let set = |values: &str| {
            let values = values.trim().strip_prefix('(')?.strip_suffix(')')?;
            Some(
                values
                    .split(',')
                    .map(|value| value.trim().to_owned())
                    .collect(),
            )
        };
        let one = |value: &str| vec![value.trim().to_owned()];
        let bad = || Failure::bad_request(format!("unable to parse requirement: {text:?}"));
        if let Some((key, values)) = text.split_once(" notin ") {
            requirement(key, Test::NotIn(set(values).ok_or_else(bad)?))
        } else if let Some((key, values)) = text.split_once(" in ") {
            requirement(key, Test::In(set(values).ok_or_else(bad)?))
        } else if let Some((key, value)) = text.split_once("!=") {
            requirement(key, Test::NotIn(one(value)))
        } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            requirement(key, Test::In(one(value)))
        } else if let Some(key) = text.strip_prefix('!') {
            requirement(key, Test::Missing)
        } else {
            requirement(text, Test::Exists)
        }
    }

    fn holds(&self, value: Option<&str>) -> bool {
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|it| it == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|it| it != value)),
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
        }
    }
}

/// Splits at commas that are not between parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}
