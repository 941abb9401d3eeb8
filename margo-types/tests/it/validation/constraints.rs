//! Capacity requirements, eligibility rules and selectors (rc3.md 1.5).

use serde_json::{Value, json};

use super::application::valid;
use super::case::{Case, case, changed, check, report_on, set};

/// Puts an expression in place of the first one of the property selector.
fn expression(document: &mut Value, expression: Value) {
    document["deploymentProfiles"][0]["deviceConstraints"]["eligibilityRules"][0]["propertySelector"]
        ["matchExpressions"][0] = expression;
}

const CAPACITY: &str = "/deploymentProfiles/0/deviceConstraints/capacityRequirements";
const RULES: &str = "/deploymentProfiles/0/deviceConstraints/eligibilityRules";

fn capacity(document: &mut Value, pointer: &str, value: impl Into<Value>) {
    set(document, &format!("{CAPACITY}{pointer}"), value);
}

fn rules(document: &mut Value, pointer: &str, value: impl Into<Value>) {
    set(document, &format!("{RULES}{pointer}"), value);
}

macro_rules! capacity {
    ($rest:literal) => {
        concat!(
            "deploymentProfiles[0].deviceConstraints.capacityRequirements.",
            $rest
        )
    };
}

macro_rules! first {
    ($rest:literal) => {
        concat!(
            "deploymentProfiles[0].deviceConstraints.eligibilityRules[0].propertySelector.matchExpressions[0].",
            $rest
        )
    };
}

macro_rules! label {
    ($rest:literal) => {
        concat!(
            "deploymentProfiles[0].deviceConstraints.eligibilityRules[0].labelSelector.",
            $rest
        )
    };
}

pub(super) const CASES: &[Case] = &[
    case(
        "1.5: negative cores",
        |d| capacity(d, "/cpu/cores", -1),
        "capacity.cores",
        capacity!("cpu.cores"),
    ),
    case(
        "1.5: unknown architecture",
        |d| capacity(d, "/cpu/architectures/1", "x86_64"),
        "capacity.architecture",
        capacity!("cpu.architectures[1]"),
    ),
    case(
        "1.5: architecture that no device can report",
        |d| capacity(d, "/cpu/architectures/1", "riscv64"),
        "capacity.architecture-unreported",
        capacity!("cpu.architectures[1]"),
    ),
    case(
        "1.5: other architecture, which no device can report",
        |d| capacity(d, "/cpu/architectures/1", "other"),
        "capacity.architecture-unreported",
        capacity!("cpu.architectures[1]"),
    ),
    case(
        "1.5: memory with a blank",
        |d| capacity(d, "/memory", "59 Gi"),
        "capacity.memory",
        capacity!("memory"),
    ),
    case(
        "1.5: memory in Ti",
        |d| capacity(d, "/memory", "1Ti"),
        "capacity.memory",
        capacity!("memory"),
    ),
    case(
        "1.5: fraction of memory",
        |d| capacity(d, "/memory", "1.5Gi"),
        "capacity.memory",
        capacity!("memory"),
    ),
    case(
        "1.5: storage with a blank",
        |d| capacity(d, "/storage", "5 Gi"),
        "capacity.storage",
        capacity!("storage"),
    ),
    case(
        "P7: memory required twice",
        |d| expression(d, json!({ "key": "/memory", "operator": "Exists" })),
        "capacity.doubled",
        first!("key"),
    ),
    case(
        "P7: cpus required twice",
        |d| expression(d, json!({ "key": "/cpus/0/cores", "operator": "Exists" })),
        "capacity.doubled",
        first!("key"),
    ),
    case(
        "1.5: no rule",
        |d| rules(d, "", json!([])),
        "eligibility.no-rules",
        "deploymentProfiles[0].deviceConstraints.eligibilityRules",
    ),
    case(
        "1.5: rule without selector",
        |d| rules(d, "/1", json!({})),
        "eligibility.no-selector",
        "deploymentProfiles[0].deviceConstraints.eligibilityRules[1]",
    ),
    case(
        "1.5: selector without expression",
        |d| rules(d, "/0/labelSelector/matchExpressions", json!([])),
        "selector.no-expression",
        label!("matchExpressions"),
    ),
    case(
        "P11: item selector without expression",
        |d| {
            rules(
                d,
                "/0/propertySelector/matchExpressions/1/itemSelector/matchExpressions",
                json!([]),
            );
        },
        "selector.no-item-expression",
        "deploymentProfiles[0].deviceConstraints.eligibilityRules[0].propertySelector.matchExpressions[1].itemSelector.matchExpressions",
    ),
    case(
        "W47: property key that is no pointer",
        |d| expression(d, json!({ "key": "vendor", "operator": "Exists" })),
        "selector.property-key",
        first!("key"),
    ),
    case(
        "W47: property key with a wrong escape",
        |d| expression(d, json!({ "key": "/a~2b", "operator": "Exists" })),
        "selector.property-key",
        first!("key"),
    ),
    case(
        "W47: item key that is no pointer",
        |d| {
            rules(
                d,
                "/0/propertySelector/matchExpressions/1/itemSelector/matchExpressions/0/key",
                "type",
            );
        },
        "selector.property-key",
        "deploymentProfiles[0].deviceConstraints.eligibilityRules[0].propertySelector.matchExpressions[1].itemSelector.matchExpressions[0].key",
    ),
    case(
        "1.5: property key for the whole object",
        |d| expression(d, json!({ "key": "", "operator": "Exists" })),
        "selector.whole-object",
        first!("key"),
    ),
    case(
        "W47: empty label key",
        |d| rules(d, "/0/labelSelector/matchExpressions/0/key", ""),
        "selector.label-key",
        label!("matchExpressions[0].key"),
    ),
    case(
        "W47: label key like a pointer",
        |d| rules(d, "/0/labelSelector/matchExpressions/0/key", "/hall"),
        "selector.label-key",
        label!("matchExpressions[0].key"),
    ),
    case(
        "P11: unknown operator",
        |d| {
            expression(
                d,
                json!({ "key": "/vendor", "operator": "Like", "values": ["a"] }),
            );
        },
        "selector.operator",
        first!("operator"),
    ),
    case(
        "P11: In without values",
        |d| expression(d, json!({ "key": "/vendor", "operator": "In" })),
        "selector.values",
        first!("values"),
    ),
    case(
        "P11: NotIn with an empty list",
        |d| {
            expression(
                d,
                json!({ "key": "/vendor", "operator": "NotIn", "values": [] }),
            );
        },
        "selector.values",
        first!("values"),
    ),
    case(
        "P11: Lt without values",
        |d| expression(d, json!({ "key": "/vendor", "operator": "Lt" })),
        "selector.values",
        first!("values"),
    ),
    case(
        "P11: values of two types",
        |d| {
            expression(
                d,
                json!({ "key": "/vendor", "operator": "In", "values": ["a", 1] }),
            );
        },
        "selector.value-types",
        first!("values"),
    ),
    case(
        "P11: two booleans",
        |d| {
            expression(
                d,
                json!({ "key": "/otelCollector", "operator": "In", "values": [true, false] }),
            );
        },
        "selector.value-types",
        first!("values"),
    ),
    case(
        "P11: a list among the values",
        |d| {
            expression(
                d,
                json!({ "key": "/vendor", "operator": "NotIn", "values": [["a"]] }),
            );
        },
        "selector.value-types",
        first!("values"),
    ),
    case(
        "P11: Gt with two values",
        |d| {
            expression(
                d,
                json!({ "key": "/vendor", "operator": "Gt", "values": [1, 2] }),
            );
        },
        "selector.bound",
        first!("values"),
    ),
    case(
        "P11: Lt with a quantity",
        |d| {
            expression(
                d,
                json!({ "key": "/vendor", "operator": "Lt", "values": ["59 Gi"] }),
            );
        },
        "selector.bound",
        first!("values"),
    ),
    case(
        "P11: Exists with values",
        |d| {
            expression(
                d,
                json!({ "key": "/vendor", "operator": "Exists", "values": ["a"] }),
            );
        },
        "selector.values-forbidden",
        first!("values"),
    ),
    case(
        "P11: ContainsAny with values",
        |d| {
            rules(
                d,
                "/0/propertySelector/matchExpressions/1/values",
                json!(["camera"]),
            );
        },
        "selector.values-forbidden",
        "deploymentProfiles[0].deviceConstraints.eligibilityRules[0].propertySelector.matchExpressions[1].values",
    ),
    case(
        "P11: ContainsAll without item selector",
        |d| {
            expression(
                d,
                json!({ "key": "/interfaces", "operator": "ContainsAll" }),
            );
        },
        "selector.item-selector",
        first!("itemSelector"),
    ),
    case(
        "P11: In with an item selector",
        |d| {
            let item = json!({ "matchExpressions": [{ "key": "/type", "operator": "Exists" }] });
            let values = json!(["a"]);
            expression(
                d,
                json!({ "key": "/vendor", "operator": "In", "values": values, "itemSelector": item }),
            );
        },
        "selector.item-selector-forbidden",
        first!("itemSelector"),
    ),
    case(
        "1.5: ContainsAny inside an item selector",
        |d| {
            let inner = json!({ "matchExpressions": [{ "key": "/a", "operator": "Exists" }] });
            let nested =
                json!({ "key": "/ports", "operator": "ContainsAny", "itemSelector": inner });
            let item = json!({ "matchExpressions": [nested] });
            expression(
                d,
                json!({ "key": "/peripherals", "operator": "ContainsAll", "itemSelector": item }),
            );
        },
        "selector.nested",
        first!("itemSelector.matchExpressions[0].operator"),
    ),
    case(
        "1.5: ContainsAny in a label selector",
        |d| {
            let item = json!({ "matchExpressions": [{ "key": "/a", "operator": "Exists" }] });
            let expression =
                json!({ "key": "example.com/a", "operator": "ContainsAny", "itemSelector": item });
            rules(d, "/0/labelSelector/matchExpressions/0", expression);
        },
        "selector.label-items",
        label!("matchExpressions[0].operator"),
    ),
    case(
        "9: unknown member of an expression",
        |d| rules(d, "/0/propertySelector/matchExpressions/0/value", "a"),
        "member.unknown",
        first!("value"),
    ),
];

#[test]
fn constraints() {
    check(&valid(), CASES);
}

/// rc3.md section 1.5, the table of operators.
#[test]
fn every_operator_takes_its_operands() {
    let changes: &[fn(&mut Value)] = &[
        |d| {
            expression(
                d,
                json!({ "key": "/otelCollector", "operator": "In", "values": [true] }),
            );
        },
        |d| {
            expression(
                d,
                json!({ "key": "/a/b~0c~1d", "operator": "NotIn", "values": [1, 2.5] }),
            );
        },
        |d| expression(d, json!({ "key": "/vendor", "operator": "DoesNotExist" })),
        |d| {
            expression(
                d,
                json!({ "key": "/cores", "operator": "Lt", "values": ["4.5"] }),
            );
        },
    ];
    for change in changes {
        let document = changed(&valid(), *change);
        let report = report_on(&document);
        assert!(report.findings().is_empty(), "{report}");
    }
}

/// A program may put a number into the model that no document can hold.
#[test]
fn cores_that_are_no_number_are_refused() {
    use margo_types::application::{CapacityRequirements, CpuRequirement, DeviceConstraints};

    let document = margo_types::read::<margo_types::application::ApplicationDescription>(
        valid().to_string().as_bytes(),
    );
    let mut description = document.unwrap().into_value();
    let mut capacity = CapacityRequirements::default();
    capacity.cpu = Some(CpuRequirement::new(f64::NAN));
    let mut constraints = DeviceConstraints::default();
    constraints.capacity_requirements = Some(capacity);
    description.deployment_profiles[0].device_constraints = Some(constraints);
    let report = margo_types::validate(&description, margo_types::SpecVersion::Rc3);
    assert_eq!(
        report.errors().map(|it| it.rule.name).collect::<Vec<_>>(),
        ["capacity.cores"]
    );
}
