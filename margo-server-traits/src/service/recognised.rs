//! Clients that are known before their request.

use std::sync::Arc;

use margo_types::id::SpiffeId;
#[cfg(feature = "server")]
use margo_types::svid::PeerSvid;

use crate::{Caller, Verified};

/// A client that was recognised when its connection was made, in the extensions of all requests on it.
///
/// Whether it is admitted is asked on every request nevertheless.
#[derive(Clone, Debug)]
pub(crate) struct Recognised {
    own: Arc<SpiffeId>,
    caller: Arc<Verified<Caller>>,
}

impl Recognised {
    /// The client of the fleet manager `own` that this peer is; `None` when it is no client of it.
    #[cfg(feature = "server")]
    pub(crate) fn of(own: &Arc<SpiffeId>, peer: &PeerSvid) -> Option<Self> {
        let caller = Verified::of_svid(own, peer)?;
        Some(Self {
            own: Arc::clone(own),
            caller: Arc::new(caller),
        })
    }

    /// The client, if it was this fleet manager that recognised it.
    pub(super) fn by(&self, own: &SpiffeId) -> Option<&Verified<Caller>> {
        (*self.own == *own).then_some(&*self.caller)
    }
}
