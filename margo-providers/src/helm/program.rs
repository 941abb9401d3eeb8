//! The `helm` program.

mod failure;

use std::collections::BTreeMap;
use std::io::ErrorKind;

use super::options::Options;
use crate::program::{Invocation, Output, Problem, STDOUT_BYTES, find_version};
use crate::{Engine, ProviderError, Trouble};

/// A `helm` of a version that is known, and how it reaches the cluster.
#[derive(Clone, Debug)]
pub(super) struct Helm {
    program: String,
    environment: BTreeMap<String, String>,
    context: Option<String>,
    engine: Engine,
}

impl Helm {
    /// The configured program, else `helm` of the `PATH`.
    ///
    /// # Errors
    /// [`Trouble::Engine`] when it is missing, does not say its version, or has another one than it must.
    pub(super) async fn detect(options: &Options) -> Result<Self, ProviderError> {
        let program = options.program.as_ref();
        let program = program.map_or_else(|| "helm".to_owned(), |path| path.display().to_string());
        let environment = options.variables();
        let version = version_of(&program, &environment).await?;
        if !is_usable(&version) {
            let message = format!(
                "{program} has version {version}; install Helm 3.13 or newer, or 4, or name another program in the options"
            );
            return Err(ProviderError::new(Trouble::Engine, message));
        }
        tracing::debug!(program, version, "found Helm");
        Ok(Self {
            program,
            environment,
            context: options.context.clone(),
            engine: Engine::new("helm", version),
        })
    }

    pub(super) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether it is Helm 4.
    pub(super) fn is_4(&self) -> bool {
        self.engine.version.starts_with("4.")
    }

    /// The variables that it is run with.
    pub(super) const fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// A command line that begins with these words.
    pub(super) fn command<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Invocation {
        let command = Invocation::new([self.program.as_str()])
            .arguments(words)
            .environment(&self.environment);
        match &self.context {
            Some(context) => command.arguments(["--kube-context", context]),
            None => command,
        }
    }

    /// Runs it to its end, whatever its exit status.
    pub(super) async fn run(&self, command: &Invocation) -> Result<Output, ProviderError> {
        command.run().await.map_err(|error| {
            let trouble = match &error.problem {
                Problem::Slow(_) => Trouble::Timeout,
                // Nothing but what a chart renders to is that long.
                Problem::Output(cause) if cause.kind() == ErrorKind::FileTooLarge => {
                    return too_long();
                }
                _ => Trouble::Engine,
            };
            ProviderError::new(trouble, error.to_string())
        })
    }

    /// Runs it, with its own words as the error when it fails; `what` says what is not done then.
    pub(super) async fn succeed(
        &self,
        command: &Invocation,
        what: &str,
    ) -> Result<Output, ProviderError> {
        Self::succeeded(self.run(command).await?, what)
    }

    /// What a run gave, or its own words as the error when it failed.
    pub(super) fn succeeded(output: Output, what: &str) -> Result<Output, ProviderError> {
        if output.is_success() {
            Ok(output)
        } else {
            Err(failure::failure(what, &output))
        }
    }
}

/// The error of a chart that renders to more than is read.
pub(super) fn too_long() -> ProviderError {
    let most = STDOUT_BYTES >> 20;
    let message = format!("the chart renders to more than {most} MiB; split it");
    ProviderError::new(Trouble::Deployment, message)
}

async fn version_of(
    program: &str,
    environment: &BTreeMap<String, String>,
) -> Result<String, ProviderError> {
    let unusable = |reason: String| {
        let message = format!(
            "{program} cannot be used: {reason}; install Helm 3.13 or newer, or name the program in the options"
        );
        ProviderError::new(Trouble::Engine, message)
    };
    let command = Invocation::new([program, "version", "--short"]).environment(environment);
    let output = command.run().await.map_err(|error| match error.problem {
        Problem::Start(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            unusable("it is not installed".to_owned())
        }
        _ => unusable(error.to_string()),
    })?;
    let version = find_version(&output.text());
    // What follows is the commit it was built from.
    let number = version.and_then(|version| Some(version.split('+').next()?.to_owned()));
    match number {
        // Helm 2 says its version, and then fails for want of its server.
        Some(number) if output.is_success() || !is_usable(&number) => Ok(number),
        None if output.is_success() => Err(unusable("it does not say its version".to_owned())),
        _ => Err(unusable(output.complaint())),
    }
}

/// 3.13 brought labels on releases.
fn is_usable(version: &str) -> bool {
    let mut parts = version.split('.');
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
    match (number(), number()) {
        (Some(3), Some(minor)) => minor >= 13,
        (Some(4), Some(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_usable;

    #[test]
    fn versions_3_and_4_are_usable() {
        for (version, usable) in [
            ("3.13.0", true),
            ("3.17.3", true),
            ("4.0.0-rc.1", true),
            ("4.2.1", true),
            ("3.12.3", false),
            ("2.17.0", false),
            ("5.0.0", false),
            ("main", false),
        ] {
            assert_eq!(is_usable(version), usable, "{version}");
        }
    }
}
