//! A signature is good for one request (rc1-and-pre-draft.md section 4 and its contradiction 11).

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use margo_types::id::ClientId;
use margo_types::signature::VerifiedSignature;

use crate::FleetError;

/// Remembers signatures until they are too old to be accepted.
///
/// The [`ReplayCache`] of one process knows nothing about another: replicas that serve the same clients have to share one
/// implementation, or each of them takes a request once.
#[async_trait]
pub trait ReplayGuard: Send + Sync {
    /// Notes that a client has used this signature, and says whether it may. Both are one step.
    async fn note(
        &self,
        client: &ClientId,
        signature: &VerifiedSignature,
        now: Timestamp,
    ) -> Result<Use, FleetError>;
}

/// Whether a signature may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Use {
    /// It was not used before.
    First,
    /// It was, or may have been: 401.
    Again,
    /// More signatures of this client would have to be remembered than the guard is willing to: 429.
    TooMany,
}

/// Remembers signatures in memory, those of each client by themselves.
///
/// What a client can make it remember is bounded, and nobody else suffers from it: a client that signs too many requests
/// within the life of a signature is refused until the first of them have expired. Each takes some 60 bytes.
///
/// What was used before the process started is not known to it, so that a signature of the last minutes can be used once
/// more after a restart.
pub struct ReplayCache {
    per_client: usize,
    seen: Mutex<Seen>,
}

impl ReplayCache {
    /// A cache of so many signatures for each client: 4096 by default, 13 requests a second for five minutes.
    pub fn new(per_client: usize) -> Self {
        Self {
            per_client,
            seen: Mutex::default(),
        }
    }

    fn insert(&self, client: &ClientId, entry: Entry, now: i64) -> Use {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(now);
        if entry.until <= seen.forgotten {
            // It is alive only because the clock was set back, and may be one of those that were forgotten.
            return Use::Again;
        }
        let Some(entries) = seen.clients.get_mut(client) else {
            seen.clients.insert(client.clone(), BTreeSet::from([entry]));
            return Use::First;
        };
        if entries.contains(&entry) {
            Use::Again
        } else if entries.len() >= self.per_client {
            Use::TooMany
        } else {
            entries.insert(entry);
            Use::First
        }
    }
}

#[async_trait]
impl ReplayGuard for ReplayCache {
    async fn note(
        &self,
        client: &ClientId,
        signature: &VerifiedSignature,
        now: Timestamp,
    ) -> Result<Use, FleetError> {
        let entry = Entry {
            until: signature.replayable_until().as_second(),
            key: *signature.replay_key().as_bytes(),
        };
        Ok(self.insert(client, entry, now.as_second()))
    }
}

impl Default for ReplayCache {
    fn default() -> Self {
        Self::new(4096)
    }
}

impl fmt::Debug for ReplayCache {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("ReplayCache")
            .field("per_client", &self.per_client)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Seen {
    clients: HashMap<ClientId, BTreeSet<Entry>>,
    /// Every signature that is forgotten was to be accepted until this second, or an earlier one.
    forgotten: i64,
    /// When signatures were last forgotten.
    swept: i64,
}

impl Seen {
    /// Forgets what has expired, now and then: all clients are looked at.
    fn forget(&mut self, now: i64) {
        if now.abs_diff(self.swept) < SWEEP_SECONDS {
            return;
        }
        self.swept = now;
        let forgotten = &mut self.forgotten;
        self.clients.retain(|_, entries| {
            while let Some(first) = entries.first()
                && first.until < now
            {
                *forgotten = (*forgotten).max(first.until);
                entries.pop_first();
            }
            !entries.is_empty()
        });
    }
}

/// A signature; the replay of one has the same time as well, since that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// The last second in which it would be accepted.
    until: i64,
    key: [u8; 32],
}

/// Signatures are remembered so much longer than they have to be.
const SWEEP_SECONDS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: &str) -> ClientId {
        ClientId::parse(id).unwrap()
    }

    fn entry(key: u8, until: i64) -> Entry {
        Entry {
            until,
            key: [key; 32],
        }
    }

    #[test]
    fn a_signature_is_good_for_one_request() {
        let (cache, one, two) = (ReplayCache::default(), client("one"), client("two"));
        assert_eq!(cache.insert(&one, entry(1, 400), 100), Use::First);
        assert_eq!(cache.insert(&one, entry(1, 400), 101), Use::Again);
        assert_eq!(cache.insert(&one, entry(2, 400), 101), Use::First);
        assert_eq!(cache.insert(&two, entry(1, 400), 101), Use::First);
        // As long as it would be accepted.
        assert_eq!(cache.insert(&one, entry(1, 400), 400), Use::Again);
    }

    #[test]
    fn one_client_cannot_fill_the_memory_or_the_place_of_another() {
        let (cache, one, two) = (ReplayCache::new(2), client("one"), client("two"));
        assert_eq!(cache.insert(&one, entry(1, 400), 100), Use::First);
        assert_eq!(cache.insert(&one, entry(2, 500), 100), Use::First);
        assert_eq!(cache.insert(&one, entry(3, 500), 100), Use::TooMany);
        assert_eq!(cache.insert(&one, entry(1, 400), 100), Use::Again);
        assert_eq!(cache.insert(&two, entry(3, 500), 100), Use::First);
        // The first has expired, and makes room in time.
        assert_eq!(cache.insert(&one, entry(3, 500), 411), Use::First);
    }

    #[test]
    fn clients_that_fall_silent_are_forgotten() {
        let cache = ReplayCache::default();
        for number in 0..100 {
            cache.insert(&client(&number.to_string()), entry(1, 400), 100);
        }
        cache.insert(&client("other"), entry(1, 900), 600);
        assert_eq!(cache.seen.lock().unwrap().clients.len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_lets_nothing_in_again() {
        let (cache, one) = (ReplayCache::default(), client("one"));
        assert_eq!(cache.insert(&one, entry(1, 400), 100), Use::First);
        assert_eq!(cache.insert(&one, entry(2, 900), 600), Use::First);
        assert_eq!(cache.insert(&one, entry(1, 400), 100), Use::Again);
        // Those that are made from now on are another matter.
        assert_eq!(cache.insert(&one, entry(3, 401), 101), Use::First);
    }
}
