//! The network between the fleet manager and the devices, which can be taken away.

use margo_conformance::gate::Gate;
use margo_wfm::Wfm;

use crate::Failure;

/// A line for each of the two ports of the fleet manager.
pub(crate) struct Network {
    newest: Gate,
    signed: Gate,
}

impl Network {
    /// Lines that lead nowhere yet.
    pub(crate) async fn new() -> Self {
        Self {
            newest: Gate::to(NOWHERE).await,
            signed: Gate::to(NOWHERE).await,
        }
    }

    /// Leads to this fleet manager from now on.
    ///
    /// # Errors
    /// When it does not serve both generations.
    pub(crate) fn lead_to(&self, wfm: &Wfm) -> Result<(), Failure> {
        let signed = wfm.signed_address();
        let signed = signed.ok_or("the fleet manager does not serve clients that sign")?;
        self.newest.lead_to(&wfm.address().to_string());
        self.signed.lead_to(&signed.to_string());
        Ok(())
    }

    /// Where devices with SVIDs find the fleet manager.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.newest.host())
    }

    /// Where devices that sign their requests find it.
    pub(crate) fn signed_url(&self) -> String {
        format!("https://{}", self.signed.host())
    }

    /// Takes it away.
    pub(crate) async fn close(&self) {
        self.newest.close().await;
        self.signed.close().await;
    }

    /// Brings it back.
    pub(crate) fn open(&self) {
        self.newest.open();
        self.signed.open();
    }
}

/// Discard, a port that nobody serves.
const NOWHERE: &str = "127.0.0.1:9";
