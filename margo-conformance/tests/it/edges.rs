//! The frame of the workspace: which crate may depend on which, and what every library owes its users.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Every library, with the libraries it may depend on.
///
/// A row names only rows above it, so no cycle can be allowed by mistake.
const LIBRARIES: [(&str, &[&str]); 6] = [
    ("margo-types", &[]),
    ("margo-package", &["margo-types"]),
    ("margo-providers", &["margo-types", "margo-package"]),
    (
        "margo-client",
        &["margo-types", "margo-package", "margo-providers"],
    ),
    ("margo-server-traits", &["margo-types", "margo-package"]),
    (
        CONFORMANCE,
        &[
            "margo-types",
            "margo-package",
            "margo-providers",
            "margo-client",
            "margo-server-traits",
        ],
    ),
];

/// The one library that the others may also use, from `tests/` only.
const CONFORMANCE: &str = "margo-conformance";

/// Asynchronous runtimes, network, TLS and key handling: none of it belongs below the documents.
const NOT_BELOW_TYPES: [&str; 15] = [
    "actix-rt",
    "async-std",
    "aws-lc-rs",
    "axum",
    "futures-executor",
    "hyper",
    "native-tls",
    "openssl",
    "reqwest",
    "ring",
    "rustls",
    "smol",
    "tokio",
    "tower",
    "ureq",
];

#[test]
fn table_allows_no_cycle() {
    for (row, (name, allowed)) in LIBRARIES.iter().enumerate() {
        for to in *allowed {
            let above = LIBRARIES[..row].iter().any(|(library, _)| library == to);
            assert!(above, "{name} may depend on {to}, which is not above it");
        }
    }
}

#[test]
fn edges_are_in_the_table() {
    let members = members();
    let names: Vec<&str> = members.iter().map(|member| text(member, "name")).collect();
    let mut seen = 0;
    let mut faults = Vec::new();
    for member in &members {
        for dependency in list(member, "dependencies") {
            if names.contains(&text(dependency, "name")) {
                seen += 1;
                faults.extend(fault(&Edge::new(member, dependency)));
            }
        }
    }
    assert_ne!(seen, 0, "no edge found: the check looks at nothing");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn wrong_edges_are_found() {
    let edge = |from, to, dev, requirement| {
        fault(&Edge {
            from,
            to,
            dev,
            requirement,
        })
        .is_some()
    };

    assert!(!edge("margo-client", "margo-types", false, "^0.1.0"));
    assert!(edge("margo-types", "margo-client", false, "^0.1.0"));
    assert!(edge("margo-types", "margo-client", true, "*"));
    assert!(edge("margo-server-traits", "margo-client", false, "^0.1.0"));
    assert!(edge("margo-types", "margo-types", true, "*"));

    assert!(!edge("margo-client", CONFORMANCE, true, "*"));
    assert!(edge("margo-client", CONFORMANCE, true, "^0.1.0"));
    assert!(edge("margo-client", CONFORMANCE, false, "^0.1.0"));
    assert!(edge("margo-package", "quickstart", true, "*"));

    assert!(!edge("quickstart", "margo-client", false, "^0.1.0"));
}

#[test]
fn libraries_use_conformance_from_their_tests_only() {
    // From `src/` it would be compiled against a second copy of the crate under test.
    for (name, _) in LIBRARIES.iter().filter(|(name, _)| *name != CONFORMANCE) {
        let found = files_naming(&root().join(name).join("src"), "margo_conformance");
        assert!(found.is_empty(), "margo_conformance is named in {found:?}");
    }
}

#[test]
fn libraries_can_be_published_and_examples_cannot() {
    let members = members();
    for (name, _) in LIBRARIES {
        let found = members.iter().any(|member| text(member, "name") == name);
        assert!(found, "{name} is not in the workspace");
    }
    for member in &members {
        let name = text(member, "name");
        let folder = Path::new(text(member, "manifest_path")).parent().unwrap();
        if folder.starts_with(root().join("examples")) {
            assert_eq!(
                member["publish"],
                Value::Array(Vec::new()),
                "{name} lacks `publish = false`"
            );
            continue;
        }
        assert!(
            is_library(name),
            "{name} is neither in the table nor an example"
        );
        assert_eq!(
            member["publish"],
            Value::Null,
            "{name} restricts publishing"
        );
        assert_eq!(text(member, "license"), "MIT OR Apache-2.0", "{name}");
        assert_eq!(text(member, "edition"), "2024", "{name}");
        assert_eq!(text(member, "readme"), "README.md", "{name}");
        for key in ["description", "rust_version"] {
            assert!(!text(member, key).is_empty(), "{name} has an empty {key}");
        }
        assert_eq!(
            member["metadata"]["docs"]["rs"]["all-features"], true,
            "{name}: docs.rs"
        );
        for file in ["README.md", "CHANGELOG.md"] {
            assert!(folder.join(file).is_file(), "{name} has no {file}");
        }
        for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let copy = fs::read(folder.join(file)).unwrap_or_default();
            assert!(
                copy == fs::read(root().join(file)).unwrap(),
                "{name}: {file} is not that of the root"
            );
        }
    }
}

#[test]
fn types_pull_in_no_runtime_and_no_network() {
    // The features `signature` and `svid` are there to bring keys and TLS; they bring no runtime and no sockets either.
    types_pull_in_none_of(&["--features", "schema"], &NOT_BELOW_TYPES);
    let allowed = ["aws-lc-rs", "rustls"];
    let forbidden: Vec<&str> = NOT_BELOW_TYPES
        .into_iter()
        .filter(|name| !allowed.contains(name))
        .collect();
    types_pull_in_none_of(&["--all-features"], &forbidden);
}

fn types_pull_in_none_of(features: &[&str], forbidden: &[&str]) {
    let tree = cargo(
        &[
            &[
                "tree",
                "--locked",
                "-p",
                "margo-types",
                "-e",
                "no-dev",
                "--prefix",
                "none",
                "--format",
                "{p}",
            ],
            features,
        ]
        .concat(),
    );
    let packages: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(
        packages.contains(&"margo-types") && packages.contains(&"serde"),
        "{tree}"
    );
    for name in forbidden {
        assert!(
            !packages.contains(name),
            "margo-types depends on {name}:\n{tree}"
        );
    }
}

#[test]
fn yaml_crate_is_named_in_one_file_of_types() {
    let found = files_naming(&root().join("margo-types/src"), "serde_saphyr");
    assert!(found.len() <= 1, "serde_saphyr is named in {found:?}");
}

#[test]
fn no_file_is_called_mod_rs() {
    let files = rust_files(&root());
    assert!(
        files.iter().any(|file| file.ends_with("tests/it/edges.rs")),
        "{files:?}"
    );
    let found: Vec<_> = files
        .iter()
        .filter(|file| file.ends_with("mod.rs"))
        .collect();
    assert!(found.is_empty(), "use foo.rs + foo/ instead of {found:?}");
}

/// A dependency of one workspace member on another.
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    dev: bool,
    requirement: &'a str,
}

impl<'a> Edge<'a> {
    fn new(member: &'a Value, dependency: &'a Value) -> Self {
        Self {
            from: text(member, "name"),
            to: text(dependency, "name"),
            dev: dependency["kind"] == "dev",
            requirement: text(dependency, "req"),
        }
    }
}

/// What is wrong with an edge, if anything.
fn fault(edge: &Edge<'_>) -> Option<String> {
    let Edge {
        from,
        to,
        dev,
        requirement,
    } = edge;
    let Some((_, allowed)) = LIBRARIES.iter().find(|(name, _)| name == from) else {
        return None; // an example may use anything
    };
    if allowed.contains(to) {
        return None;
    }
    if !(*dev && *to == CONFORMANCE) {
        return Some(format!("{from} must not depend on {to}"));
    }
    // Cargo leaves a development dependency without a version out of the published package; with a
    // version, neither of the two crates could be published first.
    (*requirement != "*")
        .then(|| format!("{from} must name {to} by its path alone, without a version"))
}

fn is_library(name: &str) -> bool {
    LIBRARIES.iter().any(|(library, _)| *library == name)
}

/// The workspace members, as cargo describes them.
fn members() -> Vec<Value> {
    let metadata = cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
    ]);
    let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
    match metadata["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("cargo metadata lists no packages: {other}"),
    }
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo {arguments:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The Rust files under a folder that name a crate outside of line comments.
fn files_naming(folder: &Path, krate: &str) -> Vec<PathBuf> {
    let names = |file: &PathBuf| {
        let source = fs::read_to_string(file).unwrap();
        source
            .lines()
            .any(|line| !line.trim_start().starts_with("//") && line.contains(krate))
    };
    let files = rust_files(folder);
    assert!(!files.is_empty(), "no Rust file in {}", folder.display());
    files.into_iter().filter(names).collect()
}

/// The Rust files under a folder, without build output and hidden folders.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if entry.file_type().unwrap().is_dir() {
            if !hidden && name != "target" {
                files.extend(rust_files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} is missing in {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("{key} is missing in {value}"))
}
