//! Root certificate and onboarding (rc1-and-pre-draft.md sections 6.1, 6.2 and 13; peers.md 4c).

use std::collections::{BTreeMap, BTreeSet};

use http::Response;
use http::header::CONTENT_TYPE;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use margo_types::problem::ProblemType;
use margo_types::signature::{ClientCertificate, VerifyingKey};
use margo_types::{Digest, media_type};
use serde_json::{Value, json};

use super::super::serve::finish;
use super::super::state::State;
use super::refusal::Refusal;
use super::{Answered, Exchange};
use crate::interop::OnboardingForm;
use crate::server::AnswerBody;

/// The clients, with what they enrolled with, and what they have sent.
#[derive(Debug, Default)]
pub(in super::super) struct Enrolments {
    /// The root that is given out, as DER.
    pub(in super::super) root: Vec<u8>,
    clients: BTreeMap<ClientId, Vec<Certificate>>,
    seen: BTreeSet<Digest>,
}

impl Enrolments {
    /// Adds a certificate of a client.
    pub(in super::super) fn add(&mut self, client: ClientId, certificate: Certificate) {
        self.clients.entry(client).or_default().push(certificate);
    }

    /// Forgets a client.
    pub(in super::super) fn remove(&mut self, client: &ClientId) {
        self.clients.remove(client);
    }

    /// The clients with their certificates, as they were sent.
    pub(in super::super) const fn clients(&self) -> &BTreeMap<ClientId, Vec<Certificate>> {
        &self.clients
    }

    /// The keys of a client that can be read; `None` when it is not enrolled.
    pub(super) fn keys(&self, client: &ClientId) -> Option<Vec<VerifyingKey>> {
        let certificates = self.clients.get(client)?.iter();
        Some(certificates.filter_map(|it| key_of(it).ok()).collect())
    }

    /// Whether a request is not one that was seen before.
    pub(super) fn is_new(&mut self, replay_key: Digest) -> bool {
        self.seen.insert(replay_key)
    }

    /// Who enrolled with the same key, or with the very same text.
    fn owner(&self, certificate: &Certificate) -> Option<ClientId> {
        let key = key_of(certificate).ok();
        let is_same = |other: &Certificate| {
            other == certificate || key.is_some() && key_of(other).ok() == key
        };
        let mut clients = self.clients.iter();
        let (client, _) = clients.find(|(_, certificates)| certificates.iter().any(is_same))?;
        Some(client.clone())
    }
}

impl Exchange<'_> {
    pub(super) fn root_certificate(&self, state: &State) -> Answered {
        let Some(form) = self.rules.root_certificate else {
            return Err(Refusal::not_found("there is no such path"));
        };
        let root = form.write(&state.enrolments.root);
        Ok(json_body(200, &json!({ "certificate": root })))
    }

    pub(super) fn onboard(&self, state: &mut State) -> Answered {
        let body: Value = serde_json::from_slice(&self.request.body)
            .map_err(|_| Refusal::of_status(400, "the body is not JSON"))?;
        let certificate = self.certificate(&body)?;
        if self.rules.checks_onboarding {
            let invalid = |why: &str| Refusal::new(ProblemType::InvalidCertificateFormat, why);
            let key = key_of(&certificate).map_err(|why| invalid(&why))?;
            self.check(state, &key)?;
        }
        let client = match state.enrolments.owner(&certificate) {
            Some(_) if !self.rules.enrols_again => {
                return Err(Refusal::of_status(
                    409,
                    "the certificate is enrolled already",
                ));
            }
            Some(client) => client,
            None => {
                let client = self.new_id(state, &certificate);
                state.enrolments.add(client.clone(), certificate);
                client
            }
        };
        let answer = match self.rules.onboarding {
            OnboardingForm::Aligned => json!({ "clientId": client }),
            OnboardingForm::Early => json!({ "client_id": client, "endpoint_list": [] }),
        };
        Ok(json_body(201, &answer))
    }

    fn certificate(&self, body: &Value) -> Result<Certificate, Refusal> {
        let member = match self.rules.onboarding {
            OnboardingForm::Early => "public_certificate",
            OnboardingForm::Aligned => {
                if body["kind"] != "OnboardingRequest" || !body["apiVersion"].is_string() {
                    let why = "the body is no OnboardingRequest with apiVersion and kind";
                    return Err(Refusal::of_status(400, why));
                }
                "certificate"
            }
        };
        match &body[member] {
            Value::String(text) => Ok(Certificate::from_text(text)),
            // The handler of the reference panics here.
            _ if self.rules.onboarding == OnboardingForm::Early => {
                Err(Refusal::of_status(500, "internal error"))
            }
            _ => Err(Refusal::of_status(400, "there is no certificate")),
        }
    }

    /// An id that follows from the certificate, and for the early form from the time.
    fn new_id(&self, state: &State, certificate: &Certificate) -> ClientId {
        let hex = Digest::of(certificate.as_str().as_bytes()).to_hex();
        let id = match self.rules.onboarding {
            OnboardingForm::Early => format!("client-{}-{}", &hex[..16], state.now().as_second()),
            OnboardingForm::Aligned => format!(
                "{}-{}-4{}-8{}-{}",
                &hex[..8],
                &hex[8..12],
                &hex[12..15],
                &hex[15..18],
                &hex[18..30],
            ),
        };
        ClientId::parse(&id).expect("digits, letters and dashes are a client id")
    }
}

fn key_of(certificate: &Certificate) -> Result<VerifyingKey, String> {
    match ClientCertificate::read(certificate) {
        Ok(read) => Ok(read.key().clone()),
        Err(error) => Err(error.to_string()),
    }
}

fn json_body(status: u16, body: &Value) -> Response<AnswerBody> {
    let response = Response::builder().status(status);
    finish(
        response.header(CONTENT_TYPE, media_type::JSON),
        body.to_string(),
    )
}
