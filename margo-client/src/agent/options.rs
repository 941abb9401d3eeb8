//! How an agent behaves where the specification leaves it open.

use std::time::Duration;

use super::conductor::Waits;
use crate::sync::FetchLimits;

/// How an agent behaves where the specification leaves it open. The defaults suit most devices.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How many deployments are worked on at the same time: 4.
    pub concurrency: usize,
    /// After which time a deployment that is still being worked on no longer counts among those: 1 min. It goes on, but
    /// the next one begins, so that stuck ones hold nobody up. Also how long an observation may take.
    pub patience: Duration,
    /// How long failed steps wait before they are tried again.
    pub provider_waits: Waits,
    /// How often installed deployments are looked at: every minute.
    pub observe_every: Duration,
    /// How often a deployment that drifted is applied again before it is left alone until it is changed: 3 times. Forgotten
    /// after it has stayed up for ten observations.
    pub repairs: u32,
    /// How often a veto is asked again: every 30 s.
    pub veto_every: Duration,
    /// How long the first poll waits for what was remembered to be put right: 2 min.
    pub startup: Duration,
    /// How long running steps may take to end when the agent stops: 10 s.
    pub grace: Duration,
    /// How large manifests and documents may be.
    pub limits: FetchLimits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 4,
            patience: Duration::from_mins(1),
            provider_waits: Waits::default(),
            observe_every: Duration::from_mins(1),
            repairs: 3,
            veto_every: Duration::from_secs(30),
            startup: Duration::from_mins(2),
            grace: Duration::from_secs(10),
            limits: FetchLimits::default(),
        }
    }
}
