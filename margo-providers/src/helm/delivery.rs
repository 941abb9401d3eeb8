//! What the two modes do differently.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use margo_types::id::DeploymentId;
use serde_json::Value;

use super::names::{Owned, Release};
use super::prepare::Prepared;
use super::template::Planned;
use super::wanted::Wanted;
use crate::ProviderError;

/// Brings components to the cluster.
///
/// Calls for one release never overlap. Every call may be repeated after it failed, was dropped or killed. Errors need not
/// name the component: the caller does.
#[async_trait]
pub(super) trait Delivery: fmt::Debug + Send + Sync {
    /// Whether the cluster answers.
    async fn answers(&self) -> Result<(), ProviderError>;

    /// Finds what is wrong with a component while nothing has been changed, and gives what [`deliver`](Self::deliver) needs not
    /// do again.
    ///
    /// With `first`, nothing of the deployment will be changed before this component is delivered: what `deliver` finds before
    /// it changes anything itself needs not be looked for here.
    async fn check(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        first: bool,
    ) -> Result<Plan, ProviderError>;

    /// The objects that a component would have, whoever has some of them now. Those that cannot be known yet, such as of a kind
    /// that another component brings, may be missing.
    async fn preview(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
    ) -> Result<Vec<Value>, ProviderError>;

    /// The objects of a release of ours, as the cluster remembers them.
    async fn objects(&self, release: &Release) -> Result<Vec<Value>, ProviderError>;

    /// Installs or updates a component within this time, and waits until it is complete if it is to be waited for. Carries on
    /// from whatever is there, also from what a kill left.
    ///
    /// # Errors
    /// After an error the release is as it is; [`undo`](Self::undo) follows.
    async fn deliver(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        plan: Plan,
        time: Duration,
    ) -> Result<(), ProviderError>;

    /// After [`deliver`](Self::deliver) failed: brings back what was last complete, or leaves nothing when nothing ever was.
    /// Gives whether something runs on.
    async fn undo(&self, wanted: &Wanted<'_>) -> Result<bool, ProviderError>;

    /// Removes all of a component and verifies that it is gone. Removing what is not there is success.
    async fn remove(&self, owned: &Owned) -> Result<(), ProviderError>;

    /// How a release fares now.
    async fn standing(&self, release: &Release) -> Result<Standing, ProviderError>;

    /// Everything of ours on the cluster, or of one deployment.
    async fn list(&self, deployment: Option<&DeploymentId>) -> Result<Vec<Owned>, ProviderError>;
}

/// What [`Delivery::check`] found out.
#[derive(Debug)]
pub(super) enum Plan {
    /// The chart as it is goes to `helm`.
    Chart,
    /// A chart of these objects goes to `helm`.
    Rendered(Vec<Value>),
    /// These objects go to the cluster.
    Objects(Planned),
}

/// How a release fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// [`Wanted::mark`] of what was delivered last and is complete or was once; `None` when nothing says so.
    pub(super) mark: Option<String>,
    pub(super) health: Health,
}

/// How the workloads of a release fare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// There is nothing of it.
    Absent,
    /// It is on its way: what is awaited.
    Coming(String),
    /// All is there and ready.
    Ready,
    /// Something failed, is missing, or was changed by somebody else: what.
    Failed(String),
}
