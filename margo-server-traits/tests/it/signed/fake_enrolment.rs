//! An enrolment whose every answer a test decides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use margo_server_traits::{Applicant, Enrolled, Enrolment, FleetError};
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use margo_types::signature::ClientCertificate;

use super::device::Device;

#[derive(Debug, Default)]
pub(crate) struct FakeEnrolment(Mutex<State>);

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) certificates: BTreeMap<ClientId, Vec<ClientCertificate>>,
    /// What becomes of whoever asks; without one, that nothing was decided.
    pub(crate) answer: Option<Enrolled>,
    /// Whether nobody is there to answer.
    pub(crate) is_away: bool,
    pub(crate) root: Option<Certificate>,
    /// Who has asked.
    pub(crate) applicants: Vec<Applicant>,
}

impl FakeEnrolment {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the key of this device sign for a client, beside others that may.
    pub(crate) fn enrol_as(&self, client: &str, device: &Device) {
        let client = ClientId::parse(client).unwrap();
        let mut state = self.state();
        let certificates = state.certificates.entry(client).or_default();
        certificates.push(ClientCertificate::read(&device.certificate).unwrap());
    }
}

#[async_trait]
impl Enrolment for FakeEnrolment {
    async fn enrol(&self, applicant: &Applicant) -> Result<Enrolled, FleetError> {
        let mut state = self.state();
        state.applicants.push(applicant.clone());
        Ok(state.answer.clone().unwrap_or(Enrolled::Pending))
    }

    async fn credentials(&self, client: &ClientId) -> Result<Arc<[ClientCertificate]>, FleetError> {
        let state = self.state();
        if state.is_away {
            return Err(FleetError::Unavailable {
                reason: "the database on host secret-db is away".to_owned(),
                retry_after: 7,
            });
        }
        let certificates = state.certificates.get(client).cloned();
        Ok(certificates.unwrap_or_default().into())
    }

    async fn root_certificate(&self) -> Result<Option<Certificate>, FleetError> {
        Ok(self.state().root.clone())
    }
}
