//! A state directory that something has spoilt: what is damaged is named and left alone, and everything else goes on.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{CWD, Mode};
use serde_json::Value;

use crate::device::Device;
use crate::support::{Place, Running, package, stdout};

/// What may be wrong with a file, and a word of what is said of it.
const FAULTS: [(Fault, &str); 5] = [
    (cut, "EOF"),
    (other_content, "missing field"),
    (huge, "more than"),
    (fifo, "regular file"),
    (directory, "regular file"),
];

type Fault = fn(&Path);

fn cut(file: &Path) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
}

fn other_content(file: &Path) {
    fs::write(file, "{}").unwrap();
}

fn huge(file: &Path) {
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_len(3 << 30).unwrap();
}

fn fifo(file: &Path) {
    fs::remove_file(file).unwrap();
    rustix::fs::mkfifoat(CWD, file, Mode::RUSR | Mode::WUSR).unwrap();
}

fn directory(file: &Path) {
    fs::remove_file(file).unwrap();
    fs::create_dir(file).unwrap();
}

/// What `--json` prints as a whole.
fn document(place: &Place, arguments: &[&str]) -> Value {
    let output = place.run(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// The one thing that a listing says is damaged.
#[track_caller]
fn damage(document: &Value, parts: &[&str]) {
    assert_eq!(
        document["damaged"].as_array().unwrap().len(),
        1,
        "{document}"
    );
    let text = document["damaged"][0].to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

fn import(place: &Place, id: &str, version: &str) {
    let text = package(version).replace("com-example-lamp", id);
    place.write("package/margo.yaml", &text);
    place.json(&["package", "import", "package"]);
}

fn log(place: &Place) -> String {
    fs::read_to_string(place.path("log")).unwrap()
}

/// Two deployments on `line-1/panel`, by id; the fleet manager is killed.
fn two_deployments() -> (Place, [String; 2]) {
    let place = Place::new();
    let running = place.start();
    import(&place, "com-example-lamp", "1.0");
    import(&place, "com-example-lamp", "1.1");
    place.json(&["client", "accept", "line-1"]);
    let device = Device::new(&place, &running, "line-1");
    device.report_capabilities("panel").unwrap();
    let deploy = || {
        let deployed = place.json(&["deploy", "com-example-lamp:1.0"]);
        deployed["deployment"].as_str().unwrap().to_owned()
    };
    let ids = [deploy(), deploy()];
    running.kill();
    (place, ids)
}

fn manifest(place: &Place, running: &Running) -> Vec<u8> {
    Device::new(place, running, "line-1")
        .manifest()
        .bytes()
        .to_vec()
}

#[test]
fn damaged_package_does_not_sink_the_others() {
    for (spoil, why) in FAULTS {
        let place = Place::new();
        let _running = place.start();
        import(&place, "com-example-bulb", "2.0");
        import(&place, "com-example-lamp", "1.0");
        let name = "state/packages/com-example-bulb/2.0/import.json";
        spoil(&place.path(name));

        let listed = document(&place, &["package", "list"]);
        assert_eq!(listed["result"].as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(listed["result"][0]["application"], "com-example-lamp");
        damage(&listed, &[name, why, "import the package again"]);
        let text = stdout(&place.run(&["package", "list"]));
        assert!(
            text.contains("com-example-lamp") && text.contains(name),
            "{text}"
        );
        assert!(log(&place).contains(name), "{}", log(&place));

        let to = ["--profile", "small", "--device", "line-1/panel", "--force"];
        place.json(&[&["deploy", "com-example-lamp"], &to[..]].concat());
        let (code, why) = place.failure(&[&["deploy", "com-example-bulb"], &to[..]].concat());
        assert_eq!(code, 4, "{why}");
        assert!(why.contains(name), "{why}");
        assert!(place.path(name).exists(), "it was removed");
    }
}

#[test]
fn damaged_description_does_not_sink_the_others() {
    let place = Place::new();
    let _running = place.start();
    import(&place, "com-example-bulb", "2.0");
    import(&place, "com-example-lamp", "1.0");
    let name = "state/packages/com-example-bulb/2.0";
    let file = place.path(&format!("{name}/package/margo.yaml"));
    for spoil in [cut, huge, fifo] {
        spoil(&file);
        damage(&document(&place, &["package", "list"]), &[name]);
    }
    fs::remove_file(&file).unwrap();
    damage(&document(&place, &["package", "list"]), &[name]);
    // Valid, and not what was imported.
    fs::write(
        &file,
        package("2.0")
            .replace("com-example-lamp", "com-example-bulb")
            .replace("white", "red"),
    )
    .unwrap();
    damage(&document(&place, &["package", "list"]), &[name, "digest"]);
    fs::write(&file, package("1.0")).unwrap();
    damage(&document(&place, &["package", "list"]), &[name]);
}

#[test]
fn newest_version_is_not_guessed_when_one_is_damaged() {
    let place = Place::new();
    let _running = place.start();
    import(&place, "com-example-lamp", "1.0");
    import(&place, "com-example-lamp", "1.1");
    cut(&place.path("state/packages/com-example-lamp/1.1/import.json"));
    let to = ["--profile", "small", "--device", "line-1/panel", "--force"];
    let (code, why) = place.failure(&[&["deploy", "com-example-lamp"], &to[..]].concat());
    assert_eq!(code, 4, "{why}");
    assert!(
        why.contains("1.1/import.json") && why.contains("name"),
        "{why}"
    );
    let deployed = place.json(&[&["deploy", "com-example-lamp:1.0"], &to[..]].concat());
    assert_eq!(deployed["version"], "1.0");
}

#[test]
fn deployment_with_a_damaged_journal_file_stays_on_its_device() {
    for (spoil, why) in FAULTS {
        let (place, [one, other]) = two_deployments();
        let running = place.start();
        let before = manifest(&place, &running);
        running.kill();
        let name = format!("state/deployments/{one}.json");
        let file = place.path(&name);
        let intact = fs::read(&file).unwrap();
        spoil(&file);
        let is_file = file.is_file() && fs::metadata(&file).unwrap().len() < 1 << 20;
        let spoilt = is_file.then(|| fs::read(&file).unwrap());

        let running = place.start();
        assert!(log(&place).contains(&name), "{}", log(&place));
        assert_eq!(
            manifest(&place, &running),
            before,
            "devices are told the same"
        );
        let listed = document(&place, &["status"]);
        assert_eq!(listed["result"].as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(listed["result"][0]["deployment"], other.as_str());
        damage(&listed, &[&name, why, "backup"]);
        let text = stdout(&place.run(&["status"]));
        assert!(text.contains(&name), "{text}");
        for command in ["remove", "history", "update"] {
            for known_as in [
                one.clone(),
                one[..13].to_owned(),
                format!("com-example-lamp-{}", &one[..8]),
            ] {
                let (code, why) = place.failure(&[command, &known_as]);
                assert_eq!(code, 4, "{why}");
                assert!(why.contains(&name), "{why}");
            }
        }

        // The other one is changed and removed as always; this one stays.
        place.json(&["update", &other, "--version", "1.1"]);
        place.json(&["remove", &other]);
        let device = Device::new(&place, &running, "line-1");
        let deployments = device.manifest().into_value().deployments;
        assert_eq!(deployments.len(), 1);
        assert_eq!(deployments[0].deployment_id.to_string(), one);
        running.kill();
        assert_eq!(
            spoilt,
            is_file.then(|| fs::read(&file).unwrap()),
            "it was changed"
        );

        // Restored, it is as it was; moved away, it is made anew from what is deployed.
        let is_listed = || {
            let listed = document(&place, &["status"]);
            let entries = listed["result"].as_array().unwrap();
            let is_it = |entry: &&Value| entry["deployment"] == one.as_str();
            assert_eq!(entries.iter().find(is_it).unwrap()["version"], "1.0");
            assert_eq!(listed["damaged"], serde_json::json!([]));
        };
        fs::rename(&file, place.path("aside")).unwrap();
        fs::write(&file, &intact).unwrap();
        let running = place.start();
        is_listed();
        assert_eq!(fs::read(&file).unwrap(), intact);
        running.kill();
        fs::remove_file(&file).unwrap();
        let _running = place.start();
        is_listed();
    }
}

#[test]
fn file_of_the_journal_under_another_name_is_not_taken_for_a_deployment() {
    let (place, [one, other]) = two_deployments();
    let file = |id: &str| place.path(&format!("state/deployments/{id}.json"));
    fs::copy(file(&one), file("copy")).unwrap();
    fs::copy(file(&one), file(&other)).unwrap();
    let _running = place.start();
    let listed = document(&place, &["status"]);
    assert_eq!(listed["result"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["result"][0]["deployment"], one.as_str());
    assert_eq!(listed["damaged"].as_array().unwrap().len(), 2, "{listed}");
    assert!(file("copy").exists());
}

#[test]
fn backup_keeps_what_is_damaged_and_waits_for_nobody() {
    let (place, [one, _]) = two_deployments();
    cut(&place.path(&format!("state/deployments/{one}.json")));
    let _running = place.start();
    let import = "packages/com-example-lamp/1.0/import.json";
    fifo(&place.path(&format!("state/{import}")));
    place.json(&["backup", "copy"]);
    assert!(place.path(&format!("copy/deployments/{one}.json")).exists());
    assert!(!place.path(&format!("copy/{import}")).exists());
    assert!(
        log(&place).contains("left out of the backup"),
        "{}",
        log(&place)
    );
}

#[test]
fn requests_that_are_refused_are_logged() {
    let place = Place::new();
    let _running = place.start();
    let ask = |line: &str, header: &str, body: &[u8]| {
        let mut stream = UnixStream::connect(place.path("state/admin.sock")).unwrap();
        let length = body.len();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: margo-wfm\r\nconnection: close\r\n{header}\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // What is too long is refused before all of it was sent.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    };
    let too_much = format!("\"{}\"", "a".repeat(5 << 20));
    let json = "content-type: application/json";
    for (line, header, body, reason) in [
        ("POST /v1/status", json, "{\"all\"", "EOF"),
        (
            "POST /v1/status",
            json,
            "{\"all\": 1}",
            "expected a boolean",
        ),
        ("POST /v1/status", "accept: */*", "{}", "application/json"),
        ("POST /v1/enlarge", json, "{}", "no such operation"),
        ("POST /v1/status", json, too_much.as_str(), "length limit"),
        ("GET /v1/status", json, "", "POST"),
        (
            "POST /v1/remove",
            json,
            "{\"deployment\": \"none\"}",
            "there is no deployment",
        ),
    ] {
        let before = log(&place).len();
        let answer = ask(line, header, body.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        let log = log(&place)[before..].to_owned();
        assert!(
            log.contains("refused") && log.contains(reason),
            "{reason:?} is not in {log:?}"
        );
        assert!(answer.contains(reason), "{reason:?} is not in {answer:?}");
    }
}
