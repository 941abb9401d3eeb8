//! Clients that sign their requests, beside those with SVIDs.

use serde_json::Value;

use crate::device::Device;
use crate::signer::Signer;
use crate::support::{Place, Running, package, stdout};

const SIGNED: &str = "\n[signed]\nlisten = \"127.0.0.1:0\"\ncertificate = \"development-identity/tls.pem\"\n\
     key = \"development-identity/tls-key.pem\"\n";

fn place() -> Place {
    place_with("")
}

fn place_with(more: &str) -> Place {
    let place = Place::new();
    place.configure("\n[state]", &format!("{SIGNED}{more}\n[state]"));
    place
}

fn with_package(place: &Place) -> Running {
    let running = place.start();
    place.write("lamp/margo.yaml", &package("1.0"));
    place.json(&["package", "import", "lamp"]);
    running
}

fn only(list: &Value) -> &Value {
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    &list[0]
}

fn fingerprint(place: &Place) -> String {
    let listed = place.json(&["enrolment", "list"]);
    only(&listed)["fingerprint"].as_str().unwrap().to_owned()
}

#[test]
fn a_client_asks_waits_and_is_served_once_it_is_approved() {
    let place = place();
    let wfm = with_package(&place);
    let device = Signer::new(&place, &wfm, "press");
    let (waiting, _) = device.ask();
    assert_ne!(waiting, 201);
    assert!(waiting >= 200);
    let listed = place.json(&["enrolment", "list"]);
    let listed = only(&listed);
    assert_eq!(
        (&listed["state"], &listed["subject"]),
        (&"pending".into(), &"CN=press".into())
    );
    let text = stdout(&place.run(&["enrolment", "list"]));
    assert!(
        text.contains("pending") && text.contains("CN=press"),
        "{text}"
    );

    let fingerprint = fingerprint(&place);
    let approved = place.json(&[
        "enrolment",
        "approve",
        &fingerprint[..8],
        "--note",
        "hall 2",
    ]);
    let client = approved["client"].as_str().unwrap();
    assert_eq!(device.enrol(), client);
    assert_eq!(device.poll(client), 200);
    let clients = place.json(&["client", "list"]);
    assert_eq!(
        (&only(&clients)["generation"], &clients[0]["accepted"]),
        (&"rc.1".into(), &true.into())
    );

    // From capabilities to a status.
    assert_eq!(device.report_capabilities(client, "panel"), 201);
    let deployed = place.json(&["deploy", "com-example-lamp"]);
    assert_eq!(
        (&deployed["client"], &deployed["target"]),
        (&client.into(), &"panel".into())
    );
    let (deployment, text) = device.deployment(client);
    assert_eq!(deployment.id.to_string(), deployed["deployment"]);
    assert!(
        text.contains("application.margo.org/v1alpha1") && text.contains("annotations:"),
        "{text}"
    );
    let id = deployed["deployment"].as_str().unwrap();
    assert_eq!(only(&place.json(&["status"]))["waiting"], true);
    assert_eq!(device.report(client, id, "installed"), 200);
    let status = place.json(&["status"]);
    assert_eq!(
        (&only(&status)["waiting"], &status[0]["generation"]),
        (&false.into(), &"rc.1".into())
    );
    assert_eq!(status[0]["reports"][0]["version"], "1.0");
    let updated = place.json(&["reconfigure", id, "--set", "colour=red"]);
    assert_eq!(updated["changed"], true);
    assert_eq!(
        device.deployment(client).0.spec.parameters["colour"].value,
        "red"
    );
    assert_eq!(
        place.json(&["status"])[0]["waiting"],
        true,
        "the report came before"
    );
}

#[test]
fn the_same_package_goes_to_clients_of_both_generations() {
    let place = place();
    let wfm = with_package(&place);
    let signer = Signer::new(&place, &wfm, "press");
    place.write("press.pem", &signer.pem);
    place.json(&[
        "enrolment",
        "register",
        "press-1",
        "--certificate",
        "press.pem",
    ]);
    assert_eq!(signer.enrol(), "press-1");
    signer.report_capabilities("press-1", "panel");
    place.json(&["client", "accept", "line-1"]);
    let newest = Device::new(&place, &wfm, "line-1");
    newest.report_capabilities("panel").unwrap();

    let deployed = ["press-1/panel", "line-1/panel"]
        .map(|device| place.json(&["deploy", "com-example-lamp", "--device", device]));
    let (older, _) = signer.deployment("press-1");
    let svid = newest.deployment(deployed[1]["deployment"].as_str().unwrap());
    assert_eq!(older.spec.deployment_profile, svid.spec.deployment_profile);
    assert_eq!(older.spec.parameters, svid.spec.parameters);
    let status = place.json(&["status"]);
    assert_eq!(
        (&status[0]["generation"], &status[1]["generation"]),
        (&"rc.3".into(), &"rc.1".into())
    );
}

#[test]
fn what_the_signed_generation_cannot_express_is_refused_when_it_is_deployed() {
    let place = place();
    let wfm = with_package(&place);
    let signer = Signer::new(&place, &wfm, "press");
    place.write("press.pem", &signer.pem);
    place.json(&[
        "enrolment",
        "register",
        "press-1",
        "--certificate",
        "press.pem",
    ]);
    let arguments = [
        "deploy",
        "com-example-lamp",
        "--device",
        "press-1/gateway/*",
        "--profile",
        "small",
        "--force",
    ];
    let (code, why) = place.failure(&arguments);
    assert_eq!(code, 5, "{why}");
    for part in ["press-1", "metadata.deviceId", "rc.1"] {
        assert!(why.contains(part), "{part} is not in {why}");
    }
    assert_eq!(place.json(&["status"]), serde_json::json!([]));
    assert_eq!(signer.manifest("press-1").deployments, []);
}

#[test]
fn enrolment_survives_being_killed() {
    let place = place();
    let wfm = place.start();
    let mut approved = Signer::new(&place, &wfm, "press-1");
    approved.ask();
    let client = place.json(&["enrolment", "approve", &fingerprint(&place)])["client"].clone();
    let client = client.as_str().unwrap();
    let mut rejected = Signer::new(&place, &wfm, "press-2");
    let mut waiting = Signer::new(&place, &wfm, "press-3");
    rejected.ask();
    waiting.ask();
    let listed = place.json(&["enrolment", "list"]);
    let of = |subject: &str| {
        let all = listed.as_array().unwrap().iter();
        let found = all.clone().find(|it| it["subject"] == subject).unwrap();
        found["fingerprint"].as_str().unwrap().to_owned()
    };
    place.json(&[
        "enrolment",
        "reject",
        &of("CN=press-2"),
        "--reason",
        "scrapped",
    ]);
    let before = place.json(&["enrolment", "list"]);
    wfm.kill();
    let wfm = place.start();
    assert_eq!(place.json(&["enrolment", "list"]), before);
    for device in [&mut approved, &mut rejected, &mut waiting] {
        device.follow(&wfm);
    }
    assert_eq!(
        (approved.poll(client), approved.enrol()),
        (200, client.to_owned())
    );
    let (status, why) = rejected.ask();
    assert_eq!(status, 403);
    assert!(why.to_string().contains("scrapped"), "{why}");
    waiting.ask();
    assert_eq!(
        place.json(&["enrolment", "list"]),
        before,
        "asking again adds nothing"
    );
}

#[test]
fn a_certificate_is_renewed_and_the_old_one_retired() {
    let place = place();
    let wfm = place.start();
    let [old, new] = ["press", "press"].map(|subject| Signer::new(&place, &wfm, subject));
    old.ask();
    let first = fingerprint(&place);
    place.json(&["enrolment", "approve", &first, "--client", "press-1"]);
    new.ask();
    let listed = place.json(&["enrolment", "list"]);
    let waiting = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["state"] == "pending")
        .unwrap();
    assert_eq!(
        waiting["resembles"], "press-1",
        "but that is for the operator to judge"
    );
    let second = waiting["fingerprint"].as_str().unwrap();
    place.json(&["enrolment", "approve", second, "--client", "press-1"]);
    assert_eq!((old.poll("press-1"), new.poll("press-1")), (200, 200));
    place.json(&["enrolment", "retire", &first, "--reason", "renewed"]);
    assert_eq!((old.poll("press-1"), new.poll("press-1")), (401, 200));
    let (status, _) = old.ask();
    assert_eq!(status, 403);
    let (code, why) = place.failure(&["enrolment", "retire", &first]);
    assert_eq!(code, 5);
    assert!(why.contains("rejected"), "{why}");
    let (code, why) = place.failure(&["enrolment", "forget", second]);
    assert_eq!(code, 5);
    assert!(why.contains("retire it instead"), "{why}");
}

#[test]
fn accepted_issuers_need_no_operator_and_the_root_is_given_out() {
    let place = place_with(
        "accept_issuers = \"development-identity/development-ca.pem\"\n\
         root_certificate = \"development-identity/development-ca.pem\"\n",
    );
    let wfm = place.start();
    let device = Signer::issued(&place, &wfm, "press");
    let client = device.enrol();
    assert_eq!(device.poll(&client), 200);
    assert_eq!(device.enrol(), client);
    let stranger = Signer::new(&place, &wfm, "press");
    let (status, _) = stranger.ask();
    assert_ne!(status, 201);
    let (status, root) = stranger.get_unsigned("/api/v1/onboarding/certificate");
    assert_eq!(status, 200);
    assert!(root["certificate"].as_str().unwrap().len() > 100, "{root}");
    assert_eq!(place.json(&["client", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn waiting_certificates_are_bounded_and_can_be_forgotten() {
    let place = place_with("max_pending = 2\n");
    let wfm = place.start();
    let answers = ["a", "b", "c"].map(|subject| Signer::new(&place, &wfm, subject).ask().0);
    assert_eq!(answers[2], 503, "{answers:?}");
    let listed = place.json(&["enrolment", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let forgotten = place.json(&["enrolment", "forget", "--pending"]);
    assert_eq!(forgotten.as_array().unwrap().len(), 2);
    assert_eq!(place.json(&["enrolment", "list"]), serde_json::json!([]));
    assert_ne!(Signer::new(&place, &wfm, "c").ask().0, 503);
}

#[test]
fn a_client_that_is_refused_is_refused_in_every_generation() {
    let place = place();
    let wfm = place.start();
    let device = Signer::new(&place, &wfm, "press");
    place.write("press.pem", &device.pem);
    place.json(&[
        "enrolment",
        "register",
        "press-1",
        "--certificate",
        "press.pem",
    ]);
    device.enrol();
    place.json(&["client", "refuse", "press-1", "--reason", "scrapped"]);
    assert_eq!(device.poll("press-1"), 403);
    place.json(&["client", "accept", "press-1"]);
    assert_eq!(device.poll("press-1"), 200, "it still speaks rc.1");
}

#[test]
fn a_client_changes_its_generation_with_its_deployments() {
    let place = place();
    let wfm = with_package(&place);
    place.json(&["client", "accept", "line-1"]);
    let newest = Device::new(&place, &wfm, "line-1");
    newest.report_capabilities("panel").unwrap();
    let deployed = place.json(&["deploy", "com-example-lamp"]);
    let id = deployed["deployment"].as_str().unwrap();
    let signer = Signer::new(&place, &wfm, "line-1");
    place.write("line.pem", &signer.pem);
    let register = [
        "enrolment",
        "register",
        "line-1",
        "--certificate",
        "line.pem",
    ];
    let (code, why) = place.failure(&register);
    assert_eq!(code, 5);
    assert!(
        why.contains("rc.3") && why.contains("change its generation"),
        "{why}"
    );

    let changed = place.json(&["client", "generation", "line-1", "rc.1"]);
    assert_eq!(
        (&changed["generation"], &changed["accepted"]),
        (&"rc.1".into(), &true.into())
    );
    place.json(&register);
    assert_eq!(signer.enrol(), "line-1");
    let (deployment, _) = signer.deployment("line-1");
    assert_eq!(deployment.id.to_string(), id);
    assert!(
        newest.report_capabilities("panel").is_err(),
        "it is no longer served with its SVID"
    );
    let history = place.json(&["history", id]);
    assert_eq!(
        history.as_array().unwrap().len(),
        1,
        "nothing was decided about it: {history}"
    );
    let back = place.json(&["client", "generation", "line-1", "rc.3"]);
    assert_eq!(back["generation"], "rc.3");
    assert_eq!(newest.deployment(id).id.to_string(), id);
    assert_eq!(signer.poll("line-1"), 403);
    drop(wfm);
    let _again = place.start();
    assert_eq!(place.json(&["history", id]).as_array().unwrap().len(), 1);
}

#[test]
fn deploying_by_force_warns_of_clients_that_are_not_accepted() {
    let place = place();
    let _wfm = with_package(&place);
    let deploy = |device: &'static str| {
        [
            "deploy",
            "com-example-lamp",
            "--profile",
            "small",
            "--device",
            device,
            "--force",
        ]
    };
    let unknown = place.json(&deploy("line-2/panel"));
    let warning = unknown["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("not known") && warning.contains("margo-wfm client accept line-2"),
        "{warning}"
    );
    let text = stdout(&place.run(&deploy("line-2/other")));
    assert!(
        text.contains("warning: client line-2 is not accepted"),
        "{text}"
    );
    place.json(&["client", "accept", "line-2"]);
    assert_eq!(
        place.json(&deploy("line-2/third"))["warnings"],
        serde_json::json!([])
    );
}

#[test]
fn settings_that_make_no_sense_are_named() {
    for (from, to, parts) in [
        (
            "tls.pem\"",
            "none.pem\"",
            &["none.pem", "check that it exists"][..],
        ),
        ("tls-key.pem\"", "wfm-key.pem\"", &["key"]),
        (
            "[signed]",
            "[signed]\ncolour = \"red\"",
            &["colour", "unknown field", "tolerances"],
        ),
        (
            "[signed]",
            "[signed]\ntolerances = [\"everything\"]",
            &["tolerances", "digest-not-covered"],
        ),
        (
            "[signed]",
            "[signed]\npublic_urls = [\"fleet.example\"]",
            &["public_urls", "https://fleet.example:9443"],
        ),
        (
            "[signed]",
            "[signed]\nroot_certificate = \"margo-wfm.toml\"",
            &["margo-wfm.toml"],
        ),
        (
            "[signed]",
            "[signed]\naccept_issuers = \"margo-wfm.toml\"",
            &["margo-wfm.toml", "PEM"],
        ),
        (
            "[signed]\nlisten = \"127.0.0.1:0\"",
            "[signed]\nlisten = \"0.0.0.0:0\"",
            &["listen", "public_urls ="],
        ),
    ] {
        let place = place();
        place.configure(from, to);
        let (code, why) = place.failure(&["run"]);
        assert!(matches!(code, 2 | 4), "{code}: {why}");
        for part in parts {
            assert!(why.contains(part), "{part:?} is not in:\n{why}");
        }
        assert!(!place.path("state").exists(), "it left a state directory");
    }
}

#[test]
fn commands_that_make_no_sense_are_refused() {
    let place = place();
    let wfm = place.start();
    place.write("no.pem", "nothing");
    for (arguments, code, part) in [
        (&["enrolment", "approve", "abcd"][..], 2, "enrolment list"),
        (&["enrolment", "approve", ""], 2, "enrolment list"),
        (&["enrolment", "register", "press-1"], 2, "--certificate"),
        (
            &[
                "enrolment",
                "register",
                "press-1",
                "--certificate",
                "none.pem",
            ],
            2,
            "none.pem",
        ),
        (
            &[
                "enrolment",
                "register",
                "press-1",
                "--certificate",
                "no.pem",
            ],
            1,
            "no DER certificate",
        ),
        (
            &["enrolment", "register", "press-1", "--fingerprint", "12:34"],
            2,
            "64 hexadecimal digits",
        ),
        (
            &["enrolment", "register", "press/1", "--fingerprint", "12:34"],
            2,
            "press/1",
        ),
        (&["client", "generation", "press-1", "rc.9"], 2, "rc.9"),
        (&["enrolment", "forget"], 2, "--pending"),
    ] {
        let (found, why) = place.failure(arguments);
        assert_eq!(found, code, "{arguments:?}: {why}");
        assert!(why.contains(part), "{part:?} is not in:\n{why}");
    }
    // Two that begin alike are not guessed at.
    for subject in ["a", "b"] {
        Signer::new(&place, &wfm, subject).ask();
    }
    let (code, why) = place.failure(&["enrolment", "reject", ""]);
    assert_eq!(code, 2, "{why}");
}
