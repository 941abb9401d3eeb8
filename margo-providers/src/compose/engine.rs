//! The installed engine: its command lines, and what is asked of them.
//!
//! Compose itself is asked for two things only, `config` and `up`, for its versions differ in everything else. What is
//! there and how it fares comes from the container command line, found by the labels that every Compose puts on
//! what it makes.

mod claims;
mod detect;
mod sweep;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

pub(super) use self::claims::Claim;
use super::container::{Container, Snapshot};
use super::names::Project;
use crate::program::{Invocation, Output, RunError, last_lines};
use crate::{Engine, ProviderError, Trouble};

/// A Compose command with the container command line and the environment that belong to it.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    compose: Vec<String>,
    cli: &'static str,
    environment: BTreeMap<String, String>,
    pub(super) engine: Engine,
    platform: Platform,
}

/// What images must be made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Platform {
    pub(super) os: String,
    pub(super) architecture: String,
}

/// The compose files of a component, in the order they are laid over each other, and their variables.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// The directory that relative paths start from; that of the first file.
    pub(super) directory: PathBuf,
    pub(super) paths: Vec<PathBuf>,
    pub(super) variables: BTreeMap<String, String>,
}

/// What Compose makes of the files: variables replaced, services of included files among them.
#[derive(Debug, Deserialize)]
pub(super) struct Resolved {
    #[serde(default)]
    pub(super) services: BTreeMap<String, Service>,
    #[serde(default)]
    volumes: BTreeMap<String, Option<Named>>,
    #[serde(default)]
    networks: BTreeMap<String, Option<Named>>,
}

/// Of a service, what says which image it runs, and what its containers take.
#[derive(Debug, Deserialize)]
pub(super) struct Service {
    pub(super) image: Option<String>,
    platform: Option<String>,
    pull_policy: Option<String>,
    build: Option<serde::de::IgnoredAny>,
    container_name: Option<String>,
    #[serde(default)]
    ports: Vec<Value>,
}

/// A volume or a network.
#[derive(Debug, Deserialize)]
struct Named {
    name: Option<String>,
    /// Whether it is nobody's: `true`, or an object with its name.
    external: Option<Value>,
}

impl Installed {
    /// Whether this is Compose 1, which refuses a `name` in the compose file.
    pub(super) fn is_first_compose(&self) -> bool {
        self.compose
            .first()
            .is_some_and(|word| word.ends_with("docker-compose"))
            && self.engine.version.starts_with("1.")
    }

    /// Has Compose read the files.
    pub(super) async fn resolve(
        &self,
        project: &Project,
        files: &Files,
    ) -> Result<Resolved, ProviderError> {
        let invocation = self.compose(project, files).arguments(["config"]);
        let output = self.run(&invocation).await?;
        if !output.is_success() {
            let message = format!("the compose file is refused:\n{}", output.complaint());
            return Err(self.failed(Trouble::Deployment, message).await);
        }
        serde_saphyr::from_str(&output.text()).map_err(|error| {
            let message = format!(
                "the configuration that {} prints is not readable",
                self.engine
            );
            ProviderError::new(Trouble::Engine, message).because(error)
        })
    }

    /// Creates, recreates and starts what is not as the files say, and removes services that are not in them.
    pub(super) async fn up(&self, project: &Project, files: &Files) -> Result<(), ProviderError> {
        let invocation = self
            .compose(project, files)
            .arguments(["up", "-d", "--remove-orphans"])
            .time(FOREVER);
        let output = self.run(&invocation).await?;
        if output.is_success() {
            return Ok(());
        }
        let message = format!(
            "{} did not bring it up:\n{}",
            self.engine,
            output.complaint()
        );
        Err(self.failed(Trouble::Workload, message).await)
    }

    /// Makes sure that the image of a service is there and made for this device.
    pub(super) async fn ensure_image(
        &self,
        service: &str,
        described: &Service,
    ) -> Result<(), ProviderError> {
        let Some(image) = described
            .image
            .as_deref()
            .filter(|_| described.build.is_none())
        else {
            return Ok(());
        };
        if image.starts_with('-') {
            let message =
                format!("the service {service} has no image but an option, {image}; name an image");
            return Err(ProviderError::new(Trouble::Deployment, message));
        }
        let mut found = self.image_platform(image).await?;
        if found.is_none() {
            self.pull(service, image, described).await?;
            found = self.image_platform(image).await?;
        }
        let found = found.ok_or_else(|| {
            let message = format!(
                "the image {image} of the service {service} was pulled and is not there; look at the storage of the engine"
            );
            ProviderError::new(Trouble::Engine, message)
        })?;
        if self.platform.runs(&found) {
            return Ok(());
        }
        let message = format!(
            "the image {image} of the service {service} is made for {found}, this device is {}; publish an image for it, or deploy to another device",
            self.platform
        );
        Err(ProviderError::new(Trouble::Deployment, message))
    }

    /// How the containers of a project fare.
    pub(super) async fn snapshot(&self, project: &Project) -> Result<Snapshot, ProviderError> {
        let mut complaint = String::new();
        // A container may go between the list and the look at it; a busy engine lists one for a while that is on its way.
        for pause in 0..LOOKS {
            tokio::time::sleep(BETWEEN_LOOKS * pause).await;
            let ids = self.ids(&["ps", "-a", "-q", "--no-trunc"], project).await?;
            if ids.is_empty() {
                return Ok(Snapshot::default());
            }
            let look = self.cli(["container", "inspect"]).arguments(ids);
            let output = self.run(&look).await?;
            if output.is_success() {
                return Snapshot::read(&output.stdout).map_err(|error| {
                    let message = format!("what {} says of containers is not readable", self.cli);
                    ProviderError::new(Trouble::Engine, message).because(error)
                });
            }
            complaint = output.complaint();
        }
        let message = format!("the containers cannot be looked at:\n{complaint}");
        Err(ProviderError::new(Trouble::Engine, message))
    }

    /// The last lines that a container printed; none when the engine does not give them.
    pub(super) async fn last_words(&self, container: &Container) -> Vec<String> {
        let count = LOG_LINES.to_string();
        let logs = self.cli(["logs", "--tail", &count, &container.id]);
        match logs.run().await {
            Ok(output) => {
                let text = format!("{}\n{}", output.text(), output.stderr);
                last_lines(&text, LOG_LINES)
            }
            Err(_) => Vec::new(),
        }
    }

    async fn image_platform(&self, image: &str) -> Result<Option<Platform>, ProviderError> {
        let format = "{{.Os}}/{{.Architecture}}";
        let inspect = self.cli(["image", "inspect", "--format", format, image]);
        let output = self.run(&inspect).await?;
        if output.is_success() {
            return Ok(Platform::parse(output.text().trim()));
        }
        self.answers().await?;
        Ok(None)
    }

    async fn pull(
        &self,
        service: &str,
        image: &str,
        described: &Service,
    ) -> Result<(), ProviderError> {
        if described.pull_policy.as_deref() == Some("never") {
            let message = format!(
                "the image {image} of the service {service} is not on the device and must not be pulled; load it into the engine"
            );
            return Err(ProviderError::new(Trouble::Workload, message));
        }
        let mut pull = self.cli(["pull"]).time(FOREVER);
        if let Some(platform) = &described.platform {
            pull = pull.arguments(["--platform", platform]);
        }
        let output = self.run(&pull.arguments([image])).await?;
        if output.is_success() {
            return Ok(());
        }
        let message = format!(
            "the image {image} of the service {service} is not on the device and cannot be pulled; check its name, the registry and the engine's credentials:\n{}",
            output.complaint()
        );
        Err(self.failed(Trouble::Registry, message).await)
    }

    /// What a listing command gives for a project.
    async fn ids(&self, words: &[&str], project: &Project) -> Result<Vec<String>, ProviderError> {
        let filter = project.filter();
        let list = self.cli(words.iter().copied());
        let list = list.arguments(["--filter", &filter]);
        Ok(self.succeed(&list).await?.lines())
    }

    fn cli<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Invocation {
        Invocation::new([self.cli])
            .arguments(words)
            .environment(&self.environment)
    }

    fn compose(&self, project: &Project, files: &Files) -> Invocation {
        let mut invocation = Invocation::new(self.compose.clone())
            .arguments(["-p", project.as_str()])
            .environment(&self.environment)
            .environment(&files.variables)
            .directory(&files.directory);
        for path in &files.paths {
            invocation = invocation.arguments(["-f".to_owned(), path.display().to_string()]);
        }
        invocation
    }

    async fn run(&self, invocation: &Invocation) -> Result<Output, ProviderError> {
        invocation
            .run()
            .await
            .map_err(|error| engine_trouble(&error))
    }

    /// Runs what can only fail for the engine's sake.
    async fn succeed(&self, invocation: &Invocation) -> Result<Output, ProviderError> {
        let output = self.run(invocation).await?;
        if output.is_success() {
            return Ok(output);
        }
        let message = format!("the engine refused:\n{}", output.complaint());
        Err(ProviderError::new(Trouble::Engine, message))
    }

    /// The error of a command that failed: of this trouble if the engine still answers, else of the engine.
    async fn failed(&self, trouble: Trouble, message: String) -> ProviderError {
        match self.answers().await {
            Ok(()) => ProviderError::new(trouble, message),
            Err(error) => error,
        }
    }
}

impl Platform {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (os, architecture) = (parts.next()?, parts.next()?);
        Some(Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
        })
    }

    /// Whether a device of this platform runs images of the other: the same, or the 32-bit half of a 64-bit architecture.
    fn runs(&self, image: &Self) -> bool {
        let half = match self.architecture.as_str() {
            "amd64" => "386",
            "arm64" => "arm",
            same => same,
        };
        // An image built from a bare file system may say nothing.
        let is_ours = image.architecture == self.architecture
            || image.architecture == half
            || image.architecture.is_empty();
        is_ours && image.os == self.os
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)
    }
}

fn engine_trouble(error: &RunError) -> ProviderError {
    ProviderError::new(Trouble::Engine, error.to_string())
}

const LOG_LINES: usize = 20;
/// Five and a half seconds altogether.
const LOOKS: u32 = 11;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// Bounded by the component's time-out instead.
const FOREVER: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::Platform;

    #[test]
    fn platforms_run_their_own_images_and_32_bit_ones() {
        let platform = |text: &str| Platform::parse(text).unwrap();
        let amd64 = platform("linux/amd64");
        for (image, runs) in [
            ("linux/amd64", true),
            ("linux/386", true),
            ("linux/", true),
            ("linux/arm64", false),
            ("windows/amd64", false),
        ] {
            assert_eq!(amd64.runs(&platform(image)), runs, "{image}");
        }
        let arm = platform("linux/arm64/v8");
        assert!(arm.runs(&platform("linux/arm")) && !arm.runs(&platform("linux/386")));
    }
}
