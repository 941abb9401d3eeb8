//! Laws that hold for whatever values.

use margo_types::application::{DataType, Schema};
use margo_types::values::{ValueRule, parse_answer};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{broken, schema};

/// Whole numbers, most of them where floating point starts to round or 64 bits end.
fn whole() -> impl Strategy<Value = u64> {
    let near = |centre: u64| (0..8_u64).prop_map(move |step| (centre - 4).saturating_add(step));
    prop_oneof![
        near(1 << 53),
        near(1 << 63),
        (0..8_u64).prop_map(|step| u64::MAX - step),
        any::<u64>()
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,6}".prop_map(Value::from),
    ];
    scalar.prop_recursive(2, 8, 3, |inner| {
        proptest::collection::vec(inner, 0..3).prop_map(Value::from)
    })
}

proptest! {
    #[test]
    fn bounds_of_whole_numbers_are_exact(value in whole(), bound in whole()) {
        let least = schema(&json!({ "dataType": "integer", "minValue": bound }));
        let most = schema(&json!({ "dataType": "integer", "maxValue": bound }));
        prop_assert_eq!(broken(&least, &json!(value)).is_empty(), value >= bound);
        prop_assert_eq!(broken(&most, &json!(value)).is_empty(), value <= bound);
    }

    #[test]
    fn whole_numbers_survive_as_texts(value in whole(), negative in any::<i64>()) {
        let integer = Schema::new("rules", DataType::Integer);
        prop_assert_eq!(parse_answer(&integer, &value.to_string()), Ok(json!(value)));
        prop_assert_eq!(parse_answer(&integer, &negative.to_string()), Ok(json!(negative)));
    }

    #[test]
    fn whole_numbers_beyond_64_bits_are_refused(beyond in u128::from(u64::MAX) + 1..) {
        let integer = Schema::new("rules", DataType::Integer);
        let faults = parse_answer(&integer, &beyond.to_string()).unwrap_err();
        prop_assert_eq!(faults[0].rule, ValueRule::DataType);
    }

    #[test]
    fn length_counts_unicode_scalar_values(text in "\\PC{1,12}", least in 0..14_u64, most in 0..14_u64) {
        let length = text.chars().count() as u64;
        let rules = broken(&schema(&json!({ "dataType": "string", "minLength": least, "maxLength": most })), &json!(text));
        prop_assert_eq!(rules.contains(&ValueRule::MinLength), length < least);
        prop_assert_eq!(rules.contains(&ValueRule::MaxLength), length > most);
    }

    #[test]
    fn precision_counts_the_decimals_that_were_written(whole in -1000..1000_i64, decimals in "[0-9]{0,8}[1-9]", limit in 0..10_u64) {
        let written = format!("{whole}.{decimals}");
        let most = schema(&json!({ "dataType": "double", "maxPrecision": limit }));
        let least = schema(&json!({ "dataType": "double", "minPrecision": limit }));
        let places = decimals.len() as u64;
        prop_assert_eq!(parse_answer(&most, &written).is_ok(), places <= limit, "{}", written);
        prop_assert_eq!(parse_answer(&least, &written).is_ok(), places >= limit, "{}", written);
    }

    #[test]
    fn small_numbers_have_their_places_too(exponent in 1..300_u64) {
        let number: f64 = format!("1e-{exponent}").parse().unwrap();
        let exactly = schema(&json!({ "dataType": "double", "minPrecision": exponent, "maxPrecision": exponent }));
        prop_assert_eq!(broken(&exactly, &json!(number)), vec![]);
    }

    #[test]
    fn an_option_is_accepted_and_nothing_else(options in proptest::collection::vec("[a-c]{1,2}", 1..4), choice in "[a-c]{1,2}") {
        let select = schema(&json!({ "dataType": "string", "options": options }));
        prop_assert_eq!(broken(&select, &json!(choice)).is_empty(), options.contains(&choice));
        let several = schema(&json!({ "dataType": "string", "options": options, "multiselect": true }));
        prop_assert!(broken(&several, &json!(options)).is_empty());
    }

    #[test]
    fn nothing_panics(value in any_value(), text in ".*", pattern in ".{0,12}", data_type in proptest::sample::select(DataType::KNOWN)) {
        let mut rules = Schema::new("rules", data_type);
        rules.regex_match = Some(pattern);
        rules.options = Some(vec![value.clone()]);
        let _ = rules.check(&value);
        if let Ok(read) = parse_answer(&rules, &text) {
            prop_assert_eq!(rules.check(&read), Ok(()));
        }
    }
}
