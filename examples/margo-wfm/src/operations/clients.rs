//! Which clients are served.

use margo_server_traits::store::{ClientRecord, Store as _};
use margo_types::SpecVersion;
use margo_types::id::ClientId;
use serde::{Deserialize, Serialize};

use super::Operation;
use crate::failure::Failure;
use crate::manager::Manager;
use crate::policy::WAITING;

/// Accepts or refuses a client, from its next request on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DecideClient {
    /// The client.
    pub client: ClientId,
    /// Whether it is served.
    pub accepted: bool,
    /// Where it is, or why it is refused; a refused client is told.
    pub note: String,
}

impl DecideClient {
    /// Serves this client.
    pub fn accept(client: ClientId, note: impl Into<String>) -> Self {
        Self {
            client,
            accepted: true,
            note: note.into(),
        }
    }

    /// Serves this client no longer.
    pub fn refuse(client: ClientId, note: impl Into<String>) -> Self {
        Self {
            client,
            accepted: false,
            note: note.into(),
        }
    }
}

/// Lists the clients that were accepted, refused, or have asked without being either.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ListClients {}

/// A client.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Client {
    /// The client.
    pub client: ClientId,
    /// Whether it is served.
    pub accepted: bool,
    /// Whether it has asked and nobody has decided yet.
    pub waiting: bool,
    /// What the operator noted.
    pub note: String,
    /// How many devices it has reported.
    pub devices: usize,
    /// The generation it speaks.
    pub generation: SpecVersion,
}

/// Makes a client one of another generation: everything is published for it anew.
///
/// Deployments that the generation cannot express are named, and nothing is changed then.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChangeGeneration {
    /// The client.
    pub client: ClientId,
    /// What it speaks.
    pub generation: SpecVersion,
}

impl ChangeGeneration {
    /// Of this client, to this generation.
    pub const fn new(client: ClientId, generation: SpecVersion) -> Self {
        Self { client, generation }
    }
}

impl Operation for DecideClient {
    const NAME: &'static str = "decide-client";
    type Output = Client;

    async fn run(self, manager: &Manager) -> Result<Client, Failure> {
        loop {
            let before = manager.store().client(&self.client).await?;
            let known = before.clone();
            let mut record = known.unwrap_or(ClientRecord::new(self.client.clone(), false));
            record.accepted = self.accepted;
            record.note.clone_from(&self.note);
            if manager
                .store()
                .replace_client(before.as_ref(), &record)
                .await?
            {
                return describe(manager, record).await;
            }
        }
    }
}

impl Operation for ChangeGeneration {
    const NAME: &'static str = "change-generation";
    type Output = Client;

    async fn run(self, manager: &Manager) -> Result<Client, Failure> {
        manager
            .change_generation(&self.client, self.generation)
            .await?;
        let record = manager.store().client(&self.client).await?;
        let record = record.unwrap_or(ClientRecord::new(self.client, false));
        describe(manager, record).await
    }
}

impl Operation for ListClients {
    const NAME: &'static str = "list-clients";
    type Output = Vec<Client>;

    async fn run(self, manager: &Manager) -> Result<Vec<Client>, Failure> {
        let mut clients = Vec::new();
        for record in manager.store().clients().await? {
            clients.push(describe(manager, record).await?);
        }
        Ok(clients)
    }
}

async fn describe(manager: &Manager, record: ClientRecord) -> Result<Client, Failure> {
    let devices = manager.store().devices(Some(&record.id)).await?.len();
    Ok(Client {
        waiting: !record.accepted && record.note.starts_with(WAITING),
        client: record.id,
        accepted: record.accepted,
        note: record.note,
        devices,
        generation: record.generation,
    })
}
