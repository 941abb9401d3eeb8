//! What older generations cannot express is refused by name, never dropped.

use margo_types::application::{
    ApplicationDescription, CapacityRequirements, DeploymentType, DeviceConstraints,
    EligibilityRule, MatchExpression, Operator, Selector,
};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeviceTarget;
use margo_types::{Document, Extra, SpecVersion, WriteError, read, write};
use serde_json::{Value, json};

use SpecVersion::{PreDraft, Rc1};

fn deployment() -> ApplicationDeployment {
    let bytes = include_bytes!("../../golden/rc1/application-deployment-mixed.yaml");
    read(bytes).unwrap().into_value()
}

fn description() -> ApplicationDescription {
    let bytes = include_bytes!("../../golden/pre-draft/application-description.yaml");
    read(bytes).unwrap().into_value()
}

#[track_caller]
fn assert_refused<T: Document>(model: &T, generations: &[SpecVersion], field: &str, word: &str) {
    for &generation in generations {
        match write(model, generation) {
            Err(WriteError::Unrepresentable(refusal)) => {
                assert_eq!(
                    (refusal.field.as_str(), refusal.generation),
                    (field, generation)
                );
                assert!(refusal.why.contains(word), "{refusal}");
            }
            other => panic!("{generation}: {other:?}"),
        }
    }
}

/// A change to a deployment, the generations that refuse it, the field they name and a word of the reason.
type Case<T> = (
    fn(&mut T),
    &'static [SpecVersion],
    &'static str,
    &'static str,
);

fn member(key: &str, value: Value) -> Extra {
    Extra([(key.to_owned(), value)].into())
}

fn extension() -> Extra {
    member("x-acme-extensions", json!({}))
}

#[test]
fn deployments() {
    const BOTH: &[SpecVersion] = &[PreDraft, Rc1];
    const OLDEST: &[SpecVersion] = &[PreDraft];
    let cases: &[Case<ApplicationDeployment>] = &[
        (
            |d| d.metadata.device_id = Some(DeviceTarget::parse("gw/edge").unwrap()),
            BOTH,
            "metadata.deviceId",
            "gateways",
        ),
        (
            |d| d.metadata.device_id = Some(DeviceTarget::parse("gw/*").unwrap()),
            BOTH,
            "metadata.deviceId",
            "gateways",
        ),
        (
            |d| d.metadata.extra = member("annotations", json!({"id": "a"})),
            BOTH,
            "metadata.annotations.id",
            "rename",
        ),
        (
            |d| d.metadata.extra = member("annotations", json!({"deviceId": "a"})),
            BOTH,
            "metadata.annotations.deviceId",
            "rename",
        ),
        (
            |d| d.metadata.extra = member("annotations", json!({})),
            BOTH,
            "metadata.annotations",
            "annotations are",
        ),
        (
            |d| d.metadata.extra = member("annotations", json!("a")),
            BOTH,
            "metadata.annotations",
            "annotations are",
        ),
        (
            |d| d.metadata.extra = member("id", json!("a")),
            BOTH,
            "metadata.id",
            "rename",
        ),
        (
            |d| d.metadata.extra = member("applicationId", json!("a")),
            BOTH,
            "metadata.applicationId",
            "rename",
        ),
        (
            |d| d.extra = member("kind", json!("a")),
            BOTH,
            "kind",
            "rename",
        ),
        (
            |d| d.extra = member("apiVersion", json!("a")),
            BOTH,
            "apiVersion",
            "rename",
        ),
        (
            |d| d.extra = extension(),
            BOTH,
            "x-acme-extensions",
            "no extensions",
        ),
        (
            |d| d.spec.extra = extension(),
            BOTH,
            "spec.x-acme-extensions",
            "no extensions",
        ),
        (
            |d| d.spec.deployment_profile.extra = extension(),
            BOTH,
            "spec.deploymentProfile.x-acme-extensions",
            "no extensions",
        ),
        (
            |d| d.spec.deployment_profile.extra = member("requiredResources", json!({})),
            BOTH,
            "spec.deploymentProfile.requiredResources",
            "rename",
        ),
        (
            |d| d.spec.deployment_profile.components[0].extra = extension(),
            BOTH,
            "spec.deploymentProfile.components[0].x-acme-extensions",
            "no extensions",
        ),
        (
            |d| d.spec.deployment_profile.deployment_type = DeploymentType::Custom,
            BOTH,
            "spec.deploymentProfile.type",
            "\"custom\"",
        ),
        (
            |d| d.spec.deployment_profile.deployment_type = "wasm".into(),
            BOTH,
            "spec.deploymentProfile.type",
            "\"wasm\"",
        ),
        (
            |d| d.spec.deployment_profile.deployment_type = DeploymentType::Helm,
            BOTH,
            "spec.deploymentProfile.components[0].properties.packageLocation",
            "chart",
        ),
        (
            |d| {
                d.spec.deployment_profile.deployment_type = DeploymentType::Helm;
                d.spec.deployment_profile.components[0]
                    .properties
                    .package_location = None;
            },
            BOTH,
            "spec.deploymentProfile.components[0].properties.keyLocation",
            "chart",
        ),
        (
            |d| {
                d.spec.parameters.get_mut("greeting").unwrap().targets[0].pointer =
                    "ENV.A".to_owned()
            },
            BOTH,
            "spec.parameters.greeting.targets[0].pointer",
            "ENV.",
        ),
        (
            |d| {
                d.spec.deployment_profile.components[0]
                    .properties
                    .repository = "oci://a/b".parse().ok()
            },
            OLDEST,
            "spec.deploymentProfile.components[0].properties.repository",
            "packageLocation",
        ),
        (
            |d| d.spec.deployment_profile.components[0].properties.revision = "1.0.0".parse().ok(),
            OLDEST,
            "spec.deploymentProfile.components[0].properties.revision",
            "packageLocation",
        ),
        (
            |d| d.spec.deployment_profile.device_constraints = Some(DeviceConstraints::default()),
            OLDEST,
            "spec.deploymentProfile.deviceConstraints",
            "remove",
        ),
    ];
    for (change, generations, field, word) in cases {
        let mut model = deployment();
        change(&mut model);
        assert_refused(&model, generations, field, word);
        if generations.len() == 1 {
            super::round_trip(&model, Rc1).unwrap();
        }
    }
}

#[test]
fn descriptions() {
    const BOTH: &[SpecVersion] = &[PreDraft, Rc1];
    const OLDEST: &[SpecVersion] = &[PreDraft];
    let cases: &[Case<ApplicationDescription>] = &[
        (
            |d| d.extra = extension(),
            BOTH,
            "x-acme-extensions",
            "no extensions",
        ),
        (
            |d| d.extra = member("kind", json!("a")),
            BOTH,
            "kind",
            "rename",
        ),
        (
            |d| d.metadata.extra = member("id", json!("a")),
            BOTH,
            "metadata.id",
            "rename",
        ),
        (
            |d| d.metadata.extra = member("annotations", json!({"id": "a"})),
            BOTH,
            "metadata.annotations.id",
            "rename",
        ),
        (
            |d| d.metadata.extra = member("annotations", json!([])),
            BOTH,
            "metadata.annotations",
            "annotations are",
        ),
        (
            |d| d.deployment_profiles[1].deployment_type = DeploymentType::Custom,
            BOTH,
            "deploymentProfiles[1].type",
            "\"custom\"",
        ),
        (
            |d| d.deployment_profiles[1].extra = extension(),
            BOTH,
            "deploymentProfiles[1].x-acme-extensions",
            "no extensions",
        ),
        (
            |d| d.deployment_profiles[1].extra = member("requiredResources", json!({})),
            BOTH,
            "deploymentProfiles[1].requiredResources",
            "rename",
        ),
        (
            |d| d.deployment_profiles[0].components[0].extra = extension(),
            BOTH,
            "deploymentProfiles[0].components[0].x-acme-extensions",
            "no extensions",
        ),
        (
            |d| {
                d.deployment_profiles[0].components[0]
                    .properties
                    .package_location = Some("a".to_owned())
            },
            BOTH,
            "deploymentProfiles[0].components[0].properties.packageLocation",
            "chart",
        ),
        (
            |d| d.parameters.get_mut("greeting").unwrap().targets[1].pointer = "ENV.A".to_owned(),
            BOTH,
            "parameters.greeting.targets[1].pointer",
            "ENV.",
        ),
        (
            |d| {
                d.deployment_profiles[1].components[0].properties.repository =
                    "oci://a/b".parse().ok()
            },
            OLDEST,
            "deploymentProfiles[1].components[0].properties.repository",
            "packageLocation",
        ),
        (
            |d| d.deployment_profiles[0].device_constraints = Some(DeviceConstraints::default()),
            OLDEST,
            "deploymentProfiles[0].deviceConstraints",
            "remove",
        ),
        (
            |d| "helm-1".clone_into(&mut d.deployment_profiles[1].id),
            OLDEST,
            "deploymentProfiles[1].id",
            "earlier",
        ),
    ];
    for (change, generations, field, word) in cases {
        let mut model = description();
        change(&mut model);
        assert_refused(&model, generations, field, word);
        if generations.len() == 1 {
            super::round_trip(&model, Rc1).unwrap();
        }
    }
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

/// Constraints of one condition on a peripheral, changed.
fn changed(change: impl FnOnce(&mut MatchExpression)) -> DeviceConstraints {
    let mut expression = needs("gpu");
    change(&mut expression);
    one_rule(vec![expression])
}

/// The same, with other conditions on the element.
fn with_items(items: Vec<MatchExpression>) -> DeviceConstraints {
    changed(|expression| *expression = expression.clone().with_items(items))
}

#[test]
fn constraints() {
    let is = |key: &str, text: &str| MatchExpression::new(key, Operator::In).with_values([text]);
    let expression = "eligibilityRules[0].propertySelector.matchExpressions[0]";
    let items = &format!("{expression}.itemSelector");
    let item = |index: usize| format!("{items}.matchExpressions[{index}]");
    let mut interfaces = needs("usb");
    "/interfaces".clone_into(&mut interfaces.key);
    let mut labels = EligibilityRule::default();
    labels.label_selector = Some(Selector::default());
    let mut extra_rule = one_rule(vec![needs("gpu")]);
    extra_rule.eligibility_rules.as_mut().unwrap()[0].extra = member("note", json!(1));
    let mut extra_selector = one_rule(vec![needs("gpu")]);
    let rule = &mut extra_selector.eligibility_rules.as_mut().unwrap()[0];
    rule.property_selector.as_mut().unwrap().extra = member("note", json!(1));
    let mut empty_capacity = DeviceConstraints::default();
    empty_capacity.capacity_requirements = Some(CapacityRequirements::default());
    let mut more_capacity = empty_capacity.clone();
    more_capacity.capacity_requirements.as_mut().unwrap().extra = member("gpuMemory", json!("1Gi"));
    let mut taken = DeviceConstraints::default();
    taken.extra = member("memory", json!("1Gi"));
    let two_rules = rules(vec![labels.clone(), labels.clone()]);
    let cases = [
        (empty_capacity, "capacityRequirements".to_owned()),
        (more_capacity, "capacityRequirements.gpuMemory".to_owned()),
        (taken, "memory".to_owned()),
        (rules(vec![]), "eligibilityRules".to_owned()),
        (two_rules, "eligibilityRules".to_owned()),
        (
            rules(vec![labels]),
            "eligibilityRules[0].labelSelector".to_owned(),
        ),
        (extra_rule, "eligibilityRules[0].note".to_owned()),
        (
            rules(vec![EligibilityRule::default()]),
            "eligibilityRules[0].propertySelector".to_owned(),
        ),
        (
            extra_selector,
            "eligibilityRules[0].propertySelector.note".to_owned(),
        ),
        (
            one_rule(vec![]),
            "eligibilityRules[0].propertySelector.matchExpressions".to_owned(),
        ),
        (
            changed(|e| e.operator = Operator::ContainsAny),
            format!("{expression}.operator"),
        ),
        (
            changed(|e| e.values = Some(vec![])),
            format!("{expression}.values"),
        ),
        (
            changed(|e| e.key = "/vendor".to_owned()),
            format!("{expression}.key"),
        ),
        (
            changed(|e| e.extra = member("type", json!("a"))),
            format!("{expression}.type"),
        ),
        (changed(|e| e.item_selector = None), items.clone()),
        (
            changed(|e| e.item_selector.as_mut().unwrap().extra = member("note", json!(1))),
            items.clone(),
        ),
        (with_items(vec![]), items.clone()),
        (
            with_items(vec![is("/manufacturer", "Lumen")]),
            items.clone(),
        ),
        (
            with_items(vec![is("/type", "gpu"), is("/colour", "red")]),
            item(1),
        ),
        (
            with_items(vec![is("/type", "gpu"), is("/type", "gpu")]),
            item(1),
        ),
        (
            with_items(vec![
                is("/type", "gpu"),
                is("/model", "L4"),
                is("/manufacturer", "Lumen"),
            ]),
            item(2),
        ),
        (
            with_items(vec![
                MatchExpression::new("/type", Operator::NotIn).with_values(["gpu"]),
            ]),
            item(0),
        ),
        (
            with_items(vec![
                MatchExpression::new("/type", Operator::In).with_values(["gpu", "display"]),
            ]),
            item(0),
        ),
        (
            with_items(vec![
                MatchExpression::new("/type", Operator::In).with_values([7]),
            ]),
            item(0),
        ),
        (
            one_rule(vec![interfaces, needs("gpu")]),
            "eligibilityRules[0].propertySelector.matchExpressions[1].key".to_owned(),
        ),
    ];
    for (constraints, field) in cases {
        let mut model = description();
        model.deployment_profiles[0].device_constraints = Some(constraints.clone());
        assert_refused(
            &model,
            &[Rc1],
            &format!("deploymentProfiles[0].deviceConstraints.{field}"),
            ";",
        );
        let mut model = deployment();
        model.spec.deployment_profile.device_constraints = Some(constraints);
        assert_refused(
            &model,
            &[Rc1],
            &format!("spec.deploymentProfile.deviceConstraints.{field}"),
            ";",
        );
    }
}
