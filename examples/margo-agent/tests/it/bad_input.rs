//! Whatever may be wrong is named, with what to do, and nothing is half done.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::thread;

use margo_conformance::authority::Lifetime;
#[cfg(feature = "helm")]
use margo_conformance::program;
use margo_conformance::wfm::FakeWfm;
use margo_types::id::SpiffeId;
use rustix::fs::{CWD, Mode};

use crate::support::{Place, authority};

/// The agent does not start, with this exit code, and says all of this.
#[track_caller]
fn refused(place: &Place, code: i32, expected: &[&str]) {
    let (found, message) = place.failure(&["run"]);
    assert_eq!(found, code, "{message}");
    for word in expected {
        assert!(message.contains(word), "{word:?} is not in\n{message}");
    }
    assert!(!place.path("state/status.sock").exists());
}

#[test]
fn a_wrong_configuration_is_named_with_line_and_key() {
    for (from, to, expected) in [
        ("url = ", "adress = ", &["line 4", "`adress`", "`url`"][..]),
        (
            "\"https://127.0.0.1:1\"",
            "5",
            &["line 4, url", "url = \"https"],
        ),
        ("https://127", "127", &["line 4, url", "url = \"https"]),
        (
            "https://127",
            "http://127",
            &["[fleet_manager] url", "https://<host>"],
        ),
        (
            "svid = \"svid.pem\"\n",
            "",
            &["[identity] has no svid", "svid = \"svid.pem\""],
        ),
        (
            "[fleet_manager]\nurl = \"https://127.0.0.1:1\"\n",
            "",
            &["write the section [fleet_manager]"],
        ),
        (
            "\"simulated\"",
            "\"docker\"",
            &["line 16, kind", "\"compose\""],
        ),
        ("\"200ms\"", "\"soon\"", &["line 22, period", "30s"]),
        ("\"200ms\"", "\"2ms\"", &["line 21", "100ms to 30d"]),
        (
            "id = \"panel\"",
            "id = \"the panel\"",
            &["line 12, id", "not a device id"],
        ),
        (
            "id = \"panel\"",
            "id = \"desk\"",
            &["capabilities.json", "panel", "desk"],
        ),
        ("[provider]", "[provider", &["line 15"]),
        (
            "[schedule]",
            "[registries.r]\nuser = \"a\"\n[schedule]",
            &["line 22, user", "`username`"],
        ),
        (
            "[schedule]",
            "[identity_service]\n[schedule]",
            &["[identity_service]", "discovery or bundle"],
        ),
        (
            "[schedule]",
            "[identity_service]\nbundle = \"https://127.0.0.1:1\"\n[schedule]",
            &["[identity_service]", "pins"],
        ),
    ] {
        let place = Place::alone();
        place.change("margo-agent.toml", from, to);
        refused(&place, 78, &[&["margo-agent.toml"], expected].concat());
        assert!(!place.path("state/simulated").exists(), "{from}");
    }
}

#[test]
fn a_missing_configuration_is_named() {
    let place = Place::alone();
    fs::remove_file(place.path("margo-agent.toml")).unwrap();
    refused(&place, 78, &["margo-agent.toml", "--config"]);
}

#[test]
fn files_that_cannot_be_such_are_neither_waited_for_nor_read() {
    for (name, code) in [
        ("margo-agent.toml", 78),
        ("capabilities.json", 78),
        ("svid.key", 78),
        ("svid.pem", 78),
        ("bundle.pem", 78),
    ] {
        let place = Place::alone();
        let file = place.path(name);
        fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_len(3 << 30)
            .unwrap();
        refused(&place, code, &[name]);
        fs::remove_file(&file).unwrap();
        rustix::fs::mkfifoat(CWD, &file, Mode::RUSR | Mode::WUSR).unwrap();
        refused(&place, code, &[name]);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        refused(&place, code, &[name]);
    }
}

#[test]
fn answer_without_end_is_not_taken_for_a_status() {
    let place = Place::alone();
    fs::create_dir(place.path("state")).unwrap();
    let listener = UnixListener::bind(place.path("state/status.sock")).unwrap();
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut sent = 0_u64;
        let blanks = vec![b' '; 1 << 16];
        while stream.write_all(&blanks).is_ok() {
            sent += 1 << 16;
        }
        sent
    });
    let (code, message) = place.failure(&["status"]);
    assert_eq!(code, 1, "{message}");
    assert!(message.contains("more than"), "{message}");
    assert!(peer.join().unwrap() < 1 << 28);
}

#[test]
fn wrong_usage_has_its_own_code() {
    let (code, message) = Place::alone().failure(&["walk"]);
    assert_eq!(code, 2, "{message}");
}

#[test]
fn wrong_capabilities_are_named() {
    let place = Place::alone();
    place.change("capabilities.json", "\"4Gi\"", "\"much\"");
    refused(&place, 78, &["capabilities.json", "memory"]);
    place.change("capabilities.json", "    \"memory\": \"much\",\n", "");
    refused(&place, 78, &["capabilities.json", "`memory` is missing"]);
    fs::remove_file(place.path("capabilities.json")).unwrap();
    refused(&place, 78, &["capabilities.json", "capabilities --write"]);
}

#[test]
fn an_unusable_identity_is_named() {
    let place = Place::alone();
    let key = fs::read_to_string(place.path("svid.key")).unwrap();
    place.write("svid.key", "no key");
    refused(&place, 78, &["svid.key", "PEM"]);
    place.write("svid.key", "");
    refused(&place, 78, &["svid.key", "empty"]);
    place.write("svid.key", &authority().to_pem().1);
    refused(&place, 78, &["svid.key", "svid.pem", "does not belong"]);
    fs::remove_file(place.path("svid.key")).unwrap();
    refused(&place, 78, &["svid.key", "no such file"]);
    place.write("svid.key", &key);
    place.write("bundle.pem", "{}");
    refused(&place, 78, &["bundle.pem"]);
    place.write("svid.pem", &place.authority.to_pem().0);
    refused(&place, 78, &["svid.pem"]);
}

#[test]
fn a_new_device_with_an_expired_certificate_ends() {
    let place = Place::alone();
    place.provision(Lifetime::expired());
    refused(&place, 69, &["svid.pem", "https://127.0.0.1:1", "expired"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_device_of_another_fleet_manager_ends() {
    let authority = authority();
    let other = SpiffeId::wfm(authority.domain(), "two").unwrap();
    let wfm = FakeWfm::start(&authority, &other).await;
    let place = Place::of(authority, &wfm.url());
    refused(&place, 69, &["svid.pem", &wfm.url(), other.as_str()]);
    assert!(wfm.requests().is_empty());
}

#[test]
fn an_engine_that_does_not_answer_is_named() {
    let place = Place::alone();
    let socket = format!("unix://{}", place.path("no.sock").display());
    place.provider(&format!(
        "command = [\"no-such-engine\"]\ndocker_host = \"{socket}\""
    ));
    refused(&place, 69, &["no-such-engine", "not installed"]);
}

#[cfg(feature = "helm")]
#[test]
fn a_helm_that_cannot_be_used_is_named() {
    let place = Place::alone();
    let helm = place.path("bin/helm");
    fs::create_dir(place.path("bin")).unwrap();
    let name = helm.display().to_string();
    place.provider("kind = \"helm\"\nprogram = \"bin/helm\"");
    refused(&place, 69, &[&name, "not installed", "program"]);

    let helm_2 = "#!/bin/sh\necho 'Client: v2.17.0+ga690bad'\necho 'Error: could not find tiller' >&2\nexit 1\n";
    program::write(&helm, helm_2);
    refused(&place, 69, &[&name, "2.17.0", "install Helm 3"]);
}

#[test]
fn settings_of_another_kind_of_provider_are_refused() {
    for (settings, expected) in [
        (
            "kind = \"simulated\"\nkubeconfig = \"k3s.yaml\"",
            &["[provider] kubeconfig", "kind = \"helm\""][..],
        ),
        (
            "kind = \"simulated\"\nowner = \"line4\"",
            &["[provider] owner", "kind = \"helm\""],
        ),
        (
            "kind = \"simulated\"\n[provider.image_registries.\"r.example\"]\nusername = \"u\"\npassword_file = \"p\"",
            &["[provider] image_registries", "kind = \"helm\""],
        ),
        (
            "kind = \"helm\"\ndocker_host = \"unix:///run/docker.sock\"",
            &["[provider] docker_host", "kind = \"compose\""],
        ),
        (
            "kind = \"helm\"\nmode = \"dry-run\"",
            &["line 17, mode", "\"template\""],
        ),
    ] {
        let place = Place::alone();
        place.provider(settings);
        refused(&place, 78, &[&["margo-agent.toml"], expected].concat());
    }
}

#[cfg(feature = "helm")]
#[test]
fn settings_that_helm_cannot_use_are_refused() {
    for (settings, expected) in [
        (
            "kind = \"helm\"\nkube_version = \"1.31\"",
            &["[provider] kube_version", "mode = \"template\""][..],
        ),
        (
            "kind = \"helm\"\n[provider.image_registries.\"r.example\"]\nusername = \"u\"\npassword_file = \"no-such-file\"",
            &[
                "image_registries.\"r.example\"] password_file",
                "no-such-file",
            ],
        ),
        (
            "kind = \"helm\"\nmode = \"template\"",
            &["no kube_version", "kube_version = \"1.31\""],
        ),
    ] {
        let place = Place::alone();
        place.provider(settings);
        refused(&place, 78, &[&["margo-agent.toml"], expected].concat());
    }
}

#[cfg(not(feature = "helm"))]
#[test]
fn a_kind_that_was_not_built_is_named_with_its_feature() {
    let place = Place::alone();
    place.provider("kind = \"helm\"");
    refused(
        &place,
        78,
        &["margo-agent.toml", "built without helm", "--features helm"],
    );
}

#[test]
fn a_second_agent_is_refused_and_the_first_goes_on() {
    let place = Place::alone();
    let mut first = place.start();
    for arguments in [&["run"][..], &["set-aside-state"]] {
        let (code, message) = place.failure(arguments);
        assert_eq!(code, 69, "{message}");
        assert!(message.contains("state.redb"), "{message}");
        assert!(message.contains("stop that agent"), "{message}");
    }
    first.wait("the first agent", |_| true);
    assert_eq!(first.terminate(), Some(0));
}

#[test]
fn a_damaged_state_is_said_kept_and_set_aside_on_request() {
    let place = Place::alone();
    place.start().kill();
    let file = place.path("state/state.redb");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    fs::remove_file(place.path("state/status.sock")).unwrap();
    refused(&place, 69, &["state.redb", "damaged", "setting it aside"]);
    // Still there, and still refused.
    refused(&place, 69, &["state.redb", "damaged"]);

    let text = place.stdout(&["set-aside-state"]);
    assert!(text.contains("state.redb.set-aside-"), "{text}");
    place.start().kill();
}

#[test]
fn the_state_of_another_fleet_manager_is_refused() {
    let place = Place::alone();
    place.start().kill();
    fs::remove_file(place.path("state/status.sock")).unwrap();
    // The default of what `issue_with` changes is a client of another one.
    place.provision_with(&place.authority.issue_with(|_| {}));
    refused(
        &place,
        69,
        &["state.redb", "/wfm/one/", "/wfm/wfm-1/", "decommission"],
    );
}

#[test]
fn a_state_directory_that_cannot_be_made_is_named() {
    let place = Place::alone();
    place.change("margo-agent.toml", "\"state\"", "\"svid.pem/state\"");
    refused(&place, 69, &["svid.pem/state", "state_directory"]);
}
