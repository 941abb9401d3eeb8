use serde_json::json;

use super::*;

fn deployment(parameters: &Value) -> ApplicationDeployment {
    let document = json!({
        "id": "ad9b614e-8912-45f4-a523-372358765def",
        "metadata": {"name": "app", "namespace": "default", "deviceId": "device-1"},
        "spec": {
            "applicationId": "app",
            "deploymentProfile": {"type": "helm", "components": []},
            "parameters": parameters,
        },
    });
    serde_json::from_value(document).unwrap()
}

/// The values of the component `web` when these are set.
fn values(pairs: &[(&str, Value)]) -> Result<Value, String> {
    let parameters: Map<String, Value> = pairs
        .iter()
        .enumerate()
        .map(|(number, (pointer, value))| {
            let target = json!({"pointer": pointer, "components": ["web"]});
            let parameter = json!({"value": value, "targets": [target]});
            (format!("p{number}"), parameter)
        })
        .collect();
    let component = ComponentName::parse("web").unwrap();
    let values = values_of(&deployment(&Value::Object(parameters)), &component);
    values.map(Value::Object).map_err(|error| error.to_string())
}

#[test]
fn values_keep_their_types_at_their_places() {
    let pairs = [
        ("image.tag", json!("1.20")),
        ("image.pull", json!(true)),
        ("port", json!("8080")),
        ("poll", json!(1_000_000)),
        ("ratio", json!(0.5)),
        ("hosts", json!(["a", "b"])),
        (r"labels.app\.kubernetes\.io/name", json!("x, y=z")),
        ("gone", json!(null)),
    ];
    let expected = json!({
        "image": {"tag": "1.20", "pull": true},
        "port": "8080",
        "poll": 1_000_000,
        "ratio": 0.5,
        "hosts": ["a", "b"],
        "labels": {"app.kubernetes.io/name": "x, y=z"},
        "gone": null,
    });
    assert_eq!(values(&pairs).unwrap(), expected);
    assert_eq!(values(&[]).unwrap(), json!({}));
}

#[test]
fn lists_grow_as_far_as_they_are_given() {
    let pairs = [
        ("servers[1].port", json!(81)),
        ("servers[1].host", json!("b")),
        ("matrix[0][1]", json!("x")),
        ("args[2]", json!("last")),
        ("args[0]", json!("first")),
    ];
    let expected = json!({
        "servers": [null, {"port": 81, "host": "b"}],
        "matrix": [[null, "x"]],
        "args": ["first", null, "last"],
    });
    assert_eq!(values(&pairs).unwrap(), expected);
}

#[test]
fn parts_come_after_the_whole_in_any_order() {
    let whole = ("a", json!({"b": 1, "c": [1, 2]}));
    let parts = [("a.b", json!(2)), ("a.c[1]", json!(3))];
    let expected = json!({"a": {"b": 2, "c": [1, 3]}});
    let [first, second] = parts.clone();
    assert_eq!(values(&[first, second, whole.clone()]).unwrap(), expected);
    let [first, second] = parts;
    assert_eq!(values(&[whole, first, second]).unwrap(), expected);
}

#[test]
fn what_helm_would_not_take_is_refused_by_name() {
    for (pointer, expected) in [
        ("", "empty name"),
        ("a..b", "empty name"),
        ("a.", "empty name"),
        ("[0]", "empty name"),
        ("a,b", "ends a path"),
        ("a=b", "ends a path"),
        ("a[x]", "for an index"),
        ("a[-1]", "for an index"),
        ("a[]", "for an index"),
        ("a[1", "without a ]"),
        ("a[1]b", "behind an index"),
        ("a[65537]", "above 65536"),
        ("a\\", "ends with a backslash"),
    ] {
        let error = values(&[(pointer, json!(1))]).unwrap_err();
        assert!(error.contains(expected), "{pointer}: {error}");
        assert!(
            error.starts_with("component web: the parameter p0"),
            "{error}"
        );
    }
    let deep = vec!["a"; 32].join(".");
    assert!(
        values(&[(&deep, json!(1))])
            .unwrap_err()
            .contains("at most 31")
    );
    let deep = format!("a{}", "[0]".repeat(100_000));
    let error = values(&[(&deep, json!(1))]).unwrap_err();
    assert!(error.contains("has 100000 indexes"), "too many are told");
}

#[test]
fn contradictions_are_refused() {
    let error = values(&[("a", json!(1)), ("a", json!(2))]).unwrap_err();
    assert!(error.contains("another value"), "{error}");
    assert_eq!(
        values(&[("a", json!(1)), ("a", json!(1))]).unwrap(),
        json!({"a": 1})
    );
    let error = values(&[("a", json!("x")), ("a.b", json!(2))]).unwrap_err();
    assert!(
        error.contains("a is a string for another parameter, not an object"),
        "{error}"
    );
    let error = values(&[("a.b", json!(2)), ("a[0]", json!(2))]).unwrap_err();
    assert!(error.contains("for another parameter"), "{error}");
}

#[test]
fn large_whole_numbers_are_told_apart() {
    let pairs = [
        ("small", json!(999_999)),
        (r"a\.b.c", json!(1_000_000)),
        ("list[1][0]", json!(-20_000_000)),
        ("text", json!("1000000")),
        ("ratio", json!(1e9)),
    ];
    let Value::Object(values) = values(&pairs).unwrap() else {
        panic!("values are an object");
    };
    let expected = [r"a\.b.c=1000000", "list[1][0]=-20000000"];
    assert_eq!(large_numbers(&values), expected);
}

#[test]
fn the_file_has_no_character_that_yaml_refuses() {
    let values = values(&[("a", json!("é\u{7f}\u{85}\u{2028}\u{feff}😀\n"))]).unwrap();
    let Value::Object(values) = values else {
        panic!("values are an object");
    };
    let file = values_file(&values);
    assert_eq!(file, r#"{"a":"é\u007f\u0085\u2028\ufeff😀\n"}"#);
    assert_eq!(
        serde_json::from_str::<Value>(&file).unwrap(),
        Value::Object(values)
    );
}
