//! Components that a deployment does not have any more.
//!
//! They go last: until all others are complete, the earlier revision has to be able to run on. But where one has what another
//! takes, as a port when it is renamed, it has to go before.

use std::collections::BTreeMap;

use margo_types::deployment::ApplicationDeployment;
use margo_types::id::ComponentName;

use crate::ProviderError;
use crate::compose::ComposeProvider;
use crate::compose::home::Record;
use crate::compose::names::Project;
use crate::compose::prepare::{Prepared, Wanted};
use crate::files::{blocking, device_trouble};
use crate::home::Home;

/// A component that goes.
#[derive(Debug)]
pub(super) struct Dropped {
    project: Project,
    /// Its name, if it is remembered.
    name: Option<ComponentName>,
}

impl ComposeProvider {
    /// The components of which something may be on the device and that the deployment does not have any more, last first.
    pub(super) async fn dropped(
        &self,
        deployment: &ApplicationDeployment,
        wanted: &[Wanted<'_>],
        record: &Record,
    ) -> Result<Vec<Dropped>, ProviderError> {
        let there = self.projects_of(deployment).await?.into_iter();
        let mut all: BTreeMap<Project, Option<ComponentName>> =
            there.map(|project| (project, None)).collect();
        for name in record.components.keys() {
            let project = Project::new(&self.options.prefix, &deployment.id, name);
            all.insert(project, Some(name.clone()));
        }
        for wanted in wanted {
            all.remove(&wanted.project);
        }
        let dropped = all.into_iter().rev();
        Ok(dropped
            .map(|(project, name)| Dropped { project, name })
            .collect())
    }

    /// Removes the dropped components that have what this one takes, and no others.
    pub(super) async fn make_way(
        &self,
        prepared: &Prepared,
        dropped: &mut Vec<Dropped>,
        home: &Home,
        record: &mut Record,
    ) -> Result<(), ProviderError> {
        let mut others = Vec::new();
        for one in dropped.drain(..) {
            let claims = self.installed.claims(&one.project).await?;
            if claims.is_disjoint(&prepared.claims) {
                others.push(one);
            } else {
                tracing::info!(
                    project = one.project.as_str(),
                    "it is removed first, for another takes what it has"
                );
                self.drop_component(one, home, record).await?;
            }
        }
        *dropped = others;
        Ok(())
    }

    /// Removes a component that the deployment does not have any more.
    pub(super) async fn drop_component(
        &self,
        dropped: Dropped,
        home: &Home,
        record: &mut Record,
    ) -> Result<(), ProviderError> {
        let swept = self.installed.sweep(&dropped.project, true).await;
        let Some(name) = dropped.name else {
            return swept;
        };
        swept.map_err(|error| error.of(&name))?;
        let place = home.place(&name);
        blocking(move || place.remove().map_err(device_trouble)).await?;
        record.components.remove(&name);
        home.remember(record).await
    }
}
