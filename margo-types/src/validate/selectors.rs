//! Rules of selectors: the operator table (rc3.md section 1.5, requirement P11).

use serde_json::Value;

use super::members;
use super::place::Place;
use super::rule::{Rule, rule_table};
use crate::application::{MatchExpression, Operator, Selector};
use crate::text::shorten;

/// A selector on the properties of a device; keys are JSON Pointers.
pub(super) fn by_property(at: &Place<'_>, selector: &Selector) {
    check(at, selector, Keys::Pointers);
}

/// A selector on the labels of a device; keys are label keys.
pub(super) fn by_label(at: &Place<'_>, selector: &Selector) {
    check(at, selector, Keys::Labels);
}

/// What the keys of a selector are.
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    Pointers,
    /// Relative to one element of an array.
    ItemPointers,
    Labels,
}

fn check(at: &Place<'_>, selector: &Selector, keys: Keys) {
    let expressions = at.key("matchExpressions");
    if selector.match_expressions.is_empty() {
        let (rule, holds): (&'static Rule, _) = match keys {
            Keys::ItemPointers => (&NO_ITEM_EXPRESSION, "an item selector needs conditions"),
            _ => (&NO_EXPRESSION, "the selector holds for every device"),
        };
        expressions.report(
            rule,
            format!("there is no expression: {holds}"),
            "write at least one expression, or remove the selector",
        );
    }
    expressions.each(&selector.match_expressions, |at, expression| {
        self::expression(at, expression, keys);
    });
    members::open(at, &selector.extra);
}

fn expression(at: &Place<'_>, expression: &MatchExpression, keys: Keys) {
    key(&at.key("key"), &expression.key, keys);
    match expression.operator {
        Operator::In | Operator::NotIn => operands(at, expression, choice_fault),
        Operator::Gt | Operator::Lt => operands(at, expression, bound_fault),
        Operator::Exists | Operator::DoesNotExist => {
            no_values(at, expression);
            no_items(at, expression);
        }
        Operator::ContainsAll | Operator::ContainsAny => items(at, expression, keys),
        Operator::_Unknown(_) => at.key("operator").report(
            &OPERATOR,
            format!("{:?} is no operator", shorten(expression.operator.as_str())),
            "write In, NotIn, Exists, DoesNotExist, Gt, Lt, ContainsAll or ContainsAny",
        ),
    }
    members::open(at, &expression.extra);
}

fn key(at: &Place<'_>, key: &str, keys: Keys) {
    if keys == Keys::Labels {
        if key.is_empty() || key.starts_with('/') {
            at.report(
                &LABEL_KEY,
                "a label selector takes the key of a label as it is, not a pointer",
                "write the key as the device reports it, such as example.com/site",
            );
        }
    } else if key.is_empty() {
        at.report(
            &WHOLE_OBJECT,
            "the empty pointer names the whole object, which matches nothing",
            "write a pointer to a property, such as /vendor",
        );
    } else if !is_pointer(key) {
        at.report(
            &PROPERTY_KEY,
            format!("{:?} is no JSON Pointer", shorten(key)),
            "start with / and write ~0 for ~ and ~1 for /, such as /vendor",
        );
    }
}

/// RFC 6901.
fn is_pointer(text: &str) -> bool {
    let mut escapes = text.split('~').skip(1);
    text.starts_with('/') && escapes.all(|rest| rest.starts_with(['0', '1']))
}

fn operands(
    at: &Place<'_>,
    expression: &MatchExpression,
    fault: fn(&[Value]) -> Option<(&'static Rule, &'static str)>,
) {
    no_items(at, expression);
    match expression.values.as_deref() {
        None => at.key("values").report(
            &VALUES,
            format!("`values` is missing for {}", expression.operator),
            "write what to compare with",
        ),
        Some(values) => {
            if let Some((rule, fix)) = fault(values) {
                let message = format!("the values do not suit {}", expression.operator);
                at.key("values").report(rule, message, fix);
            }
        }
    }
}

/// `In` and `NotIn`: strings or numbers of one type, or one boolean (rc3.md ambiguity 46).
fn choice_fault(values: &[Value]) -> Option<(&'static Rule, &'static str)> {
    let fits = match values {
        [] => return Some((&VALUES, "write at least one value")),
        [Value::Bool(_)] => true,
        _ => values.iter().all(Value::is_string) || values.iter().all(Value::is_number),
    };
    (!fits).then_some((
        &VALUE_TYPES,
        "write strings only, numbers only, or exactly one boolean",
    ))
}

/// `Gt` and `Lt`: one number, or a string that is one.
fn bound_fault(values: &[Value]) -> Option<(&'static Rule, &'static str)> {
    let fits = match values {
        [Value::Number(_)] => true,
        [Value::String(text)] => text.parse::<f64>().is_ok_and(f64::is_finite),
        _ => false,
    };
    (!fits).then_some((&BOUND, "write exactly one number"))
}

fn no_values(at: &Place<'_>, expression: &MatchExpression) {
    if expression.values.is_some() {
        at.key("values").report(
            &NO_VALUES,
            format!("{} takes no values", expression.operator),
            "remove them, or write In",
        );
    }
}

fn no_items(at: &Place<'_>, expression: &MatchExpression) {
    if expression.item_selector.is_some() {
        at.key("itemSelector").report(
            &NO_ITEM_SELECTOR,
            format!("{} takes no item selector", expression.operator),
            "remove it, or write ContainsAll or ContainsAny",
        );
    }
}

fn items(at: &Place<'_>, expression: &MatchExpression, keys: Keys) {
    no_values(at, expression);
    let operator = &expression.operator;
    match &expression.item_selector {
        None => at.key("itemSelector").report(
            &ITEM_SELECTOR,
            format!("`itemSelector` is missing for {operator}"),
            "write the conditions on one element",
        ),
        Some(selector) => check(&at.key("itemSelector"), selector, Keys::ItemPointers),
    }
    match keys {
        Keys::Pointers => {}
        Keys::ItemPointers => at.key("operator").report(
            &NESTED,
            format!("{operator} inside an item selector is not described by the specification"),
            "write two expressions beside each other",
        ),
        Keys::Labels => at.key("operator").report(
            &LABEL_ITEMS,
            format!("a label never is an array of objects, so {operator} never holds"),
            "write In, or move the expression to a propertySelector",
        ),
    }
}

rule_table! {
    NO_EXPRESSION: Warning, "selector.no-expression", "rc3.md 1.5, ambiguity 43",
        "a selector has an expression";
    NO_ITEM_EXPRESSION: Error, "selector.no-item-expression", "rc3.md 1.5, P11",
        "an item selector has at least one expression";
    PROPERTY_KEY: Error, "selector.property-key", "rc3.md 1.5, W47",
        "the key of a property selector is a JSON Pointer (RFC 6901)";
    WHOLE_OBJECT: Warning, "selector.whole-object", "rc3.md 1.5",
        "the key of a property selector points to a property, not to the whole object";
    LABEL_KEY: Warning, "selector.label-key", "rc3.md 1.5, W47",
        "the key of a label selector is the key of a label";
    OPERATOR: Error in schema, "selector.operator", "rc3.md 1.5, P11",
        "the operator is one of the eight";
    VALUES: Error, "selector.values", "rc3.md 1.5, P11",
        "In, NotIn, Gt and Lt have values";
    VALUE_TYPES: Error in schema, "selector.value-types", "rc3.md 1.5, P11, ambiguity 46",
        "the values of In and NotIn are strings or numbers of one type, or one boolean";
    BOUND: Error, "selector.bound", "rc3.md 1.5, P11",
        "Gt and Lt have exactly one value, which is a number";
    NO_VALUES: Error, "selector.values-forbidden", "rc3.md 1.5, P11",
        "Exists, DoesNotExist, ContainsAll and ContainsAny have no values";
    ITEM_SELECTOR: Error, "selector.item-selector", "rc3.md 1.5, P11",
        "ContainsAll and ContainsAny have an item selector";
    NO_ITEM_SELECTOR: Error, "selector.item-selector-forbidden", "rc3.md 1.5, P11",
        "only ContainsAll and ContainsAny have an item selector";
    NESTED: Warning, "selector.nested", "rc3.md 1.5, ambiguity 47",
        "ContainsAll and ContainsAny do not stand inside an item selector";
    LABEL_ITEMS: Warning, "selector.label-items", "rc3.md 1.5",
        "ContainsAll and ContainsAny do not stand in a label selector";
}
