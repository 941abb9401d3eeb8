//! Compose archives: built, validated, unpacked.

use std::fs;
use std::io::Cursor;

use margo_package::Blame;
use margo_package::archive::{ArchiveError, Durability, Limits};
use margo_package::compose::{
    self, ComposeArchive, ComposeError, ComposeFault, ComposeSource, Role,
};
use margo_types::id::ComponentName;

use crate::support::{Tar, tree, write_tree};

const GOOD: &str = "
x-common: &common
  image: registry.example/press@sha256:aaaa
  env_file: conf/press.env
services:
  press:
    <<: *common
    configs: [press]
    volumes:
      - data:/var/lib/press
      - /run/press.sock:/run/press.sock
      - ./state:/state
      - type: bind
        source: ./spool
        target: /spool
  gauge:
    image: registry.example/gauge@sha256:bbbb
    env_file:
      - ${CONF:-conf}/gauge.env
      - path: conf/site.env
        required: false
volumes: {data: {}}
configs:
  press: {file: ./conf/press.toml}
  inline: {content: hello}
secrets:
  key: {file: ./secrets/key.pem}
  token: {environment: TOKEN}
";

fn good() -> Tar {
    Tar::new()
        .directory("press")
        .file("press/compose.yaml", GOOD)
        .file("press/conf/press.env", "A=1\n")
        .file("press/conf/gauge.env", "B=2\n")
        .file("press/conf/press.toml", "[press]\n")
}

fn open(archive: &[u8]) -> Result<ComposeArchive<Cursor<&[u8]>>, ComposeError> {
    ComposeArchive::open(Cursor::new(archive), Limits::default())
}

/// The faults of an archive with this compose file and these other files.
fn faults(compose: &str, others: &[&str]) -> Vec<ComposeFault> {
    let tar = Tar::new().file("app/compose.yaml", compose);
    let tar = others.iter().fold(tar, |tar, name| {
        tar.file(&format!("app/{name}"), "services: {}")
    });
    match open(&tar.tar_gz()) {
        Ok(_) => Vec::new(),
        Err(error) => {
            assert_eq!(error.blame(), Blame::Content);
            assert!(!error.faults().is_empty(), "{error:?}");
            error.faults().to_vec()
        }
    }
}

fn service(lines: &str) -> String {
    format!("services:\n  web:\n    image: x\n    {lines}\n")
}

#[test]
fn a_good_archive_is_unpacked() {
    for archive in [good().tar_gz(), good().tar()] {
        let mut archive = open(&archive).unwrap();
        assert_eq!(archive.source(), ComposeSource::Archive);
        assert_eq!(archive.directory(), "press");
        assert_eq!(
            archive.compose()["services"]["press"]["env_file"],
            "conf/press.env"
        );
        let place = tempfile::tempdir().unwrap();
        let destination = place.path().join("new");
        let directory = archive.unpack(&destination, Durability::Durable).unwrap();
        assert_eq!(directory, destination.join("press"));
        assert_eq!(
            fs::read_to_string(directory.join("compose.yaml")).unwrap(),
            GOOD
        );
        let again = archive.unpack(&destination, Durability::Cached);
        assert!(matches!(
            again,
            Err(ComposeError::Archive(ArchiveError::DestinationExists(_)))
        ));
    }
}

#[test]
fn a_bare_file_is_an_archive_of_itself() {
    let file = "services: {web: {image: x}}\n";
    let mut archive = open(file.as_bytes()).unwrap();
    assert_eq!(archive.source(), ComposeSource::BareFile);
    let place = tempfile::tempdir().unwrap();
    let directory = archive
        .unpack(&place.path().join("new"), Durability::Cached)
        .unwrap();
    assert_eq!(
        fs::read_to_string(directory.join("compose.yaml")).unwrap(),
        file
    );

    let error = open(service("env_file: a.env").as_bytes()).unwrap_err();
    assert!(matches!(
        error.faults(),
        [ComposeFault::NotPacked {
            role: Role::EnvFile,
            ..
        }]
    ));
    for nonsense in [&b""[..], b"PK\x03\x04", b"<html>", b"- a list", b"{"] {
        let error = open(nonsense).unwrap_err();
        assert_eq!(error.faults().len(), 1, "{error:?}");
    }
}

#[test]
fn a_blob_that_changes_is_not_unpacked() {
    let mut archive = ComposeArchive::open(
        Changing {
            archives: [good().tar(), good().file("press/more", "x").tar()],
            position: 0,
            reads: 0,
        },
        Limits::default(),
    )
    .unwrap();
    let place = tempfile::tempdir().unwrap();
    let error = archive
        .unpack(&place.path().join("new"), Durability::Cached)
        .unwrap_err();
    assert!(matches!(error, ComposeError::Changed));
    assert!(tree(place.path()).is_empty());
}

/// Gives the second archive once it was rewound as often as `open` does.
struct Changing {
    archives: [Vec<u8>; 2],
    position: usize,
    reads: usize,
}

impl std::io::Read for Changing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let archive = &self.archives[usize::from(self.reads > 3)];
        let count = (&archive[self.position.min(archive.len())..]).read(buffer)?;
        self.position += count;
        Ok(count)
    }
}

impl std::io::Seek for Changing {
    fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
        self.position = 0;
        self.reads += 1;
        Ok(0)
    }
}

#[test]
fn the_name_of_the_compose_file() {
    for (tar, hint) in [
        (
            Tar::new().file("app/compose.yml", "services: {}"),
            Some("app/compose.yml"),
        ),
        (
            Tar::new().file("app/docker-compose.yml", ""),
            Some("app/docker-compose.yml"),
        ),
        (
            Tar::new().file("app/Compose.yaml", ""),
            Some("app/Compose.yaml"),
        ),
        (
            Tar::new().file("app/sub/compose.yaml", ""),
            Some("app/sub/compose.yaml"),
        ),
        (Tar::new().directory("app/compose.yaml"), None),
        (Tar::new().directory("app"), None),
    ] {
        let error = open(&tar.tar_gz()).unwrap_err();
        let expected = ComposeFault::NoComposeFile {
            directory: "app".into(),
            found: hint.map(str::to_owned),
        };
        assert_eq!(error.faults(), [expected]);
        assert!(error.to_string().contains(hint.unwrap_or("write one")));
    }
    // The right one counts, whatever else is there.
    assert_eq!(faults("services: {a: {}}", &["docker-compose.yml"]), []);
}

#[test]
fn one_top_level_directory() {
    for tar in [
        Tar::new(),
        Tar::new().file("compose.yaml", "services: {a: {}}"),
        good().file("other/file", ""),
        good().file("README", ""),
    ] {
        let error = open(&tar.tar_gz()).unwrap_err();
        assert!(
            matches!(error, ComposeError::Archive(ArchiveError::TopLevel(_))),
            "{error:?}"
        );
    }
}

#[test]
fn compose_files_that_are_none() {
    let long = format!("services: {{a: {{}}}}\n#{}", "x".repeat(1 << 20));
    let bomb = (1..30).fold("a0: &a0 [x]\n".to_owned(), |yaml, n| {
        format!("{yaml}a{n}: &a{n} [*a{p}, *a{p}, *a{p}]\n", p = n - 1)
    });
    for broken in [
        "services: [",
        "a: 1\na: 2",
        "--- a\n--- b",
        "a: *b",
        &bomb,
        &long,
    ] {
        let found = faults(broken, &[]);
        assert!(
            matches!(&found[..], [ComposeFault::Yaml { file, .. }] if file == "app/compose.yaml"),
            "{found:?}"
        );
    }
    for (compose, place) in [
        ("text", "document"),
        ("services: text", "services"),
        ("services: {a: text}", "services.a"),
        ("services: {a: {env_file: 1}}", "services.a.env_file"),
        (
            "services: {a: {env_file: [{}]}}",
            "services.a.env_file[0].path",
        ),
        (
            "services: {a: {env_file: [{path: x, required: maybe}]}}",
            "services.a.env_file[0].required",
        ),
        ("services: {a: {volumes: [1]}}", "services.a.volumes[0]"),
        ("services: {a: {}}\nconfigs: []", "configs"),
        (
            "services: {a: {}}\nsecrets: {s: {file: {}}}",
            "secrets.s.file",
        ),
    ] {
        let found = faults(compose, &["x"]);
        let at = |fault: &ComposeFault| matches!(fault, ComposeFault::Shape { place: at, .. } if at.to_string() == place);
        assert!(found.iter().any(at), "{compose}: {found:?}");
    }
    for compose in ["{}", "services: {}", "name: x", "services:"] {
        let found = faults(compose, &[]);
        assert!(
            matches!(&found[..], [ComposeFault::NoServices { .. }]),
            "{found:?}"
        );
    }
}

#[test]
fn files_that_must_be_packed() {
    for lines in [
        "env_file: x.env",
        "env_file: [./a/../x.env]",
        "env_file: [{path: x.env}]",
        "env_file: [{path: x.env, required: true}]",
        "env_file: \"${FILE:-x.env}\"",
        "label_file: x.env",
        "extends: {file: x.env, service: web}",
    ] {
        let compose = service(lines);
        assert_eq!(faults(&compose, &["x.env", "a/b"]), [], "{lines}");
        let found = faults(&compose, &["a/b"]);
        assert!(
            matches!(&found[..], [ComposeFault::NotPacked { .. }]),
            "{lines}: {found:?}"
        );
    }
    let config = "services: {a: {}}\nconfigs: {c: {file: conf/a}}";
    assert_eq!(faults(config, &["conf/a"]), []);
    let found = faults(config, &["conf/a/is-a-directory"]);
    assert!(matches!(
        &found[..],
        [ComposeFault::NotPacked {
            role: Role::Config,
            ..
        }]
    ));
    assert_eq!(
        faults(&service("env_file: [{path: x.env, required: false}]"), &[]),
        []
    );

    for outside in ["/etc/x.env", "../x.env", "a/../../x.env", "~/x.env"] {
        for lines in [
            format!("env_file: {outside}"),
            format!("env_file: [{{path: {outside}, required: false}}]"),
        ] {
            let found = faults(&service(&lines), &["a/b"]);
            assert!(
                matches!(&found[..], [ComposeFault::Outside { path, .. }] if path == outside),
                "{found:?}"
            );
        }
    }
    // For the operating system it is inside, but Compose takes `..` out of the text.
    let linked = Tar::new()
        .file("app/compose.yaml", service("env_file: link/../../x.env"))
        .file("app/a/x.env", "")
        .directory("app/a/b/c")
        .symlink("app/link", "a/b/c");
    let error = open(&linked.tar_gz()).unwrap_err();
    assert!(matches!(error.faults(), [ComposeFault::Outside { .. }]));
    let found = faults(&service("env_file: $FILE"), &[]);
    assert!(matches!(&found[..], [ComposeFault::Variable { .. }]));
}

#[test]
fn files_that_must_not_be_packed() {
    for (compose, role) in [
        (
            "services: {a: {}}\nsecrets: {k: {file: ./x}}".to_owned(),
            Role::Secret,
        ),
        (
            "services: {a: {}}\nsecrets: {k: {file: \"${K:-x}\"}}".to_owned(),
            Role::Secret,
        ),
        (service("volumes: [./x:/x:ro]"), Role::BindMount),
        (service("volumes: [.:/all]"), Role::BindMount),
        (
            service("volumes: [{type: bind, source: x, target: /x}]"),
            Role::BindMount,
        ),
    ] {
        let found = faults(&compose, &["x"]);
        assert!(
            matches!(&found[..], [ComposeFault::Packed { role: is, .. }] if *is == role),
            "{found:?}"
        );
    }
    for innocent in [
        "volumes: [x:/x]",
        "volumes: [/x]",
        "volumes: [./missing:/x, /x:/x, ~/x:/x, ../x:/x]",
        "volumes: [\"${WHERE}/x:/x\"]",
        "volumes: [{type: volume, source: x, target: /x}]",
    ] {
        assert_eq!(faults(&service(innocent), &["x"]), [], "{innocent}");
    }
    // Also when a link leads there.
    let tar = Tar::new()
        .file("app/compose.yaml", service("volumes: [./link/x:/x]"))
        .file("app/real/x", "")
        .symlink("app/link", "real");
    let error = open(&tar.tar_gz()).unwrap_err();
    assert!(matches!(error.faults(), [ComposeFault::Packed { .. }]));
}

#[test]
fn included_files_are_checked_from_where_they_are() {
    let tar = |compose: &str| {
        Tar::new()
            .file("app/compose.yaml", compose)
            .file(
                "app/db/compose.yaml",
                "services: {db: {env_file: db.env}}\nsecrets: {k: {file: key}}",
            )
            .file("app/db/db.env", "")
    };
    let compose = "services: {a: {}}\ninclude: [db/compose.yaml, \"oci://registry.example/x:1\"]";
    open(&tar(compose).tar_gz()).unwrap();
    let error = open(&tar(compose).file("app/db/key", "").tar_gz()).unwrap_err();
    assert!(
        matches!(error.faults(), [ComposeFault::Packed { file, .. }] if file == "app/db/compose.yaml")
    );

    let elsewhere = "services: {a: {}}\ninclude: [{path: db/compose.yaml, project_directory: .}]";
    let error = open(&tar(elsewhere).tar_gz()).unwrap_err();
    assert!(matches!(error.faults(), [ComposeFault::NotPacked { path, .. }] if path == "db.env"));

    let unknown = "services: {a: {}}\ninclude: [{path: db/compose.yaml, project_directory: $D}]";
    let error = open(&tar(unknown).tar_gz()).unwrap_err();
    assert!(matches!(error.faults(), [ComposeFault::Variable { path, .. }] if path == "$D"));
    // Nothing is inside from there, whatever its path reads like.
    let outside = "services: {a: {}}\ninclude: [{path: c.yaml, project_directory: ../..}]";
    let included = "services: {c: {env_file: app/db/db.env}}";
    let error = open(&tar(outside).file("app/c.yaml", included).tar_gz()).unwrap_err();
    assert!(matches!(error.faults(), [ComposeFault::Outside { .. }]));
    // The link is where the file is for Compose.
    let linked = tar("services: {a: {}}\ninclude: [link]").symlink("app/link", "db/compose.yaml");
    let error = open(&linked.tar_gz()).unwrap_err();
    assert!(matches!(error.faults(), [ComposeFault::NotPacked { path, .. }] if path == "db.env"));
    // No scheme that anything is fetched by.
    let odd = tar("services: {a: {}}\ninclude: [\"x://../../../etc/passwd\"]");
    let error = open(&odd.tar_gz()).unwrap_err();
    assert!(matches!(error.faults(), [ComposeFault::Outside { .. }]));

    // In a circle, and without end.
    let circle = tar("services: {a: {extends: {file: compose.yaml, service: b}}, b: {}}");
    open(&circle.tar_gz()).unwrap();
    let many = (0..40).fold(tar("services: {a: {}}\ninclude: [0.yaml]"), |tar, n| {
        tar.file(
            &format!("app/{n}.yaml"),
            format!("include: [{}.yaml]", n + 1),
        )
    });
    let error = open(&many.tar_gz()).unwrap_err();
    assert!(matches!(
        error.faults(),
        [ComposeFault::TooManyFiles { .. }]
    ));
}

#[test]
fn compose_files_behind_links() {
    let tar = Tar::new()
        .file("app/real.yml", "services: {a: {}}")
        .symlink("app/compose.yaml", "real.yml");
    open(&tar.tar_gz()).unwrap();
    let tar = Tar::new()
        .file("app/real.yml", "services: {a: {}}")
        .hard_link("app/compose.yaml", "app/real.yml");
    open(&tar.tar_gz()).unwrap();
}

#[test]
fn what_is_built_is_opened() {
    let place = tempfile::tempdir().unwrap();
    let files = [
        ("compose.yaml", GOOD),
        ("conf/press.env", "A=1\n"),
        ("conf/gauge.env", "B=2\n"),
        ("conf/press.toml", "[press]\n"),
    ];
    write_tree(place.path(), &files);
    let name = ComponentName::parse("press").unwrap();
    let pack = || {
        let mut archive = Vec::new();
        compose::pack(place.path(), &name, &mut archive).map(|_| archive)
    };
    let archive = pack().unwrap();
    assert_eq!(archive, pack().unwrap());
    assert_eq!(open(&archive).unwrap().directory(), "press");

    write_tree(place.path(), &[("secrets/key.pem", "secret")]);
    let error = pack().unwrap_err();
    assert!(matches!(
        error.faults(),
        [ComposeFault::Packed {
            role: Role::Secret,
            ..
        }]
    ));
    fs::remove_dir_all(place.path().join("secrets")).unwrap();
    fs::rename(
        place.path().join("compose.yaml"),
        place.path().join("compose.yml"),
    )
    .unwrap();
    assert!(matches!(
        pack().unwrap_err().faults(),
        [ComposeFault::NoComposeFile { .. }]
    ));
}

#[test]
fn both_spellings_of_the_media_types() {
    use margo_types::media_type::{COMPOSE_ARCHIVE, COMPOSE_COMPONENT};
    for spelling in [COMPOSE_ARCHIVE, &COMPOSE_ARCHIVE.replace("org.", "")] {
        assert!(compose::is_archive_media_type(spelling));
        assert!(!compose::is_component_artifact_type(spelling));
    }
    for spelling in [COMPOSE_COMPONENT, &COMPOSE_COMPONENT.replace("org.", "")] {
        assert!(compose::is_component_artifact_type(spelling));
        assert!(!compose::is_archive_media_type(spelling));
    }
}
