//! SVIDs: verification, identities, handshakes.

mod handshake;
mod identity;
mod maker;
mod own;
mod verification;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;

fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

fn factory() -> TrustDomain {
    domain("factory.example")
}

fn wfm(id: &str) -> SpiffeId {
    SpiffeId::wfm(&factory(), id).unwrap()
}

fn client(wfm_id: &str, id: &str) -> SpiffeId {
    SpiffeId::wfm_client(&factory(), wfm_id, &ClientId::parse(id).unwrap()).unwrap()
}

/// A clock that a test moves.
#[derive(Debug)]
struct Clock(AtomicU64);

impl Clock {
    fn new() -> Arc<Self> {
        let now = Timestamp::now().as_second();
        Arc::new(Self(AtomicU64::new(u64::try_from(now).unwrap())))
    }

    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.load(Ordering::SeqCst);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
