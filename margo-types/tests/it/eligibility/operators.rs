//! Every operator on every kind of value.

use margo_types::application::{EligibilityRule, MatchExpression, Operator};
use margo_types::capabilities::{DeviceCapabilities, DeviceProperties};
use margo_types::eligibility::{Constraints, Outcome};
use serde_json::{Value, json};

use super::{by_label, by_property, constraints, expression, naive, press_line};

#[test]
fn every_operator_on_every_kind_of_property() {
    let device = press_line();
    let table = [
        // texts: exact and case-sensitive
        ("/vendor", "In", json!(["Example Controls"]), true),
        ("/vendor", "In", json!(["x", "Example Controls"]), true),
        ("/vendor", "In", json!(["example controls"]), false),
        ("/vendor", "In", json!(["Example Controls "]), false),
        ("/vendor", "NotIn", json!(["Other"]), true),
        ("/vendor", "NotIn", json!(["Example Controls"]), false),
        ("/vendor", "NotIn", json!([5]), true),
        ("/vendor", "Exists", Value::Null, true),
        ("/vendor", "DoesNotExist", Value::Null, false),
        ("/vendor", "Gt", json!([1]), false),
        ("/id", "In", json!(["hall-3/press-line"]), true),
        ("/modelNumber", "In", json!(["EC-400"]), true),
        ("/serialNumber", "In", json!(["0042"]), true),
        // numbers: exact, whatever their notation
        ("/shift", "In", json!([7.0, 8]), true),
        ("/shift", "NotIn", json!([7]), false),
        ("/shift", "Gt", json!([6.5]), true),
        ("/shift", "Gt", json!([7]), false),
        ("/shift", "Lt", json!([8]), true),
        ("/shift", "Lt", json!([7]), false),
        ("/shift", "Gt", json!(["6"]), true),
        ("/shift", "Gt", json!([" 6"]), false),
        ("/load", "Lt", json!(["0.8"]), true),
        ("/load", "Gt", json!(["x"]), false),
        ("/shift", "In", json!(["7"]), false),
        ("/numeric", "In", json!([7]), false),
        ("/numeric", "Gt", json!([6]), false),
        ("/cpus/1/cores", "In", json!([8.5]), true),
        ("/cpus/2/cores", "Gt", json!([63]), true),
        // truth values
        ("/otelCollector", "In", json!([true]), true),
        ("/otelCollector", "In", json!([false]), false),
        ("/otelCollector", "NotIn", json!([false]), true),
        ("/otelCollector", "In", json!([true, false]), false),
        ("/otelCollector", "In", json!(["true"]), false),
        ("/otelCollector", "Gt", json!([0]), false),
        // lists of scalars
        ("/zones", "In", json!(["b", "c"]), true),
        ("/zones", "NotIn", json!(["b", "c"]), false),
        ("/zones", "NotIn", json!(["c"]), true),
        ("/zones", "Exists", Value::Null, true),
        ("/zones/1", "In", json!(["b"]), true),
        ("/ports", "In", json!([443]), true),
        ("/ports", "In", json!([8080]), false),
        ("/ports", "Gt", json!([1]), false),
        ("/supportedRuntimes", "In", json!(["oci"]), true),
        ("/supportedDeploymentTypes", "In", json!(["wasm"]), true),
        (
            "/supportedDeploymentTypes/0",
            "In",
            json!(["compose"]),
            true,
        ),
        ("/supportedDeploymentTypes/2", "Exists", Value::Null, false),
        // quantities are texts
        ("/memory", "In", json!(["59Gi"]), true),
        ("/memory", "Gt", json!([1]), false),
        ("/memory", "Exists", Value::Null, true),
        ("/storage", "In", json!(["2048Gi"]), false),
        // lists of objects: false for all these operators
        ("/peripherals", "Exists", Value::Null, false),
        ("/peripherals", "DoesNotExist", Value::Null, false),
        ("/peripherals", "In", json!(["gpu"]), false),
        ("/peripherals", "NotIn", json!(["gpu"]), false),
        ("/racks", "Exists", Value::Null, false),
        ("/racks", "NotIn", json!([1]), false),
        // empty lists
        ("/interfaces", "Exists", Value::Null, false),
        ("/interfaces", "NotIn", json!(["x"]), false),
        ("/none", "Exists", Value::Null, true),
        ("/none", "NotIn", json!(["x"]), true),
        ("/none", "In", json!(["x"]), false),
        // what no operator admits
        ("/nothing", "Exists", Value::Null, false),
        ("/nothing", "DoesNotExist", Value::Null, false),
        ("/site", "Exists", Value::Null, false),
        ("/cpus/0", "Exists", Value::Null, false),
        ("", "Exists", Value::Null, false),
        ("/flags", "In", json!([true]), false),
        ("/mixed", "In", json!(["a"]), false),
        ("/mixed", "NotIn", json!(["z"]), false),
        // absent keys
        ("/missing", "Exists", Value::Null, false),
        ("/missing", "DoesNotExist", Value::Null, true),
        ("/missing", "In", json!(["x"]), false),
        ("/missing", "NotIn", json!(["x"]), false),
        ("/missing", "Lt", json!([5]), false),
        ("/vendor/name", "DoesNotExist", Value::Null, true),
        ("/Vendor", "Exists", Value::Null, false),
        ("/cpus/2/architecture", "Exists", Value::Null, false),
        ("/peripherals/1/model", "DoesNotExist", Value::Null, true),
        // pointers
        ("/peripherals/0/type", "In", json!(["gpu"]), true),
        ("/peripherals/00/type", "Exists", Value::Null, false),
        ("/peripherals/-", "Exists", Value::Null, false),
        ("/peripherals/2/type", "Exists", Value::Null, false),
        ("/cpus/1/clusters/0", "In", json!([4]), true),
        ("/site/a~1b", "In", json!([1]), true),
        ("/site/m~0n", "In", json!([2]), true),
        ("/site/a/b", "Exists", Value::Null, false),
        ("/racks/0/cards/0/kind", "In", json!(["io"]), true),
    ];
    for (key, operator, values, expected) in table {
        let rule = by_property(vec![expression(key, operator, &values, vec![])]);
        assert_rule(rule, &device, expected);
    }
}

#[test]
fn labels_are_looked_up_by_their_literal_key() {
    let device = press_line();
    let table = [
        ("example.com/tier", "In", json!(["edge"]), true),
        ("Example.com/tier", "Exists", Value::Null, false),
        ("example.com~1tier", "Exists", Value::Null, false),
        ("/vendor", "In", json!(["slash"]), true),
        ("vendor", "DoesNotExist", Value::Null, true),
        ("rank", "Gt", json!([2]), true),
        ("rank", "Lt", json!(["3"]), false),
        ("ready", "In", json!([true]), true),
        ("teams", "In", json!(["blue", "green"]), true),
        ("teams", "NotIn", json!(["green"]), true),
        ("slots", "In", json!([2]), true),
        ("missing", "NotIn", json!(["x"]), false),
        ("odd", "Exists", Value::Null, false),
        ("object", "Exists", Value::Null, false),
    ];
    for (key, operator, values, expected) in table {
        assert_rule(
            by_label(vec![expression(key, operator, &values, vec![])]),
            &device,
            expected,
        );
    }
    let gpu = expression("/type", "In", &json!(["gpu"]), vec![]);
    let odd = expression("odd", "ContainsAll", &Value::Null, vec![gpu]);
    assert_rule(by_label(vec![odd]), &device, false);
}

#[test]
fn contains_all_wants_one_element_and_contains_any_one_expression() {
    let device = press_line();
    let gpu = || is("/type", json!("gpu"));
    let camera = || is("/type", json!("camera"));
    let nic = || is("/type", json!("nic"));
    let maker = |name: &str| is("/manufacturer", json!(name));
    let not = |key: &str, value: &str| expression(key, "NotIn", &json!([value]), vec![]);
    let no_model = || MatchExpression::new("/model", Operator::DoesNotExist);
    let table = [
        ("ContainsAll", vec![gpu(), maker("Alpha")], true),
        ("ContainsAll", vec![gpu(), maker("Beta")], false),
        ("ContainsAny", vec![nic(), maker("Beta")], true),
        ("ContainsAny", vec![nic(), is("/model", json!("G2"))], false),
        ("ContainersAny", vec![camera()], true),
        ("ContainsAll", vec![no_model()], true),
        ("ContainsAll", vec![gpu(), no_model()], false),
        (
            "ContainsAll",
            vec![camera(), not("/manufacturer", "Alpha")],
            true,
        ),
        // the camera has no model, so the key is not present
        ("ContainsAll", vec![not("/model", "G1")], false),
        ("ContainsAll", vec![], false),
        ("ContainsAny", vec![is("type", json!("gpu"))], false),
    ];
    for (operator, items, expected) in table {
        let peripherals = expression("/peripherals", operator, &Value::Null, items);
        assert_rule(by_property(vec![peripherals]), &device, expected);
    }
}

#[test]
fn contains_looks_into_every_list_of_objects_and_into_nothing_else() {
    let device = press_line();
    let cores = || expression("/cores", "Gt", &json!([8]), vec![]);
    let io = || is("/kind", json!("io"));
    let absent = || MatchExpression::new("/x", Operator::DoesNotExist);
    let cards = expression("/cards", "ContainsAny", &Value::Null, vec![io()]);
    let table = [
        (
            "/cpus",
            vec![is("/architecture", json!("amd64")), cores()],
            true,
        ),
        (
            "/cpus",
            vec![is("/architecture", json!("arm64")), cores()],
            false,
        ),
        ("/cpus", vec![is("/clusters", json!(4))], true),
        ("/racks", vec![is("/slot", json!(2))], true),
        ("/racks", vec![cards], true),
        ("/racks/0/cards", vec![io()], true),
        ("/interfaces", vec![absent()], false),
        ("/zones", vec![is("", json!("a"))], false),
        ("/none", vec![absent()], false),
        ("/mixed", vec![absent()], false),
        ("/site", vec![absent()], false),
        ("/vendor", vec![absent()], false),
        ("/missing", vec![absent()], false),
    ];
    for (key, items, expected) in table {
        let contains = expression(key, "ContainsAll", &Value::Null, items);
        assert_rule(by_property(vec![contains]), &device, expected);
    }
}

#[test]
fn malformed_expressions_are_false_with_the_reason() {
    let device = press_line();
    let item = || vec![MatchExpression::new("/type", Operator::Exists)];
    let table = [
        (
            expression("/vendor", "In", &Value::Null, vec![]),
            "no values",
        ),
        (expression("/vendor", "In", &json!([]), vec![]), "no values"),
        (
            expression("/vendor", "NotIn", &json!(["a", 1]), vec![]),
            "not all texts",
        ),
        (
            expression("/vendor", "NotIn", &json!([null]), vec![]),
            "not all texts",
        ),
        (
            expression("/vendor", "NotIn", &json!([true, false]), vec![]),
            "not all texts",
        ),
        (
            expression("/vendor", "Exists", &json!(["x"]), vec![]),
            "Exists has no values",
        ),
        (
            expression("/missing", "DoesNotExist", &json!(["x"]), vec![]),
            "DoesNotExist has no values",
        ),
        (
            expression("/shift", "Gt", &json!([1, 2]), vec![]),
            "exactly one value",
        ),
        (
            expression("/shift", "Lt", &json!([true]), vec![]),
            "not a number",
        ),
        (
            expression("/shift", "Lt", &Value::Null, vec![]),
            "exactly one value",
        ),
        (
            expression("/vendor", "Exists", &Value::Null, item()),
            "Exists has no itemSelector",
        ),
        (
            expression("/vendor", "In", &json!(["Example Controls"]), item()),
            "In has no itemSelector",
        ),
        (
            expression("/peripherals", "ContainsAll", &Value::Null, vec![]),
            "wants an itemSelector",
        ),
        (
            expression("/peripherals", "ContainsAny", &json!(["gpu"]), item()),
            "ContainsAny has no values",
        ),
        (
            expression("/vendor", "Matches", &json!(["x"]), vec![]),
            "operator is not known",
        ),
        (
            expression("vendor", "Exists", &Value::Null, vec![]),
            "not a JSON Pointer",
        ),
        (
            expression("/a~2", "DoesNotExist", &Value::Null, vec![]),
            "a ~ that is not part of",
        ),
    ];
    for (malformed, why) in table {
        let verdict = assert_rule(by_property(vec![malformed]), &device, false);
        assert!(verdict.contains(why), "{verdict}");
    }
}

#[test]
fn item_selectors_are_bounded_in_depth() {
    let nested = |levels: usize| {
        let mut properties = DeviceProperties::new("edge".parse().unwrap(), "V", "M", "S");
        properties.otel_collector = Some(true);
        let mut value = json!([{ "leaf": 1 }]);
        let mut innermost = MatchExpression::new("/leaf", Operator::Exists);
        for _ in 1..levels {
            value = json!([{ "inner": value }]);
            innermost =
                MatchExpression::new("/inner", Operator::ContainsAll).with_items(vec![innermost]);
        }
        properties.extra.0.insert("inner".to_owned(), value);
        let outermost = MatchExpression::new("/inner", Operator::ContainsAll);
        let rule = by_property(vec![outermost.with_items(vec![innermost])]);
        let compiled = Constraints::compile(&constraints(vec![rule]));
        compiled.matches(&DeviceCapabilities::new(properties))
    };
    assert!(nested(1) && nested(8));
    assert!(!nested(9) && !nested(500));
}

#[test]
fn a_quantity_is_compared_as_spelled_but_for_the_blank() {
    let device = press_line();
    for (operands, expected) in [
        (json!(["59Gi"]), true),
        (json!(["59 Gi"]), true),
        (json!(["60416Mi"]), false),
        (json!(["59GB"]), false),
        (json!([59]), false),
    ] {
        let compiled = Constraints::compile(&constraints(vec![by_property(vec![expression(
            "/memory",
            "In",
            &operands,
            vec![],
        )])]));
        assert_eq!(compiled.matches(&device), expected, "{operands}");
    }
}

/// Asserts what one rule says of the device, that the explanation agrees, and gives the explanation.
fn assert_rule(rule: EligibilityRule, device: &DeviceCapabilities, expected: bool) -> String {
    let source = constraints(vec![rule]);
    let compiled = Constraints::compile(&source);
    let verdict = compiled.explain(device);
    assert_eq!(compiled.matches(device), expected, "{verdict}");
    assert_eq!(verdict.placeable, expected, "{verdict}");
    let all_met = verdict.reasons.iter().all(|it| it.outcome == Outcome::Met);
    assert_eq!(all_met, expected, "{verdict}");
    assert_eq!(
        naive::some_rule_matches(&source, device),
        expected,
        "{verdict}"
    );
    verdict.to_string()
}

fn is(key: &str, value: Value) -> MatchExpression {
    MatchExpression::new(key, Operator::In).with_values([value])
}
