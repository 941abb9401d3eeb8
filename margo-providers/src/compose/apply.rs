//! Installing and updating.

mod dropped;

use std::collections::BTreeMap;
use std::time::Duration;

use margo_types::Digest;
use margo_types::application::DeploymentType;
use margo_types::deployment::ApplicationDeployment;
use margo_types::scalar::Timeout;
use margo_types::status::DeploymentState;
use tokio::time::Instant;

use super::ComposeProvider;
use super::container::{Condition, Tally};
use super::engine::Files;
use super::home::{Complete, Kept, Record, members_of, place_members};
use super::names::Project;
use super::override_file::Additions;
use super::prepare::{Prepared, Wanted};
use super::variables::variables_of;
use crate::files::{blocking, device_trouble, write_durably};
use crate::home::{Home, Place};
use crate::progress::Announcing;
use crate::source::Source;
use crate::{Progress, ProviderError, Telemetry, Trouble};

impl ComposeProvider {
    pub(super) async fn apply_deployment(
        &self,
        deployment: &ApplicationDeployment,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let wanted = self.wanted(deployment)?;
        let home = self.home(deployment);
        let mut record = self.recall(deployment, &home).await?;
        let progress = Announcing::new(progress);
        let outcome = self
            .converge(deployment, &wanted, &home, &mut record, &progress)
            .await;
        let Err(error) = outcome else {
            return Ok(());
        };
        let error = self
            .clean_up(deployment, &wanted, &home, record, error, &progress)
            .await;
        progress.take_back(error.component.as_ref());
        Err(error)
    }

    /// The components that the deployment wants, with all that is known of them without asking anybody.
    fn wanted<'a>(
        &self,
        deployment: &'a ApplicationDeployment,
    ) -> Result<Vec<Wanted<'a>>, ProviderError> {
        let mut wanted = Vec::new();
        for source in Source::all_of(deployment, &DeploymentType::Compose)? {
            let name = &source.component.name;
            let variables = variables_of(deployment, name)?;
            let telemetry = self.options.telemetry.as_ref().map(Telemetry::variables);
            let inputs = (
                source.repository.as_str(),
                source.revision.as_str(),
                &variables,
                telemetry,
            );
            let inputs = serde_json::to_vec(&inputs).unwrap_or_default();
            wanted.push(Wanted {
                source,
                variables,
                project: Project::new(&self.options.prefix, &deployment.id, name),
                place: self.home(deployment).place(name),
                inputs: Digest::of(&inputs),
            });
        }
        Ok(wanted)
    }

    /// What is remembered. What nobody remembers but is on the device, with the engine or in files, counts as having data.
    async fn recall(
        &self,
        deployment: &ApplicationDeployment,
        home: &Home,
    ) -> Result<Record, ProviderError> {
        if let Some(record) = home.recall().await? {
            return Ok(record);
        }
        let new = home.clone();
        let places = blocking(move || new.places().map_err(device_trouble)).await?;
        let has_files = places.iter().any(Place::has_project);
        let record = Record::new(has_files || !self.projects_of(deployment).await?.is_empty());
        let new = home.clone();
        blocking(move || new.create().map_err(device_trouble)).await?;
        home.remember(&record).await?;
        Ok(record)
    }

    async fn converge(
        &self,
        deployment: &ApplicationDeployment,
        wanted: &[Wanted<'_>],
        home: &Home,
        record: &mut Record,
        progress: &dyn Progress,
    ) -> Result<(), ProviderError> {
        let mut prepared = BTreeMap::new();
        let mut announced = None;
        for wanted in wanted {
            let name = &wanted.source.component.name;
            let kept = record.components.get(name);
            if self.is_as_wanted(wanted, kept).await? {
                continue;
            }
            if announced.is_none() {
                progress.component(name, DeploymentState::Installing);
                announced = Some(name);
            }
            let begun = Instant::now();
            let limit = self.time_of(wanted);
            let outcome = tokio::time::timeout(limit, self.prepare(wanted, kept)).await;
            let ready = outcome.unwrap_or_else(|_| Err(too_slow(limit)));
            let ready = ready.map_err(|error| error.of(name))?;
            prepared.insert(name, (ready, limit.saturating_sub(begun.elapsed())));
        }
        let mut dropped = self.dropped(deployment, wanted, record).await?;
        for wanted in wanted {
            let name = &wanted.source.component.name;
            if let Some((ready, time)) = prepared.remove(name) {
                if announced != Some(name) {
                    progress.component(name, DeploymentState::Installing);
                }
                self.make_way(&ready, &mut dropped, home, record).await?;
                self.install(deployment, wanted, &ready, time, home, record)
                    .await
                    .map_err(|error| error.of(name))?;
            }
            progress.component(name, DeploymentState::Installed);
        }
        if !record.keep {
            record.keep = true;
            home.remember(record).await?;
        }
        // Last: until all others are complete, the earlier revision has to be able to run on.
        for dropped in dropped {
            self.drop_component(dropped, home, record).await?;
        }
        Ok(())
    }

    /// Whether the component was completed with the same inputs and still fares as it did then.
    async fn is_as_wanted(
        &self,
        wanted: &Wanted<'_>,
        kept: Option<&Kept>,
    ) -> Result<bool, ProviderError> {
        let Some(complete) = kept.and_then(|kept| kept.complete.as_ref()) else {
            return Ok(false);
        };
        if complete.inputs != wanted.inputs {
            return Ok(false);
        }
        let now = self.installed.snapshot(&wanted.project).await?;
        let fares_well = match now.lagging() {
            None => true,
            Some((_, Condition::Coming(_))) => !wanted.source.component.properties.waits(),
            Some(_) => false,
        };
        Ok(fares_well && now.tallies() == complete.services)
    }

    async fn install(
        &self,
        deployment: &ApplicationDeployment,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        time: Duration,
        home: &Home,
        record: &mut Record,
    ) -> Result<(), ProviderError> {
        let name = &wanted.source.component.name;
        let files = self
            .place(deployment, wanted, prepared, home, record)
            .await?;
        let wait = wanted.source.component.properties.waits();
        let brought_up = self.bring_up(&wanted.project, &files, wait);
        let Ok(outcome) = tokio::time::timeout(time, brought_up).await else {
            let limit = self.time_of(wanted);
            return Err(self.timed_out(&wanted.project, limit).await);
        };
        let services = outcome?;
        let place = wanted.place.clone();
        blocking(move || place.drop_work().map_err(device_trouble)).await?;
        if let Some(kept) = record.components.get_mut(name) {
            kept.keep = true;
            kept.complete = Some(complete(wanted, services));
        }
        home.remember(record).await
    }

    /// Moves what was prepared to its place.
    async fn place(
        &self,
        deployment: &ApplicationDeployment,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        home: &Home,
        record: &mut Record,
    ) -> Result<Files, ProviderError> {
        let name = &wanted.source.component.name;
        let source = prepared.source.clone();
        let new = blocking(move || members_of(&source).map_err(device_trouble)).await?;
        let earlier = record.components.get(name);
        let old = earlier.map(|kept| kept.members.clone()).unwrap_or_default();
        let keep = if let Some(kept) = earlier {
            kept.keep
        } else {
            // What nobody remembers but is there has data.
            let place = wanted.place.clone();
            let has_files = blocking(move || Ok(place.has_project())).await?;
            let there = self.projects_of(deployment).await?;
            has_files || there.contains(&wanted.project)
        };
        let kept = Kept {
            pin: prepared.pin.clone(),
            // Should the process be killed while they are moved, both are there in part.
            members: old.union(&new).cloned().collect(),
            keep,
            complete: None,
        };
        record.components.insert(name.clone(), kept);
        home.remember(record).await?;

        let additions = Additions {
            deployment: &deployment.id,
            component: name,
            revision: wanted.source.revision.as_str(),
            telemetry: self.options.telemetry.as_ref(),
        };
        let services = prepared.services.iter().map(String::as_str);
        let bytes = additions.to_bytes(services, prepared.version.as_ref());
        let (source, project) = (prepared.source.clone(), wanted.place.project());
        let (additions, members) = (wanted.place.additions(), new.clone());
        let files = Files {
            paths: vec![project.join(prepared.compose_file), additions.clone()],
            directory: project.clone(),
            variables: wanted.variables.clone(),
        };
        blocking(move || {
            place_members(&source, &project, &members, &old).map_err(device_trouble)?;
            write_durably(&additions, &bytes).map_err(device_trouble)
        })
        .await?;
        if let Some(kept) = record.components.get_mut(name) {
            kept.members = new;
        }
        Ok(files)
    }

    /// After a failure: leaves nothing of what was never complete, and everything of what was.
    async fn clean_up(
        &self,
        deployment: &ApplicationDeployment,
        wanted: &[Wanted<'_>],
        home: &Home,
        mut record: Record,
        mut error: ProviderError,
        progress: &dyn Progress,
    ) -> ProviderError {
        let failed = error.component.clone();
        let cleaned = async {
            if !record.keep {
                for project in self.projects_of(deployment).await?.iter().rev() {
                    self.installed.sweep(project, false).await?;
                }
                for wanted in wanted.iter().rev() {
                    let name = &wanted.source.component.name;
                    // Of the failed one the error tells.
                    if record.components.contains_key(name) && failed.as_ref() != Some(name) {
                        progress.component(name, DeploymentState::Removed);
                    }
                }
                let home = home.clone();
                return blocking(move || home.remove().map_err(device_trouble)).await;
            }
            for wanted in wanted {
                let name = &wanted.source.component.name;
                let place = wanted.place.clone();
                if record.components.get(name).is_some_and(|kept| kept.keep) {
                    blocking(move || place.drop_work().map_err(device_trouble)).await?;
                    continue;
                }
                let is_remembered = record.components.remove(name).is_some();
                if is_remembered {
                    self.installed.sweep(&wanted.project, false).await?;
                }
                blocking(move || {
                    // What has a project directory was begun; when nobody remembers that, the record was lost.
                    let left = if !is_remembered && place.has_project() {
                        place.drop_work()
                    } else {
                        place.remove()
                    };
                    left.map_err(device_trouble)
                })
                .await?;
            }
            home.remember(&record).await
        };
        if let Err(left) = cleaned.await {
            let more = format!("\nand what was begun could not be removed: {left}");
            error.message.push_str(&more);
        }
        error
    }

    fn time_of(&self, wanted: &Wanted<'_>) -> Duration {
        let given = wanted.source.component.properties.timeout.as_ref();
        given.map_or(self.options.default_timeout, Timeout::duration)
    }
}

fn complete(wanted: &Wanted<'_>, services: BTreeMap<String, Tally>) -> Complete {
    Complete {
        inputs: wanted.inputs,
        services,
    }
}

fn too_slow(limit: Duration) -> ProviderError {
    let message = format!(
        "its archive and images were not there within its time-out of {} s",
        limit.as_secs()
    );
    ProviderError::new(Trouble::Timeout, message)
}
