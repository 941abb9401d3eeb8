//! The contract that every [`Provider`] keeps, as functions to call from tests (feature `contract`).
//!
//! A test gives a provider and a [`Fixture`], which knows deployments that this provider can run and looks at the device
//! by other means than the provider's. What an environment cannot do is left out, and said:
//!
//! ```no_run
//! # use margo_providers::Provider;
//! # use margo_providers::contract::{self, Fixture};
//! # async fn test(provider: &dyn Provider, fixture: &dyn Fixture) {
//! let left_out = contract::run(provider, fixture).await;
//! assert!(left_out.is_empty(), "this environment can do everything: {left_out:?}");
//! # }
//! ```
//!
//! Every check uses deployments of its own and removes them, so several may run at once, and each can be a test of its own
//! by [`CHECKS`]. A check panics, as tests do.

mod cancellation;
mod data;
mod lifecycle;
mod witness;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeploymentId;

use crate::Provider;

/// The environment of a provider under test.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// What this environment can do.
    fn abilities(&self) -> Abilities;

    /// A deployment of this kind, for this ID; the same each time for the same two.
    ///
    /// Asked only for kinds that the abilities cover.
    fn deployment(&self, id: DeploymentId, sample: Sample) -> ApplicationDeployment;

    /// Has the installed workload keep this text where an update must not lose it.
    ///
    /// Called only with [`Abilities::data`].
    async fn write_data(&self, deployment: &ApplicationDeployment, text: &str) {
        let _ = (deployment, text);
    }

    /// The text that the workload keeps.
    ///
    /// Called only with [`Abilities::data`].
    async fn read_data(&self, deployment: &ApplicationDeployment) -> Option<String> {
        let _ = deployment;
        None
    }

    /// Makes the installed workload fail, behind the provider's back.
    ///
    /// Called only with [`Abilities::sabotage`].
    async fn sabotage(&self, deployment: &ApplicationDeployment) {
        let _ = deployment;
    }

    /// What is on the device of this deployment, found by other means than the provider's: names of containers, networks,
    /// volumes, files.
    ///
    /// Called only with [`Abilities::leftovers`].
    async fn leftovers(&self, id: DeploymentId) -> Vec<String> {
        let _ = id;
        Vec::new()
    }
}

/// A kind of deployment that the contract is checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Sample {
    /// One component that comes up soon and stays up.
    Healthy,
    /// Another version of [`Healthy`](Self::Healthy), with the same component and data.
    Update,
    /// A version of [`Healthy`](Self::Healthy) whose component comes up wrong, and says so by itself.
    Failing,
    /// A version of [`Healthy`](Self::Healthy) whose component takes so long that an operation can be cancelled meanwhile.
    Slow,
    /// A version of [`Healthy`](Self::Healthy) whose component is never complete, with a `timeout` of a second or so.
    TooSlow,
    /// Three healthy components, each to be waited for.
    Several,
}

/// What an environment can do. What is false is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent")]
#[non_exhaustive]
pub struct Abilities {
    /// Its workloads keep data, and the fixture reads and writes it.
    pub data: bool,
    /// The fixture can find what is left on the device.
    pub leftovers: bool,
    /// The fixture can make a workload fail.
    pub sabotage: bool,
    /// It has [`Sample::Failing`].
    pub failing: bool,
    /// It has [`Sample::Slow`].
    pub slow: bool,
    /// It has [`Sample::TooSlow`].
    pub too_slow: bool,
    /// It has [`Sample::Several`].
    pub several: bool,
}

impl Abilities {
    /// Everything.
    pub const ALL: Self = Self {
        data: true,
        leftovers: true,
        sabotage: true,
        failing: true,
        slow: true,
        too_slow: true,
        several: true,
    };

    /// Nothing but [`Sample::Healthy`] and [`Sample::Update`].
    pub const NONE: Self = Self {
        data: false,
        leftovers: false,
        sabotage: false,
        failing: false,
        slow: false,
        too_slow: false,
        several: false,
    };
}

/// Makes every check that the environment allows, one after the other, and gives the names of the others.
///
/// # Panics
/// When the provider breaks the contract.
pub async fn run(provider: &dyn Provider, fixture: &dyn Fixture) -> Vec<&'static str> {
    let mut left_out = Vec::new();
    for check in CHECKS {
        if check.is_possible(fixture.abilities()) {
            check.run(provider, fixture).await;
        } else {
            left_out.push(check.name);
        }
    }
    left_out
}

/// One point of the contract.
#[derive(Clone, Copy)]
pub struct Check {
    name: &'static str,
    is_possible: fn(Abilities) -> bool,
    run: for<'a> fn(&'a dyn Provider, &'a dyn Fixture) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl Check {
    /// What it is called, such as `update_keeps_data`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether an environment with these abilities can make it.
    pub fn is_possible(&self, abilities: Abilities) -> bool {
        (self.is_possible)(abilities)
    }

    /// Makes it.
    ///
    /// # Panics
    /// When the provider breaks the contract.
    pub async fn run(&self, provider: &dyn Provider, fixture: &dyn Fixture) {
        (self.run)(provider, fixture).await;
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_tuple("Check").field(&self.name).finish()
    }
}

/// A check is named like its function.
macro_rules! check {
    ($module:ident :: $name:ident, $is_possible:expr) => {
        Check {
            name: stringify!($name),
            is_possible: $is_possible,
            run: |provider, fixture| Box::pin($module::$name(provider, fixture)),
        }
    };
}

/// Every check.
pub const CHECKS: &[Check] = &[
    check!(lifecycle::engine_says_what_it_is, |_| true),
    check!(lifecycle::absent_is_removed, |_| true),
    check!(lifecycle::installed_and_listed, |_| true),
    check!(lifecycle::applying_again_changes_nothing, |_| true),
    check!(lifecycle::removal_is_complete_and_repeatable, |_| true),
    check!(lifecycle::components_come_up_in_order, |can| can.several),
    check!(lifecycle::failed_installation_leaves_nothing, |can| can
        .failing),
    check!(lifecycle::time_out_ends_an_installation, |can| can.too_slow),
    check!(lifecycle::broken_workload_is_seen_and_mended, |can| can
        .sabotage),
    check!(data::update_keeps_data, |can| can.data),
    check!(data::failed_update_keeps_data, |can| can.data
        && can.failing),
    check!(data::removal_takes_data_along, |can| can.data),
    check!(cancellation::cancelled_installation_is_completed, |can| can
        .slow),
    check!(cancellation::cancelled_installation_is_removed, |can| can
        .slow),
    check!(cancellation::cancelled_removal_is_completed, |_| true),
    check!(cancellation::different_deployments_overlap, |can| can.slow),
];
