//! Constraints that `requiredResources` cannot express.

use margo_types::application::{
    CapacityRequirements, DeviceConstraints, EligibilityRule, MatchExpression, Operator, Selector,
};
use serde_json::json;

use super::{Rc1, assert_refused, deployment, description, member};

#[test]
fn capacity() {
    let empty = |capacity: CapacityRequirements| {
        let mut constraints = DeviceConstraints::default();
        constraints.capacity_requirements = Some(capacity);
        constraints
    };
    assert_refused_at(
        &empty(CapacityRequirements::default()),
        "capacityRequirements",
    );

    let mut more = CapacityRequirements::default();
    more.extra = member("gpuMemory", json!("1Gi"));
    assert_refused_at(&empty(more), "capacityRequirements.gpuMemory");

    let mut taken = DeviceConstraints::default();
    taken.extra = member("memory", json!("1Gi"));
    assert_refused_at(&taken, "memory");
}

#[test]
fn other_rules() {
    assert_refused_at(&rules(vec![]), "eligibilityRules");

    let mut by_label = EligibilityRule::default();
    by_label.label_selector = Some(Selector::default());
    let two = vec![by_label.clone(), by_label.clone()];
    assert_refused_at(&rules(two), "eligibilityRules");
    assert_refused_at(&rules(vec![by_label]), "eligibilityRules[0].labelSelector");

    let empty = rules(vec![EligibilityRule::default()]);
    assert_refused_at(&empty, "eligibilityRules[0].propertySelector");

    let mut noted = EligibilityRule::default();
    noted.extra = member("note", json!(1));
    assert_refused_at(&rules(vec![noted]), "eligibilityRules[0].note");

    let mut selector = Selector::new(vec![needs("gpu")]);
    selector.extra = member("note", json!(1));
    let mut noted = EligibilityRule::default();
    noted.property_selector = Some(selector);
    assert_refused_at(
        &rules(vec![noted]),
        "eligibilityRules[0].propertySelector.note",
    );
}

#[test]
fn other_expressions() {
    let at = |field: &str| format!("eligibilityRules[0].propertySelector.matchExpressions{field}");
    assert_refused_at(&one_rule(vec![]), &at(""));

    let cases: [(Change, &str); 6] = [
        (|e| e.operator = Operator::ContainsAny, "[0].operator"),
        (|e| e.values = Some(vec![]), "[0].values"),
        (|e| "/vendor".clone_into(&mut e.key), "[0].key"),
        (|e| e.extra = member("type", json!("a")), "[0].type"),
        (|e| e.item_selector = None, "[0].itemSelector"),
        (
            |e| e.item_selector.as_mut().unwrap().extra = member("note", json!(1)),
            "[0].itemSelector",
        ),
    ];
    for (change, field) in cases {
        let mut expression = needs("gpu");
        change(&mut expression);
        assert_refused_at(&one_rule(vec![expression]), &at(field));
    }

    let mut interface = needs("usb");
    "/interfaces".clone_into(&mut interface.key);
    let interface_first = one_rule(vec![interface, needs("gpu")]);
    assert_refused_at(&interface_first, &at("[1].key"));
}

#[test]
fn other_conditions_on_an_element() {
    let is = |key: &str, text: &str| MatchExpression::new(key, Operator::In).with_values([text]);
    let is_not = MatchExpression::new("/type", Operator::NotIn).with_values(["gpu"]);
    let is_one_of = MatchExpression::new("/type", Operator::In).with_values(["gpu", "display"]);
    let is_number = MatchExpression::new("/type", Operator::In).with_values([7]);
    for (items, field) in [
        (vec![], ""),
        (vec![is("/manufacturer", "Lumen")], ""),
        (
            vec![is("/type", "gpu"), is("/colour", "red")],
            ".matchExpressions[1]",
        ),
        (
            vec![is("/type", "gpu"), is("/type", "gpu")],
            ".matchExpressions[1]",
        ),
        (
            vec![
                is("/type", "gpu"),
                is("/model", "L4"),
                is("/manufacturer", "Lumen"),
            ],
            ".matchExpressions[2]",
        ),
        (vec![is_not], ".matchExpressions[0]"),
        (vec![is_one_of], ".matchExpressions[0]"),
        (vec![is_number], ".matchExpressions[0]"),
    ] {
        let constraints = one_rule(vec![needs("gpu").with_items(items)]);
        let expression = "eligibilityRules[0].propertySelector.matchExpressions[0]";
        assert_refused_at(&constraints, &format!("{expression}.itemSelector{field}"));
    }
}

type Change = fn(&mut MatchExpression);

#[track_caller]
fn assert_refused_at(constraints: &DeviceConstraints, field: &str) {
    let mut model = description();
    model.deployment_profiles[0].device_constraints = Some(constraints.clone());
    let path = format!("deploymentProfiles[0].deviceConstraints.{field}");
    assert_refused(&model, &[Rc1], &path, ";");

    let mut model = deployment();
    model.spec.deployment_profile.device_constraints = Some(constraints.clone());
    let path = format!("spec.deploymentProfile.deviceConstraints.{field}");
    assert_refused(&model, &[Rc1], &path, ";");
}

fn needs(kind: &str) -> MatchExpression {
    let is = MatchExpression::new("/type", Operator::In).with_values([kind]);
    MatchExpression::new("/peripherals", Operator::ContainsAll).with_items(vec![is])
}

fn one_rule(expressions: Vec<MatchExpression>) -> DeviceConstraints {
    let mut rule = EligibilityRule::default();
    rule.property_selector = Some(Selector::new(expressions));
    rules(vec![rule])
}

fn rules(rules: Vec<EligibilityRule>) -> DeviceConstraints {
    let mut constraints = DeviceConstraints::default();
    constraints.eligibility_rules = Some(rules);
    constraints
}
