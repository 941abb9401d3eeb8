//! What an operator decides about the certificates of clients.

use std::sync::Arc;

use jiff::Timestamp;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use margo_types::signature::InvalidKey;
use margo_types::{Digest, SpecVersion};
use uuid::Uuid;

use crate::store::{
    ClientRecord, EnrolmentChange, EnrolmentPut, EnrolmentRecord, EnrolmentState, Store, StoreError,
};

/// Registers, approves, rejects and retires the certificates of clients of the signed generation, over a store.
///
/// Everything takes effect with the next request of the client. Two who decide about the same certificate at the same time do not
/// undo each other: the later one is told what it is by then.
///
/// # Renewal
///
/// The specification has no rule for a client that gets a new key or certificate. Here its certificates are accepted side by
/// side, each until it ends by itself or is [retired](Self::retire). A new one is accepted
///
/// - because the operator has [registered](Self::register) it for the client before, or [approves](Self::approve) it for that;
/// - by itself, when the [policy](crate::EnrolmentPolicy) of the fleet manager accepts it and it has the key of an accepted one; or
///   the same issuer and subject, if [`StoreFleet::renew_by_subject`](crate::StoreFleet::renew_by_subject) says so.
///
/// What merely claims to be of a client in its subject is never taken for it.
#[derive(Clone, Debug)]
pub struct Registrar {
    store: Arc<dyn Store>,
}

/// What a certificate is registered by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// Itself.
    Certificate(Certificate),
    /// Its SHA-256, as `openssl x509 -fingerprint -sha256` prints it, or that of its key, as agents show it.
    Fingerprint(Digest),
}

impl Registrar {
    /// Decides in this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Accepts a certificate for a client before anybody asks with it; one that waits already is approved.
    ///
    /// The client is accepted, and new unless it is known. Registering the same once more changes nothing but the note.
    ///
    /// # Errors
    /// [`RegistrarError::Taken`] when it is another client's, [`RegistrarError::Generation`] when the client does not sign.
    pub async fn register(
        &self,
        credential: &Credential,
        client: &ClientId,
        note: &str,
    ) -> Result<EnrolmentRecord, RegistrarError> {
        let now = Timestamp::now();
        let registered = match credential {
            Credential::Certificate(certificate) => {
                EnrolmentRecord::new(certificate, now)?.accepted_for(client.clone())
            }
            Credential::Fingerprint(digest) => {
                EnrolmentRecord::registered(*digest, client.clone(), now)
            }
        };
        for _ in 0..ATTEMPTS {
            let digests: Vec<_> = registered.digests().collect();
            let known = self.store.enrolments_by(&digests).await?;
            let before = known
                .into_iter()
                .filter_map(|it| Some((closeness(&it, &registered)?, it)))
                .min_by_key(|(closeness, _)| *closeness)
                .map(|(_, it)| it);
            let mut after = match &before {
                Some(before) if before.certificate.is_some() => before.clone(),
                _ => registered.clone(),
            };
            note.clone_into(&mut after.note);
            if let Some(record) = self.accept(before, after, client).await? {
                return Ok(record);
            }
        }
        Err(RegistrarError::Outrun)
    }

    /// Accepts a certificate that waits or was rejected: for this client, or else for the one that has its key, or else for a
    /// new one.
    ///
    /// # Errors
    /// As for [`register`](Self::register), and [`RegistrarError::Unknown`].
    pub async fn approve(
        &self,
        fingerprint: &Digest,
        client: Option<&ClientId>,
        note: &str,
    ) -> Result<EnrolmentRecord, RegistrarError> {
        let new = ClientId::parse(&Uuid::new_v4().to_string());
        for _ in 0..ATTEMPTS {
            let before = self.find(fingerprint).await?;
            let client = client.or(before.client.as_ref()).or(new.as_ref().ok());
            let Some(client) = client.cloned() else {
                break;
            };
            let mut after = before.clone();
            note.clone_into(&mut after.note);
            if let Some(record) = self.accept(Some(before), after, &client).await? {
                return Ok(record);
            }
        }
        Err(RegistrarError::Outrun)
    }

    /// Rejects a certificate that waits. Whoever asks with it, or with another one of the same key, is told the reason.
    ///
    /// # Errors
    /// [`RegistrarError::Accepted`] when it is accepted by now: then it is to be [retired](Self::retire).
    pub async fn reject(
        &self,
        fingerprint: &Digest,
        reason: &str,
    ) -> Result<EnrolmentRecord, RegistrarError> {
        self.decide(fingerprint, |before| match (&before.client, before.state) {
            (Some(client), EnrolmentState::Accepted) => Err(RegistrarError::Accepted {
                fingerprint: before.fingerprint,
                client: client.clone(),
            }),
            _ => Ok(Some(rejected(before, reason))),
        })
        .await
    }

    /// Ends an accepted certificate: its client signs with the others it has, if any, and cannot enrol with this one again.
    ///
    /// # Errors
    /// [`RegistrarError::NotAccepted`]
    pub async fn retire(
        &self,
        fingerprint: &Digest,
        reason: &str,
    ) -> Result<EnrolmentRecord, RegistrarError> {
        self.decide(fingerprint, |before| match before.state {
            EnrolmentState::Accepted => Ok(Some(rejected(before, reason))),
            state => Err(RegistrarError::NotAccepted {
                fingerprint: before.fingerprint,
                state,
            }),
        })
        .await
    }

    /// Forgets a certificate that waits or was rejected. Whoever asks with it again is somebody new.
    ///
    /// # Errors
    /// [`RegistrarError::Accepted`]
    pub async fn forget(&self, fingerprint: &Digest) -> Result<EnrolmentRecord, RegistrarError> {
        self.decide(fingerprint, |before| match (&before.client, before.state) {
            (Some(client), EnrolmentState::Accepted) => Err(RegistrarError::Accepted {
                fingerprint: before.fingerprint,
                client: client.clone(),
            }),
            _ => Ok(None),
        })
        .await
    }

    /// Forgets all certificates that wait, and says which. One that somebody decides about in the meantime is kept.
    ///
    /// # Errors
    /// [`RegistrarError::Store`]
    pub async fn forget_pending(&self) -> Result<Vec<EnrolmentRecord>, RegistrarError> {
        let mut forgotten = Vec::new();
        for record in self.store.enrolments(None).await? {
            let forget = EnrolmentChange::new(Some(record.clone()), None);
            if record.state == EnrolmentState::Pending
                && self.store.change_enrolment(&forget).await? == EnrolmentPut::Done
            {
                forgotten.push(record);
            }
        }
        Ok(forgotten)
    }

    /// Changes what is known about a certificate; gives what it is then, or what was forgotten.
    async fn decide(
        &self,
        fingerprint: &Digest,
        decision: impl Fn(&EnrolmentRecord) -> Result<Option<EnrolmentRecord>, RegistrarError>,
    ) -> Result<EnrolmentRecord, RegistrarError> {
        for _ in 0..ATTEMPTS {
            let before = self.find(fingerprint).await?;
            let after = decision(&before)?;
            let change = EnrolmentChange::new(Some(before.clone()), after.clone());
            if self.store.change_enrolment(&change).await? == EnrolmentPut::Done {
                return Ok(after.unwrap_or(before));
            }
        }
        Err(RegistrarError::Outrun)
    }

    /// Accepts a certificate for a client, together with it; `None` when either has changed.
    async fn accept(
        &self,
        before: Option<EnrolmentRecord>,
        after: EnrolmentRecord,
        client: &ClientId,
    ) -> Result<Option<EnrolmentRecord>, RegistrarError> {
        self.check_free(&after, client).await?;
        let known = self.store.client(client).await?;
        let record = match &known {
            Some(record) if record.generation != SpecVersion::Rc1 => {
                return Err(RegistrarError::Generation {
                    client: client.clone(),
                    generation: record.generation,
                });
            }
            Some(record) => record.clone(),
            None => ClientRecord::new(client.clone(), true).speaking(SpecVersion::Rc1),
        };
        let accepted = ClientRecord {
            accepted: true,
            ..record
        };
        let after = after.accepted_for(client.clone());
        let mut change = EnrolmentChange::new(before, Some(after.clone()));
        change.client = Some((known, accepted));
        let put = self.store.change_enrolment(&change).await?;
        Ok((put == EnrolmentPut::Done).then_some(after))
    }

    /// That neither the certificate nor its key is another client's.
    async fn check_free(
        &self,
        enrolment: &EnrolmentRecord,
        client: &ClientId,
    ) -> Result<(), RegistrarError> {
        let digests: Vec<_> = enrolment.digests().collect();
        for known in self.store.enrolments_by(&digests).await? {
            match &known.client {
                Some(owner) if owner != client && known.is_accepted() => {
                    return Err(RegistrarError::Taken {
                        fingerprint: known.fingerprint,
                        client: owner.clone(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn find(&self, fingerprint: &Digest) -> Result<EnrolmentRecord, RegistrarError> {
        let found = self.store.enrolments_by(&[*fingerprint]).await?;
        let found = found.into_iter().find(|it| it.fingerprint == *fingerprint);
        found.ok_or(RegistrarError::Unknown(*fingerprint))
    }
}

/// Whether a known enrolment is what is being registered, and how certainly: the least is it.
fn closeness(known: &EnrolmentRecord, registered: &EnrolmentRecord) -> Option<u8> {
    let fingerprint = registered.fingerprint;
    if known.fingerprint == fingerprint {
        return Some(0);
    }
    match registered.key {
        // The certificate of a key that was registered by its fingerprint.
        Some(key) => (known.fingerprint == key).then_some(1),
        // The fingerprint of a key that somebody has asked with.
        None if known.key == Some(fingerprint) => Some(match known.state {
            EnrolmentState::Pending => 2,
            EnrolmentState::Accepted => 3,
            EnrolmentState::Rejected => 4,
        }),
        None => None,
    }
}

fn rejected(before: &EnrolmentRecord, reason: &str) -> EnrolmentRecord {
    EnrolmentRecord {
        state: EnrolmentState::Rejected,
        note: reason.to_owned(),
        ..before.clone()
    }
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrarError {
    /// Nobody has asked with it, and it was not registered.
    #[error("no certificate with the fingerprint {0} has asked; list those that have")]
    Unknown(Digest),
    /// It is another client's.
    #[error(
        "certificate {fingerprint} is accepted for client {client}, or its key is; retire it there first"
    )]
    Taken {
        /// Which certificate.
        fingerprint: Digest,
        /// Whose it is.
        client: ClientId,
    },
    /// It is accepted.
    #[error("certificate {fingerprint} is accepted for client {client}; retire it instead")]
    Accepted {
        /// Which certificate.
        fingerprint: Digest,
        /// Whose it is.
        client: ClientId,
    },
    /// It is not accepted.
    #[error("certificate {fingerprint} is {}, not accepted; there is nothing to retire", .state.as_str())]
    NotAccepted {
        /// Which certificate.
        fingerprint: Digest,
        /// What it is.
        state: EnrolmentState,
    },
    /// The client does not sign its requests.
    #[error(
        "client {client} speaks {generation}, which has no certificates to enrol; change its generation to rc.1 first"
    )]
    Generation {
        /// Which client.
        client: ClientId,
        /// What it speaks.
        generation: SpecVersion,
    },
    /// It is no certificate, or its key cannot be used.
    #[error("the certificate cannot be used")]
    Certificate(#[from] InvalidKey),
    /// Others keep changing it.
    #[error("others keep changing this certificate or its client; look at them and try again")]
    Outrun,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Every lost race was won by somebody who decided about the same certificate.
const ATTEMPTS: usize = 100;
