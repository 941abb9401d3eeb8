//! Whose a state is.

use std::fmt;

use margo_types::id::SpiffeId;

/// Whose a state is: one client of one fleet manager.
///
/// For a client of the newest generation that is its own SPIFFE ID,
/// [`Identity::id`](margo_types::svid::Identity::id), which names its fleet manager as well; for one of the signed
/// generation, [`Enrolment::owner`](crate::onboarding::Enrolment::owner).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner(String);

impl Owner {
    /// The client that enrolled with the fleet manager at this URL, first with the key of this id.
    ///
    /// Not by its client id: that is not known before the fleet manager answers, and may be another one after a renewal.
    pub(crate) fn of_enrolled(fleet_manager: &str, first_key: &str) -> Self {
        Self(format!("{fleet_manager}#{first_key}"))
    }

    /// The text that a state keeps.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&SpiffeId> for Owner {
    fn from(client: &SpiffeId) -> Self {
        Self(client.as_str().to_owned())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(&self.0)
    }
}
