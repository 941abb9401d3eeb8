//! The agent: everything a device does by itself, from polling to running workloads.

mod builder;
mod clock;
mod conductor;
mod courier;
mod handle;
mod options;
mod poller;
mod shared;
mod snapshot;
mod statuses;
mod veto;
mod worker;

use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

pub use self::builder::AgentBuilder;
pub use self::clock::{Clock, SystemClock};
use self::conductor::Conductor;
pub use self::conductor::Waits;
use self::courier::Courier;
pub use self::handle::AgentHandle;
pub use self::options::Options;
use self::poller::Poller;
use self::shared::Shared;
pub use self::snapshot::{Contact, DeploymentView, Snapshot};
pub use self::veto::Veto;
use crate::state::StateStore;
use crate::{Error, FleetApi};

/// A compliant device, once it [runs](Self::run).
///
/// It first brings the device to what it remembers, without asking anybody; then it tells the fleet manager what the
/// device is, polls by its schedule, accepts what is verified, applies it with its providers, and reports how it fares.
#[derive(Debug)]
pub struct Agent {
    shared: Arc<Shared>,
}

impl Agent {
    /// An agent that talks to this fleet manager and remembers in this state.
    pub fn builder(api: Arc<dyn FleetApi>, state: Arc<dyn StateStore>) -> AgentBuilder {
        AgentBuilder::new(api, state)
    }

    /// Looks at the agent and steers it, from anywhere.
    pub fn handle(&self) -> AgentHandle {
        AgentHandle::new(Arc::clone(&self.shared))
    }

    /// Runs until `shutdown` is ready. Then nothing new begins, what is running may end within
    /// [`Options::grace`], and the rest is cancelled: the next start carries on from the state, as after a power cut.
    ///
    /// Nothing that goes wrong ends it: not an unreachable fleet manager, not a failing provider, not a full disk. The
    /// [`Snapshot`] says what is wrong.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(false);
        let (converged, after) = oneshot::channel();
        let conductor = Conductor::new(Arc::clone(&self.shared), converged);
        let poller = Poller::new(Arc::clone(&self.shared));
        let courier = Courier::new(Arc::clone(&self.shared));
        let mut all = pin!(async {
            tokio::join!(
                conductor.run(stopped.clone()),
                poller.run(after, stopped.clone()),
                courier.run(stopped.clone()),
            )
        });
        tokio::select! {
            () = shutdown => {}
            _ = &mut all => return,
        }
        stop.send_replace(true);
        all.await;
    }

    /// Tells the fleet manager that the devices are gone, children before their gateway. For an agent that does not run.
    ///
    /// What runs on the devices is left alone, and so is the state: set it aside before the device goes to another fleet
    /// manager.
    ///
    /// # Errors
    /// Those of [`FleetApi::remove_device`]; calling it again carries on.
    pub async fn decommission(&self) -> Result<(), Error> {
        courier::take_back(&self.shared, &*self.shared.api).await
    }
}
