//! The newest publications in memory. Right because no other process has the file open.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use margo_types::id::ClientId;

use crate::store::Head;

/// The newest publication of each client; `None` when only the file knows it.
#[derive(Default)]
pub(super) struct Heads(RwLock<HashMap<ClientId, Option<Head>>>);

/// What is cached about a client.
pub(super) enum Cached {
    /// The newest publication, if there is one.
    Head(Option<Head>),
    /// Only the file knows.
    Unsure,
}

impl Heads {
    /// What is known about this client.
    pub(super) fn get(&self, client: &ClientId) -> Cached {
        let heads = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match heads.get(client) {
            None => Cached::Head(None),
            Some(Some(head)) => Cached::Head(Some(*head)),
            Some(None) => Cached::Unsure,
        }
    }

    /// `None` when only the file knows from now on.
    pub(super) fn set(&self, client: &ClientId, head: Option<Head>) {
        let mut heads = self.0.write().unwrap_or_else(PoisonError::into_inner);
        heads.insert(client.clone(), head);
    }
}

impl From<Vec<(ClientId, Head)>> for Heads {
    fn from(heads: Vec<(ClientId, Head)>) -> Self {
        let heads = heads.into_iter();
        Self(RwLock::new(
            heads.map(|(client, head)| (client, Some(head))).collect(),
        ))
    }
}
