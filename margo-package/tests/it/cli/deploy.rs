//! Rendering deployments.

use serde_json::{Value, json};

use super::Desk;

const PROFILE: [&str; 4] = ["deploy", "hello", "--profile", "com-example-hello-compose"];

fn sample() -> Desk {
    Desk::with_sample("registry.example")
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&PROFILE[..], more].concat()
}

#[test]
fn a_deployment_is_valid_and_has_the_answers() {
    let desk = sample();
    let id = "ad9b614e-8912-45f4-a523-372358765def";
    let arguments = with(&[
        "--device",
        "line-4",
        "--set",
        "greeting=a=b",
        "--set",
        "port=9090",
        "--id",
        id,
        "--name",
        "hi",
        "--namespace",
        "floor",
    ]);
    let ran = desk.run(&arguments).succeeded();
    desk.write("deployment.yaml", &ran.out);
    desk.run(&["validate", "deployment.yaml"]).succeeded();

    let (_, document) = desk.json(&arguments);
    let deployment = &document["deployment"];
    assert_eq!(deployment["id"], id);
    assert_eq!(
        deployment["metadata"],
        json!({ "name": "hi", "namespace": "floor", "deviceId": "line-4" })
    );
    assert_eq!(deployment["spec"]["parameters"]["greeting"]["value"], "a=b");
    assert_eq!(deployment["spec"]["parameters"]["port"]["value"], 9090);
    assert_eq!(
        deployment["spec"]["deploymentProfile"]["components"][0]["name"],
        "hello-compose"
    );
}

#[test]
fn answers_come_from_a_file_and_flags_count_more() {
    let desk = sample();
    desk.write("answers.yaml", "greeting: Good morning\nport: 8081\n");
    let value = |document: &Value, name: &str| {
        document["deployment"]["spec"]["parameters"][name]["value"].clone()
    };
    let (_, document) = desk.json(&with(&[
        "--device",
        "d",
        "--answers",
        "answers.yaml",
        "--set",
        "port=8082",
    ]));
    assert_eq!(value(&document, "greeting"), "Good morning");
    assert_eq!(value(&document, "port"), 8082);
    desk.write("answers.json", r#"{ "port": "8083" }"#);
    let (_, document) = desk.json(&with(&["--device", "d", "--answers", "answers.json"]));
    assert_eq!(
        value(&document, "port"),
        8083,
        "a quoted number is still one"
    );

    desk.write("answers.yaml", "- greeting\n");
    desk.refuses(
        2,
        &with(&["--device", "d", "--answers", "answers.yaml"]),
        &["answers.yaml: the answers cannot be read"],
    );
    desk.refuses(
        4,
        &with(&["--device", "d", "--answers", "none.yaml"]),
        &["cannot use none.yaml"],
    );
}

#[test]
fn ids_are_random_unless_given() {
    let desk = sample();
    let id = || desk.json(&with(&["--device", "d"])).1["deployment"]["id"].clone();
    let (first, second) = (id(), id());
    assert_ne!(first, second);
    let text = first.as_str().expect("a UUID");
    assert_eq!(text.as_bytes()[14], b'4', "version 4: {text}");
    assert!(
        b"89ab".contains(&text.as_bytes()[19]),
        "its variant: {text}"
    );
}

#[test]
fn an_update_keeps_what_is_not_answered() {
    let desk = sample();
    desk.run(&with(&[
        "--device",
        "line-4",
        "--set",
        "greeting=Hi",
        "-o",
        "first.yaml",
    ]))
    .succeeded();
    let ran = desk
        .run(&with(&[
            "--update",
            "first.yaml",
            "--set",
            "port=9000",
            "-o",
            "second.yaml",
        ]))
        .succeeded();
    assert!(
        ran.out.starts_with("wrote second.yaml (sha256:"),
        "{}",
        ran.out
    );
    let expected = desk
        .read("first.yaml")
        .replace("value: 8080", "value: 9000");
    assert_ne!(expected, desk.read("first.yaml"));
    assert_eq!(desk.read("second.yaml"), expected);

    desk.edit(
        "first.yaml",
        "applicationId: com-example-hello",
        "applicationId: com-example-other",
    );
    desk.refuses(
        2,
        &with(&["--update", "first.yaml"]),
        &["the deployment is of com-example-other"],
    );
    desk.write("first.yaml", "no: deployment");
    desk.refuses(1, &with(&["--update", "first.yaml"]), &["first.yaml: "]);
}

#[test]
fn bad_answers_are_all_named() {
    let desk = sample();
    let arguments = with(&["--device", "d", "--set", "port=80", "--set", "colour=red"]);
    desk.refuses(
        2,
        &arguments,
        &[
            "the answers are not valid",
            "port (Port): 80 is less than 1024",
            "colour: ",
        ],
    );
    desk.refuses(
        2,
        &["deploy", "hello", "--device", "d", "--profile", "none"],
        &[
            "there is no deployment profile \"none\"",
            "com-example-hello-helm",
        ],
    );
    desk.refuses(
        2,
        &["deploy", "hello", "--device", "d"],
        &["several deployment profiles", "com-example-hello-helm"],
    );
}

#[test]
fn a_deployment_that_is_not_valid_is_not_written() {
    let desk = sample();
    let before = desk.tree();
    let (code, document) = desk.json(&with(&[
        "--device",
        "d",
        "--name",
        "Not A Name",
        "-o",
        "out.yaml",
    ]));
    assert_eq!(code, 1, "{document}");
    assert_eq!(
        document["findings"][0]["path"], "metadata.name",
        "{document}"
    );
    assert!(desk.tree() == before);
}

#[cfg(unix)]
#[test]
fn devices_are_written_to_and_not_replaced() {
    let desk = sample();
    desk.run(&with(&["--device", "d", "-o", "/dev/null"]))
        .succeeded();
    let kind = std::fs::metadata("/dev/null")
        .expect("the device")
        .file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_char_device(&kind));
}
