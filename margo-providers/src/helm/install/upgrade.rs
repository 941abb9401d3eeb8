//! `helm upgrade --install`, with what every container is given besides.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

#[cfg(unix)]
use super::post_renderer;
use super::{GRACE, HISTORY, Installer, Lock, REFUSED, rendered, seconds};
use crate::ProviderError;
use crate::helm::delivery::Plan;
use crate::helm::names::{MARK_LABEL, labels};
use crate::helm::options::Options;
use crate::helm::prepare::Prepared;
use crate::helm::program::Helm;
use crate::helm::values::large_numbers;
use crate::helm::wanted::Wanted;
use crate::program::Invocation;

/// How what every container is given besides comes into a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// There is nothing of the kind.
    AsItIs,
    /// Helm has us change what it renders.
    PostRendered,
    /// The chart is rendered, and one of what comes out is installed.
    Rendered,
}

impl Installer {
    /// Installs or updates a component within this time, and waits for it if it is to be waited for.
    pub(super) async fn upgrade(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        plan: Plan,
        lock: &Lock,
        time: Duration,
    ) -> Result<(), ProviderError> {
        let deadline = Instant::now() + time;
        let left = || deadline.saturating_duration_since(Instant::now());
        let way = self.way(wanted, prepared);
        let objects = match plan {
            Plan::Rendered(objects) => Some(objects),
            _ if way == Way::Rendered => Some(self.render_now(wanted, prepared, left()).await?),
            _ => None,
        };
        let chart = match objects {
            Some(objects) => self.chart_of(prepared, objects).await?,
            None => prepared.path.clone(),
        };
        let mut command = self.command(wanted, prepared, &chart, left());
        if wanted.wait {
            command = command.arguments(["--wait"]);
        }
        let command = command.input(lock.file());
        match way {
            #[cfg(unix)]
            Way::PostRendered => self.post_render(command, wanted, prepared).await,
            _ => self.helm.succeed(&command, REFUSED).await.map(drop),
        }
    }

    /// How what every container is given besides comes into this chart.
    pub(super) fn way(&self, wanted: &Wanted<'_>, prepared: &Prepared) -> Way {
        let has_hooks = || {
            let charts = prepared.chart.all();
            charts.iter().any(|chart| chart.has_hooks)
                || json!(wanted.values).to_string().contains(HOOK)
        };
        if self.injection.is_empty() {
            Way::AsItIs
        } else if self.can_post_render && !has_hooks() {
            Way::PostRendered
        } else {
            Way::Rendered
        }
    }

    /// `helm upgrade --install` of a component with this chart.
    ///
    /// The values are the deployment's alone: without `--reset-values` an upgrade without values keeps the earlier ones.
    fn command(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        chart: &Path,
        time: Duration,
    ) -> Invocation {
        let mut labels = labels(
            &self.owner,
            &wanted.deployment,
            &wanted.source.component.name,
        );
        labels.insert(MARK_LABEL.to_owned(), wanted.mark());
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}={value}"))
            .collect();
        let (chart, values) = (
            chart.display().to_string(),
            prepared.values.display().to_string(),
        );
        let mut words = vec![
            "upgrade",
            &wanted.release.name,
            &chart,
            "--install",
            "--reset-values",
        ];
        let (labels, time_out) = (labels.join(","), seconds(time));
        words.extend([
            "--namespace",
            &wanted.release.namespace,
            "--values",
            &values,
        ]);
        words.extend(["--labels", &labels, "--timeout", &time_out]);
        words.extend(["--history-max", HISTORY]);
        if self.create_namespace {
            words.push("--create-namespace");
        }
        let numbers = large_numbers(&wanted.values);
        words.extend(numbers.iter().flat_map(|number| ["--set", number]));
        self.helm.command(words).time(time + GRACE)
    }

    /// Has `helm` try an upgrade, which changes nothing, and gives the objects that it would make, with what every container is
    /// given besides.
    pub(super) async fn render(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        time: Duration,
    ) -> Result<Vec<Value>, ProviderError> {
        let trial = self
            .command(wanted, prepared, &prepared.path, time)
            .arguments(["--dry-run=server", "--output", "json"]);
        let output = self.helm.succeed(&trial, REFUSED).await?;
        let mut objects = rendered::objects_of(&output.stdout)?;
        self.injection.put_into(&mut objects, &wanted.release);
        Ok(objects)
    }
}

#[cfg(unix)]
pub(super) async fn can_post_render(options: &Options, helm: &Helm) -> bool {
    post_renderer::is_possible(options, helm).await
}

#[cfg(not(unix))]
pub(super) async fn can_post_render(_: &Options, _: &Helm) -> bool {
    false
}

const HOOK: &str = "helm.sh/hook";
