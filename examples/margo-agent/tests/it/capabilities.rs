//! Drafting and checking the capabilities.

use std::fs;

use serde_json::Value;

use crate::support::Place;

#[test]
fn a_draft_is_what_the_agent_takes_and_never_replaces_a_file() {
    let place = Place::alone();
    let file = place.path("capabilities.json");
    let before = fs::read(&file).unwrap();
    let (code, message) = place.failure(&["capabilities", "--write"]);
    assert_eq!(code, 69, "{message}");
    assert!(message.contains("capabilities.json"), "{message}");
    assert_eq!(fs::read(&file).unwrap(), before);

    fs::remove_file(&file).unwrap();
    let detected: Value =
        serde_json::from_str(&place.stdout(&["capabilities", "--detect"])).unwrap();
    assert!(!file.exists());
    assert_eq!(detected["properties"]["id"], "panel");
    assert_eq!(detected["properties"]["otelCollector"], true);
    assert!(detected["properties"]["storage"].is_string(), "{detected}");

    let text = place.stdout(&["capabilities", "--write"]);
    assert!(text.contains(&file.display().to_string()), "{text}");
    let shown: Value = serde_json::from_str(&place.stdout(&["capabilities"])).unwrap();
    assert_eq!(shown["properties"]["id"], "panel");
    place.start().kill();
}

#[test]
fn a_draft_without_a_collector_says_what_is_missing() {
    let place = Place::alone();
    fs::remove_file(place.path("capabilities.json")).unwrap();
    place.change(
        "margo-agent.toml",
        "[telemetry]\nhttp_endpoint = \"http://127.0.0.1:4318\"\n",
        "",
    );
    let output = place.run(&["capabilities", "--write"]);
    assert!(output.status.success());
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains("otelCollector"), "{notes}");
}

#[test]
fn the_draft_of_a_device_with_kubernetes_is_for_charts() {
    let place = Place::alone();
    place.change("margo-agent.toml", "\"simulated\"", "\"helm\"");
    let draft: Value = serde_json::from_str(&place.stdout(&["capabilities", "--detect"])).unwrap();
    let types = &draft["properties"]["supportedDeploymentTypes"];
    assert_eq!(*types, serde_json::json!(["helm"]));
}
