//! Commands that need no registry: init, validate, lint, build, inspect, keygen.

use std::fs;

use super::{Desk, names};

#[test]
fn the_sample_is_valid_and_has_nothing_to_complain_about() {
    let desk = Desk::with_sample("registry.example:5000");
    let description = desk.read("hello/margo.yaml");
    assert!(
        description.contains("id: com-example-hello\n"),
        "{description}"
    );
    assert!(description.contains("oci://registry.example:5000/hello/hello-helm\n"));
    let template = desk.read("hello/components/hello-helm/templates/service.yaml");
    assert!(
        template.contains("{{ .Release.Name }}"),
        "Helm's braces stay"
    );

    let ran = desk.run(&["validate", "hello"]).succeeded();
    assert_eq!(ran.out, "hello: valid application package, no findings\n");
    let (code, document) = desk.json(&["lint", "hello", "--deny-warnings"]);
    assert_eq!(code, 0, "{document}");
    assert_eq!(document["findings"], serde_json::json!([]));
    assert_eq!(document["kind"], "application package");
}

#[test]
fn init_takes_an_empty_directory_and_no_other() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).expect("a directory");
    let (code, document) = desk.json(&["init", "empty", "--id", "com-acme-web"]);
    assert_eq!((code, &document["id"]), (0, &"com-acme-web".into()));
    assert_eq!(document["files"].as_array().expect("files").len(), 11);
    assert!(
        desk.read("empty/margo.yaml")
            .contains("id: com-acme-web-compose\n")
    );

    desk.refuses(
        2,
        &["init", "empty"],
        &["empty is not empty", "choose another place"],
    );
    desk.write("file", "");
    desk.refuses(
        2,
        &["init", "file"],
        &["file exists and is not a directory"],
    );
    desk.refuses(4, &["init", "file/below"], &["cannot use file/below"]);
    desk.refuses(4, &["init", "/proc/hello"], &["cannot use /proc"]);
    desk.refuses(
        2,
        &["init", "new", "--repository", "https://registry.example/x"],
        &["oci://HOST"],
    );
    desk.refuses(
        2,
        &[
            "init",
            "new",
            "--repository",
            "oci://registry.example/UPPER",
        ],
        &["UPPER"],
    );
}

#[test]
fn a_finding_has_file_line_column_and_the_offending_text() {
    let desk = Desk::with_sample("registry.example");
    desk.edit("hello/margo.yaml", "cores: 0.25", "cores: -1");
    let ran = desk.run(&["validate", "hello"]);
    assert_eq!(ran.code, 1);
    let line = 1 + desk
        .read("hello/margo.yaml")
        .lines()
        .position(|line| line.contains("-1"))
        .expect("the line");
    let expected = format!(
        "error[capacity.cores]: a device cannot have -1 cores
  --> hello/margo.yaml:{line}:18
   |
{line} |           cores: -1
   |                  ^^ deploymentProfiles[0].deviceConstraints.capacityRequirements.cpu.cores
"
    );
    assert!(ran.out.starts_with(&expected), "{}", ran.out);
    assert!(
        ran.out
            .ends_with("hello: not valid application package, 2 errors\n"),
        "{}",
        ran.out
    );

    let (code, document) = desk.json(&["validate", "hello"]);
    assert_eq!((code, &document["errors"]), (1, &2.into()));
    let finding = &document["findings"][0];
    assert_eq!(finding["file"], "hello/margo.yaml");
    assert_eq!(
        (&finding["line"], &finding["column"]),
        (&line.into(), &18.into())
    );
    assert_eq!(finding["rule"], "capacity.cores");
    assert_eq!(finding["severity"], "error");
    for member in ["path", "source", "message", "fix"] {
        assert!(finding[member].is_string(), "{member}: {finding}");
    }
}

#[test]
fn what_cannot_be_read_is_shown_where_it_is() {
    let desk = Desk::with_sample("registry.example");
    desk.edit("hello/margo.yaml", "timeout: 2m0s", "timeout: soon");
    let ran = desk.run(&["validate", "hello"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out
            .contains("timeout: soon\n   |                    ^^^^"),
        "{}",
        ran.out
    );

    desk.write("hello/margo.yaml", "apiVersion: [");
    let (code, document) = desk.json(&["validate", "hello"]);
    assert_eq!(
        (code, &document["findings"][0]["line"]),
        (1, &1.into()),
        "{document}"
    );
    fs::remove_file(desk.path("hello/margo.yaml")).expect("it was there");
    let ran = desk.run(&["validate", "hello"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("has no application description"),
        "{}",
        ran.out
    );
}

#[test]
fn files_that_a_description_needs_must_be_there() {
    let desk = Desk::with_sample("registry.example");
    fs::remove_file(desk.path("hello/resources/icon.png")).expect("it was there");
    let ran = desk.run(&["validate", "hello"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("resources/icon.png does not exist"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("icon: ./resources/icon.png\n"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("^^^^ metadata.catalog.application.icon"),
        "{}",
        ran.out
    );
}

#[test]
fn components_beside_the_package_are_checked() {
    let desk = Desk::with_sample("registry.example");
    let template = "{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}\n";
    desk.write(
        "hello/components/hello-helm/templates/evil.yaml",
        format!("a: b\n{template}"),
    );
    let (code, document) = desk.json(&["validate", "hello"]);
    assert_eq!(code, 1);
    let finding = &document["findings"][0];
    assert_eq!(finding["rule"], "chart.lookup", "{document}");
    assert_eq!(
        finding["file"],
        "hello/components/hello-helm/templates/evil.yaml"
    );
    assert_eq!(finding["line"], 2);
    let ran = desk.run(&["validate", "hello"]);
    assert!(ran.out.contains(&format!("2 | {template}")), "{}", ran.out);
    fs::remove_file(desk.path("hello/components/hello-helm/templates/evil.yaml")).expect("a file");

    desk.edit(
        "hello/components/hello-compose/compose.yaml",
        "services:",
        "service:",
    );
    let ran = desk.run(&["validate", "hello"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("no services"), "{}", ran.out);
    desk.edit(
        "hello/components/hello-compose/compose.yaml",
        "service:",
        "services:",
    );

    desk.write(
        "hello/components/stranger/compose.yaml",
        "services: { a: { image: b } }",
    );
    let ran = desk.run(&["validate", "hello"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out
            .contains("stranger is no component of the description"),
        "{}",
        ran.out
    );
}

#[test]
fn lint_warns_and_fails_only_if_told_to() {
    let desk = Desk::with_sample("registry.example");
    desk.edit("hello/margo.yaml", "          timeout: 2m0s\n", "");
    desk.run(&["validate", "hello"]).succeeded();
    let ran = desk.run(&["lint", "hello"]).succeeded();
    assert!(
        ran.out.contains("warning[lint.component-timeout]"),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .ends_with("hello: valid application package, 1 warning\n"),
        "{}",
        ran.out
    );
    let (code, document) = desk.json(&["lint", "hello", "--deny-warnings"]);
    assert_eq!((code, &document["warnings"]), (1, &1.into()));
}

#[test]
fn build_gives_the_same_bytes_everywhere() {
    let (desk, other) = (
        Desk::with_sample("registry.example"),
        Desk::with_sample("registry.example"),
    );
    let (_, document) = desk.json(&["build", "hello", "-o", "out/first.oci"]);
    other
        .run(&["build", "hello", "-o", "second.oci"])
        .succeeded();
    assert!(
        crate::support::tree(&desk.path("out/first.oci"))
            == crate::support::tree(&other.path("second.oci"))
    );
    assert_eq!(
        document["components"].as_array().expect("components").len(),
        2,
        "{document}"
    );

    desk.run(&["build", "hello", "-o", "first.tar"]).succeeded();
    other
        .run(&["build", "hello", "-o", "second.tar"])
        .succeeded();
    let read = |desk: &Desk, name: &str| fs::read(desk.path(name)).expect("a file");
    assert!(read(&desk, "first.tar") == read(&other, "second.tar"));
    // Without a name it is called after the application.
    desk.run(&["build", "hello"]).succeeded();
    assert!(
        desk.path("com-example-hello-1.0.0.oci/index.json")
            .is_file()
    );
    desk.refuses(
        2,
        &["build", "hello"],
        &["com-example-hello-1.0.0.oci is not empty"],
    );
    desk.refuses(
        2,
        &["build", "hello", "-o", "first.tar"],
        &["first.tar exists"],
    );

    desk.run(&["validate", "first.tar"]).succeeded();
    let (_, document) = desk.json(&["inspect", "first.tar"]);
    assert_eq!(
        document["artefacts"].as_array().expect("artefacts").len(),
        3,
        "{document}"
    );
}

#[test]
fn build_refuses_what_is_not_valid() {
    let desk = Desk::with_sample("registry.example");
    desk.edit("hello/margo.yaml", "cores: 0.25", "cores: -1");
    let before = desk.tree();
    let (code, document) = desk.json(&["build", "hello", "-o", "out.oci"]);
    assert_eq!((code, &document["errors"]), (1, &2.into()));
    assert!(desk.tree() == before);
}

#[test]
fn a_package_goes_through_a_layout_and_back() {
    let desk = Desk::with_sample("registry.example");
    desk.run(&["build", "hello", "-o", "hello.tar"]).succeeded();
    let ran = desk
        .run(&["pull", "hello.tar", "-o", "back", "--components"])
        .succeeded();
    assert!(ran.out.contains("component: hello-helm\n"), "{}", ran.out);
    assert_eq!(
        names(&desk.path("back")),
        ["components", "margo.yaml", "resources"]
    );
    assert_eq!(
        names(&desk.path("back/components")),
        ["hello-compose.tar.gz", "hello-helm.tgz"]
    );
    assert_eq!(desk.read("back/margo.yaml"), desk.read("hello/margo.yaml"));
    desk.run(&["lint", "back", "--deny-warnings"]).succeeded();
    // The packed components are the same artefacts again.
    desk.run(&["build", "back", "-o", "again.tar"]).succeeded();
    assert!(
        fs::read(desk.path("hello.tar")).expect("a file")
            == fs::read(desk.path("again.tar")).expect("a file")
    );

    for (file, kind) in [
        ("hello-compose.tar.gz", "compose archive"),
        ("hello-helm.tgz", "Helm chart"),
    ] {
        let path = format!("back/components/{file}");
        let (_, document) = desk.json(&["inspect", &path]);
        assert_eq!(document["kind"], kind, "{document}");
        let (_, document) = desk.json(&["validate", &path]);
        assert_eq!(document["kind"], kind, "{document}");
    }
    let ran = desk
        .run(&["inspect", "back/components/hello-compose.tar.gz"])
        .succeeded();
    assert!(
        ran.out.contains("image: docker.io/library/busybox:1.37.0"),
        "{}",
        ran.out
    );
    desk.refuses(
        2,
        &["pull", "hello.tar", "-o", "back"],
        &["back is not empty"],
    );
    desk.refuses(
        2,
        &["pull", "hello", "-o", "new"],
        &["hello is no image layout"],
    );
}

/// A chart and a compose archive may be forms of the same component.
#[test]
fn profiles_may_name_their_components_alike() {
    let desk = Desk::with_sample("registry.example");
    desk.run(&["build", "hello", "-o", "apart.oci"]).succeeded();
    desk.run(&["pull", "apart.oci", "-o", "alike", "--components"])
        .succeeded();
    for name in ["hello-compose", "hello-helm"] {
        desk.edit("alike/margo.yaml", &format!("name: {name}"), "name: web");
        desk.edit("alike/margo.yaml", &format!("[{name}]"), "[web]");
    }
    for (from, to) in [
        ("hello-compose.tar.gz", "web.tar.gz"),
        ("hello-helm.tgz", "web.tgz"),
    ] {
        let folder = desk.path("alike/components");
        fs::rename(folder.join(from), folder.join(to)).expect("it was there");
    }
    desk.run(&["validate", "alike"]).succeeded();
    let (_, built) = desk.json(&["build", "alike", "-o", "alike.tar"]);
    assert_eq!(
        built["components"].as_array().expect("components").len(),
        2,
        "{built}"
    );
    desk.run(&["pull", "alike.tar", "-o", "back", "--components"])
        .succeeded();
    assert_eq!(
        names(&desk.path("back/components")),
        ["web.tar.gz", "web.tgz"]
    );

    // Two forms of the same are still one too many.
    fs::remove_file(desk.path("alike/components/web.tgz")).expect("it was there");
    desk.write(
        "alike/components/web/compose.yaml",
        "services: { a: { image: b } }",
    );
    let ran = desk.run(&["validate", "alike"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("is there twice, in two forms"),
        "{}",
        ran.out
    );
}

#[test]
fn inspect_tells_what_is_in_a_package() {
    let desk = Desk::with_sample("registry.example");
    let ran = desk.run(&["inspect", "hello"]).succeeded();
    assert!(
        ran.out
            .starts_with("kind: application package\nsubject: hello\nid: com-example-hello\n"),
        "{}",
        ran.out
    );
    let (_, document) = desk.json(&["inspect", "hello"]);
    assert_eq!(document["version"], "1.0.0");
    assert_eq!(
        document["parameters"],
        serde_json::json!(["greeting", "port"])
    );
    assert_eq!(
        document["profiles"][1]["components"][0]["name"],
        "hello-helm"
    );
    assert_eq!(
        document["resources"].as_array().expect("resources").len(),
        4
    );
    desk.refuses(
        4,
        &["inspect", "nowhere"],
        &["cannot use nowhere", "oci://HOST/REPO:TAG"],
    );
    desk.write("noise", "\u{1b}[31m");
    desk.refuses(1, &["inspect", "noise"], &["noise"]);
}

#[test]
fn damaged_archives_are_invalid() {
    let desk = Desk::new();
    desk.write("broken.tgz", b"\x1f\x8b\x08\x00garbage");
    let (code, document) = desk.json(&["validate", "broken.tgz"]);
    assert_eq!(code, 1, "{document}");
    assert!(
        document["findings"][0]["message"]
            .as_str()
            .expect("a text")
            .contains("damaged"),
        "{document}"
    );
    desk.refuses(1, &["inspect", "broken.tgz"], &["broken.tgz", "damaged"]);
}

#[cfg(unix)]
#[test]
fn keygen_writes_a_pair_and_never_over_another() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    let (_, document) = desk.json(&["keygen", "acme"]);
    assert!(
        document["fingerprint"]
            .as_str()
            .expect("a digest")
            .starts_with("sha256:")
    );
    let mode = |name: &str| {
        fs::metadata(desk.path(name))
            .expect("a file")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("acme.key"), 0o600);
    assert!(desk.read("acme.key").contains("BEGIN PRIVATE KEY"));
    assert!(desk.read("acme.pub").contains("BEGIN PUBLIC KEY"));
    desk.refuses(2, &["keygen", "acme"], &["acme.key exists already"]);
    fs::remove_file(desk.path("acme.key")).expect("it was there");
    desk.refuses(2, &["keygen", "acme"], &["acme.pub exists already"]);
    desk.refuses(
        4,
        &["keygen", "no/such/folder"],
        &["cannot use no/such/folder.key"],
    );
}
