//! Bringing a prepared component up, and waiting until it is.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::ComposeProvider;
use super::container::{Container, Snapshot, Tally};
use super::engine::Files;
use super::names::Project;
use crate::{ProviderError, Trouble};

impl ComposeProvider {
    /// Has Compose bring the project up. With `wait`, returns when all its containers run, are healthy where they have health
    /// checks, or are done; a container that ends badly is an error at once.
    pub(super) async fn bring_up(
        &self,
        project: &Project,
        files: &Files,
        wait: bool,
    ) -> Result<BTreeMap<String, Tally>, ProviderError> {
        let before = self.installed.snapshot(project).await?;
        self.up(project, files, &before).await?;
        if wait {
            return self.wait(project, &before).await;
        }
        let now = self.installed.snapshot(project).await?;
        self.check(&now, &Snapshot::default()).await?;
        Ok(now.tallies())
    }

    /// What a component lacks that was not complete in time.
    pub(super) async fn timed_out(&self, project: &Project, limit: Duration) -> ProviderError {
        let snapshot = self.installed.snapshot(project).await;
        let lagging = snapshot.ok().and_then(|now| {
            let (container, condition) = now.lagging()?;
            Some(format!("the service {} {condition}", container.service()))
        });
        let lagging = lagging.unwrap_or_else(|| "the engine was still at work".to_owned());
        let message = format!(
            "not complete within its time-out of {} s: {lagging}",
            limit.as_secs()
        );
        ProviderError::new(Trouble::Timeout, message)
    }

    /// Runs `up` and watches the containers meanwhile: `up` may itself wait for one that has failed long since.
    async fn up(
        &self,
        project: &Project,
        files: &Files,
        before: &Snapshot,
    ) -> Result<(), ProviderError> {
        let up = self.installed.up(project, files);
        tokio::pin!(up);
        let error = loop {
            tokio::select! {
                outcome = &mut up => match outcome {
                    Ok(()) => return Ok(()),
                    Err(error) => break error,
                },
                () = tokio::time::sleep(POLL) => {
                    let now = self.installed.snapshot(project).await?;
                    self.check(&now, before).await?;
                }
            }
        };
        // The container's own words say more than those of Compose.
        let now = self.installed.snapshot(project).await?;
        self.check(&now, before).await?;
        Err(error)
    }

    async fn wait(
        &self,
        project: &Project,
        before: &Snapshot,
    ) -> Result<BTreeMap<String, Tally>, ProviderError> {
        let mut settling: Option<(Snapshot, Instant)> = None;
        loop {
            let now = self.installed.snapshot(project).await?;
            self.check(&now, &Snapshot::default()).await?;
            if now.lagging().is_some() {
                settling = None;
            } else if now.is_same_run(before) {
                return Ok(now.tallies());
            } else {
                let since = settling.filter(|(earlier, _)| earlier.is_same_run(&now));
                let since = since.map_or_else(Instant::now, |(_, since)| since);
                if since.elapsed() >= self.options.settle {
                    return Ok(now.tallies());
                }
                settling = Some((now, since));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn check(&self, now: &Snapshot, earlier: &Snapshot) -> Result<(), ProviderError> {
        match now.failed_since(earlier) {
            Some((container, why)) => Err(self.failure(container, &why).await),
            None => Ok(()),
        }
    }

    async fn failure(&self, container: &Container, why: &str) -> ProviderError {
        let lines = self.installed.last_words(container).await;
        let mut message = format!("the service {} {why}", container.service());
        if lines.is_empty() {
            message.push_str("; it printed nothing");
        } else {
            message.push_str("; its last lines:\n");
            message.push_str(&lines.join("\n"));
        }
        ProviderError::new(Trouble::Workload, message)
    }
}

/// How often the containers are looked at.
const POLL: Duration = Duration::from_millis(300);
