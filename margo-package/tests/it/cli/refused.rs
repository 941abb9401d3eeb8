//! Registries that are not there, refuse or lie: a clear error and nothing left behind.

use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use margo_types::Digest;
use serde_json::json;

use super::{Desk, Ran};
use crate::oci::fake::{Body, Fake, Reply};
use crate::oci::memory::{self, Behaviour};

#[test]
fn a_registry_that_is_not_there() {
    let desk = Desk::with_sample("127.0.0.1:1");
    let words = ["the connection failed", "127.0.0.1:1", "Connection refused"];
    let plainly = ["--plain-http", "--attempts", "1"];
    let pull = ["pull", "oci://127.0.0.1:1/hello:1.0.0", "-o", "new"];
    desk.refuses(3, &[&pull[..], &plainly].concat(), &words);
    let versions = ["versions", "oci://127.0.0.1:1/hello"];
    desk.refuses(3, &[&versions[..], &plainly].concat(), &words);
    let push = ["push", "hello", "oci://127.0.0.1:1/hello"];
    let words = ["was not transferred", words[1], words[2]];
    desk.refuses(3, &[&push[..], &plainly].concat(), &words);
}

#[test]
fn encryption_is_not_given_up_silently() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let host = listener.local_addr().expect("an address").to_string();
    let first_bytes = std::thread::spawn(move || {
        let mut connections = listener.incoming().map(|connection| {
            let mut first = [0];
            let mut connection = connection.expect("a connection");
            connection.read_exact(&mut first).expect("a byte");
            first[0]
        });
        [connections.next(), connections.next(), connections.next()]
    });
    let desk = Desk::new();
    let repository = format!("oci://{host}/hello");
    let allowed = format!("--plain-http={host}");
    for plain in ["--json", "--plain-http=other.example", &allowed] {
        let ran = desk.run(&["versions", &repository, "--attempts", "1", plain]);
        assert_eq!(ran.code, 3, "{ran:?}");
    }
    let tls_handshake = Some(0x16);
    let seen = first_bytes.join().expect("three connections");
    assert_eq!(seen, [tls_handshake, tls_handshake, Some(b'G')]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_never_show() {
    let fake = Fake::start(|seen| match seen.header("authorization") {
        // somebody:open sesame
        Some("Basic c29tZWJvZHk6b3BlbiBzZXNhbWU=") => Reply::new(200, r#"{"tags":["1.0.0"]}"#),
        _ => Reply::new(401, "").header("www-authenticate", "Basic realm=\"fake\""),
    })
    .await;
    let desk = Desk::new();
    let repository = format!("oci://{}/hello", fake.host());
    let versions = ["versions", &repository, "--plain-http"];
    desk.refuses(
        3,
        &versions,
        &["not authenticated", "give valid credentials"],
    );

    let login = [
        &versions[..],
        &["--username", "somebody", "--password-stdin"],
    ]
    .concat();
    let ran = desk.run_with(&login, "open barley\n");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        !ran.err.contains("barley") && !ran.out.contains("barley"),
        "{ran:?}"
    );
    let ran = desk.run_with(&login, "open sesame\n").succeeded();
    assert_eq!(ran.out, "1.0.0\n");
    let ran = desk.run_with(&login, "\n");
    assert_eq!(ran.code, 2, "an empty password: {ran:?}");

    let entry = json!({ "auths": { fake.host(): { "auth": "c29tZWJvZHk6b3BlbiBzZXNhbWU=" } } });
    let docker = desk.folder.path().join("home/.docker");
    std::fs::create_dir(&docker).expect("a folder");
    std::fs::write(docker.join("config.json"), entry.to_string()).expect("a login");
    assert_eq!(desk.run(&versions).succeeded().out, "1.0.0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_or_version_that_is_not_there() {
    let fake = memory::start(Behaviour::default()).await;
    let desk = Desk::with_sample(&fake.host());
    let repository = format!("oci://{}/hello/package", fake.host());
    desk.run(&["push", "hello", &repository, "--plain-http"])
        .succeeded();
    let missing = format!("{repository}:9.9.9");
    for command in [
        &["pull", &missing, "-o", "new"][..],
        &["inspect", &missing],
        &["verify", &missing, "--policy", "p"],
    ] {
        desk.write("p", "default: off");
        desk.refuses(
            3,
            &[command, &["--plain-http"]].concat(),
            &["not found", "9.9.9", "check the name and the tag"],
        );
    }
    desk.refuses(
        2,
        &["push", "hello", &missing, "--plain-http"],
        &["9.9.9", "\"1.0.0\""],
    );
    desk.refuses(
        2,
        &["versions", &missing, "--plain-http"],
        &["names one version"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artefact_of_another_type() {
    let fake = memory::start(Behaviour::default()).await;
    let desk = Desk::with_sample(&fake.host());
    let host = fake.host();
    desk.run(&[
        "push",
        "hello",
        &format!("oci://{host}/hello/package"),
        "--plain-http",
    ])
    .succeeded();
    let chart = format!("oci://{host}/hello/hello-helm:1.0.0");
    desk.refuses(
        1,
        &["pull", &chart, "-o", "new", "--plain-http"],
        &["has the type \"application/vnd.cncf.helm.config.v1+json\""],
    );
    desk.refuses(
        1,
        &[
            "deploy",
            &chart,
            "--profile",
            "p",
            "--device",
            "d",
            "--plain-http",
        ],
        &["has the type"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_with_another_digest() {
    let desk = Desk::with_sample("registry.example");
    let description = desk.read("hello/margo.yaml");
    // A registry with the same blobs but another description; the layout has the true ones.
    let (_, built) = desk.json(&["build", "hello", "-o", "hello.oci"]);
    let manifest = built["package"]["digest"]
        .as_str()
        .expect("a digest")
        .to_owned();
    let blobs = desk.path("hello.oci/blobs/sha256");
    let wanted = Digest::of(description.as_bytes()).to_string();
    let (described, tampered) = (wanted.clone(), description.replace("8080", "9090"));
    assert_eq!(description.len(), tampered.len());
    let liar = Fake::start(move |seen| {
        let (kind, name) = {
            let mut parts = seen.path().rsplit('/');
            let name = parts.next().unwrap_or_default();
            (parts.next().unwrap_or_default(), name)
        };
        let digest = if kind == "manifests" { &manifest } else { name };
        if digest == described {
            return Reply::new(200, tampered.clone());
        }
        let bytes = std::fs::read(blobs.join(digest.trim_start_matches("sha256:")));
        bytes.map_or_else(
            |_| Reply::new(404, ""),
            |bytes| {
                Reply::new(200, bytes)
                    .header("content-type", "application/vnd.oci.image.manifest.v1+json")
            },
        )
    })
    .await;
    let tagged = format!("oci://{}/hello/package:1.0.0", liar.host());
    desk.refuses(
        3,
        &["pull", &tagged, "-o", "new", "--plain-http"],
        &[
            "was not transferred",
            &wanted,
            "have the digest",
            "do not use this copy",
        ],
    );
    desk.refuses(
        3,
        &["validate", &tagged, "--plain-http"],
        &["was not transferred", "have the digest"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artefact_without_a_description() {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.margo.app.v1+json",
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": Digest::of(b"{}") },
        "layers": [],
    });
    let fake = Fake::start(move |_| {
        Reply::new(200, manifest.to_string())
            .header("content-type", "application/vnd.oci.image.manifest.v1+json")
    })
    .await;
    let desk = Desk::new();
    let tagged = format!("oci://{}/hello:1.0.0", fake.host());
    desk.refuses(
        1,
        &["pull", &tagged, "-o", "new", "--plain-http"],
        &["no application description"],
    );
    let (code, document) = desk.json(&["validate", &tagged, "--plain-http"]);
    assert_eq!((code, &document["errors"]), (1, &1.into()), "{document}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_used_show_before_anything_is_pushed() {
    let fake = memory::start(Behaviour::default()).await;
    let desk = Desk::with_sample(&fake.host());
    let repository = format!("oci://{}/hello/package", fake.host());
    desk.write(
        "bad.key",
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0IHNhdWNl\n-----END PRIVATE KEY-----\n",
    );
    let push = [
        "push",
        "hello",
        &repository,
        "--plain-http",
        "--sign",
        "bad.key",
    ];
    desk.refuses(2, &push, &["bad.key: this is no ECDSA key"]);
    assert!(
        !desk.run(&push).err.contains("c2VjcmV0"),
        "the key is not shown"
    );
    desk.refuses(
        4,
        &[
            "push",
            "hello",
            &repository,
            "--plain-http",
            "--ca",
            "none.pem",
        ],
        &["cannot use none.pem"],
    );
    assert!(fake.seen().is_empty());
}

#[test]
fn what_is_not_valid_is_not_pushed() {
    let desk = Desk::with_sample("127.0.0.1:1");
    desk.edit("hello/margo.yaml", "cores: 0.25", "cores: -1");
    let (code, document) = desk.json(&["push", "hello", "oci://127.0.0.1:1/hello", "--plain-http"]);
    assert_eq!((code, &document["errors"]), (1, &2.into()), "{document}");
    desk.write("file.txt", "text");
    desk.refuses(
        2,
        &["push", "file.txt", "oci://127.0.0.1:1/hello"],
        &["only a package directory or an image layout"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_cannot_steer_the_terminal() {
    let fake = Fake::start(|_| Reply::new(404, "not here\u{1b}[2J\u{1b}]0;gone\u{7}")).await;
    let desk = Desk::with_sample("registry.example");
    let tagged = format!("oci://{}/hello:1.0.0", fake.host());
    let ran = desk.run(&["inspect", &tagged, "--plain-http"]);
    assert_eq!(ran.code, 3);
    assert!(
        ran.err.contains("not here") && !ran.err.contains('\u{1b}'),
        "{ran:?}"
    );

    desk.edit("hello/margo.yaml", "name: Hello\n", "name: \"Hel\\elo\"\n");
    desk.edit("hello/margo.yaml", "cores: 0.25", "cores: -1 # \u{7f}");
    for command in ["inspect", "validate"] {
        let ran = desk.run(&[command, "hello"]);
        let has_control = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
        assert!(!has_control(&ran.out) && !has_control(&ran.err), "{ran:?}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_leaves_nothing_behind() {
    let fake = Fake::start(|_| {
        let body = Body::Hang {
            bytes: Vec::new(),
            announced: 10,
        };
        Reply::with(200, body)
    })
    .await;
    let desk = Desk::new();
    let tagged = format!("oci://{}/hello:1.0.0", fake.host());
    let mut command = desk.command(&["pull", &tagged, "-o", "new", "--plain-http"]);
    let child = command
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    while fake.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(desk.tree().len(), 2, "it has begun");
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    let ran = Ran::from(child.wait_with_output().expect("it ends"));
    assert_eq!((ran.code, ran.err.as_str()), (130, "error: interrupted\n"));
    assert!(desk.tree().is_empty());
}
