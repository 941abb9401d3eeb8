//! Laws that hold for whatever constraints and devices.

use margo_types::application::{DeviceConstraints, EligibilityRule, MatchExpression, Operator};
use margo_types::eligibility::{Constraints, Outcome};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{by_label, by_property, constraints, naive, press_line};

fn key() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(vec![
        "",
        "/vendor",
        "/cpus",
        "/cpus/0/cores",
        "/peripherals",
        "/peripherals/0/type",
        "/interfaces",
        "/otelCollector",
        "/supportedRuntimes",
        "/shift",
        "/load",
        "/zones",
        "/zones/0",
        "/ports",
        "/mixed",
        "/none",
        "/nothing",
        "/site",
        "/site/a~1b",
        "/racks",
        "/missing",
        "/type",
        "/cores",
        "/slot",
        "vendor",
        "rank",
        "teams",
        "odd",
        "ready",
        "object",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[/~a-z0-2]{0,8}"]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        proptest::sample::select(vec![
            "Example Controls",
            "gpu",
            "a",
            "b",
            "7",
            "oci",
            "edge"
        ])
        .prop_map(Value::from),
        (0..9_i64).prop_map(Value::from),
        Just(json!(0.75)),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn expression() -> impl Strategy<Value = MatchExpression> {
    let operator = prop_oneof![
        9 => proptest::sample::select(Operator::KNOWN),
        1 => "[A-Za-z]{1,9}".prop_map(|text| Operator::from(text.as_str())),
    ];
    let values = proptest::option::of(prop_oneof![
        proptest::collection::vec(value(), 0..3),
        value().prop_map(|value| vec![value]),
    ]);
    let leaf = (key(), operator.clone(), values.clone()).prop_map(|(key, operator, values)| {
        let mut expression = MatchExpression::new(key, operator);
        expression.values = values;
        expression
    });
    leaf.prop_recursive(3, 12, 3, move |inner| {
        let containing =
            proptest::sample::select(vec![Operator::ContainsAll, Operator::ContainsAny]);
        (key(), containing, proptest::collection::vec(inner, 0..3)).prop_map(
            |(key, operator, items)| MatchExpression::new(key, operator).with_items(items),
        )
    })
}

fn rule() -> impl Strategy<Value = EligibilityRule> {
    let expressions = || proptest::collection::vec(expression(), 0..3);
    (expressions(), proptest::option::of(expressions())).prop_map(|(properties, labels)| {
        let mut rule = by_property(properties);
        rule.label_selector = labels.and_then(|labels| by_label(labels).label_selector);
        rule
    })
}

fn matches(source: &DeviceConstraints) -> bool {
    Constraints::compile(source).matches(&press_line())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_explanation_agrees_with_the_answer(rules in proptest::collection::vec(rule(), 0..4)) {
        let source = constraints(rules);
        let compiled = Constraints::compile(&source);
        let device = press_line();
        let verdict = compiled.explain(&device);
        prop_assert_eq!(verdict.placeable, compiled.matches(&device));
        prop_assert_eq!(verdict.placeable, naive::some_rule_matches(&source, &device), "{}", verdict);

        let rules = source.eligibility_rules.as_deref().unwrap_or_default();
        let whole = |index| {
            let mut reasons = verdict.reasons.iter().filter(|reason| reason.rule() == Some(index));
            reasons.all(|reason| reason.outcome == Outcome::Met)
        };
        prop_assert_eq!(verdict.rule, (0..rules.len()).find(|index| whole(*index)));
        prop_assert_eq!(verdict.to_string().starts_with("placeable"), verdict.placeable);
    }

    #[test]
    fn rules_are_a_disjunction(left in rule(), right in rule()) {
        let either = matches(&constraints(vec![left.clone(), right.clone()]));
        prop_assert_eq!(either, matches(&constraints(vec![left])) || matches(&constraints(vec![right])));
    }

    #[test]
    fn selectors_are_a_conjunction(left in expression(), right in expression()) {
        let one = |expression| matches(&constraints(vec![by_property(vec![expression])]));
        let both = matches(&constraints(vec![by_property(vec![left.clone(), right.clone()])]));
        prop_assert_eq!(both, one(left) && one(right));
    }

    #[test]
    fn in_and_not_in_never_agree(key in key(), values in proptest::collection::vec(value(), 0..3)) {
        let one = |operator| {
            let expression = MatchExpression::new(&*key, operator).with_values(values.clone());
            matches(&constraints(vec![by_property(vec![expression])]))
        };
        let exists = matches(&constraints(vec![by_property(vec![MatchExpression::new(&*key, Operator::Exists)])]));
        let (is_in, is_not_in) = (one(Operator::In), one(Operator::NotIn));
        prop_assert!(!(is_in && is_not_in));
        prop_assert!(exists || !(is_in || is_not_in), "both need the key to be present");
    }

    #[test]
    fn anything_compiles(key in ".*", operator in ".*", texts in proptest::collection::vec(".*", 0..3)) {
        let expression = || MatchExpression::new(&*key, Operator::from(&*operator)).with_values(texts.clone());
        let exists = MatchExpression::new(&*key, Operator::Exists);
        let item = MatchExpression::new(&*key, Operator::ContainsAny).with_items(vec![expression(), exists]);
        let source = constraints(vec![by_property(vec![expression(), item]), by_label(vec![expression()])]);
        let compiled = Constraints::compile(&source);
        let verdict = compiled.explain(&press_line());
        prop_assert_eq!(verdict.placeable, compiled.matches(&press_line()));
        prop_assert!(!verdict.to_string().is_empty());
    }
}
