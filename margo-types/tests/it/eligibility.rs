//! Which device fits, and why not.

mod laws;
pub(crate) mod naive;
mod operators;
mod placement;

use margo_types::application::{
    Architecture, CapacityRequirements, CpuRequirement, DeviceConstraints, EligibilityRule,
    MatchExpression, Operator, Selector,
};
use margo_types::capabilities::{
    Cpu, DeviceCapabilities, DeviceProperties, Interface, Peripheral, PeripheralType, Runtime,
};
use margo_types::eligibility::Constraints;
use serde_json::{Value, json};

/// A device with something of every kind.
pub(crate) fn press_line() -> DeviceCapabilities {
    serde_json::from_value(json!({
        "properties": {
            "id": "hall-3/press-line",
            "vendor": "Example Controls",
            "modelNumber": "EC-400",
            "serialNumber": "0042",
            "cpus": [
                { "cores": 2.0, "architecture": "arm64" },
                { "cores": 8.5, "architecture": "amd64", "clusters": [4, 4] },
                { "cores": 64 },
            ],
            "memory": "59 Gi",
            "storage": "2Ti",
            "peripherals": [
                { "type": "gpu", "manufacturer": "Alpha", "model": "G1" },
                { "type": "camera", "manufacturer": "Beta" },
            ],
            "interfaces": [],
            "otelCollector": true,
            "supportedRuntimes": ["oci"],
            "supportedDeploymentTypes": ["compose", "wasm"],
            "shift": 7,
            "load": 0.75,
            "big": 9_007_199_254_740_993_u64,
            "numeric": "7",
            "zones": ["a", "b"],
            "ports": [80, 443],
            "flags": [true],
            "mixed": ["a", 1],
            "nothing": null,
            "none": [],
            "site": { "name": "North", "a/b": 1, "m~n": 2 },
            "racks": [{ "slot": 1, "cards": [{ "kind": "io" }] }, { "slot": 2 }],
        },
        "labels": {
            "example.com/tier": "edge",
            "/vendor": "slash",
            "rank": 3,
            "ready": true,
            "teams": ["red", "blue"],
            "slots": [1, 2],
            "odd": [{ "type": "gpu" }],
            "object": {},
        },
    }))
    .unwrap()
}

pub(crate) fn expression(
    key: &str,
    operator: &str,
    values: &Value,
    items: Vec<MatchExpression>,
) -> MatchExpression {
    let mut expression = MatchExpression::new(key, Operator::from(operator));
    expression.values = values.as_array().cloned();
    if !items.is_empty() {
        expression = expression.with_items(items);
    }
    expression
}

pub(crate) fn by_property(expressions: Vec<MatchExpression>) -> EligibilityRule {
    let mut rule = EligibilityRule::default();
    rule.property_selector = Some(Selector::new(expressions));
    rule
}

pub(crate) fn by_label(expressions: Vec<MatchExpression>) -> EligibilityRule {
    let mut rule = EligibilityRule::default();
    rule.label_selector = Some(Selector::new(expressions));
    rule
}

pub(crate) fn constraints(rules: Vec<EligibilityRule>) -> DeviceConstraints {
    let mut constraints = DeviceConstraints::default();
    constraints.eligibility_rules = Some(rules);
    constraints
}

fn capacity(change: impl FnOnce(&mut CapacityRequirements)) -> Constraints {
    let mut required = CapacityRequirements::default();
    change(&mut required);
    let mut constraints = DeviceConstraints::default();
    constraints.capacity_requirements = Some(required);
    Constraints::compile(&constraints)
}

#[test]
fn rules_are_alternatives_and_selectors_conjunctions() {
    let device = press_line();
    let yes = || MatchExpression::new("/vendor", Operator::Exists);
    let no = || MatchExpression::new("/missing", Operator::Exists);
    let label = || MatchExpression::new("rank", Operator::Exists);
    let both = |property, key: MatchExpression| {
        let mut rule = by_property(vec![property]);
        rule.label_selector = Some(Selector::new(vec![key]));
        rule
    };
    for (rules, expected) in [
        (vec![], true),
        (vec![EligibilityRule::default()], true),
        (vec![by_property(vec![])], true),
        (
            vec![by_property(vec![no()]), by_property(vec![yes()])],
            true,
        ),
        (vec![by_property(vec![yes(), no()])], false),
        (vec![both(yes(), label())], true),
        (vec![both(no(), label())], false),
        (vec![both(yes(), no())], false),
    ] {
        let source = constraints(rules);
        assert_eq!(
            Constraints::compile(&source).matches(&device),
            expected,
            "{source:?}"
        );
    }
    assert!(Constraints::compile(&DeviceConstraints::default()).matches(&device));
}

#[test]
fn one_processor_must_have_both_cores_and_architecture() {
    let device = press_line();
    let cpu = |cores, architectures: Option<Vec<Architecture>>| {
        capacity(|required| {
            let mut cpu = CpuRequirement::new(cores);
            cpu.architectures = architectures;
            required.cpu = Some(cpu);
        })
    };
    for (cores, architectures, expected) in [
        (64.0, None, true),
        (64.5, None, false),
        (74.5, None, false),
        (8.5, Some(vec![Architecture::Amd64]), true),
        (8.6, Some(vec![Architecture::Amd64]), false),
        (4.0, Some(vec![Architecture::Arm64]), false),
        (
            2.0,
            Some(vec![Architecture::Arm64, Architecture::Arm]),
            true,
        ),
        (0.5, Some(vec![Architecture::Riscv64]), false),
        (64.0, Some(vec![]), true),
        (f64::NAN, None, false),
    ] {
        let compiled = cpu(cores, architectures.clone());
        assert_eq!(
            compiled.matches(&device),
            expected,
            "{cores} {architectures:?}"
        );
    }
    let verdict = cpu(16.0, Some(vec![Architecture::Amd64])).explain(&device);
    assert_eq!(
        verdict.to_string(),
        "not placeable: a cpu with cores >= 16 of amd64 is false: the device has 2 cores of arm64, \
         8.5 cores of amd64, 64 cores of unknown architecture"
    );
}

#[test]
fn amounts_are_compared_in_bytes() {
    let device = press_line();
    for (amount, expected) in [
        ("59Gi", true),
        ("60416Mi", true),
        ("60417Mi", false),
        ("60Gi", false),
    ] {
        let memory = capacity(|required| required.memory = Some(amount.parse().unwrap()));
        assert_eq!(memory.matches(&device), expected, "{amount}");
    }
    let storage = capacity(|required| required.storage = Some("3Ti".parse().unwrap()));
    assert_eq!(
        storage.explain(&device).to_string(),
        "not placeable: storage >= 3Ti is false: the device has 2Ti"
    );
    let mut properties = DeviceProperties::new("bare".parse().unwrap(), "V", "M", "S");
    properties.otel_collector = Some(true);
    assert_eq!(
        storage
            .explain(&DeviceCapabilities::new(properties))
            .to_string(),
        "not placeable: storage >= 3Ti is false: the device does not say its storage"
    );
}

#[test]
fn a_device_that_does_not_host_never_fits() {
    let properties = DeviceProperties::new("gateway".parse().unwrap(), "V", "M", "S");
    let mut device = DeviceCapabilities::new(properties);
    let compiled = Constraints::compile(&DeviceConstraints::default());
    assert!(!compiled.matches(&device));
    assert_eq!(
        compiled.explain(&device).to_string(),
        "not placeable: hosts workloads is false: the device reports none of the properties of a host"
    );
    device.properties.supported_runtimes = Some(vec![Runtime::Oci]);
    assert!(compiled.matches(&device));
}

#[test]
fn an_explanation_names_every_rule_and_place() {
    let mut device = press_line();
    device.properties.cpus = Some(vec![Cpu::new(1.0, None)]);
    device.properties.peripherals = Some(vec![Peripheral::new(PeripheralType::Camera)]);
    device.properties.interfaces = Some(vec![Interface::new("wifi".into())]);
    let mut second = by_property(vec![
        MatchExpression::new("/vendor", Operator::Exists),
        expression(
            "/peripherals",
            "ContainsAll",
            &Value::Null,
            vec![
                expression("/type", "In", &json!(["gpu"]), vec![]),
                expression("/model", "Exists", &Value::Null, vec![]),
            ],
        ),
    ]);
    second.label_selector = Some(Selector::new(vec![MatchExpression::new(
        "tier",
        Operator::Exists,
    )]));
    let mut source = constraints(vec![
        by_property(vec![expression("/vendor", "In", &json!(["ACME"]), vec![])]),
        second,
    ]);
    let mut required = CapacityRequirements::default();
    required.memory = Some("64Gi".parse().unwrap());
    source.capacity_requirements = Some(required);

    let verdict = Constraints::compile(&source).explain(&device);
    assert_eq!(
        verdict.to_string(),
        "not placeable: memory >= 64Gi is false: the device has 59Gi; no rule matches: rule 1: \
         /vendor In [\"ACME\"] is false: the device says \"Example Controls\"; rule 2: \
         /peripherals ContainsAll (/type In [\"gpu\"] and /model Exists) is false: the device says \
         [{\"type\":\"camera\"}]; tier Exists is false: the device has no such label"
    );
    let places: Vec<String> = verdict
        .unmet()
        .map(|reason| reason.path.to_string())
        .collect();
    assert_eq!(
        places,
        [
            "capacityRequirements.memory",
            "eligibilityRules[0].propertySelector.matchExpressions[0]",
            "eligibilityRules[1].propertySelector.matchExpressions[1]",
            "eligibilityRules[1].labelSelector.matchExpressions[0]",
        ]
    );
}

#[test]
fn long_lists_are_searched_for_every_operand() {
    let tags = |prefix| (0..40_000).map(move |number| format!("{prefix}{number}"));
    let numbers = |offset: f64| (0..40_000).map(move |number| f64::from(number) + offset);
    let mut device = press_line();
    let reported =
        json!({ "tags": tags("a").collect::<Vec<_>>(), "sizes": numbers(0.5).collect::<Vec<_>>() });
    device.labels = serde_json::from_value(reported).unwrap();
    let fits = |key: &str, values: Vec<Value>| {
        let expression = MatchExpression::new(key, Operator::In).with_values(values);
        let mut rule = EligibilityRule::default();
        rule.label_selector = Some(Selector::new(vec![expression]));
        let mut constraints = DeviceConstraints::default();
        constraints.eligibility_rules = Some(vec![rule]);
        Constraints::compile(&constraints).matches(&device)
    };
    assert!(!fits("tags", tags("b").map(Value::from).collect()));
    assert!(!fits("sizes", numbers(0.0).map(Value::from).collect()));
    assert!(fits("tags", vec!["c".into(), "a39999".into(), "b".into()]));
    assert!(fits("sizes", vec![7.into(), 0.5.into(), (-1).into()]));
}

/// A document of a peer must not keep a device busy for long.
#[test]
fn constraints_beyond_all_reason_fit_no_device_and_say_so() {
    let expression = || MatchExpression::new("/vendor", Operator::Exists);
    let constraints = |count: usize| {
        let mut rule = EligibilityRule::default();
        rule.property_selector = Some(Selector::new((0..count).map(|_| expression()).collect()));
        let mut constraints = DeviceConstraints::default();
        constraints.eligibility_rules = Some(vec![rule]);
        Constraints::compile(&constraints)
    };
    let most = Constraints::MAX_EXPRESSIONS;
    assert!(constraints(most).matches(&press_line()));
    let verdict = constraints(most + 1).explain(&press_line());
    assert!(!verdict.placeable);
    assert!(
        verdict.to_string().contains("1001 match expressions"),
        "{verdict}"
    );
}
