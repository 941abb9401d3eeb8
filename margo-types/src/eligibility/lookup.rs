//! What a key resolves to on a device: borrowed from the typed capabilities, nothing is serialised.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Number, Value};

use super::pointer::{Pointer, Token};
use crate::application::DeploymentType;
use crate::capabilities::{Cpu, DeviceProperties, Interface, LabelValue, Peripheral, Runtime};
use crate::number::Exactly;
use crate::scalar::Quantity;
use crate::text::shorten;

/// What the keys of a selector refer to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    Properties(&'a DeviceProperties),
    Labels(&'a BTreeMap<String, LabelValue>),
    Element(Element<'a>),
}

/// A key, ready to be looked up.
#[derive(Clone, Debug)]
pub(super) enum Key {
    /// In property selectors and item selectors.
    Pointer(Pointer),
    /// In label selectors, where the text is the key itself.
    Label(Box<str>),
}

/// A value that a key resolved to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    Scalar(Scalar<'a>),
    Scalars(Scalars<'a>),
    Objects(Objects<'a>),
    /// A kind of value that makes every expression false.
    Inadmissible(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Scalar<'a> {
    Text(&'a str),
    /// A text whose spelling was not kept; see the decision on ambiguity 45 in the module documentation.
    Quantity(&'a Quantity),
    Number(Exactly),
    Boolean(bool),
}

/// A list of texts or of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scalars<'a> {
    Texts(&'a [String]),
    Numbers(&'a [Number]),
    Runtimes(&'a [Runtime]),
    DeploymentTypes(&'a [DeploymentType]),
    Values(&'a [Value]),
}

/// A list of objects.
#[derive(Clone, Copy, Debug)]
pub(super) enum Objects<'a> {
    Cpus(&'a [Cpu]),
    Peripherals(&'a [Peripheral]),
    Interfaces(&'a [Interface]),
    Values(&'a [Value]),
}

/// An element of a list of objects.
#[derive(Clone, Copy, Debug)]
pub(super) enum Element<'a> {
    Cpu(&'a Cpu),
    Peripheral(&'a Peripheral),
    Interface(&'a Interface),
    Value(&'a Value),
}

impl<'a> Subject<'a> {
    /// What the key resolves to; `None` when the key is absent.
    pub(super) fn resolve(self, key: &Key) -> Option<Found<'a>> {
        match (self, key) {
            (Self::Properties(properties), Key::Pointer(pointer)) => {
                property(properties, pointer.tokens())
            }
            (Self::Element(element), Key::Pointer(pointer)) => element.at(pointer.tokens()),
            (Self::Labels(labels), Key::Label(key)) => labels.get(&**key).map(label),
            _ => None,
        }
    }

    /// What the subject has values for, in words.
    pub(super) fn has(self) -> &'static str {
        match self {
            Self::Properties(_) => "property",
            Self::Labels(_) => "label",
            Self::Element(_) => "member",
        }
    }
}

fn property<'a>(properties: &'a DeviceProperties, tokens: &[Token]) -> Option<Found<'a>> {
    let Some((first, rest)) = tokens.split_first() else {
        return Some(Found::Inadmissible("an object"));
    };
    match &*first.name {
        "id" => text(properties.id.as_str(), rest),
        "vendor" => text(&properties.vendor, rest),
        "modelNumber" => text(&properties.model_number, rest),
        "serialNumber" => text(&properties.serial_number, rest),
        "cpus" => Objects::Cpus(properties.cpus.as_deref()?).at(rest),
        "memory" => scalar(Scalar::Quantity(properties.memory.as_ref()?), rest),
        "storage" => scalar(Scalar::Quantity(properties.storage.as_ref()?), rest),
        "peripherals" => Objects::Peripherals(properties.peripherals.as_deref()?).at(rest),
        "interfaces" => Objects::Interfaces(properties.interfaces.as_deref()?).at(rest),
        "otelCollector" => scalar(Scalar::Boolean(properties.otel_collector?), rest),
        "supportedRuntimes" => {
            Scalars::Runtimes(properties.supported_runtimes.as_deref()?).at(rest)
        }
        "supportedDeploymentTypes" => {
            Scalars::DeploymentTypes(properties.supported_deployment_types.as_deref()?).at(rest)
        }
        other => walk(properties.extra.0.get(other)?, rest),
    }
}

fn label(value: &LabelValue) -> Found<'_> {
    match value {
        LabelValue::Text(text) => Found::Scalar(Scalar::Text(text)),
        LabelValue::Boolean(value) => Found::Scalar(Scalar::Boolean(*value)),
        LabelValue::Number(value) => number(value),
        LabelValue::Texts(texts) => Found::Scalars(Scalars::Texts(texts)),
        LabelValue::Numbers(numbers) => Found::Scalars(Scalars::Numbers(numbers)),
        LabelValue::Other(value) => match classify(value) {
            Found::Objects(_) => Found::Inadmissible("a list of objects"),
            found => found,
        },
    }
}

impl<'a> Element<'a> {
    fn at(self, tokens: &[Token]) -> Option<Found<'a>> {
        let (first, rest) = match (self, tokens.split_first()) {
            (Self::Value(value), _) => return walk(value, tokens),
            (_, None) => return Some(Found::Inadmissible("an object")),
            (_, Some(split)) => split,
        };
        let extra = match (self, &*first.name) {
            (Self::Cpu(cpu), "cores") => {
                return scalar(Scalar::Number(Exactly::from_f64(cpu.cores)?), rest);
            }
            (Self::Cpu(cpu), "architecture") => {
                return text(cpu.architecture.as_ref()?.as_str(), rest);
            }
            (Self::Peripheral(it), "type") => return text(it.peripheral_type.as_str(), rest),
            (Self::Peripheral(it), "manufacturer") => return text(it.manufacturer.as_ref()?, rest),
            (Self::Peripheral(it), "model") => return text(it.model.as_ref()?, rest),
            (Self::Interface(it), "type") => return text(it.interface_type.as_str(), rest),
            (Self::Cpu(cpu), _) => &cpu.extra,
            (Self::Peripheral(peripheral), _) => &peripheral.extra,
            (Self::Interface(interface), _) => &interface.extra,
            (Self::Value(_), _) => return None,
        };
        walk(extra.0.get(&*first.name)?, rest)
    }
}

impl<'a> Objects<'a> {
    /// Whether one of the elements satisfies `test`.
    pub(super) fn any(self, test: impl Fn(Element<'a>) -> bool) -> bool {
        match self {
            Self::Cpus(list) => list.iter().any(|it| test(Element::Cpu(it))),
            Self::Peripherals(list) => list.iter().any(|it| test(Element::Peripheral(it))),
            Self::Interfaces(list) => list.iter().any(|it| test(Element::Interface(it))),
            Self::Values(list) => list.iter().any(|it| test(Element::Value(it))),
        }
    }

    fn at(self, tokens: &[Token]) -> Option<Found<'a>> {
        let Some((first, rest)) = tokens.split_first() else {
            return Some(Found::Objects(self));
        };
        let index = first.index?;
        let element = match self {
            Self::Cpus(list) => Element::Cpu(list.get(index)?),
            Self::Peripherals(list) => Element::Peripheral(list.get(index)?),
            Self::Interfaces(list) => Element::Interface(list.get(index)?),
            Self::Values(list) => Element::Value(list.get(index)?),
        };
        element.at(rest)
    }
}

impl<'a> Scalars<'a> {
    /// Whether one of the elements satisfies `test`.
    pub(super) fn any(self, test: impl Fn(Scalar<'a>) -> bool) -> bool {
        match self {
            Self::Texts(list) => list.iter().any(|it| test(Scalar::Text(it))),
            Self::Runtimes(list) => list.iter().any(|it| test(Scalar::Text(it.as_str()))),
            Self::DeploymentTypes(list) => list.iter().any(|it| test(Scalar::Text(it.as_str()))),
            Self::Numbers(list) => list.iter().any(|it| is_scalar(number(it), &test)),
            Self::Values(list) => list.iter().any(|it| is_scalar(classify(it), &test)),
        }
    }

    fn at(self, tokens: &[Token]) -> Option<Found<'a>> {
        let Some((first, rest)) = tokens.split_first() else {
            return Some(Found::Scalars(self));
        };
        let index = first.index?;
        match self {
            Self::Texts(list) => text(list.get(index)?, rest),
            Self::Runtimes(list) => text(list.get(index)?.as_str(), rest),
            Self::DeploymentTypes(list) => text(list.get(index)?.as_str(), rest),
            Self::Numbers(list) => list.get(index).filter(|_| rest.is_empty()).map(number),
            Self::Values(list) => walk(list.get(index)?, rest),
        }
    }
}

impl Found<'_> {
    /// The value as JSON, shortened when long.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Scalar(Scalar::Text(text)) => json(text),
            Self::Scalar(Scalar::Quantity(quantity)) => json(quantity),
            Self::Scalar(Scalar::Number(Exactly::Whole(number))) => number.to_string(),
            Self::Scalar(Scalar::Number(Exactly::Float(number))) => number.to_string(),
            Self::Scalar(Scalar::Boolean(value)) => value.to_string(),
            Self::Scalars(Scalars::Texts(list)) => json(list),
            Self::Scalars(Scalars::Numbers(list)) => json(list),
            Self::Scalars(Scalars::Runtimes(list)) => json(list),
            Self::Scalars(Scalars::DeploymentTypes(list)) => json(list),
            Self::Objects(Objects::Cpus(list)) => json(list),
            Self::Objects(Objects::Peripherals(list)) => json(list),
            Self::Objects(Objects::Interfaces(list)) => json(list),
            Self::Scalars(Scalars::Values(list)) | Self::Objects(Objects::Values(list)) => {
                json(list)
            }
            Self::Inadmissible(what) => (*what).to_owned(),
        }
    }
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    shorten(&serde_json::to_string(value).unwrap_or_default())
}

fn text<'a>(text: &'a str, rest: &[Token]) -> Option<Found<'a>> {
    scalar(Scalar::Text(text), rest)
}

/// A scalar has no members, so a pointer that goes on leads nowhere.
fn scalar<'a>(scalar: Scalar<'a>, rest: &[Token]) -> Option<Found<'a>> {
    rest.is_empty().then_some(Found::Scalar(scalar))
}

fn number<'a>(number: &Number) -> Found<'a> {
    Exactly::from_number(number).map_or(Found::Inadmissible("not a number"), |number| {
        Found::Scalar(Scalar::Number(number))
    })
}

fn is_scalar<'a>(found: Found<'a>, test: impl Fn(Scalar<'a>) -> bool) -> bool {
    match found {
        Found::Scalar(scalar) => test(scalar),
        _ => false,
    }
}

fn walk<'a>(value: &'a Value, tokens: &[Token]) -> Option<Found<'a>> {
    tokens
        .iter()
        .try_fold(value, |value, token| match value {
            Value::Object(members) => members.get(&*token.name),
            Value::Array(list) => list.get(token.index?),
            _ => None,
        })
        .map(classify)
}

/// The kind of an untyped value. An empty list is one of scalars: it holds no object.
fn classify(value: &Value) -> Found<'_> {
    match value {
        Value::Null => Found::Inadmissible("null"),
        Value::Object(_) => Found::Inadmissible("an object"),
        Value::Bool(value) => Found::Scalar(Scalar::Boolean(*value)),
        Value::Number(value) => number(value),
        Value::String(text) => Found::Scalar(Scalar::Text(text)),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            Found::Scalars(Scalars::Values(list))
        }
        Value::Array(list) if list.iter().all(Value::is_number) => {
            Found::Scalars(Scalars::Values(list))
        }
        Value::Array(list) if list.iter().all(Value::is_object) => {
            Found::Objects(Objects::Values(list))
        }
        Value::Array(_) => {
            Found::Inadmissible("a list of something else than texts, numbers or objects")
        }
    }
}
