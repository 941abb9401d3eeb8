//! What a device must offer.

use margo_types::application::{
    Architecture, CapacityRequirements, CpuRequirement, DeviceConstraints, EligibilityRule,
    MatchExpression, Operator, Selector,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::scalar::{quantity, text, unknown_members, value};

fn match_expression() -> BoxedStrategy<MatchExpression> {
    let key = prop_oneof![
        select(vec![
            "/peripherals",
            "/interfaces",
            "/type",
            "/manufacturer",
            "/model"
        ])
        .prop_map(ToOwned::to_owned),
        text(),
    ];
    let operator = prop_oneof![
        8 => select(Operator::KNOWN.to_vec()),
        1 => text().prop_map(|text| Operator::from(text.as_str())),
    ];
    let leaf = (
        key.clone(),
        operator.clone(),
        option::of(vec(value(), 0..3)),
        unknown_members(),
    );
    let leaf = leaf.prop_map(|(key, operator, values, extra)| {
        let mut expression = MatchExpression::new(key, operator);
        expression.values = values;
        expression.extra = extra;
        expression
    });
    leaf.prop_recursive(2, 6, 3, move |inner| {
        (key.clone(), operator.clone(), vec(inner, 0..3)).prop_map(|(key, operator, items)| {
            MatchExpression::new(key, operator).with_items(items)
        })
    })
    .boxed()
}

fn cpu() -> BoxedStrategy<CpuRequirement> {
    let architectures = vec(select(Architecture::KNOWN.to_vec()), 0..3);
    (0.0..256.0, option::of(architectures), unknown_members())
        .prop_map(|(cores, architectures, extra)| {
            let mut cpu = CpuRequirement::new(cores);
            cpu.architectures = architectures;
            cpu.extra = extra;
            cpu
        })
        .boxed()
}

fn capacity() -> impl Strategy<Value = CapacityRequirements> {
    (
        option::of(cpu()),
        option::of(quantity()),
        option::of(quantity()),
    )
        .prop_map(|(cpu, memory, storage)| {
            let mut capacity = CapacityRequirements::default();
            capacity.cpu = cpu;
            capacity.memory = memory;
            capacity.storage = storage;
            capacity
        })
}

/// Any constraints, good or bad.
pub(crate) fn constraints() -> BoxedStrategy<DeviceConstraints> {
    let selector = || option::of(vec(match_expression(), 0..3).prop_map(Selector::new));
    let rule =
        (selector(), selector(), unknown_members()).prop_map(|(properties, labels, extra)| {
            let mut rule = EligibilityRule::default();
            rule.property_selector = properties;
            rule.label_selector = labels;
            rule.extra = extra;
            rule
        });
    let parts = (
        option::of(capacity()),
        option::of(vec(rule, 0..3)),
        unknown_members(),
    );
    let any = parts.prop_map(|(capacity, rules, extra)| {
        let mut constraints = DeviceConstraints::default();
        constraints.capacity_requirements = capacity;
        constraints.eligibility_rules = rules;
        constraints.extra = extra;
        constraints
    });
    prop_oneof![any, resources()].boxed()
}

/// Constraints that `requiredResources` can express.
pub(crate) fn resources() -> BoxedStrategy<DeviceConstraints> {
    let is = |key: &str, text: String| MatchExpression::new(key, Operator::In).with_values([text]);
    let element = |key: &str, items, extra| {
        let mut expression = MatchExpression::new(key, Operator::ContainsAll).with_items(items);
        expression.extra = extra;
        expression
    };
    let peripheral = (
        text(),
        option::of(text()),
        option::of(text()),
        unknown_members(),
    );
    let peripheral = peripheral.prop_map(move |(kind, manufacturer, model, extra)| {
        let mut items = vec![is("/type", kind)];
        items.extend(manufacturer.map(|text| is("/manufacturer", text)));
        items.extend(model.map(|text| is("/model", text)));
        element("/peripherals", items, extra)
    });
    let interface = (text(), unknown_members())
        .prop_map(move |(kind, extra)| element("/interfaces", vec![is("/type", kind)], extra));
    let parts = (
        option::of(capacity()),
        vec(peripheral, 0..3),
        vec(interface, 0..3),
        unknown_members(),
    );
    parts
        .prop_map(|(capacity, mut expressions, interfaces, extra)| {
            expressions.extend(interfaces);
            let mut constraints = DeviceConstraints::default();
            constraints.capacity_requirements =
                capacity.filter(|capacity| *capacity != CapacityRequirements::default());
            constraints.eligibility_rules = (!expressions.is_empty()).then(|| {
                let mut rule = EligibilityRule::default();
                rule.property_selector = Some(Selector::new(expressions));
                vec![rule]
            });
            constraints.extra = extra;
            constraints
        })
        .boxed()
}
