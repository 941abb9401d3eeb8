//! Connections that are renewed with the identity, and in time (D71, D72, C14).

use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use margo_types::svid::Identity;
use reqwest::Client;
use tokio::time::Instant;

use crate::api::ApiOptions;
use crate::error::{Error, ErrorKind};
use crate::exchange;

/// The connections of one identity to one fleet manager.
///
/// A pool is given up as a whole: no handshake under a replaced SVID or bundle is used for a new request, and no
/// connection outlives the age limit by more than the exchange that is under way.
pub(super) struct Connections {
    identity: Identity,
    options: ApiOptions,
    pool: Mutex<Pool>,
}

struct Pool {
    client: Client,
    /// Of the identity, when the pool was made.
    generation: u64,
    since: Instant,
}

impl Connections {
    /// No connection is made yet.
    pub(super) fn new(identity: Identity, options: &ApiOptions) -> Result<Self, Error> {
        let pool = Pool::new(&identity, options)?;
        Ok(Self {
            identity,
            options: options.clone(),
            pool: Mutex::new(pool),
        })
    }

    /// The client to make the next request with.
    pub(super) fn current(&self) -> Result<Client, Error> {
        check_own_svid(&self.identity)?;
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = pool.since.elapsed() >= self.options.connection_age;
        if is_old || pool.generation != self.identity.generation() {
            *pool = Pool::new(&self.identity, &self.options)?;
        }
        Ok(pool.client.clone())
    }

    /// Adds why the fleet manager was refused, which the error of a TLS library does not tell in full.
    pub(super) fn explain(&self, error: Error) -> Error {
        match self.identity.last_refusal() {
            Some(refusal) if error.is_refused_certificate() => {
                error.because(refusal.reason.clone())
            }
            _ => error,
        }
    }
}

impl Pool {
    fn new(identity: &Identity, options: &ApiOptions) -> Result<Self, Error> {
        // Asked for first: a replacement in between makes the pool look older than it is, never younger.
        let generation = identity.generation();
        let tls = identity.client_config().map_err(|error| {
            let message = format!(
                "{} cannot connect to a fleet manager; give the SVID of a WFM client, spiffe://<domain>/margo/wfm/<wfm-id>/client/<client-id>",
                identity.id()
            );
            Error::new(ErrorKind::Setup, message).because(error)
        })?;
        let client = exchange::client_builder((*tls).clone(), options.connect)
            .user_agent(options.user_agent.as_str())
            .build()
            .map_err(|error| {
                let message = "HTTPS cannot be set up; check that the user agent is plain text";
                Error::new(ErrorKind::Setup, message).because(error)
            })?;
        Ok(Self {
            client,
            generation,
            since: Instant::now(),
        })
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Connections")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Says of one's own SVID what the fleet manager could only refuse.
fn check_own_svid(identity: &Identity) -> Result<(), Error> {
    let (svid, now) = (
        identity.svid(),
        identity.now().unwrap_or_else(Timestamp::now),
    );
    let fault = if svid.not_after() <= now {
        format!(
            "expired at {}; renew it, or set the clock of this device",
            svid.not_after()
        )
    } else if svid.not_before() > now {
        format!(
            "is not valid before {}; set the clock of this device",
            svid.not_before()
        )
    } else {
        return Ok(());
    };
    let message = format!("the SVID of this device, {}, {fault}", svid.id());
    Err(Error::new(ErrorKind::Setup, message))
}
