//! What is sent to be enrolled, and what the answers mean (rc1-and-pre-draft.md section 6.2; contradictions 17, 20 and 53).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use margo_types::id::ClientId;
use margo_types::onboarding::{Certificate, OnboardingRequest, OnboardingResponse};
use margo_types::problem::{BackoffStrategy, RetryAdvice};
use margo_types::{Reader, SpecVersion, write};
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};

use crate::api::Documents;
use crate::error::{Error, ErrorKind};
use crate::exchange::{Answer, misbehaved};
use crate::identity::Material;
use crate::signed::Channel;
use crate::trust::pem_of;

/// The body of the request.
///
/// The reference implementations send base64 of PEM, the text of the aligned copies shows base64 of DER.
pub(super) fn request(documents: Documents, material: &Material) -> Result<Vec<u8>, Error> {
    let unwritable = || {
        let message = "the certificate of this device cannot be sent";
        Error::new(ErrorKind::Setup, message)
    };
    let certificate = match documents {
        Documents::Aligned => Certificate::from_der(&material.certificate)
            .map_err(|error| unwritable().because(error))?,
        Documents::First | Documents::Late => {
            Certificate::from_text(STANDARD.encode(pem_of(&material.certificate)))
        }
    };
    match documents {
        Documents::First => {
            serde_json::to_vec(&json!({"public_certificate": certificate.as_str()}))
                .map_err(|error| unwritable().because(error))
        }
        Documents::Aligned | Documents::Late => {
            write(&OnboardingRequest::new(certificate), SpecVersion::Rc1)
                .map_err(|error| unwritable().because(error))
        }
    }
}

/// An answer that lets a device go on.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Under this id.
    Enrolled(ClientId),
    /// Under an id that is not said.
    Already,
}

impl Outcome {
    pub(super) fn read(
        channel: &Channel,
        material: &Material,
        answer: &Answer,
    ) -> Result<Self, Error> {
        let peer = channel.location.peer();
        match answer.status.as_u16() {
            202 => Err(pending(channel, answer)),
            200 | 201 => {
                let body = answer.document(peer, "a client id")?;
                if says_pending(body) {
                    return Err(pending(channel, answer));
                }
                client_id(body).map(Self::Enrolled).map_err(|error| {
                    let what = "sends no valid client id to the request for the enrolment of this device";
                    misbehaved(peer, what).because(error)
                })
            }
            409 if !answer.is_no_answer() => {
                Ok(client_id(&answer.body).map_or(Self::Already, Self::Enrolled))
            }
            400 => Err(answer.refusal_hinting(
                peer,
                ASKED,
                "it cannot use the certificate of this device; issue one of a key of ECDSA P-256 or P-384, or RSA of 2048 bits or more",
            )),
            403 => Err(answer.refusal_hinting(
                peer,
                ASKED,
                &material.validity_fault(Timestamp::now()).unwrap_or_else(|| {
                    format!(
                        "it refuses this device; let its operator admit the certificate {}",
                        material.digest()
                    )
                }),
            )),
            _ => Err(channel.refusal(material, answer, ASKED)),
        }
    }
}

/// What to do when the fleet manager knows the device and does not say as what.
pub(super) fn already_without_id(channel: &Channel, answer: &Answer) -> Error {
    answer.refusal_hinting(
        channel.location.peer(),
        ASKED,
        "this device was enrolled before, and the fleet manager does not say under which id; configure the client id that its operator sees, or let the operator remove that client",
    )
}

/// Whether the fleet manager has not decided yet.
pub(super) fn is_pending(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused && error.problem().is_none() && error.is_retryable()
}

fn pending(channel: &Channel, answer: &Answer) -> Error {
    let peer = channel.location.peer();
    let certificate = channel.identity().current().digest();
    let message = format!(
        "{peer} has not decided yet whether it takes this device; let its operator approve the certificate {certificate}"
    );
    let (status, retry_after) = (answer.status.as_u16(), answer.header(RETRY_AFTER));
    let mut advice = RetryAdvice::new(None, status, retry_after, Timestamp::now());
    advice.retryable = true;
    advice.backoff = BackoffStrategy::Exponential;
    Error::new(ErrorKind::Refused, message).with_response(None, advice)
}

/// In words of vendors, since the specification has none (contradiction 53).
fn says_pending(body: &[u8]) -> bool {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return false;
    };
    let word = members.get("status").or_else(|| members.get("state"));
    let word = word.and_then(Value::as_str).unwrap_or_default();
    word.to_ascii_lowercase().contains("pending")
}

fn client_id(body: &[u8]) -> Result<ClientId, margo_types::ReadError> {
    let reader = Reader::new().generation(SpecVersion::Rc1);
    let response = reader.read::<OnboardingResponse>(body)?;
    Ok(response.into_value().client_id)
}

const ASKED: &str = "the request for the enrolment of this device";
