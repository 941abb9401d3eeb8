//! From `deploy` to `remove`, with a device that reports.

use margo_types::status::DeploymentState::{Failed, Installed, Removed};
use serde_json::Value;

use crate::device::Device;
use crate::support::{Place, Running, package, stdout};

/// A place with versions 1.0 and 1.1 of a package, and one accepted device.
fn fleet() -> (Place, Running, Device) {
    let place = Place::new();
    let running = place.start();
    place.write("lamp/margo.yaml", &package("1.0"));
    place.json(&["package", "import", "lamp"]);
    place.json(&["client", "accept", "line-1"]);
    let device = Device::new(&place, &running, "line-1");
    device.report_capabilities("panel").unwrap();
    (place, running, device)
}

fn deploy(place: &Place) -> String {
    let deployed = place.json(&["deploy", "com-example-lamp"]);
    deployed["deployment"].as_str().unwrap().to_owned()
}

fn only(list: &Value) -> &Value {
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    &list[0]
}

#[test]
fn application_goes_to_the_device_and_profile_that_fit() {
    let (place, _running, device) = fleet();
    let deployed = place.json(&["deploy", "com-example-lamp", "--set", "colour=red"]);
    assert_eq!(deployed["client"], "line-1");
    assert_eq!(deployed["target"], "panel");
    assert_eq!(deployed["profile"], "small", "the large one needs 64 GiB");
    let document = device.deployment(deployed["deployment"].as_str().unwrap());
    assert_eq!(document.spec.parameters["colour"].value, "red");
    assert_eq!(document.spec.parameters["socket"].value, "E27");
}

#[test]
fn answers_come_from_a_file_and_set_wins() {
    let (place, _running, device) = fleet();
    place.write("answers.yaml", "colour: green\nsocket: E14\n");
    let arguments = [
        "deploy",
        "com-example-lamp",
        "--answers",
        "answers.yaml",
        "--set",
        "colour=blue",
    ];
    let deployed = place.json(&arguments);
    let document = device.deployment(deployed["deployment"].as_str().unwrap());
    assert_eq!(document.spec.parameters["colour"].value, "blue");
    assert_eq!(document.spec.parameters["socket"].value, "E14");
}

#[test]
fn values_that_break_rules_are_refused() {
    let (place, _running, device) = fleet();
    let (code, why) = place.failure(&["deploy", "com-example-lamp", "--set", "colour=R2D2"]);
    assert_eq!(code, 1);
    assert!(why.contains("colour (Colour)"), "{why}");
    assert_eq!(device.manifest().value().deployments, []);
}

#[test]
fn device_that_cannot_host_says_why() {
    let (place, _running, _device) = fleet();
    let (code, why) = place.failure(&["deploy", "com-example-lamp", "--profile", "large"]);
    assert_eq!(code, 5);
    assert!(why.contains("line-1/panel, profile large"), "{why}");
    assert!(why.contains("64Gi"), "{why}");
}

#[test]
fn place_that_has_not_reported_is_refused_unless_forced() {
    let (place, _running, _device) = fleet();
    let to = |device: &'static str| {
        [
            "deploy",
            "com-example-lamp",
            "--profile",
            "small",
            "--device",
            device,
        ]
    };
    for (device, reason) in [
        ("line-2/panel", "client line-2 is not known"),
        ("line-1/other", "has not reported other, only panel"),
    ] {
        let (code, why) = place.failure(&to(device));
        assert_eq!(code, 5);
        assert!(why.contains(reason) && why.contains("--force"), "{why}");
    }
    let forced = place.json(&[&to("line-2/panel")[..], &["--force"]].concat());
    assert_eq!(forced["client"], "line-2");
}

#[test]
fn update_changes_the_version_and_keeps_the_values() {
    let (place, _running, device) = fleet();
    let deployed = place.json(&["deploy", "com-example-lamp", "--set", "colour=red"]);
    let id = deployed["deployment"].as_str().unwrap();
    place.write("lamp/margo.yaml", &package("1.1"));
    place.json(&["package", "import", "lamp"]);

    let updated = place.json(&["update", id]);
    assert_eq!(updated["version"], "1.1");
    assert_eq!(updated["changed"], true);
    let document = device.deployment(id);
    assert_eq!(document.spec.parameters["colour"].value, "red");
    let component = &document.spec.deployment_profile.components[0];
    assert_eq!(
        component.properties.revision.as_ref().unwrap().to_string(),
        "1.1.0"
    );

    let again = place.json(&["update", id]);
    assert_eq!(again["changed"], false);
    assert_eq!(again["manifest"], updated["manifest"]);

    let back = place.json(&["update", id, "--version", "1.0"]);
    assert_eq!(back["version"], "1.0");
    let (code, why) = place.failure(&["update", id, "--version", "9.9"]);
    assert_eq!(code, 2);
    assert!(why.contains("only 1.0, 1.1"), "{why}");
}

#[test]
fn immutable_value_cannot_be_reconfigured() {
    let (place, _running, device) = fleet();
    let id = deploy(&place);
    let (code, why) = place.failure(&["reconfigure", &id, "--set", "socket=E14"]);
    assert_eq!(code, 1);
    assert!(why.contains("must not change after installation"), "{why}");
    place.json(&["reconfigure", &id, "--set", "colour=red"]);
    assert_eq!(
        device.deployment(&id).spec.parameters["colour"].value,
        "red"
    );
    let (code, _) = place.failure(&["reconfigure", &id]);
    assert_eq!(code, 2);
}

#[test]
fn status_tells_which_version_failed_and_exactly_why() {
    let (place, _running, device) = fleet();
    let id = deploy(&place);
    assert_eq!(only(&place.json(&["status"]))["waiting"], true);
    let first = device.manifest().value().manifest_version.get();
    device.report(&id, first, Installed, None);
    let found = place.json(&["status"]);
    assert_eq!(only(&found)["waiting"], false);
    assert_eq!(found[0]["reports"][0]["state"], "installed");

    place.write("lamp/margo.yaml", &package("1.1"));
    place.json(&["package", "import", "lamp"]);
    place.json(&["update", &id]);
    let found = place.json(&["status"]);
    assert_eq!(found[0]["waiting"], true, "the report is about 1.0");
    assert_eq!(found[0]["reports"][0]["version"], "1.0");

    let second = device.manifest().value().manifest_version.get();
    let why = "pull access denied for lamp:1.1\rinstalled";
    device.report(&id, second, Failed, Some(why));
    let found = place.json(&["status"]);
    assert_eq!(found[0]["version"], "1.1");
    assert_eq!(found[0]["reports"][0]["version"], "1.1");
    assert_eq!(
        found[0]["reports"][0]["components"][0]["error"]["message"],
        why
    );
    let text = stdout(&place.run(&["status"]));
    assert!(
        text.contains("component lamp failed: pull access denied for lamp:1.1"),
        "{text}"
    );
    assert!(
        !text.contains('\r'),
        "a device does not command the terminal: {text:?}"
    );
}

#[test]
fn removed_deployment_stays_until_its_removal_is_reported() {
    let (place, _running, device) = fleet();
    let id = deploy(&place);
    device.report(&id, 1, Installed, None);
    place.json(&["remove", &id]);
    let manifest = device.manifest();
    assert_eq!(manifest.value().deployments, []);
    let found = place.json(&["status"]);
    assert_eq!(only(&found)["removed"], true);
    assert_eq!(found[0]["waiting"], true);
    let (code, why) = place.failure(&["update", &id]);
    assert_eq!(code, 5);
    assert!(why.contains("was removed"), "{why}");

    device.report(&id, manifest.value().manifest_version.get(), Removed, None);
    assert_eq!(place.json(&["status"]), serde_json::json!([]));
    assert_eq!(only(&place.json(&["status", "--all"]))["removed"], true);
    let history = place.json(&["history", &id]);
    let history: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            entry["action"]
                .as_str()
                .or(entry["state"].as_str())
                .unwrap()
        })
        .collect();
    assert_eq!(history, ["deployed", "installed", "removed", "removed"]);
}

#[test]
fn update_that_the_device_cannot_host_changes_nothing() {
    let (place, _running, device) = fleet();
    let id = deploy(&place);
    let greedy = package("1.1").replace(
        "          revision: 1.1.0\nparameters:",
        "          revision: 1.1.0\n    deviceConstraints:\n      capacityRequirements:\n        memory: 32Gi\nparameters:",
    );
    place.write("lamp/margo.yaml", &greedy);
    place.json(&["package", "import", "lamp"]);
    let before = device.manifest();
    let (code, why) = place.failure(&["update", &id]);
    assert_eq!(code, 5);
    assert!(
        why.contains("line-1/panel") && why.contains("32Gi"),
        "{why}"
    );
    assert_eq!(device.manifest().digest(), before.digest());
    assert_eq!(place.json(&["status"])[0]["version"], "1.0");
}

#[test]
fn watched_status_shows_every_change() {
    let (place, _running, device) = fleet();
    let mut watched = place.lines(&["status", "--watch", "--json"]);
    assert_eq!(watched.next(), serde_json::json!([]));
    let id = deploy(&place);
    assert_eq!(only(&watched.next())["waiting"], true);
    device.report(&id, 1, Installed, None);
    assert_eq!(watched.next()[0]["reports"][0]["state"], "installed");
}
