//! Enrolment over a store: what is decided without an operator.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use margo_types::signature::ClientCertificate;
use margo_types::{Digest, SpecVersion};

use super::StoreFleet;
use super::policy::EnrolmentDecision;
use crate::store::{
    ClientRecord, EnrolmentChange, EnrolmentPut, EnrolmentReading, EnrolmentRecord, EnrolmentState,
};
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
            digests,
            asked,
        };
        if let Some(decided) = known.decided() {
            return Ok(Some(decided));
        }
        if let Some(registered) = known.registered() {
            return match &registered.client {
                Some(client) if registered.is_accepted() => match known.owner() {
                    Some(owner) if owner != client => self.ask_whose(&known, client, owner).await,
                    _ => self.take_up(&known, registered, client.clone()).await,
                },
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
                Some(owner) => self.renew(&known, known.reading(), owner.clone()).await,
                None => self.accept(&known).await,
            },
            EnrolmentDecision::AcceptAs(client) => match known.owner() {
                Some(owner) if *owner != client => self.ask_whose(&known, &client, owner).await,
                _ => self.renew(&known, known.reading(), client).await,
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
        let namesakes = self.namesakes(&known.asked).await?;
        if let Some(client) = owner(&namesakes.found).cloned() {
            if self.enrolment.renews_by_subject {
                return self.renew(known, namesakes, client).await;
            }
            let note = format!(
                "its issuer is accepted, but client {client} has the same subject; is this a renewal?"
            );
            return self.ask_operator(known, &note).await;
        }
        let client = new_client_id();
        let mut change = known.change(known.asked.clone().accepted_for(client.clone()));
        change.readings = vec![known.reading()];
        let record = ClientRecord::new(client.clone(), true).speaking(SpecVersion::Rc1);
        change.client = Some((None, record));
        tracing::info!(%client, fingerprint = %known.asked.fingerprint, "the policy accepts a new client");
        self.make(&change, Enrolled::Accepted(client)).await
    }

    /// The policy accepts a certificate for a client, which may be new, because of what was read.
    async fn renew(
        &self,
        known: &Known,
        because: EnrolmentReading,
        client: ClientId,
    ) -> Result<Option<Enrolled>, FleetError> {
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
        let now = known.asked.asked_at;
        let mut certificates = self.store.enrolments(Some(&client)).await?;
        certificates.retain(EnrolmentRecord::is_accepted);
        let (ended, current): (Vec<_>, Vec<_>) = certificates
            .into_iter()
            .partition(|it| it.certificate.is_some() && !is_valid(it, now));
        if current.len() >= MAX_CERTIFICATES {
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
        // Whatever is retired or rejected in the meantime may be what it is accepted for.
        change.readings = vec![known.reading(), because];
        let made = self.make(&change, enrolled).await?;
        if made.is_some() {
            // They cannot come back.
            self.forget(ended).await?;
        }
        Ok(made)
    }

    /// What is for one client has the key of another one.
    async fn ask_whose(
        &self,
        known: &Known,
        client: &ClientId,
        owner: &ClientId,
    ) -> Result<Option<Enrolled>, FleetError> {
        let note = format!("it is for client {client}, but has the key of client {owner}");
        self.ask_operator(known, &note).await
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
            EnrolmentPut::TooMany if self.forget_stale(known.asked.asked_at).await? => Ok(None),
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

    /// The certificates of the same issuer and subject.
    async fn namesakes(&self, asked: &EnrolmentRecord) -> Result<EnrolmentReading, FleetError> {
        let digests: Vec<_> = asked.names.into_iter().collect();
        let found = self.store.enrolments_by(&digests).await?;
        Ok(EnrolmentReading { digests, found })
    }

    /// Makes room among the certificates that wait: forgets those that have ended or waited for [`MAX_WAIT`], and says whether
    /// there were any.
    async fn forget_stale(&self, now: Timestamp) -> Result<bool, FleetError> {
        let mut waiting = self.store.enrolments(None).await?;
        waiting.retain(|it| {
            let is_stale = || now.duration_since(it.asked_at) > MAX_WAIT || !is_valid(it, now);
            it.state == EnrolmentState::Pending && is_stale()
        });
        self.forget(waiting).await
    }

    /// Forgets those of these that are still as they were read, and says whether there were any.
    async fn forget(&self, records: Vec<EnrolmentRecord>) -> Result<bool, FleetError> {
        let mut any = false;
        for record in records {
            let forget = EnrolmentChange::new(Some(record), None);
            any |= self.store.change_enrolment(&forget).await? == EnrolmentPut::Done;
        }
        Ok(any)
    }
}

/// A certificate that somebody asks with, and what is known about it and its key.
struct Known {
    asked: EnrolmentRecord,
    digests: Vec<Digest>,
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
        owner(self.certificates())
    }

    /// The same, as long as that certificate is valid.
    fn valid_owner(&self) -> Option<&ClientId> {
        let now = self.asked.asked_at;
        let accepted = self.certificates().filter(|it| it.is_accepted());
        let valid = accepted.filter(|it| is_valid(it, now));
        valid.filter_map(|it| it.client.as_ref()).last()
    }

    /// The change to `after`, of what was registered if it was. Of one key one certificate is pending at most, so that who
    /// makes a new one each time does not fill the store.
    fn change(&self, after: EnrolmentRecord) -> EnrolmentChange {
        let is_pending = |it: &&EnrolmentRecord| it.state == EnrolmentState::Pending;
        let pending = || self.certificates().find(is_pending);
        let before = self.registered().or_else(pending);
        EnrolmentChange::new(before.cloned(), Some(after))
    }

    /// All of it, as it was read.
    fn reading(&self) -> EnrolmentReading {
        EnrolmentReading {
            digests: self.digests.clone(),
            found: self.records.clone(),
        }
    }

    fn certificates(&self) -> impl Iterator<Item = &EnrolmentRecord> {
        self.records.iter().filter(|it| it.certificate.is_some())
    }
}

/// The client that the newest accepted certificate is of.
fn owner<'r>(records: impl IntoIterator<Item = &'r EnrolmentRecord>) -> Option<&'r ClientId> {
    let accepted = records.into_iter().filter(|it| it.is_accepted());
    accepted.filter_map(|it| it.client.as_ref()).last()
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

/// How long a certificate waits for the operator before it makes room for another one.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// Every lost race was won by somebody who asks for the same key, or by an operator.
const ATTEMPTS: usize = 32;

/// Seconds; the operator has to do something first.
const BUSY_RETRY_AFTER: u32 = 300;

#[cfg(test)]
mod tests;
