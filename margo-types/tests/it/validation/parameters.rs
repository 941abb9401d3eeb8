//! Parameters, targets and default values (rc3.md 1.6, 1.7).

use serde_json::json;

use super::application::valid;
use super::case::{Case, case, check, remove, report_on, set};

pub(super) const CASES: &[Case] = &[
    case(
        "1.6: name with a blank",
        |d| {
            let parameter = d["parameters"]["interval"].clone();
            set(d, "/parameters/interval ", parameter);
        },
        "parameter.name",
        "parameters[\"interval \"]",
    ),
    case(
        "1.6: neither value nor setting",
        |d| {
            let parameter = d["parameters"]["site"].clone();
            set(d, "/parameters/lonely", parameter);
        },
        "parameter.no-value",
        "parameters.lonely",
    ),
    case(
        "1.6: no target",
        |d| set(d, "/parameters/site/targets", json!([])),
        "parameter.no-targets",
        "parameters.site.targets",
    ),
    case(
        "1.6: target without component",
        |d| set(d, "/parameters/site/targets/0/components", json!([])),
        "parameter.no-components",
        "parameters.site.targets[0].components",
    ),
    case(
        "P5: target in an unknown component",
        |d| set(d, "/parameters/site/targets/0/components/1", "stroe"),
        "application.target-component",
        "parameters.site.targets[0].components[1]",
    ),
    case(
        "1.6: empty pointer",
        |d| set(d, "/parameters/site/targets/0/pointer", ""),
        "parameter.pointer",
        "parameters.site.targets[0].pointer",
    ),
    case(
        "1.6: ENV. before the name of an environment variable",
        |d| set(d, "/parameters/interval/targets/1/pointer", "ENV.POLL"),
        "parameter.env-prefix",
        "parameters.interval.targets[1].pointer",
    ),
    case(
        "1.6: port of a Compose component",
        |d| set(d, "/parameters/interval/targets/1/pointer", "PORTS.80"),
        "parameter.ports",
        "parameters.interval.targets[1].pointer",
    ),
    case(
        "1.6: path into values for a Compose component",
        |d| set(d, "/parameters/interval/targets/1/pointer", "poll.interval"),
        "parameter.environment-name",
        "parameters.interval.targets[1].pointer",
    ),
    case(
        "1.6: environment variable that starts with a digit",
        |d| set(d, "/parameters/interval/targets/1/pointer", "1ST"),
        "parameter.environment-name",
        "parameters.interval.targets[1].pointer",
    ),
    case(
        "1.6: value that is an object",
        |d| set(d, "/parameters/interval/value", json!({ "seconds": 3 })),
        "parameter.value",
        "parameters.interval.value",
    ),
    case(
        "1.6: value that is a list of two types",
        |d| set(d, "/parameters/interval/value", json!([1, "a"])),
        "parameter.value",
        "parameters.interval.value",
    ),
    case(
        "W52: value of another type than its schema",
        |d| set(d, "/parameters/interval/value", "30"),
        "parameter.value-type",
        "parameters.interval.value",
    ),
    case(
        "W52: fraction for an integer",
        |d| set(d, "/parameters/interval/value", 30.5),
        "parameter.value-type",
        "parameters.interval.value",
    ),
    case(
        "W52: list for a text",
        |d| set(d, "/parameters/site/value", json!(["Ulm"])),
        "parameter.value-type",
        "parameters.site.value",
    ),
    case(
        "W52: default below the least value of its schema",
        |d| set(d, "/parameters/interval/value", 1),
        "parameter.default",
        "parameters.interval.value",
    ),
    case(
        "9: unknown member of a parameter",
        |d| set(d, "/parameters/site/colour", "red"),
        "member.unknown",
        "parameters.site.colour",
    ),
    case(
        "9: unknown member of a target",
        |d| set(d, "/parameters/site/targets/0/colour", "red"),
        "member.unknown",
        "parameters.site.targets[0].colour",
    ),
];

#[test]
fn parameters() {
    check(&valid(), CASES);
}

/// Values of every type that a schema can name, and values without a schema.
#[test]
fn values_of_their_type_are_valid() {
    for (data_type, value) in [
        ("string", json!("a")),
        ("integer", json!(-4)),
        ("double", json!(4)),
        ("double", json!(4.5)),
        ("boolean", json!(false)),
        ("array[string]", json!(["a"])),
        ("array[integer]", json!([1, 2])),
        ("array[double]", json!([1, 2.5])),
        ("array[boolean]", json!([true])),
    ] {
        let mut document = valid();
        set(&mut document, "/parameters/interval/value", value.clone());
        set(
            &mut document,
            "/configuration/schema/0",
            json!({ "name": "seconds", "dataType": data_type }),
        );
        let report = report_on(&document);
        assert!(report.findings().is_empty(), "{data_type}: {report}");

        remove(&mut document, "/configuration");
        set(&mut document, "/parameters/site/value", value);
        let report = report_on(&document);
        assert!(report.findings().is_empty(), "{data_type}: {report}");
    }
}

/// rc3.md section 1.7: a multiple choice has a list of options as its value.
#[test]
fn a_choice_may_have_several_values_and_an_empty_value_may_be_allowed() {
    let mut document = valid();
    set(
        &mut document,
        "/parameters/interval/value",
        json!(["red", "green"]),
    );
    set(
        &mut document,
        "/configuration/schema/0",
        json!({ "name": "seconds", "dataType": "string", "multiselect": true, "options": ["red", "green"] }),
    );
    assert!(report_on(&document).findings().is_empty());

    // The type may also be that of the list (rc3.md ambiguity 57).
    set(
        &mut document,
        "/configuration/schema/0/dataType",
        "array[string]",
    );
    assert!(report_on(&document).findings().is_empty());

    set(&mut document, "/parameters/interval/value", "");
    set(
        &mut document,
        "/configuration/schema/0",
        json!({ "name": "seconds", "dataType": "integer", "allowEmpty": true }),
    );
    assert!(report_on(&document).findings().is_empty());
}
