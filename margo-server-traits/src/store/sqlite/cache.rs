//! What every poll asks for, in memory. Right because no other process has the file open.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use margo_types::id::ClientId;
use margo_types::signature::ClientCertificate;

use crate::store::{Head, Standing};

/// What is known about each client, in one place and little, so that a poll that asks for one thing after the other finds the
/// second one near the first.
#[derive(Default)]
pub(super) struct Cache(RwLock<HashMap<ClientId, Known>>);

/// What is known about a client.
#[derive(Default)]
pub(super) struct Known {
    pub(super) standing: Cached<Standing>,
    pub(super) head: Cached<Head>,
    /// Of those clients alone that have been asked for, since most keys take longer to prepare than to use.
    pub(super) credentials: Cached<Arc<[ClientCertificate]>>,
}

/// One thing about a client.
#[derive(Clone, Default)]
pub(super) enum Cached<T> {
    /// There is none.
    #[default]
    Nothing,
    /// This is it.
    Thing(T),
    /// Only the file knows.
    Unsure,
}

impl Cache {
    /// One thing about this client.
    pub(super) fn get<T: Clone>(
        &self,
        client: &ClientId,
        thing: impl FnOnce(&Known) -> &Cached<T>,
    ) -> Cached<T> {
        let clients = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = clients.get(client).map(thing);
        known.cloned().unwrap_or_default()
    }

    /// Changes what is known about this client.
    pub(super) fn set(&self, client: &ClientId, change: impl FnOnce(&mut Known)) {
        let mut clients = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(clients.entry(client.clone()).or_default());
    }
}
