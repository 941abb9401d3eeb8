//! What a store keeps of the certificates of clients that sign their requests (rc1-and-pre-draft.md section 6.2).

mod names;

use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use margo_types::signature::{ClientCertificate, InvalidKey};

pub use self::names::CertificateNames;
use super::ClientRecord;

/// A certificate, and what was decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnrolmentRecord {
    /// What it is found by: the SHA-256 of the certificate in DER.
    ///
    /// While the certificate itself is not known, the fingerprint that was registered instead: of the certificate, or of
    /// its key.
    pub fingerprint: Digest,
    /// The SHA-256 of its key (`SubjectPublicKeyInfo` in DER), as in [`VerifyingKey::id`]; `None` while the certificate is not
    /// known.
    ///
    /// [`VerifyingKey::id`]: margo_types::signature::VerifyingKey::id
    pub key: Option<Digest>,
    /// Stands for whom it names: [`CertificateNames::digest`]; `None` when its subject is empty or not known.
    pub names: Option<Digest>,
    /// The certificate, as base64 of DER; `None` until somebody asks with what was registered by its fingerprint.
    pub certificate: Option<Certificate>,
    /// Whose it is. One that is pending has a client when the same key is enrolled with another certificate already.
    pub client: Option<ClientId>,
    /// What was decided.
    pub state: EnrolmentState,
    /// When it was asked for or registered.
    pub asked_at: Timestamp,
    /// A note of the operator, or why it was rejected.
    pub note: String,
}

impl EnrolmentRecord {
    /// A certificate that nobody has decided about.
    ///
    /// # Errors
    /// [`InvalidKey`] when it is no certificate, or its key cannot be used.
    pub fn new(certificate: &Certificate, asked_at: Timestamp) -> Result<Self, InvalidKey> {
        let read = ClientCertificate::read(certificate)?;
        let der = certificate.der()?;
        let names = CertificateNames::read(certificate);
        Ok(Self {
            fingerprint: Digest::of(&der),
            key: Some(Digest::of(read.key().spki_der())),
            names: names
                .filter(|it| !it.subject.is_empty())
                .map(|it| it.digest),
            certificate: Some(Certificate::from_der(&der)?),
            client: None,
            state: EnrolmentState::Pending,
            asked_at,
            note: String::new(),
        })
    }

    /// A certificate of a client that is known by its fingerprint, or that of its key, and has not asked yet.
    pub const fn registered(
        fingerprint: Digest,
        client: ClientId,
        registered_at: Timestamp,
    ) -> Self {
        Self {
            fingerprint,
            key: None,
            names: None,
            certificate: None,
            client: Some(client),
            state: EnrolmentState::Accepted,
            asked_at: registered_at,
            note: String::new(),
        }
    }

    /// The same, accepted for this client.
    #[must_use]
    pub fn accepted_for(self, client: ClientId) -> Self {
        Self {
            client: Some(client),
            state: EnrolmentState::Accepted,
            ..self
        }
    }

    /// What is in the certificate; `None` while it is not known.
    pub fn read(&self) -> Option<Result<ClientCertificate, InvalidKey>> {
        self.certificate.as_ref().map(ClientCertificate::read)
    }

    /// Whom the certificate names; `None` while it is not known.
    pub fn names(&self) -> Option<CertificateNames> {
        CertificateNames::read(self.certificate.as_ref()?)
    }

    /// What it, and others of the same key, are found by.
    pub(crate) fn digests(&self) -> impl Iterator<Item = Digest> {
        [Some(self.fingerprint), self.key].into_iter().flatten()
    }

    /// Whether a client would get with it what another one has: the certificate or its key.
    pub(super) fn takes_from(&self, alike: &Self) -> bool {
        self.is_accepted() && alike.is_accepted() && self.client != alike.client
    }

    /// Whether its client may sign with it, as far as the operator is concerned.
    pub fn is_accepted(&self) -> bool {
        self.state == EnrolmentState::Accepted
    }
}

/// What was decided about a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EnrolmentState {
    /// Nothing yet.
    Pending,
    /// Its client signs with it as long as it is valid.
    Accepted,
    /// Nobody signs with it: it was refused, or retired.
    Rejected,
}

impl EnrolmentState {
    /// The word for it: `pending`, `accepted` or `rejected`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    /// The state that this is the word for.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Pending, Self::Accepted, Self::Rejected];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

/// A change of one enrolment, and of its client with it, made by somebody who has read both.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnrolmentChange {
    /// The enrolment as it was read; `None` when there was none.
    pub before: Option<EnrolmentRecord>,
    /// What it becomes; `None` to forget it. It may get another fingerprint.
    pub after: Option<EnrolmentRecord>,
    /// The client as it was read and what it becomes; `None` to leave it alone.
    pub client: Option<(Option<ClientRecord>, ClientRecord)>,
    /// What else was read to decide it, and has to be as it was.
    pub readings: Vec<EnrolmentReading>,
    /// How many enrolments may be pending for one more to become so.
    pub max_pending: usize,
}

impl EnrolmentChange {
    /// From what was read to this, without a change of the client.
    pub const fn new(before: Option<EnrolmentRecord>, after: Option<EnrolmentRecord>) -> Self {
        Self {
            before,
            after,
            client: None,
            readings: Vec::new(),
            max_pending: usize::MAX,
        }
    }

    /// Whether one more enrolment becomes pending.
    pub(super) fn adds_pending(&self) -> bool {
        let is_pending = |it: &Option<EnrolmentRecord>| {
            it.as_ref().map(|it| it.state) == Some(EnrolmentState::Pending)
        };
        is_pending(&self.after) && !is_pending(&self.before)
    }

    /// The clients whose credentials may change.
    pub(super) fn owners(&self) -> impl Iterator<Item = &ClientId> {
        let records = self.before.iter().chain(&self.after);
        records.filter_map(|record| record.client.as_ref())
    }
}

/// What [`Store::enrolments_by`](super::Store::enrolments_by) has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a question and its answer")]
pub struct EnrolmentReading {
    /// By these digests.
    pub digests: Vec<Digest>,
    /// All that there was, by time.
    pub found: Vec<EnrolmentRecord>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnrolmentPut {
    /// It was made.
    Done,
    /// Nothing was: something is not what was read, or a client would get a certificate or a key that is accepted for another
    /// one; read again and decide anew.
    Outrun,
    /// Nothing was: as many are pending as may be.
    TooMany,
}
