//! Finding the engine.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Installed, Platform, engine_trouble};
use crate::compose::options::Options;
use crate::program::{Invocation, Problem, find_version};
use crate::{Engine, ProviderError, Trouble};

impl Installed {
    /// The first usable of the configured command or, without one, `docker compose`, `docker-compose`, `podman compose` and
    /// `podman-compose`.
    ///
    /// # Errors
    /// [`Trouble::Engine`] with the reason for each when none is.
    pub(in crate::compose) async fn detect(options: &Options) -> Result<Self, ProviderError> {
        let environment = options.variables();
        let usual = || {
            USUAL
                .iter()
                .map(|words| words.iter().map(|word| (*word).to_owned()).collect())
        };
        let candidates: Vec<Vec<String>> = match &options.command {
            Some(command) => vec![command.clone()],
            None => usual().collect(),
        };
        let mut reasons = Vec::new();
        for command in candidates {
            match Self::try_command(command.clone(), &environment).await {
                Ok(installed) => {
                    tracing::debug!(engine = %installed.engine, "found a Compose engine");
                    return Ok(installed);
                }
                Err(reason) => reasons.push(format!("{}: {reason}", command.join(" "))),
            }
        }
        let message = format!(
            "no usable Compose engine; install Docker or Podman with Compose, start it, or name the command:\n{}",
            reasons.join("\n")
        );
        Err(ProviderError::new(Trouble::Engine, message))
    }

    /// Whether the engine answers.
    pub(in crate::compose) async fn answers(&self) -> Result<(), ProviderError> {
        platform_of(self.cli, &self.environment).await.map_or_else(
            |reason| {
                Err(ProviderError::new(
                    Trouble::Engine,
                    unreachable(self.cli, &reason),
                ))
            },
            |_| Ok(()),
        )
    }

    async fn try_command(
        compose: Vec<String>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let version = version_of(&compose, environment).await?;
        let is_podman = compose.first().is_some_and(|word| word.contains("podman"));
        let cli = if is_podman { "podman" } else { "docker" };
        let platform = platform_of(cli, environment).await;
        let platform = platform.map_err(|reason| unreachable(cli, &reason))?;
        Ok(Self {
            engine: Engine::new(compose.join(" "), version),
            compose,
            cli,
            environment: environment.clone(),
            platform,
        })
    }
}

/// The version of a Compose command.
async fn version_of(
    compose: &[String],
    environment: &BTreeMap<String, String>,
) -> Result<String, String> {
    let mut complaint = String::new();
    // podman-compose knows no --short.
    for arguments in [&["version", "--short"][..], &["version"]] {
        let invocation = Invocation::new(compose.to_vec())
            .arguments(arguments.iter().copied())
            .environment(environment);
        let output = invocation
            .run()
            .await
            .map_err(|error| match error.problem {
                Problem::Start(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                    "it is not installed".to_owned()
                }
                _ => error.to_string(),
            })?;
        if output.is_success() {
            return find_version(&output.text())
                .ok_or_else(|| "it does not say its version".to_owned());
        }
        complaint = output.complaint();
    }
    let first = complaint.lines().next().unwrap_or_default();
    Err(format!("it is not usable ({first})"))
}

/// What the engine behind the container command line runs.
async fn platform_of(
    cli: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Platform, String> {
    let words = [cli, "version", "--format", "{{json .}}"];
    let invocation = Invocation::new(words).environment(environment);
    let output = invocation
        .run()
        .await
        .map_err(|error| engine_trouble(&error).message)?;
    // Without an engine Docker tells of its client alone; Podman has no other end unless it is remote.
    let told: Option<Versions> = serde_json::from_slice(&output.stdout).ok();
    let platform = told.and_then(|told| match (told.server, cli) {
        (Some(server), _) => server.platform(),
        (None, "podman") => told.client?.platform(),
        (None, _) => None,
    });
    platform.ok_or_else(|| output.complaint())
}

fn unreachable(cli: &str, reason: &str) -> String {
    format!(
        "the engine behind {cli} does not answer; start it, or check its address and the rights: {reason}"
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Versions {
    client: Option<Version>,
    server: Option<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    #[serde(default)]
    os: String,
    #[serde(default)]
    arch: String,
    /// Podman has both in one.
    #[serde(default)]
    os_arch: String,
}

impl Version {
    fn platform(&self) -> Option<Platform> {
        let joined = format!("{}/{}", self.os, self.arch);
        let text = if self.arch.is_empty() {
            &self.os_arch
        } else {
            &joined
        };
        Platform::parse(text)
    }
}

const USUAL: &[&[&str]] = &[
    &["docker", "compose"],
    &["docker-compose"],
    &["podman", "compose"],
    &["podman-compose"],
];
