//! What is done when the store has forgotten versions that devices still know (rc3.md ambiguity 29).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use margo_types::Digest;
use margo_types::id::ClientId;
use margo_types::manifest::ManifestVersion;

use crate::publish::{PublishError, Publisher};
use crate::store::{Head, Store};

/// Notices that the store has forgotten versions, and raises the version of the clients concerned.
#[derive(Debug)]
pub(super) struct Recovery {
    publisher: Publisher,
    store: Arc<dyn Store>,
    /// The clients whose version was raised.
    raised: Mutex<HashMap<ClientId, Raised>>,
}

impl Recovery {
    pub(super) fn new(publisher: Publisher, store: Arc<dyn Store>) -> Self {
        Self {
            publisher,
            store,
            raised: Mutex::default(),
        }
    }

    /// The client was given the newest manifest.
    pub(super) fn served(&self, client: &ClientId) {
        if let Some(raised) = self.raised().get_mut(client) {
            raised.awaits_serving = false;
        }
    }

    /// The client holds a manifest with this digest, and it is not the newest.
    pub(super) async fn holds(
        &self,
        client: &ClientId,
        digest: &Digest,
    ) -> Result<(), PublishError> {
        if self.store.version_of(client, digest).await?.is_some() {
            return Ok(());
        }
        let Some(head) = self.assigned_head(client).await? else {
            tracing::error!(%client, %digest, "the client holds a manifest that this store never published, and nothing \
                was ever assigned to it here; publish what it should run, or restore a newer backup");
            return Ok(());
        };
        let Some(leap) = self.next_leap(client) else {
            return Ok(());
        };
        tracing::error!(%client, %digest, version = %head.version, leap, "the client holds a manifest that this store never \
            published, as after a backup was restored; the same deployments are published under a higher version");
        let raised = self.raise(client, head.version, leap).await;
        if raised.is_err() {
            self.take_back(client);
        }
        raised
    }

    /// The client has adopted this version; gives the finding when there is no such version.
    pub(super) async fn adopted(
        &self,
        client: &ClientId,
        adopted: ManifestVersion,
    ) -> Result<Option<String>, PublishError> {
        let newest = self.store.head(client).await?;
        let newest = newest.map_or(0, |head| head.version.get());
        let Some(beyond) = adopted
            .get()
            .checked_sub(newest)
            .filter(|beyond| *beyond > 0)
        else {
            return Ok(None);
        };
        let finding =
            format!("adoptedManifestVersion is {adopted}, but the newest version is {newest}");
        if beyond >= MAX_LEAP {
            tracing::error!(%client, %adopted, newest, "the client claims a version far above the newest; it is ignored");
            return Ok(Some(finding));
        }
        let Some(head) = self.assigned_head(client).await? else {
            tracing::error!(%client, %adopted, "the client has adopted a version that this store never published, and nothing \
                was ever assigned to it here; publish what it should run, or restore a newer backup");
            return Ok(Some(finding));
        };
        if !self.spend(client) {
            return Ok(Some(finding));
        }
        tracing::error!(%client, %adopted, version = %head.version, "the client has adopted a version that this store never \
            published, as after a backup was restored; the same deployments are published under a higher version");
        if let Err(error) = self.raise(client, adopted, 1).await {
            self.take_back(client);
            return Err(error);
        }
        Ok(Some(finding))
    }

    /// The newest publication, if anything was ever assigned to the client.
    async fn assigned_head(&self, client: &ClientId) -> Result<Option<Head>, PublishError> {
        let head = self.store.head(client).await?;
        let Some(head) = head.filter(|head| head.version == ManifestVersion::FIRST) else {
            return Ok(head);
        };
        let is_empty = self.store.assigned(client).await?.is_empty();
        Ok((!is_empty).then_some(head))
    }

    /// How far to leap now; `None` when the client was not yet served what it was raised to, or has leapt often enough.
    fn next_leap(&self, client: &ClientId) -> Option<u64> {
        let mut raised = self.raised();
        let raised = raised.entry(client.clone()).or_default();
        if raised.awaits_serving {
            return None;
        }
        let leap = LEAPS.get(raised.times).or(LEAPS.last()).copied()?;
        raised.spend(client).then_some(leap)
    }

    fn spend(&self, client: &ClientId) -> bool {
        self.raised()
            .entry(client.clone())
            .or_default()
            .spend(client)
    }

    fn take_back(&self, client: &ClientId) {
        if let Some(raised) = self.raised().get_mut(client) {
            raised.times = raised.times.saturating_sub(1);
            raised.awaits_serving = false;
        }
    }

    async fn raise(
        &self,
        client: &ClientId,
        version: ManifestVersion,
        leap: u64,
    ) -> Result<(), PublishError> {
        let target = version.get().checked_add(leap);
        let target = target.and_then(ManifestVersion::new);
        let target = target.ok_or(PublishError::Exhausted)?;
        self.publisher.raise(client, target).await.map(drop)
    }

    fn raised(&self) -> MutexGuard<'_, HashMap<ClientId, Raised>> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the version of a client was raised.
#[derive(Debug, Default)]
struct Raised {
    times: usize,
    /// Whether the client was not given the newest manifest since.
    awaits_serving: bool,
}

impl Raised {
    /// Counts one more time; false when it would be too often.
    fn spend(&mut self, client: &ClientId) -> bool {
        if self.times >= MAX_TIMES {
            tracing::error!(%client, times = self.times, "the version of the client was raised often enough; restart the fleet \
                manager to try on, or give the client a new client id");
            return false;
        }
        self.times += 1;
        self.awaits_serving = true;
        true
    }
}

/// How far to leap, the first time and further times. More than one publication a minute for a month is beyond
/// any backup that somebody would restore.
const LEAPS: [u64; 4] = [16, 256, 4096, 65536];

/// How often the version of a client is raised in the life of the process: a client that lies should not fill the store.
const MAX_TIMES: usize = 16;

/// How far above the newest version a reported one may be: more than one publication a second for half a year. A client
/// that lies could otherwise use up its versions.
const MAX_LEAP: u64 = 1 << 24;
