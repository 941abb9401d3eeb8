//! Finding and removing everything of a project, with or without its compose file.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Installed;
use crate::compose::names::{PROJECT_LABEL, Project};
use crate::{ProviderError, Trouble};

impl Installed {
    /// The names of all projects of which there is a container, a network or a volume, whoever made them.
    pub(in crate::compose) async fn projects(&self) -> Result<BTreeSet<String>, ProviderError> {
        let filter = format!("label={PROJECT_LABEL}");
        let format = if self.cli == "podman" {
            format!("{{{{index .Labels \"{PROJECT_LABEL}\"}}}}")
        } else {
            format!("{{{{.Label \"{PROJECT_LABEL}\"}}}}")
        };
        let mut projects = BTreeSet::new();
        for kind in KINDS {
            let list = self.cli(kind.list.iter().copied());
            let list = list.arguments(["--filter", &filter, "--format", &format]);
            projects.extend(self.succeed(&list).await?.lines());
        }
        Ok(projects)
    }

    /// Removes the containers, networks and volumes of a project, and verifies that they are gone.
    ///
    /// With `graceful` the containers are asked to stop first.
    pub(in crate::compose) async fn sweep(
        &self,
        project: &Project,
        graceful: bool,
    ) -> Result<(), ProviderError> {
        if graceful {
            let running = self.ids(&["ps", "-q"], project).await?;
            if !running.is_empty() {
                let stop = self.cli(["stop"]).arguments(running).time(STOPPING);
                // What does not stop is killed below.
                self.run(&stop).await?;
            }
        }
        let mut complaints = Vec::new();
        for kind in KINDS {
            let found = self.listed(kind, project).await?;
            if !found.is_empty() {
                let remove = self.cli(kind.remove.iter().copied());
                let output = self.run(&remove.arguments(found).time(STOPPING)).await?;
                if !output.is_success() {
                    complaints.push(output.complaint());
                }
            }
        }
        let mut left = Vec::new();
        for kind in KINDS {
            for name in self.listed(kind, project).await? {
                left.push(format!("{} {name}", kind.name));
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        let message = format!(
            "not everything could be removed; left are {}:\n{}",
            left.join(", "),
            complaints.join("\n")
        );
        Err(self.failed(Trouble::Workload, message).await)
    }

    async fn listed(&self, kind: &Kind, project: &Project) -> Result<Vec<String>, ProviderError> {
        let words: Vec<&str> = kind.list.iter().copied().chain(["-q"]).collect();
        self.ids(&words, project).await
    }
}

/// What a project consists of, in the order it can be removed.
struct Kind {
    name: &'static str,
    list: &'static [&'static str],
    remove: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind {
        name: "container",
        list: &["ps", "-a"],
        // With the volumes that have no name.
        remove: &["rm", "-f", "-v"],
    },
    Kind {
        name: "network",
        list: &["network", "ls"],
        remove: &["network", "rm"],
    },
    Kind {
        name: "volume",
        list: &["volume", "ls"],
        remove: &["volume", "rm"],
    },
];
/// Services may ask for a long time to end in.
const STOPPING: Duration = Duration::from_mins(10);
