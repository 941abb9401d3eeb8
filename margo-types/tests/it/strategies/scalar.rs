//! Identifiers, scalars and members that no generation defines.

use std::time::Duration;

use margo_types::Extra;
use margo_types::id::{ApplicationId, ComponentName, DeploymentId, DeviceId, DeviceTarget};
use margo_types::scalar::{Quantity, Repository, Revision, Timeout};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Number, Value};

/// The text of a strategy, as the type that reads it.
fn parsed<T>(pattern: &'static str) -> impl Strategy<Value = T>
where
    T: for<'a> TryFrom<&'a str> + std::fmt::Debug,
{
    pattern.prop_filter_map("not an identifier", |text| T::try_from(&text).ok())
}

pub(crate) fn application_id() -> impl Strategy<Value = ApplicationId> {
    parsed("[a-z0-9-]{1,20}")
}

pub(crate) fn component_name() -> impl Strategy<Value = ComponentName> {
    parsed("[a-c][0-9]?")
}

pub(crate) fn deployment_id() -> impl Strategy<Value = DeploymentId> {
    any::<[u8; 16]>().prop_map(DeploymentId::from_uuid_bytes)
}

/// A device that sits behind no gateway.
pub(crate) fn plain_device() -> impl Strategy<Value = DeviceId> {
    parsed("[A-Za-z0-9._~-]{1,12}")
}

pub(crate) fn device_target() -> impl Strategy<Value = DeviceTarget> {
    parsed("[A-Za-z0-9._~-]{1,6}(/[A-Za-z0-9._~-]{1,6}){0,2}(/\\*)?")
}

pub(crate) fn repository() -> impl Strategy<Value = Repository> {
    parsed("(oci|https)://[a-z]{1,8}\\.example/[a-z/]{1,8}")
}

pub(crate) fn revision() -> impl Strategy<Value = Revision> {
    parsed("[0-9]\\.[0-9]{1,2}(\\.[0-9])?(-rc\\.1)?|latest|[0-9]e[0-9]")
}

pub(crate) fn timeout() -> impl Strategy<Value = Timeout> {
    any::<u64>().prop_map(|seconds| Timeout::new(Duration::from_secs(seconds)))
}

pub(crate) fn quantity() -> impl Strategy<Value = Quantity> {
    parsed("[0-9]{1,4}(Ki|Mi|Gi|Ti|Pi|Ei)")
}

/// Text, often such that a careless YAML writer makes something else of it.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let traps = [
        "",
        " ",
        "~",
        "null",
        "true",
        "True",
        "yes",
        "off",
        "1",
        "1.0",
        "0x1F",
        "1_000",
        "1e3",
        ".inf",
        "-",
        "- a",
        "a: b",
        "a #b",
        "#",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "'",
        "\"",
        "\\",
        "{",
        "[a]",
        "a\nb",
        "a\n",
        "\n",
        "  a",
        "a  ",
        "<<",
        "=",
        "2026-11-21",
        "12:30:00",
        "ENV.A",
        "é",
        "🦀",
        "---",
        "...",
    ];
    prop_oneof![
        select(traps.to_vec()).prop_map(ToOwned::to_owned),
        "\\PC{0,12}",
        "[a-zA-Z][a-zA-Z0-9_.-]{0,8}",
    ]
}

pub(crate) fn value() -> BoxedStrategy<Value> {
    let finite = any::<f64>().prop_filter_map("finite", Number::from_f64);
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        finite.prop_map(Value::Number),
        text().prop_map(Value::from),
    ];
    scalar
        .prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(Value::from),
                btree_map(text(), inner, 0..3).prop_map(|members| members.into_iter().collect()),
            ]
        })
        .boxed()
}

/// Members that no generation defines.
pub(crate) fn unknown_members() -> BoxedStrategy<Extra> {
    let members = btree_map("other[A-Z][a-z]{0,3}", value(), 1..3).prop_map(Extra);
    prop_oneof![4 => Just(Extra::default()), 1 => members].boxed()
}

/// Unknown members and extensions.
pub(crate) fn extra() -> BoxedStrategy<Extra> {
    let extension =
        btree_map(text(), value(), 0..2).prop_map(|members| members.into_iter().collect::<Value>());
    (unknown_members(), option::weighted(0.1, extension))
        .prop_map(|(mut extra, extension)| {
            let extension = extension.map(|object| ("x-acme-extensions".to_owned(), object));
            extra.0.extend(extension);
            extra
        })
        .boxed()
}
