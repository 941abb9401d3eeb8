//! All answers for an application, and the defaults of a description.

use std::collections::BTreeMap;

use margo_types::application::ApplicationDescription;
use margo_types::deployment::ParameterValue;
use margo_types::values::{AnswerProblem, Answers, InvalidAnswers, ValueRule, check_defaults};
use serde_json::{Value, json};

/// An application with one setting of every sort.
fn oven() -> ApplicationDescription {
    let target = |pointer: &str| json!([{ "pointer": pointer, "components": ["control", "control-compose"] }]);
    serde_json::from_value(json!({
        "apiVersion": "v1",
        "id": "oven-control",
        "metadata": {
            "name": "Oven control",
            "version": "2.0.0",
            "catalog": { "organization": [{ "name": "Example" }] },
        },
        "deploymentProfiles": [{
            "type": "helm",
            "id": "charts",
            "components": [{ "name": "control", "properties": {} }],
        }],
        "parameters": {
            "interval": { "value": 30, "targets": target("poll.interval") },
            "line": { "targets": target("line") },
            "note": { "targets": target("note") },
            "limit": { "value": 0.5, "targets": target("limit") },
            "batch": { "targets": target("batch") },
            "internal": { "value": "fixed", "targets": [{ "pointer": "X", "components": ["control-compose"] }] },
            "loose": { "targets": target("loose") },
        },
        "configuration": {
            "sections": [{
                "name": "Operation",
                "settings": [
                    { "parameter": "interval", "name": "Poll interval", "schema": "seconds" },
                    { "parameter": "line", "name": "Line", "schema": "required", "immutable": true },
                    { "parameter": "note", "name": "Note", "schema": "optional" },
                    { "parameter": "limit", "name": "Limit", "schema": "share", "immutable": true },
                    { "parameter": "batch", "name": "Batch", "schema": "count" },
                ],
            }],
            "schema": [
                { "name": "seconds", "dataType": "integer", "minValue": 30, "maxValue": 360 },
                { "name": "required", "dataType": "string", "maxLength": 8 },
                { "name": "optional", "dataType": "string", "minLength": 5, "allowEmpty": true },
                { "name": "share", "dataType": "double", "minValue": 0.5, "maxPrecision": 1 },
                { "name": "count", "dataType": "integer", "allowEmpty": true },
            ],
        },
    }))
    .unwrap()
}

fn deployed(values: &[(&str, Value)]) -> BTreeMap<String, ParameterValue> {
    let parameter = |(name, value): &(&str, Value)| {
        (
            (*name).to_owned(),
            ParameterValue::new(value.clone(), vec![]),
        )
    };
    values.iter().map(parameter).collect()
}

fn problems(result: Result<impl std::fmt::Debug, InvalidAnswers>) -> Vec<(String, AnswerProblem)> {
    let faults = result.unwrap_err().faults;
    faults
        .into_iter()
        .map(|fault| (fault.parameter, fault.problem))
        .collect()
}

#[test]
fn answers_go_before_defaults_and_empty_parameters_are_left_out() {
    let description = oven();
    let resolved = Answers::new(&description)
        .value("line", "A1")
        .text("interval", "60")
        .text("batch", "")
        .resolve()
        .unwrap();
    assert_eq!(
        json!(resolved.values()),
        json!({ "interval": 60, "line": "A1", "limit": 0.5, "internal": "fixed" })
    );
    let resolved = Answers::new(&description)
        .value("line", "A1")
        .value("note", "")
        .value("loose", json!([1, 2]))
        .value("batch", "")
        .resolve()
        .unwrap();
    assert_eq!(resolved.values()["note"], "");
    assert_eq!(resolved.values()["loose"], json!([1, 2]));
    assert!(!resolved.values().contains_key("batch"));
}

#[test]
fn only_the_targets_of_the_chosen_profile_are_deployed() {
    let description = oven();
    let resolved = Answers::new(&description)
        .value("line", "A1")
        .resolve()
        .unwrap();
    let parameters = resolved.for_profile(&description.deployment_profiles[0]);
    let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
    assert_eq!(names, ["interval", "limit", "line"]);
    let components = &parameters["line"].targets[0].components;
    assert_eq!(components.len(), 1);
    assert_eq!(components[0].as_str(), "control");
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let description = oven();
    let refusal = Answers::new(&description)
        .value("interval", 5)
        .value("limit", json!(0.25))
        .text("batch", "many")
        .value("speed", 1)
        .value("loose", json!({ "a": 1 }))
        .resolve()
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "speed: the application has no such parameter; give one that it describes\n\
         batch (Batch): \"many\" is not a whole number; give a whole number of at most 64 bits\n\
         interval (Poll interval): 5 is less than 30; give at least 30\n\
         limit (Limit): 0.25 is less than 0.5; give at least 0.5\n\
         limit (Limit): 0.25 has 2 decimal places; give at most 1\n\
         line (Line): there is no value and no default; give a value\n\
         loose: the value has a type that no parameter has; give a text, a number, true or false, or an array of one of them"
    );
}

#[test]
fn a_typed_answer_must_have_the_data_type() {
    let description = oven();
    let refused = Answers::new(&description)
        .value("line", "A1")
        .value("interval", "60");
    let found = problems(refused.resolve());
    assert!(
        matches!(&found[..], [(name, AnswerProblem::Invalid(fault))]
            if name == "interval" && fault.rule == ValueRule::DataType),
        "{found:?}"
    );
}

#[test]
fn deployed_values_stand_unless_answered_however_they_are_spelled() {
    let description = oven();
    let before = deployed(&[
        ("interval", json!("120")),
        ("line", json!("A1")),
        ("limit", json!("1.5")),
        ("retired", json!("x")),
    ]);
    let resolved = Answers::new(&description)
        .updating(&before)
        .resolve()
        .unwrap();
    assert_eq!(
        json!(resolved.values()),
        json!({ "interval": 120, "line": "A1", "limit": 1.5, "internal": "fixed" })
    );
    let changed = Answers::new(&description)
        .updating(&before)
        .value("interval", 90);
    assert_eq!(changed.resolve().unwrap().values()["interval"], 90);

    let broken = deployed(&[("line", json!("A1")), ("interval", json!("9"))]);
    let found = problems(Answers::new(&description).updating(&broken).resolve());
    assert!(matches!(&found[..], [(name, AnswerProblem::Invalid(_))] if name == "interval"));
}

#[test]
fn an_immutable_setting_keeps_its_value() {
    let description = oven();
    let before = deployed(&[("line", json!("A1")), ("limit", json!("1.50"))]);
    let update = || Answers::new(&description).updating(&before);

    assert!(
        update()
            .value("line", "A1")
            .value("limit", json!(1.5))
            .resolve()
            .is_ok()
    );
    assert!(update().text("limit", "1.5").resolve().is_ok());
    let refusal = update()
        .value("line", "A2")
        .value("limit", 2)
        .resolve()
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "limit (Limit): it must not change after installation; leave it at \"1.50\"\n\
         line (Line): it must not change after installation; leave it at \"A1\""
    );
    let found = problems(update().value("line", Value::Null).resolve());
    assert!(
        found
            .iter()
            .any(|(_, problem)| matches!(problem, AnswerProblem::Immutable { .. }))
    );

    // A text stays a text: 07 and 7 differ, but 7 and "7" are one.
    let number = deployed(&[("line", json!(7))]);
    let update = |line: &str| {
        Answers::new(&description)
            .updating(&number)
            .value("line", line)
            .resolve()
    };
    assert!(update("7").is_ok() && update("07").is_err());

    // What was not deployed may be set.
    let without = deployed(&[("interval", json!(30))]);
    assert!(
        Answers::new(&description)
            .updating(&without)
            .value("line", "B")
            .resolve()
            .is_ok()
    );
}

#[test]
fn two_settings_of_one_parameter_both_bind() {
    let mut description = oven();
    let configuration = description.configuration.as_mut().unwrap();
    let mut second = configuration.sections[0].settings[1].clone();
    second.name = "Line again".to_owned();
    second.schema = "optional".to_owned();
    configuration.sections[0].settings.push(second);
    let found = problems(Answers::new(&description).value("line", "A1").resolve());
    assert!(
        matches!(&found[..], [(_, AnswerProblem::Invalid(fault))] if fault.rule == ValueRule::MinLength)
    );
    assert!(
        Answers::new(&description)
            .value("line", "A1-B2")
            .resolve()
            .is_ok()
    );
}

#[test]
fn a_setting_without_schema_accepts_nothing() {
    let mut description = oven();
    let configuration = description.configuration.as_mut().unwrap();
    configuration.sections[0].settings[0].schema = "absent".to_owned();
    let found = problems(Answers::new(&description).value("line", "A1").resolve());
    assert_eq!(
        found,
        [(
            "interval".to_owned(),
            AnswerProblem::UnknownSchema("absent".to_owned())
        )]
    );
}

#[test]
fn the_suppliers_own_defaults_are_checked_with_their_place() {
    let mut description = oven();
    assert_eq!(check_defaults(&description), []);

    description.parameters.get_mut("interval").unwrap().value = Some(json!("30"));
    description.parameters.get_mut("line").unwrap().value = Some(json!(["ok", ""]));
    description.parameters.get_mut("limit").unwrap().value = Some(json!(0.75));
    let configuration = description.configuration.as_mut().unwrap();
    configuration.schema[2].regex_match = Some("(".to_owned());
    configuration.schema[4].data_type = "date".into();
    configuration.schema[1].data_type = "array[string]".into();
    let found: Vec<String> = check_defaults(&description)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        found,
        [
            "configuration.schema[2].regexMatch: the regexMatch of schema \"optional\" cannot be used: unclosed \
             group; ask the supplier for a pattern without look-around, back-references and large repetitions",
            "configuration.schema[4].dataType: the schema \"count\" has the unknown data type \"date\"; ask the \
             supplier for string, integer, double, boolean or array[...] of one of them",
            "parameters.interval.value (Poll interval): \"30\" is not a whole number; give a whole number of at most 64 bits",
            "parameters.line.value[1] (Line): the value is empty; give a value",
            "parameters.limit.value (Limit): 0.75 has 2 decimal places; give at most 1",
        ]
    );
}

#[test]
fn only_so_many_patterns_are_compiled() {
    let schemas: Vec<_> = (0..300)
        .map(|number| {
            let pattern = format!("^{number}$");
            json!({ "name": format!("s{number}"), "dataType": "string", "regexMatch": pattern })
        })
        .collect();
    let description = json!({
        "apiVersion": "v1", "id": "app",
        "metadata": { "name": "A", "version": "1.0", "catalog": { "organization": [{ "name": "O" }] } },
        "deploymentProfiles": [],
        "configuration": { "sections": [], "schema": schemas },
    });
    let bytes = serde_json::to_vec(&description).unwrap();
    let description = margo_types::read::<ApplicationDescription>(&bytes).unwrap();
    let faults = margo_types::values::check_defaults(description.value());
    assert_eq!(faults.len(), 300 - 256);
    let last = &faults[43].fault.message;
    assert!(last.contains("more than 256 different"), "{last}");
}
