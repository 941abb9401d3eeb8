//! Commands with a registry: push, versions, pull, inspect, validate, deploy, sign, verify.

use std::fs;

use super::{Desk, names};
use crate::oci::fake::Fake;
use crate::oci::memory::{self, Behaviour};

/// A registry, and a desk with the sample for it and a key pair.
async fn set_up() -> (Fake, Desk) {
    let fake = memory::start(Behaviour::default()).await;
    let desk = Desk::with_sample(&fake.host());
    desk.run(&["keygen", "acme"]).succeeded();
    (fake, desk)
}

fn package(fake: &Fake, tag: &str) -> String {
    format!("oci://{}/hello/package{tag}", fake.host())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_pushed_pulled_and_verified() {
    let (fake, desk) = set_up().await;
    let (repository, tagged) = (package(&fake, ""), package(&fake, ":1.0.0"));
    let (_, pushed) = desk.json(&[
        "push",
        "hello",
        &repository,
        "--plain-http",
        "--sign",
        "acme.key",
    ]);
    assert_eq!(pushed["package"]["reference"], tagged.as_str());
    assert_eq!(
        pushed["components"].as_array().expect("components").len(),
        2,
        "{pushed}"
    );
    assert_eq!(pushed["notPushed"], serde_json::json!([]));

    let ran = desk
        .run(&["versions", &repository, "--plain-http"])
        .succeeded();
    assert_eq!(ran.out, "1.0.0\n", "signatures are no versions");
    let (_, verdict) = desk.json(&["verify", &tagged, "--plain-http", "--key", "acme.pub"]);
    assert_eq!(verdict["digest"], pushed["package"]["digest"]);
    assert!(verdict["signedBy"].is_string(), "{verdict}");

    let pull = [
        "pull",
        &tagged,
        "-o",
        "pulled",
        "--components",
        "--plain-http",
        "--verify-key",
        "acme.pub",
    ];
    let (_, pulled) = desk.json(&pull);
    assert_eq!(pulled["digest"], pushed["package"]["digest"]);
    assert_eq!(
        desk.read("pulled/margo.yaml"),
        desk.read("hello/margo.yaml")
    );
    assert_eq!(
        names(&desk.path("pulled/components")),
        ["hello-compose.tar.gz", "hello-helm.tgz"]
    );
    desk.run(&["lint", "pulled", "--deny-warnings"]).succeeded();
    assert!(
        fake.seen()
            .iter()
            .all(|seen| seen.header("authorization").is_none())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_registry_can_be_looked_at() {
    let (fake, desk) = set_up().await;
    desk.run(&["push", "hello", &package(&fake, ":1.0.0"), "--plain-http"])
        .succeeded();
    let tagged = package(&fake, ":1.0.0");
    let (_, document) = desk.json(&["validate", &tagged, "--plain-http"]);
    assert_eq!(document["kind"], "application package");
    desk.run(&["lint", &tagged, "--plain-http", "--deny-warnings"])
        .succeeded();
    let (_, document) = desk.json(&["inspect", &tagged, "--plain-http"]);
    assert_eq!(document["id"], "com-example-hello");
    let profile = "com-example-hello-helm";
    let ran = desk
        .run(&[
            "deploy",
            &tagged,
            "--plain-http",
            "--profile",
            profile,
            "--device",
            "d",
        ])
        .succeeded();
    assert!(ran.out.contains("type: helm\n"), "{}", ran.out);

    for (name, kind) in [
        ("hello-compose", "compose archive"),
        ("hello-helm", "Helm chart"),
    ] {
        let component = format!("oci://{}/hello/{name}:1.0.0", fake.host());
        let (_, document) = desk.json(&["validate", &component, "--plain-http"]);
        assert_eq!(document["kind"], kind, "{document}");
        let (_, document) = desk.json(&["inspect", &component, "--plain-http"]);
        assert_eq!(
            document["layers"].as_array().expect("layers").len(),
            1,
            "{document}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_in_the_order_of_people() {
    let (fake, desk) = set_up().await;
    for version in ["1.10.0", "1.9.0", "1.10.0-rc.1"] {
        let from = desk.read("hello/margo.yaml");
        let line = from
            .lines()
            .find(|line| line.starts_with("  version:"))
            .expect("a version")
            .to_owned();
        desk.edit(
            "hello/margo.yaml",
            &line,
            &format!("  version: \"{version}\""),
        );
        desk.run(&["push", "hello", &package(&fake, ""), "--plain-http"])
            .succeeded();
    }
    let (_, document) = desk.json(&["versions", &package(&fake, ""), "--plain-http"]);
    assert_eq!(
        document["versions"],
        serde_json::json!(["1.9.0", "1.10.0-rc.1", "1.10.0"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_is_pushed_with_the_same_digests() {
    let (fake, desk) = set_up().await;
    let (_, built) = desk.json(&["build", "hello", "-o", "hello.tar"]);
    let (_, pushed) = desk.json(&["push", "hello.tar", &package(&fake, ""), "--plain-http"]);
    assert_eq!(pushed["package"]["digest"], built["package"]["digest"]);
    assert_eq!(pushed["components"], built["components"]);

    // A component that is not in the layout is somebody else's.
    fs::remove_dir_all(desk.path("hello/components/hello-helm")).expect("it was there");
    desk.run(&["build", "hello", "-o", "half.oci"]).succeeded();
    for part in ["half.oci", "hello"] {
        let (_, pushed) = desk.json(&["push", part, &package(&fake, ""), "--plain-http"]);
        assert_eq!(
            pushed["notPushed"],
            serde_json::json!(["hello-helm"]),
            "{part}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_trusted_signatures_count() {
    let (fake, desk) = set_up().await;
    let tagged = package(&fake, ":1.0.0");
    desk.run(&["keygen", "other"]).succeeded();
    desk.run(&["push", "hello", &package(&fake, ""), "--plain-http"])
        .succeeded();

    let verify = ["verify", &tagged, "--plain-http", "--key", "acme.pub"];
    let ran = desk.run(&verify);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("rejected, there is no signature"),
        "{}",
        ran.out
    );
    desk.refuses(
        1,
        &[
            "pull",
            &tagged,
            "-o",
            "new",
            "--plain-http",
            "--verify-key",
            "acme.pub",
        ],
        &["is not taken", "there is no signature"],
    );
    desk.run(&["sign", &tagged, "--plain-http", "--key", "other.key"])
        .succeeded();
    let (code, verdict) = desk.json(&verify);
    assert_eq!((code, &verdict["signedBy"]), (1, &serde_json::Value::Null));
    assert!(
        verdict["reason"]
            .as_str()
            .expect("a reason")
            .contains("not by a trusted key"),
        "{verdict}"
    );
    let (_, signed) = desk.json(&["sign", &tagged, "--plain-http", "--key", "acme.key"]);
    let (code, verdict) = desk.json(&verify);
    assert_eq!((code, &verdict["signedBy"]), (0, &signed["key"]));

    // With its own signature alone the package is taken, its components are not.
    desk.run(&[
        "pull",
        &tagged,
        "-o",
        "taken",
        "--plain-http",
        "--verify-key",
        "acme.pub",
    ])
    .succeeded();
    desk.refuses(
        1,
        &[
            "pull",
            &tagged,
            "-o",
            "new",
            "--components",
            "--plain-http",
            "--verify-key",
            "acme.pub",
        ],
        &["hello-compose:1.0.0 is not taken"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_decides_by_repository() {
    let (fake, desk) = set_up().await;
    let tagged = package(&fake, ":1.0.0");
    desk.run(&[
        "push",
        "hello",
        &package(&fake, ""),
        "--plain-http",
        "--sign",
        "acme.key",
    ])
    .succeeded();
    desk.run(&["keygen", "keys"]).succeeded();
    let verify = [
        "verify",
        &tagged,
        "--plain-http",
        "--policy",
        "policies/policy.yaml",
    ];
    let check = |policy: &str| {
        desk.write("policies/policy.yaml", policy);
        let (code, verdict) = desk.json(&verify);
        (
            code,
            verdict["requirement"]
                .as_str()
                .expect("a requirement")
                .to_owned(),
            verdict["signedBy"].is_string(),
        )
    };
    let host = fake.host();
    assert_eq!(
        check("keys: [../acme.pub]"),
        (0, "required".to_owned(), true)
    );
    assert_eq!(
        check("keys: [../keys.pub]"),
        (1, "required".to_owned(), false)
    );
    assert_eq!(
        check("{ default: optional, keys: [../keys.pub] }"),
        (0, "optional".to_owned(), false)
    );
    assert_eq!(check("default: off"), (0, "off".to_owned(), false));
    let policy =
        format!("repositories: {{ {host}/hello: {{ require: required, keys: [../acme.pub] }} }}");
    assert_eq!(check(&policy), (0, "required".to_owned(), true));
    let policy = format!(
        "repositories: {{ {host}/hello: {{ require: required, keys: [../acme.pub], signedAs: other.example/x }} }}"
    );
    assert_eq!(check(&policy), (1, "required".to_owned(), false));
    // A key on the command line counts too.
    desk.write("policies/policy.yaml", "default: required");
    desk.run(&[&verify[..], &["--key", "acme.pub"]].concat())
        .succeeded();

    desk.write("policies/policy.yaml", "default: maybe");
    desk.refuses(
        2,
        &verify,
        &["policies/policy.yaml: not a signature policy"],
    );
    desk.write("policies/policy.yaml", "keys: [missing.pub]");
    desk.refuses(4, &verify, &["policies/missing.pub"]);
}
