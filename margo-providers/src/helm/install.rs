//! Install mode: `helm` installs, upgrades, rolls back and uninstalls releases.
//!
//! `helm` takes most of the time, so it is run as rarely as can be: once for a component that is the only one to change. What
//! is there is read from the secrets that Helm keeps its releases in.
//!
//! What every container is given besides comes into a chart while `helm` renders it ([`post_renderer`]). Helm 4 takes no programs
//! for that, and Helm 3 leaves hooks out: there the chart is rendered first, and what comes out is installed ([`rendered`]).

mod history;
mod lock;
mod objects;
#[cfg(unix)]
mod post_renderer;
mod preview;
mod rendered;
mod uninstall;
mod upgrade;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use margo_types::id::DeploymentId;
use serde_json::Value;
use tokio::time::Instant;

use self::history::{History, Revision};
use self::lock::Lock;
use self::upgrade::{Way, can_post_render};
use super::cluster::{Cluster, Kind, trouble_with};
use super::delivery::{Delivery, Health, Plan, Standing};
use super::names::selector;
use super::names::{COMPONENT_LABEL, DEPLOYMENT_LABEL, MARK_LABEL, OWNER_LABEL, Owned, Release};
use super::options::Options;
use super::prepare::Prepared;
use super::program::Helm;
use super::stuck::replace_stuck_pods;
use super::telemetry::Injection;
use super::wanted::Wanted;
use crate::{ProviderError, Trouble};

/// Delivers by `helm upgrade --install`.
#[derive(Debug)]
pub(super) struct Installer {
    state: PathBuf,
    owner: String,
    create_namespace: bool,
    injection: Injection,
    /// Whether Helm has what it renders changed by us.
    can_post_render: bool,
    helm: Helm,
    cluster: Cluster,
}

impl Installer {
    pub(super) async fn new(options: &Options, helm: Helm) -> Result<Self, ProviderError> {
        let injection = Injection::new(options);
        let cluster = Cluster::connect(options).await?;
        Ok(Self {
            state: options.state.clone(),
            owner: options.owner.clone(),
            create_namespace: options.create_namespace,
            can_post_render: !injection.is_empty() && can_post_render(options, &helm).await,
            injection,
            helm,
            cluster,
        })
    }

    /// Makes of what a kill or a failure left what can be upgraded.
    async fn recover(
        &self,
        release: &Release,
        lock: &Lock,
        time: Duration,
    ) -> Result<(), ProviderError> {
        let history = self.history(release).await?;
        let Some(latest) = history.latest() else {
            return Ok(());
        };
        if latest.is_cut_off() {
            tracing::warn!(%release, status = latest.status, "an operation of helm was cut off; it is taken back");
        }
        match history.good() {
            Some(good) if latest.is_pending() => self.roll_back(release, good, lock, time).await,
            Some(_) if !latest.is_cut_off() => Ok(()),
            None if latest.is_gone() => Ok(()),
            _ => self.uninstall(release, &history, lock, time).await,
        }
    }

    async fn roll_back(
        &self,
        release: &Release,
        to: &Revision,
        lock: &Lock,
        time: Duration,
    ) -> Result<(), ProviderError> {
        let (number, time_out) = (to.number.to_string(), seconds(time));
        let mut words = vec!["rollback", &release.name, &number];
        words.extend(["--namespace", &release.namespace, "--timeout", &time_out]);
        words.extend(["--history-max", HISTORY]);
        let command = self.helm.command(words).time(time + GRACE);
        let what = format!("helm did not bring back revision {number} of {release}");
        self.helm
            .succeed(&command.input(lock.file()), &what)
            .await?;
        let objects = objects::objects(&self.packed(to).await?.content()?)?;
        replace_stuck_pods(&self.cluster, &release.namespace, &objects).await
    }

    /// Refuses a release of this name that is somebody else's.
    fn claim(&self, history: &History, owned: &Owned) -> Result<(), ProviderError> {
        let Some(latest) = history.latest() else {
            return Ok(());
        };
        let found = Owned::of_labels(&self.owner, &latest.labels, owned.release.clone());
        if found.as_ref() == Some(owned) {
            return Ok(());
        }
        let label = |name: &str| latest.labels.get(name).map_or("nobody", String::as_str);
        let message = format!(
            "there is a release {} that is not of this component but of {}, deployment {}, owner {}; uninstall it, or give this device another owner in the options",
            owned.release,
            label(COMPONENT_LABEL),
            label(DEPLOYMENT_LABEL),
            label(OWNER_LABEL)
        );
        Err(ProviderError::new(Trouble::Deployment, message))
    }

    async fn lock(&self, deployment: &DeploymentId) -> Result<Lock, ProviderError> {
        Lock::take(&self.state, deployment).await
    }

    /// What the workloads lack, beside what Helm said of a release that was not complete in time.
    async fn explain(&self, wanted: &Wanted<'_>, error: ProviderError) -> ProviderError {
        if error.trouble != Trouble::Timeout {
            return error;
        }
        let limit = wanted.timeout.as_secs();
        let slow = |trouble, why: &str| {
            let message = format!("it was not complete within its time-out of {limit} s: {why}");
            ProviderError::new(trouble, format!("{message}\n{}", error.message))
        };
        match self.health_of_latest(&wanted.release).await {
            Ok(Health::Failed(why)) => slow(Trouble::Workload, &why),
            Ok(Health::Coming(why)) => slow(Trouble::Timeout, &why),
            _ => slow(Trouble::Timeout, "helm did not end"),
        }
    }

    async fn health_of_latest(&self, release: &Release) -> Result<Health, ProviderError> {
        let history = self.history(release).await?;
        match history.latest() {
            Some(latest) => self.health(release, latest).await,
            None => Ok(Health::Absent),
        }
    }
}

#[async_trait]
impl Delivery for Installer {
    async fn answers(&self) -> Result<(), ProviderError> {
        self.cluster.version().await.map(drop)
    }

    async fn check(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        first: bool,
    ) -> Result<Plan, ProviderError> {
        for chart in prepared.chart.all() {
            for finding in &chart.findings {
                tracing::warn!(component = %wanted.source.component.name, "the chart is not fit for every device: {finding}");
            }
        }
        // An upgrade renders and checks everything before it changes anything.
        if first {
            return Ok(Plan::Chart);
        }
        let history = self.history(&wanted.release).await?;
        self.claim(&history, &wanted.owned())?;
        if history.latest().is_some_and(Revision::is_cut_off) {
            let lock = self.lock(&wanted.deployment).await?;
            self.recover(&wanted.release, &lock, wanted.timeout).await?;
        }
        match self.render(wanted, prepared, wanted.timeout).await {
            Ok(objects) if self.way(wanted, prepared) == Way::Rendered => {
                Ok(Plan::Rendered(objects))
            }
            Ok(_) => Ok(Plan::Chart),
            // A component before this one may bring it.
            Err(error) if error.message.contains(NO_KIND) => Ok(Plan::Chart),
            Err(error) => Err(error),
        }
    }

    async fn preview(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
    ) -> Result<Vec<Value>, ProviderError> {
        self.preview_of(wanted, prepared).await
    }

    async fn objects(&self, release: &Release) -> Result<Vec<Value>, ProviderError> {
        let history = self.history(release).await?;
        match history.latest() {
            Some(latest) => objects::objects(&self.packed(latest).await?.content()?),
            None => Ok(Vec::new()),
        }
    }

    async fn deliver(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        plan: Plan,
        time: Duration,
    ) -> Result<(), ProviderError> {
        let deadline = Instant::now() + time;
        let left = || deadline.saturating_duration_since(Instant::now());
        let lock = self.lock(&wanted.deployment).await?;
        let history = self.history(&wanted.release).await?;
        self.claim(&history, &wanted.owned())?;
        if history.needs_recovery() {
            self.recover(&wanted.release, &lock, left()).await?;
        }
        let outcome = self.upgrade(wanted, prepared, plan, &lock, left()).await;
        match outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain(wanted, error).await),
        }
    }

    async fn undo(&self, wanted: &Wanted<'_>) -> Result<bool, ProviderError> {
        let release = &wanted.release;
        let lock = self.lock(&wanted.deployment).await?;
        let history = self.history(release).await?;
        // A release that is not ours was refused before anything was changed.
        let Some(latest) = history
            .latest()
            .filter(|_| self.claim(&history, &wanted.owned()).is_ok())
        else {
            return Ok(false);
        };
        match history.good() {
            Some(good) if good.number == latest.number => Ok(true),
            Some(good) => {
                self.roll_back(release, good, &lock, PATIENCE).await?;
                Ok(true)
            }
            None => {
                self.uninstall(release, &history, &lock, PATIENCE).await?;
                Ok(false)
            }
        }
    }

    async fn remove(&self, owned: &Owned) -> Result<(), ProviderError> {
        let history = self.history(&owned.release).await?;
        if history.latest().is_none() || self.claim(&history, owned).is_err() {
            return Ok(());
        }
        let lock = self.lock(&owned.deployment).await?;
        self.uninstall(&owned.release, &history, &lock, PATIENCE)
            .await
    }

    async fn standing(&self, release: &Release) -> Result<Standing, ProviderError> {
        let history = self.history(release).await?;
        let Some(latest) = history.latest().filter(|latest| !latest.is_gone()) else {
            return Ok(Standing {
                mark: None,
                health: Health::Absent,
            });
        };
        let health = match latest.status.as_str() {
            "deployed" => self.health(release, latest).await?,
            "failed" => Health::Failed(format!("the last change of the release {release} failed")),
            status => Health::Coming(format!("the release {release} is {status}")),
        };
        let mark = latest
            .labels
            .get(MARK_LABEL)
            .filter(|_| latest.status == "deployed");
        Ok(Standing {
            mark: mark.cloned(),
            health,
        })
    }

    async fn list(&self, deployment: Option<&DeploymentId>) -> Result<Vec<Owned>, ProviderError> {
        let selector = format!("owner=helm,{}", selector(&self.owner, deployment));
        let secrets = Kind::secret();
        let listed = self.cluster.list_metadata(&secrets, None, &selector);
        let listed = listed
            .await
            .map_err(|error| trouble_with(error, "the releases of all namespaces"))?;
        let mut found: Vec<Owned> = listed
            .objects
            .iter()
            .filter_map(Revision::read)
            .filter(|revision| !revision.is_gone())
            .filter_map(|revision| {
                Owned::of_labels(&self.owner, &revision.labels, revision.release)
            })
            .collect();
        found.sort();
        found.dedup();
        Ok(found)
    }
}

/// A duration as Helm takes it; at least a second, for 0 would be no limit.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs().max(1))
}

const REFUSED: &str = "helm did not install it";
/// What Helm says of a kind that the cluster does not have.
const NO_KIND: &str = "no matches for kind";
const HISTORY: &str = "5";
/// How long removing and bringing back may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long Helm may take to write down that its time was over.
const GRACE: Duration = Duration::from_secs(20);
