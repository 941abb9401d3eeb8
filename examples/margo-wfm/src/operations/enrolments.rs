//! The certificates of clients that sign their requests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use margo_server_traits::Credential;
use margo_server_traits::store::{EnrolmentRecord, EnrolmentState, Store as _};
use margo_types::Digest;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use serde::{Deserialize, Serialize};

use super::Operation;
use crate::failure::{Failure, Kind};
use crate::manager::Manager;

/// Lists the certificates that were registered, or have asked.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ListEnrolments {}

/// Accepts a certificate for a client before it asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegisterCertificate {
    /// The client; it is accepted with it, and new unless it is known.
    pub client: ClientId,
    /// The certificate.
    pub credential: CredentialText,
    /// Where it is, say.
    pub note: String,
}

/// What a certificate is registered by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CredentialText {
    /// Itself: PEM, or base64 of DER.
    Certificate(String),
    /// The SHA-256 of it or of its key, as `openssl` or an agent prints it.
    Fingerprint(String),
}

/// Accepts a certificate that waits, or was rejected by mistake.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApproveCertificate {
    /// Its fingerprint, or a unique beginning of it.
    pub fingerprint: String,
    /// The client that it is a new certificate of; a new client when `None`, unless the key is known.
    pub client: Option<ClientId>,
    /// Where it is, say.
    pub note: String,
}

/// Rejects a certificate that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RejectCertificate {
    /// Its fingerprint, or a unique beginning of it.
    pub fingerprint: String,
    /// Why; whoever asks with it is told.
    pub reason: String,
}

/// Ends an accepted certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetireCertificate {
    /// Its fingerprint, or a unique beginning of it.
    pub fingerprint: String,
    /// Why; whoever asks with it is told.
    pub reason: String,
}

/// Forgets certificates that wait or were rejected.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ForgetCertificates {
    /// The fingerprint of one, or a unique beginning of it; all that wait when `None`.
    pub fingerprint: Option<String>,
}

/// A certificate, and what was decided about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EnrolledCertificate {
    /// The SHA-256 of the certificate; as it was registered while the certificate is not known.
    pub fingerprint: String,
    /// The SHA-256 of its key; `None` while the certificate is not known.
    pub key: Option<String>,
    /// Whose it is, if anybody's.
    pub client: Option<ClientId>,
    /// `pending`, `accepted` or `rejected`.
    pub state: String,
    /// Whom it claims to belong to.
    pub subject: Option<String>,
    /// Who it claims has issued it.
    pub issuer: Option<String>,
    /// Until when it is valid.
    pub not_after: Option<Timestamp>,
    /// The client that has an accepted certificate of the same subject and issuer, when this one waits: perhaps a renewal.
    pub resembles: Option<ClientId>,
    /// When it asked, or was registered.
    pub asked_at: Timestamp,
    /// What the operator noted, or why it waits or was rejected.
    pub note: String,
}

impl RegisterCertificate {
    /// Registers this for a client.
    pub const fn new(client: ClientId, credential: CredentialText) -> Self {
        Self {
            client,
            credential,
            note: String::new(),
        }
    }
}

impl ApproveCertificate {
    /// Approves this one.
    pub fn new(fingerprint: impl Into<String>) -> Self {
        Self {
            fingerprint: fingerprint.into(),
            client: None,
            note: String::new(),
        }
    }
}

impl RejectCertificate {
    /// Rejects this one.
    pub fn new(fingerprint: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            fingerprint: fingerprint.into(),
            reason: reason.into(),
        }
    }
}

impl RetireCertificate {
    /// Retires this one.
    pub fn new(fingerprint: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            fingerprint: fingerprint.into(),
            reason: reason.into(),
        }
    }
}

impl ForgetCertificates {
    /// Forgets this one.
    pub fn one(fingerprint: impl Into<String>) -> Self {
        Self {
            fingerprint: Some(fingerprint.into()),
        }
    }

    /// Forgets all that wait.
    pub const fn that_wait() -> Self {
        Self { fingerprint: None }
    }
}

impl Operation for ListEnrolments {
    const NAME: &'static str = "list-enrolments";
    type Output = Vec<EnrolledCertificate>;

    async fn run(self, manager: &Manager) -> Result<Vec<EnrolledCertificate>, Failure> {
        let records = manager.store().enrolments(None).await?;
        let accepted = records.iter().filter(|it| it.is_accepted());
        let owners: BTreeMap<_, _> = accepted
            .filter_map(|it| Some((it.names?, it.client.clone()?)))
            .collect();
        let described = records.iter().map(|record| {
            let mut described = describe(record);
            if record.state == EnrolmentState::Pending {
                described.resembles = record.names.and_then(|names| owners.get(&names).cloned());
            }
            described
        });
        Ok(described.collect())
    }
}

impl Operation for RegisterCertificate {
    const NAME: &'static str = "register-certificate";
    type Output = EnrolledCertificate;

    async fn run(self, manager: &Manager) -> Result<EnrolledCertificate, Failure> {
        let credential = match self.credential {
            CredentialText::Certificate(text) => {
                Credential::Certificate(Certificate::from_text(text))
            }
            CredentialText::Fingerprint(text) => Credential::Fingerprint(whole(&text)?),
        };
        let registrar = manager.registrar();
        let registered = registrar.register(&credential, &self.client, &self.note);
        Ok(describe(&registered.await?))
    }
}

impl Operation for ApproveCertificate {
    const NAME: &'static str = "approve-certificate";
    type Output = EnrolledCertificate;

    async fn run(self, manager: &Manager) -> Result<EnrolledCertificate, Failure> {
        let fingerprint = find(manager, &self.fingerprint).await?;
        let registrar = manager.registrar();
        let approved = registrar.approve(&fingerprint, self.client.as_ref(), &self.note);
        Ok(describe(&approved.await?))
    }
}

impl Operation for RejectCertificate {
    const NAME: &'static str = "reject-certificate";
    type Output = EnrolledCertificate;

    async fn run(self, manager: &Manager) -> Result<EnrolledCertificate, Failure> {
        let fingerprint = find(manager, &self.fingerprint).await?;
        let rejected = manager.registrar().reject(&fingerprint, &self.reason);
        Ok(describe(&rejected.await?))
    }
}

impl Operation for RetireCertificate {
    const NAME: &'static str = "retire-certificate";
    type Output = EnrolledCertificate;

    async fn run(self, manager: &Manager) -> Result<EnrolledCertificate, Failure> {
        let fingerprint = find(manager, &self.fingerprint).await?;
        let retired = manager.registrar().retire(&fingerprint, &self.reason);
        Ok(describe(&retired.await?))
    }
}

impl Operation for ForgetCertificates {
    const NAME: &'static str = "forget-certificates";
    type Output = Vec<EnrolledCertificate>;

    async fn run(self, manager: &Manager) -> Result<Vec<EnrolledCertificate>, Failure> {
        let registrar = manager.registrar();
        let forgotten = match &self.fingerprint {
            Some(text) => vec![registrar.forget(&find(manager, text).await?).await?],
            None => registrar.forget_pending().await?,
        };
        Ok(forgotten.iter().map(describe).collect())
    }
}

fn describe(record: &EnrolmentRecord) -> EnrolledCertificate {
    let names = record.names();
    let read = record.read().and_then(Result::ok);
    EnrolledCertificate {
        fingerprint: record.fingerprint.to_hex(),
        key: record.key.map(Digest::to_hex),
        client: record.client.clone(),
        state: record.state.as_str().to_owned(),
        subject: names.as_ref().map(|names| names.subject.clone()),
        issuer: names.map(|names| names.issuer),
        not_after: read.map(|read| read.not_after()),
        resembles: None,
        asked_at: record.asked_at,
        note: record.note.clone(),
    }
}

/// The enrolment with this fingerprint, a unique beginning of it, or that of its key.
async fn find(manager: &Manager, text: &str) -> Result<Digest, Failure> {
    let digits = digits(text);
    let records = manager.store().enrolments(None).await?;
    let begins = |digest: Digest| !digits.is_empty() && digest.to_hex().starts_with(&digits);
    let mut found = records
        .iter()
        .filter(|it| begins(it.fingerprint) || it.key.is_some_and(begins));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.fingerprint),
        (Some(_), Some(_)) => Err(Failure::new(
            Kind::Usage,
            format!(
                "several certificates begin with {text:?}; give more of the fingerprint that is meant"
            ),
        )),
        (None, _) => Err(Failure::new(
            Kind::Usage,
            format!("there is no certificate {text:?}; `margo-wfm enrolment list` lists them"),
        )),
    }
}

/// A fingerprint as it is printed by whatever program, in full.
fn whole(text: &str) -> Result<Digest, Failure> {
    Digest::parse(&format!("sha256:{}", digits(text))).map_err(|_| {
        let message = format!(
            "{text:?} is no fingerprint; write the 64 hexadecimal digits of a SHA-256, as `openssl x509 -noout -fingerprint \
             -sha256 -in CERTIFICATE` prints them"
        );
        Failure::new(Kind::Usage, message)
    })
}

/// The hexadecimal digits alone: `openssl` puts `sha256 Fingerprint=` before them and colons between them.
fn digits(text: &str) -> String {
    let after_name = text.rsplit('=').next().unwrap_or(text).trim();
    let lower = after_name.to_lowercase();
    let digits = lower.strip_prefix("sha256:").unwrap_or(&lower);
    digits.replace(':', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_programs_print_them() {
        let plain = Digest::of(b"a certificate").to_hex();
        let pairs: Vec<_> = plain
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap())
            .collect();
        let colons = pairs.join(":").to_uppercase();
        for text in [
            plain.clone(),
            plain.to_uppercase(),
            format!("sha256:{plain}"),
            colons.clone(),
            format!("sha256 Fingerprint={colons}\n"),
        ] {
            assert_eq!(
                whole(&text).unwrap(),
                Digest::of(b"a certificate"),
                "{text}"
            );
        }
        for text in [
            "",
            "abc",
            "sha256:",
            &plain[1..],
            &format!("{plain}0"),
            &plain.replace('a', "g"),
        ] {
            assert!(text == plain || whole(text).is_err(), "{text}");
        }
    }
}
