//! What every poll asks for, in memory. Right because no other process has the file open.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use margo_types::id::ClientId;

/// One thing about each client; `None` when only the file knows it.
pub(super) struct Cache<T>(RwLock<HashMap<ClientId, Option<T>>>);

/// What is cached about a client.
pub(super) enum Cached<T> {
    /// The thing, if there is one.
    Known(Option<T>),
    /// Only the file knows.
    Unsure,
}

impl<T: Clone> Cache<T> {
    /// What is known about this client.
    pub(super) fn get(&self, client: &ClientId) -> Cached<T> {
        let things = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match things.get(client) {
            None => Cached::Known(None),
            Some(None) => Cached::Unsure,
            Some(thing) => Cached::Known(thing.clone()),
        }
    }

    /// `None` when only the file knows from now on.
    pub(super) fn set(&self, client: &ClientId, thing: Option<T>) {
        let mut things = self.0.write().unwrap_or_else(PoisonError::into_inner);
        things.insert(client.clone(), thing);
    }
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> FromIterator<(ClientId, T)> for Cache<T> {
    fn from_iter<I: IntoIterator<Item = (ClientId, T)>>(things: I) -> Self {
        let things = things.into_iter();
        Self(RwLock::new(
            things
                .map(|(client, thing)| (client, Some(thing)))
                .collect(),
        ))
    }
}
