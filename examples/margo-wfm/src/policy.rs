//! Which clients are served.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{Timestamp, Unit};
use margo_server_traits::store::{ClientRecord, Store};
use margo_server_traits::{Admission, Caller, ClientPolicy, FleetError, Verified};
use margo_types::id::ClientId;

use crate::config::AcceptPolicy;

/// The policy of the configuration, over the decisions in the store.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) accept: AcceptPolicy,
}

/// How the note of a client begins that has asked and that nobody has decided about.
pub(crate) const WAITING: &str = "waiting since";

/// A client that nobody has decided about.
pub(crate) fn waiting(id: &ClientId) -> ClientRecord {
    let mut record = ClientRecord::new(id.clone(), false);
    record.note = format!("{WAITING} {}", now());
    record
}

fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now)
}

#[async_trait]
impl ClientPolicy for Policy {
    async fn admit(&self, caller: &Verified<Caller>) -> Result<Admission, FleetError> {
        let standing = self.store.standing(&caller.client_id).await?;
        if standing.is_some_and(|it| it.accepted && it.generation == caller.generation) {
            return Ok(Admission::Admitted);
        }
        let known = self.store.client(&caller.client_id).await?;
        match known {
            Some(record) if record.generation != caller.generation => Ok(Admission::Refused {
                reason: format!(
                    "this client is known to speak {}, not {}; `margo-wfm client generation` changes that",
                    record.generation, caller.generation
                ),
            }),
            Some(record) if record.accepted => Ok(Admission::Admitted),
            Some(record) if !record.note.starts_with(WAITING) => Ok(Admission::Refused {
                reason: match record.note.as_str() {
                    "" => "the operator of this fleet manager refused this client".to_owned(),
                    note => note.to_owned(),
                },
            }),
            Some(_) if self.accept == AcceptPolicy::Listed => Ok(waits(&caller.client_id)),
            undecided => self.decide(caller, undecided).await,
        }
    }
}

impl Policy {
    /// Notes a client that nobody has decided about.
    async fn decide(
        &self,
        caller: &Caller,
        before: Option<ClientRecord>,
    ) -> Result<Admission, FleetError> {
        let id = &caller.client_id;
        let mut record = waiting(id).speaking(caller.generation);
        if self.accept == AcceptPolicy::All {
            record.accepted = true;
            record.note = format!("accepted by its first request at {}", now());
        }
        // Should somebody decide in this moment, the next request is told so.
        if self.store.replace_client(before.as_ref(), &record).await? {
            tracing::info!(client = %id, accepted = record.accepted, "a new client");
        }
        Ok(if record.accepted {
            Admission::Admitted
        } else {
            waits(id)
        })
    }
}

fn waits(id: &ClientId) -> Admission {
    Admission::Refused {
        reason: format!(
            "the operator has not accepted this client yet; `margo-wfm client accept {id}` does"
        ),
    }
}
