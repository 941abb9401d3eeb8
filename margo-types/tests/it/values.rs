//! Values against schemas, and the answers for an application.

mod answers;
mod laws;

use margo_types::application::{DataType, Schema};
use margo_types::values::{ValueRule, parse_answer};
use serde_json::{Value, json};

/// A schema from its attributes.
pub(crate) fn schema(attributes: &Value) -> Schema {
    let mut object = attributes.clone();
    object["name"] = json!("rules");
    serde_json::from_value(object).unwrap()
}

/// The rules that a value breaks.
pub(crate) fn broken(schema: &Schema, value: &Value) -> Vec<ValueRule> {
    let faults = schema.check(value).err().unwrap_or_default();
    faults.into_iter().map(|fault| fault.rule).collect()
}

#[test]
fn every_data_type_accepts_its_own_values_only() {
    let values = [
        json!("text"),
        json!(5),
        json!(-5),
        json!(5.5),
        json!(5.0),
        json!(true),
        json!(["a"]),
        json!([1]),
        json!([1.5]),
        json!([false]),
        json!({}),
        json!(["a", 1]),
        json!([null]),
        json!("5"),
    ];
    let table = [
        ("string", vec![0, 13]),
        ("integer", vec![1, 2]),
        ("double", vec![1, 2, 3, 4]),
        ("boolean", vec![5]),
        ("array[string]", vec![6]),
        ("array[integer]", vec![7]),
        ("array[double]", vec![7, 8]),
        ("array[boolean]", vec![9]),
    ];
    for (data_type, accepted) in table {
        let schema = Schema::new("rules", DataType::from(data_type));
        for (index, value) in values.iter().enumerate() {
            let rules = broken(&schema, value);
            if accepted.contains(&index) {
                assert_eq!(rules, [], "{data_type} {value}");
            } else {
                assert_eq!(rules[0], ValueRule::DataType, "{data_type} {value}");
            }
        }
    }
}

#[test]
fn every_rule_of_every_class() {
    use ValueRule as Rule;
    let text =
        json!({ "dataType": "string", "minLength": 2, "maxLength": 4, "regexMatch": "^[a-zü]+" });
    let port = json!({ "dataType": "integer", "minValue": -5, "maxValue": 10 });
    let share = json!({ "dataType": "double", "minValue": 0.5, "maxValue": 2, "minPrecision": 1, "maxPrecision": 2 });
    let colour = json!({ "dataType": "string", "options": ["red", "blue"] });
    let colours = json!({ "dataType": "string", "options": ["red", "blue"], "multiselect": true });
    let sizes = json!({ "dataType": "array[integer]", "options": ["1", 2] });
    let size = json!({ "dataType": "integer", "options": ["1", "2"], "maxValue": 1 });
    let texts = json!({ "dataType": "array[string]", "maxLength": 2 });
    let table = [
        (&text, json!("abc"), vec![]),
        (&text, json!("üü"), vec![]),
        (&text, json!("a"), vec![Rule::MinLength]),
        (&text, json!("abcde"), vec![Rule::MaxLength]),
        (&text, json!("1"), vec![Rule::MinLength, Rule::RegexMatch]),
        (&port, json!(-5), vec![]),
        (&port, json!(10), vec![]),
        (&port, json!(-6), vec![Rule::MinValue]),
        (&port, json!(11), vec![Rule::MaxValue]),
        (&share, json!(0.5), vec![]),
        (&share, json!(1.25), vec![]),
        (&share, json!(0.25), vec![Rule::MinValue]),
        (&share, json!(2), vec![Rule::MinPrecision]),
        (
            &share,
            json!(2.125),
            vec![Rule::MaxValue, Rule::MaxPrecision],
        ),
        (&colour, json!("red"), vec![]),
        (&colour, json!("Red"), vec![Rule::Options]),
        (&colour, json!(["red"]), vec![Rule::DataType]),
        (&colours, json!(["red", "blue"]), vec![]),
        (
            &colours,
            json!(["red", "green", "pink"]),
            vec![Rule::Options, Rule::Options],
        ),
        (&colours, json!("red"), vec![Rule::DataType]),
        (&colours, json!([]), vec![Rule::AllowEmpty]),
        (&sizes, json!([1, 2]), vec![]),
        (&sizes, json!([3]), vec![Rule::Options]),
        (&size, json!(1), vec![]),
        (&size, json!(2), vec![Rule::MaxValue]),
        (&size, json!("1"), vec![Rule::DataType]),
        (&texts, json!(["a", "bc"]), vec![]),
        (
            &texts,
            json!(["a", "bcd", ""]),
            vec![Rule::MaxLength, Rule::AllowEmpty],
        ),
    ];
    for (attributes, value, expected) in table {
        assert_eq!(
            broken(&schema(attributes), &value),
            expected,
            "{attributes} {value}"
        );
    }
}

#[test]
fn empty_values_need_permission_and_then_obey_no_other_rule() {
    let optional = schema(&json!({
        "dataType": "string", "allowEmpty": true, "minLength": 5, "regexMatch": "x", "options": ["xxxxx"],
    }));
    let required = schema(&json!({ "dataType": "string", "minLength": 5 }));
    let forbidden = schema(&json!({ "dataType": "integer", "allowEmpty": false }));
    let number = schema(&json!({ "dataType": "integer", "allowEmpty": true, "minValue": 5 }));
    assert_eq!(broken(&optional, &json!("")), []);
    assert_eq!(broken(&optional, &Value::Null), []);
    assert_eq!(
        broken(&optional, &json!("xx")),
        [ValueRule::Options, ValueRule::MinLength]
    );
    assert_eq!(broken(&required, &json!("")), [ValueRule::AllowEmpty]);
    assert_eq!(broken(&forbidden, &Value::Null), [ValueRule::AllowEmpty]);
    assert_eq!(broken(&number, &Value::Null), []);
    assert_eq!(broken(&number, &json!(4)), [ValueRule::MinValue]);
    let list = schema(&json!({ "dataType": "array[integer]", "allowEmpty": true }));
    assert_eq!(broken(&list, &json!([])), []);
}

#[test]
fn a_pattern_searches_unless_it_is_anchored() {
    let matches = |pattern: &str, text: &str| {
        let schema = schema(&json!({ "dataType": "string", "regexMatch": pattern }));
        broken(&schema, &json!(text)).is_empty()
    };
    assert!(matches("b+", "abc") && !matches("^b+", "abc"));
    assert!(matches(r"^\w+$", "grün") && matches("^.$", "é"));
    // The constructs that published descriptions use for links and addresses.
    let link = r"^(http(s):\/\/.)[-a-zA-Z0-9@:%._\+~#=]{2,200}\.[a-z]{2,6}\b([-a-zA-Z0-9@:%_\+.~#?&//=]*)$";
    assert!(matches(link, "https://id.example.com/a?b=c") && !matches(link, "id.example.com"));
    assert!(matches(r".*@[a-z0-9.-]*", "ops@example.com"));
}

#[test]
fn a_pattern_that_cannot_be_used_accepts_nothing_and_names_its_schema() {
    for (pattern, why) in [
        ("a(?=b)", "look-around"),
        ("(a", "unclosed group"),
        (r"(a)\1", "backreferences"),
        (r"(a{1000}){200}", "too large"),
    ] {
        let schema = schema(&json!({ "dataType": "string", "regexMatch": pattern }));
        let faults = schema.check(&json!("ab")).unwrap_err();
        let message = faults[0].to_string();
        assert_eq!(faults[0].rule, ValueRule::UsableSchema, "{message}");
        assert!(
            message.contains("schema \"rules\"") && message.contains(why),
            "{message}"
        );
        assert!(!message.contains('\n'), "{message}");
    }
    let number = schema(&json!({ "dataType": "integer", "regexMatch": "(" }));
    assert_eq!(broken(&number, &json!(5)), []);
    let unknown = schema(&json!({ "dataType": "date" }));
    assert_eq!(
        broken(&unknown, &json!("2020-01-01")),
        [ValueRule::UsableSchema]
    );
}

#[test]
fn texts_are_read_by_data_type() {
    let table = [
        ("string", " 5 ", json!(" 5 ")),
        ("string", "[1]", json!("[1]")),
        ("integer", "5", json!(5)),
        ("integer", " -5 ", json!(-5)),
        ("integer", "18446744073709551615", json!(u64::MAX)),
        ("integer", "-9223372036854775808", json!(i64::MIN)),
        ("double", "5", json!(5)),
        ("double", "0.1", json!(0.1)),
        ("double", "1e3", json!(1000.0)),
        ("boolean", "true", json!(true)),
        ("array[string]", "a, b,c", json!(["a", "b", "c"])),
        ("array[string]", r#"["a,b", "c"]"#, json!(["a,b", "c"])),
        ("array[integer]", "1,2", json!([1, 2])),
        ("array[double]", "[1.5, 2]", json!([1.5, 2])),
        ("array[boolean]", "true,false", json!([true, false])),
    ];
    for (data_type, text, expected) in table {
        let schema = Schema::new("rules", DataType::from(data_type));
        assert_eq!(
            parse_answer(&schema, text),
            Ok(expected),
            "{data_type} {text}"
        );
    }
    for (data_type, text) in [
        ("integer", "5.0"),
        ("integer", "1e3"),
        ("integer", "05"),
        ("integer", "+5"),
        ("integer", "18446744073709551616"),
        ("integer", "five"),
        ("double", "NaN"),
        ("double", "inf"),
        ("double", "0x5"),
        ("double", "1e999"),
        ("boolean", "yes"),
        ("boolean", "True"),
        ("array[integer]", "1,x"),
        ("array[integer]", "[1"),
        ("array[integer]", "1,,2"),
        ("array[integer]", r#"["1"]"#),
    ] {
        let schema = Schema::new("rules", DataType::from(data_type));
        let faults = parse_answer(&schema, text).unwrap_err();
        assert_eq!(faults[0].rule, ValueRule::DataType, "{data_type} {text}");
    }
    for (data_type, expected) in [
        ("string", json!("")),
        ("integer", Value::Null),
        ("array[string]", json!([])),
    ] {
        let mut schema = Schema::new("rules", DataType::from(data_type));
        assert_eq!(
            parse_answer(&schema, "").unwrap_err()[0].rule,
            ValueRule::AllowEmpty
        );
        schema.allow_empty = Some(true);
        assert_eq!(parse_answer(&schema, ""), Ok(expected));
    }
}

#[test]
fn faults_say_what_is_wrong_and_what_to_give() {
    let message = |attributes: Value, value: Value| {
        let faults = schema(&attributes).check(&value).unwrap_err();
        faults
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(
        message(json!({ "dataType": "integer" }), json!("five")),
        "\"five\" is not a whole number; give a whole number of at most 64 bits"
    );
    let integer = Schema::new("rules", DataType::Integer);
    let beyond = parse_answer(&integer, "18446744073709551616").unwrap_err();
    assert_eq!(
        beyond[0].to_string(),
        "\"18446744073709551616\" is not a whole number; give a whole number of at most 64 bits"
    );
    assert_eq!(
        message(
            json!({ "dataType": "array[string]", "maxLength": 2 }),
            json!(["ab", "abc"])
        ),
        "element 1: \"abc\" has 3 characters; give at most 2"
    );
    assert_eq!(
        message(
            json!({ "dataType": "string", "options": ["red", "blue"] }),
            json!("pink")
        ),
        "\"pink\" is not an option; choose from \"red\", \"blue\""
    );
    assert_eq!(
        message(
            json!({ "dataType": "double", "maxPrecision": 1 }),
            json!(0.25)
        ),
        "0.25 has 2 decimal places; give at most 1"
    );
}
