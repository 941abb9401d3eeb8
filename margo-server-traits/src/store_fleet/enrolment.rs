//! Enrolment over a store: what is decided without an operator.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use margo_types::SpecVersion;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use margo_types::signature::ClientCertificate;

use super::StoreFleet;
use super::policy::EnrolmentDecision;
use crate::store::{ClientRecord, EnrolmentChange, EnrolmentPut, EnrolmentRecord, EnrolmentState};
use crate::{Applicant, Enrolled, Enrolment, FleetError};

#[async_trait]
impl Enrolment for StoreFleet {
    async fn enrol(&self, applicant: &Applicant) -> Result<Enrolled, FleetError> {
        for _ in 0..ATTEMPTS {
            if let Some(enrolled) = self.enrol_once(applicant).await? {
                return Ok(enrolled);
            }
        }
        Err(unavailable("others keep changing this enrolment", 1))
    }

    async fn credentials(&self, client: &ClientId) -> Result<Arc<[ClientCertificate]>, FleetError> {
        Ok(self.store.credentials(client).await?)
    }

    async fn root_certificate(&self) -> Result<Option<Certificate>, FleetError> {
        Ok(self.enrolment.root_certificate.clone())
    }
}

impl StoreFleet {
    /// One attempt; `None` when somebody else has changed what it was about.
    async fn enrol_once(&self, applicant: &Applicant) -> Result<Option<Enrolled>, FleetError> {
        let asked = EnrolmentRecord::new(&applicant.certificate, Timestamp::now())
            .map_err(|why| FleetError::Internal(why.into()))?;
        let digests: Vec<_> = asked.digests().collect();
        let known = Known {
            records: self.store.enrolments_by(&digests).await?,
            asked,
        };
        if let Some(decided) = known.decided() {
            return Ok(Some(decided));
        }
        if let Some(registered) = known.registered() {
            return match &registered.client {
                Some(client) if registered.is_accepted() => {
                    self.take_up(&known, registered, client.clone()).await
                }
                _ => Ok(Some(Enrolled::Rejected(reason(registered)))),
            };
        }
        if let Some(rejected) = known.rejected_key() {
            return Ok(Some(Enrolled::Rejected(reason(rejected))));
        }
        match self.enrolment.policy.decide(applicant).await? {
            EnrolmentDecision::Reject(reason) => Ok(Some(Enrolled::Rejected(reason))),
            EnrolmentDecision::AskOperator => self.ask_operator(&known, "").await,
            EnrolmentDecision::Accept => match known.owner() {
                Some(owner) => self.renew(&known, owner.clone()).await,
                None => self.accept(&known).await,
            },
            EnrolmentDecision::AcceptAs(client) => match known.owner() {
                Some(owner) if *owner != client => {
                    let note =
                        format!("it is for client {client}, but has the key of client {owner}");
                    self.ask_operator(&known, &note).await
                }
                _ => self.renew(&known, client).await,
            },
        }
    }

    /// Somebody asks with what was registered by its fingerprint.
    async fn take_up(
        &self,
        known: &Known,
        registered: &EnrolmentRecord,
        client: ClientId,
    ) -> Result<Option<Enrolled>, FleetError> {
        let mut asked = known.asked.clone();
        asked.note.clone_from(&registered.note);
        let asked = asked.accepted_for(client.clone());
        // It was registered in the same moment in which it asked for the first time.
        if let Some(itself) = known.itself() {
            let forget = EnrolmentChange::new(Some(itself.clone()), None);
            self.store.change_enrolment(&forget).await?;
        }
        let change = EnrolmentChange::new(Some(registered.clone()), Some(asked));
        self.make(&change, Enrolled::Accepted(client)).await
    }

    /// The policy accepts a certificate whose key nobody has.
    async fn accept(&self, known: &Known) -> Result<Option<Enrolled>, FleetError> {
        if let Some(client) = self.namesake(&known.asked).await? {
            if self.enrolment.renews_by_subject {
                return self.renew(known, client).await;
            }
            let note = format!(
                "its issuer is accepted, but client {client} has the same subject; is this a renewal?"
            );
            return self.ask_operator(known, &note).await;
        }
        let client = new_client_id();
        let mut change = known.change(known.asked.clone().accepted_for(client.clone()));
        let record = ClientRecord::new(client.clone(), true).speaking(SpecVersion::Rc1);
        change.client = Some((None, record));
        tracing::info!(%client, fingerprint = %known.asked.fingerprint, "the policy accepts a new client");
        self.make(&change, Enrolled::Accepted(client)).await
    }

    /// The policy accepts a certificate for a client, which may be new.
    async fn renew(&self, known: &Known, client: ClientId) -> Result<Option<Enrolled>, FleetError> {
        let before = self.store.client(&client).await?;
        let record = match &before {
            Some(record) if record.generation != SpecVersion::Rc1 => {
                let generation = record.generation;
                let note = format!(
                    "client {client} speaks {generation}; change that first, if it is to sign"
                );
                return self.ask_operator(known, &note).await;
            }
            Some(record) => record.clone(),
            None => ClientRecord::new(client.clone(), true).speaking(SpecVersion::Rc1),
        };
        if !self.has_room(&client).await? {
            let note = format!(
                "client {client} has {MAX_CERTIFICATES} certificates; retire those that it no longer uses"
            );
            return self.ask_operator(known, &note).await;
        }
        tracing::info!(%client, fingerprint = %known.asked.fingerprint, "the policy accepts one more certificate of a client");
        let enrolled = match before {
            Some(_) => Enrolled::Already(client.clone()),
            None => Enrolled::Accepted(client.clone()),
        };
        let mut change = known.change(known.asked.clone().accepted_for(client));
        change.client = Some((before, record));
        self.make(&change, enrolled).await
    }

    /// Leaves it to the operator.
    async fn ask_operator(
        &self,
        known: &Known,
        note: &str,
    ) -> Result<Option<Enrolled>, FleetError> {
        // Whoever has the key of a client is that client, whatever becomes of the certificate.
        let answer = match known.valid_owner() {
            Some(owner) => Enrolled::Already(owner.clone()),
            None => Enrolled::Pending,
        };
        if known.itself().is_some() {
            return Ok(Some(answer));
        }
        let mut asked = known.asked.clone();
        asked.client = known.owner().cloned();
        note.clone_into(&mut asked.note);
        let mut change = known.change(asked);
        change.max_pending = self.enrolment.max_pending;
        match self.store.change_enrolment(&change).await? {
            EnrolmentPut::Done => {
                tracing::info!(fingerprint = %known.asked.fingerprint, "a certificate waits for the operator");
                Ok(Some(answer))
            }
            EnrolmentPut::TooMany if answer != Enrolled::Pending => Ok(Some(answer)),
            EnrolmentPut::TooMany => {
                let waiting = self.enrolment.max_pending;
                let why = format!("{waiting} certificates wait for the operator already");
                Err(unavailable(&why, BUSY_RETRY_AFTER))
            }
            _ => Ok(None),
        }
    }

    async fn make(
        &self,
        change: &EnrolmentChange,
        enrolled: Enrolled,
    ) -> Result<Option<Enrolled>, FleetError> {
        let put = self.store.change_enrolment(change).await?;
        Ok((put == EnrolmentPut::Done).then_some(enrolled))
    }

    /// The client that has an accepted certificate of the same issuer and subject.
    async fn namesake(&self, asked: &EnrolmentRecord) -> Result<Option<ClientId>, FleetError> {
        let Some(names) = asked.names else {
            return Ok(None);
        };
        let namesakes = self.store.enrolments_by(&[names]).await?;
        let mut accepted = namesakes.into_iter().filter(EnrolmentRecord::is_accepted);
        Ok(accepted.next_back().and_then(|it| it.client))
    }

    /// Whether a client may have one more certificate. Forgets those that have ended, for they cannot come back.
    async fn has_room(&self, client: &ClientId) -> Result<bool, FleetError> {
        let now = Timestamp::now();
        let mut count = 0;
        for record in self.store.enrolments(Some(client)).await? {
            if !record.is_accepted() {
                continue;
            }
            if is_valid(&record, now) || record.certificate.is_none() {
                count += 1;
            } else {
                let forget = EnrolmentChange::new(Some(record), None);
                self.store.change_enrolment(&forget).await?;
            }
        }
        Ok(count < MAX_CERTIFICATES)
    }
}

/// A certificate that somebody asks with, and what is known about it and its key.
struct Known {
    asked: EnrolmentRecord,
    records: Vec<EnrolmentRecord>,
}

impl Known {
    /// The same certificate.
    fn itself(&self) -> Option<&EnrolmentRecord> {
        let fingerprint = self.asked.fingerprint;
        self.certificates().find(|it| it.fingerprint == fingerprint)
    }

    /// The answer that does not depend on anybody's policy.
    fn decided(&self) -> Option<Enrolled> {
        let itself = self.itself()?;
        match itself.state {
            EnrolmentState::Accepted => itself.client.clone().map(Enrolled::Already),
            EnrolmentState::Rejected => Some(Enrolled::Rejected(reason(itself))),
            EnrolmentState::Pending => None,
        }
    }

    /// What was registered by a fingerprint.
    fn registered(&self) -> Option<&EnrolmentRecord> {
        self.records.iter().find(|it| it.certificate.is_none())
    }

    /// The rejected certificate of the same key, unless another one of that key is accepted.
    fn rejected_key(&self) -> Option<&EnrolmentRecord> {
        let rejected = |it: &&EnrolmentRecord| it.state == EnrolmentState::Rejected;
        let rejected = self.certificates().find(rejected);
        rejected.filter(|_| self.owner().is_none())
    }

    /// The client that has another accepted certificate of the same key.
    fn owner(&self) -> Option<&ClientId> {
        let accepted = self.certificates().filter(|it| it.is_accepted());
        accepted.filter_map(|it| it.client.as_ref()).last()
    }

    /// The same, as long as that certificate is valid.
    fn valid_owner(&self) -> Option<&ClientId> {
        let now = self.asked.asked_at;
        let accepted = self.certificates().filter(|it| it.is_accepted());
        let valid = accepted.filter(|it| is_valid(it, now));
        valid.filter_map(|it| it.client.as_ref()).last()
    }

    /// The change to `after`. Of one key one certificate is pending at most, so that who makes a new one each time does not
    /// fill the store.
    fn change(&self, after: EnrolmentRecord) -> EnrolmentChange {
        let is_pending = |it: &&EnrolmentRecord| it.state == EnrolmentState::Pending;
        let before = self.certificates().find(is_pending);
        EnrolmentChange::new(before.cloned(), Some(after))
    }

    fn certificates(&self) -> impl Iterator<Item = &EnrolmentRecord> {
        self.records.iter().filter(|it| it.certificate.is_some())
    }
}

fn is_valid(record: &EnrolmentRecord, now: Timestamp) -> bool {
    let read = record.read().and_then(Result::ok);
    read.is_some_and(|read| now <= read.not_after())
}

fn reason(record: &EnrolmentRecord) -> String {
    match record.note.as_str() {
        "" => "the operator of this fleet manager has rejected the certificate".to_owned(),
        note => note.to_owned(),
    }
}

fn new_client_id() -> ClientId {
    let id = uuid::Uuid::new_v4().to_string();
    ClientId::parse(&id).unwrap_or_else(|_| unreachable!("hexadecimal digits and dashes"))
}

fn unavailable(why: &str, retry_after: u32) -> FleetError {
    FleetError::Unavailable {
        reason: why.to_owned(),
        retry_after,
    }
}

/// More than any client uses at a time.
const MAX_CERTIFICATES: usize = 8;

/// Every lost race was won by somebody who asks for the same key, or by an operator.
const ATTEMPTS: usize = 32;

/// Seconds; the operator has to do something first.
const BUSY_RETRY_AFTER: u32 = 300;

#[cfg(test)]
mod tests;
