//! Which engine is found, with programs that only say what is installed.

use margo_conformance::program;
use margo_package::oci::Client;
use margo_providers::compose::{ComposeProvider, Options};
use margo_providers::{Engine, ProviderError, Trouble};
use tempfile::TempDir;

/// A machine with these programs and nothing else.
struct Machine(TempDir);

const DAEMON: &str =
    r#"*version*--format*) echo '{"Client":{},"Server":{"Os":"linux","Arch":"arm64"}}';;"#;
const NO_DAEMON: &str = r#"*version*--format*) echo '{"Client":{"Os":"linux","Arch":"arm64"},"Server":null}'
    echo 'Cannot connect to the daemon' >&2; exit 1;;"#;
const PLUGIN: &str = "'compose version --short') echo v2.29.7;;";

impl Machine {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    /// Adds a program that answers like the branches of a shell's `case`; anything else is an error.
    fn program(self, name: &str, branches: &[&str]) -> Self {
        let branches = branches.join("\n");
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n{branches}\n*) echo \"unknown command: $*\" >&2; exit 1;;\nesac\n"
        );
        program::write(&self.0.path().join(name), script);
        self
    }

    fn options(&self) -> Options {
        let client = Client::builder().no_proxy().build().expect("a client");
        let mut options = Options::new(self.0.path().join("state"), client);
        let path = self.0.path().display().to_string();
        options.environment.insert("PATH".to_owned(), path);
        options
    }

    async fn detect(&self) -> Result<Engine, ProviderError> {
        let provider = ComposeProvider::detect(self.options()).await?;
        Ok(provider.found().clone())
    }
}

#[tokio::test]
async fn the_first_usable_command_is_taken() {
    let both = Machine::new()
        .program("docker", &[DAEMON, PLUGIN])
        .program("docker-compose", &["'version --short') echo 1.29.2;;"]);
    let found = both.detect().await.expect("an engine");
    assert_eq!(found, Engine::new("docker compose", "2.29.7"));

    let old = Machine::new()
        .program("docker", &[DAEMON])
        .program("docker-compose", &["'version --short') echo 1.29.2;;"]);
    let found = old.detect().await.expect("an engine");
    assert_eq!(found, Engine::new("docker-compose", "1.29.2"));

    let says = r#"*version*--format*) echo '{"Client":{"OsArch":"linux/amd64"}}';;"#;
    let composer = "version) echo 'podman-composer version  1.0.3';;";
    let podman = Machine::new()
        .program("docker", &[NO_DAEMON, PLUGIN])
        .program("podman", &[says])
        .program("podman-compose", &[composer]);
    let found = podman.detect().await.expect("an engine");
    assert_eq!(found, Engine::new("podman-compose", "1.0.3"));
}

#[tokio::test]
async fn without_an_engine_every_reason_is_told() {
    let machine = Machine::new().program("docker", &[NO_DAEMON, PLUGIN]);
    let error = machine.detect().await.expect_err("there is none");
    assert_eq!(error.trouble, Trouble::Engine);
    let lines: Vec<&str> = error.message.lines().collect();
    assert!(lines[0].contains("install Docker or Podman"), "{error}");
    assert!(lines[1].starts_with("docker compose: the engine behind docker does not answer"));
    assert!(lines[1].contains("Cannot connect to the daemon"), "{error}");
    assert_eq!(lines[2], "docker-compose: it is not installed");
    assert_eq!(lines[3], "podman compose: it is not installed");
    assert_eq!(lines[4], "podman-compose: it is not installed");
}

#[tokio::test]
async fn a_configured_command_is_the_only_one() {
    let machine = Machine::new()
        .program("docker", &[DAEMON, PLUGIN])
        .program("my-compose", &["'up version --short') echo 2.1.0;;"]);
    let mut options = machine.options();
    options.command = Some(vec!["my-compose".to_owned(), "up".to_owned()]);
    let provider = ComposeProvider::detect(options.clone()).await.expect("it");
    assert_eq!(provider.found(), &Engine::new("my-compose up", "2.1.0"));
    options.command = Some(vec!["other".to_owned()]);
    let error = ComposeProvider::detect(options).await.expect_err("not it");
    assert!(
        error.message.ends_with("other: it is not installed"),
        "{error}"
    );
}

#[tokio::test]
async fn a_prefix_that_names_cannot_start_with_is_refused() {
    let machine = Machine::new().program("docker", &[DAEMON, PLUGIN]);
    for prefix in ["", "a-b", "Margo", "123456789012345678901"] {
        let mut options = machine.options();
        prefix.clone_into(&mut options.prefix);
        let error = ComposeProvider::detect(options)
            .await
            .expect_err("no prefix");
        assert_eq!(error.trouble, Trouble::Device);
    }
}
