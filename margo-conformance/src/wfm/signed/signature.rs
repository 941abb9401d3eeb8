//! Who signed a request (rc1-and-pre-draft.md sections 4, 4.1 and 4.2; peers.md 4b).

use std::fmt::Write as _;

use jiff::Timestamp;
use margo_types::auth::{
    RequestParts, SignatureInput, SignatureParams, Signatures, signature_base,
};
use margo_types::endpoint::Operation;
use margo_types::id::ClientId;
use margo_types::problem::ProblemType;
use margo_types::signature::{Policy, VerifyingKey, verify};

use super::super::state::State;
use super::Exchange;
use super::refusal::Refusal;
use crate::interop::Verifier;
use crate::request::RecordedRequest;

impl Exchange<'_> {
    /// That the client of the path has signed the request.
    pub(super) fn authenticate(&self, state: &mut State, client: &ClientId) -> Result<(), Refusal> {
        let keys = state.enrolments.keys(client).ok_or_else(|| {
            let why = format!("the client {client} is not enrolled");
            self.unauthenticated(Refusal::new(ProblemType::InvalidClient, why))
        })?;
        let mut refusal = None;
        for key in keys {
            match self.check(state, &key) {
                Ok(()) => return Ok(()),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.unwrap_or_else(|| {
            let why = "the certificate of the client cannot be read";
            let refusal = Refusal::new(ProblemType::SignatureVerificationFailed, why);
            self.unauthenticated(refusal)
        }))
    }

    /// That the owner of a key has signed the request.
    pub(super) fn check(&self, state: &mut State, key: &VerifyingKey) -> Result<(), Refusal> {
        match self.rules.verifier {
            Verifier::Strict => check_strictly(state, self.request, key),
            Verifier::Reference => check_as_reference(self.request, key, state.now())
                .map_err(|why| Refusal::new(ProblemType::SignatureVerificationFailed, why)),
        }
        .map_err(|refusal| self.unauthenticated(refusal))
    }

    fn unauthenticated(&self, refusal: Refusal) -> Refusal {
        let fetches = [Operation::Bundle, Operation::Deployment];
        match self.rules.verifier {
            Verifier::Strict => refusal,
            Verifier::Reference
                if self.rules.bad_signature_is_bad_request
                    && !fetches.contains(&self.matched.endpoint.operation) =>
            {
                refusal.with_status(400)
            }
            Verifier::Reference => refusal.with_status(401),
        }
    }
}

fn check_strictly(
    state: &mut State,
    request: &RecordedRequest,
    key: &VerifyingKey,
) -> Result<(), Refusal> {
    let target = target_uri(request);
    let parts = RequestParts::new(request.method.as_str(), &target, |name| {
        lines(request, name)
    });
    let proof = verify(&parts, &request.body, key, &Policy::default(), state.now())
        .map_err(|error| Refusal::new(error.problem_type(), error.to_string()))?;
    if state.enrolments.is_new(proof.replay_key()) {
        return Ok(());
    }
    let why = "the request came before; sign every request anew";
    Err(Refusal::new(ProblemType::SignatureVerificationFailed, why))
}

/// Looks at what the library of the reference looks at, and at nothing else.
fn check_as_reference(
    request: &RecordedRequest,
    key: &VerifyingKey,
    now: Timestamp,
) -> Result<(), String> {
    let header = |name| {
        let found = request.header(name);
        found.ok_or_else(|| format!("the request has no {name}"))
    };
    let input = SignatureInput::parse(header("signature-input")?).map_err(text)?;
    let signatures = Signatures::parse(header("signature")?).map_err(text)?;
    let (target, host) = (
        target_uri(request),
        request.header("host").unwrap_or_default(),
    );
    let parts = RequestParts::new(request.method.as_str(), &target, |name| {
        lines(request, name)
    })
    .with_authority(host);
    for (label, params) in input.iter() {
        params.keyid().ok_or("there is no keyid")?;
        if params
            .expires()
            .is_some_and(|expires| is_over(expires, now))
        {
            return Err("the signature has expired".to_owned());
        }
        let params: SignatureParams = rewritten(params).parse().map_err(text)?;
        let base = signature_base(&parts, &params).map_err(text)?;
        let signature = signatures.get(label).ok_or("a label has no signature")?;
        // What an RSA key means without a word on it is the first of three (contradiction 6).
        let of_key = &key.key_type().algorithms()[0];
        let algorithm = params.alg().unwrap_or(of_key);
        key.verify(algorithm, base.as_bytes(), signature)
            .map_err(text)?;
    }
    Ok(())
}

/// The parameters in the order in which the reference writes them, whatever the order they came in.
fn rewritten(params: &SignatureParams) -> String {
    let components: Vec<_> = params
        .components()
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut text = format!("({})", components.join(" "));
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let quoted = |value: Option<&str>| value.map(|value| format!("\"{value}\""));
    let algorithm = params.alg().map(ToString::to_string);
    for (name, value) in [
        ("created", number(params.created())),
        ("expires", number(params.expires())),
        ("keyid", quoted(params.keyid())),
        ("alg", quoted(algorithm.as_deref())),
        ("nonce", quoted(params.nonce())),
        ("tag", quoted(params.tag())),
    ] {
        if let Some(value) = value {
            write!(text, ";{name}={value}").expect("a text takes everything");
        }
    }
    // The order of these is another every time; this one is hardly that of the sender.
    let mut unknown: Vec<_> = params.unknown().collect();
    unknown.sort_unstable();
    for (name, value) in unknown.into_iter().rev() {
        write!(text, ";{name}={value}").expect("a text takes everything");
    }
    text
}

/// `https`, the host as it was sent, and the target as it was sent: also behind a proxy.
fn target_uri(request: &RecordedRequest) -> String {
    let host = request.header("host").unwrap_or_default();
    let query = request.query.as_deref();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("https://{host}{}{query}", request.path)
}

fn lines<'r>(request: &'r RecordedRequest, name: &str) -> Vec<&'r [u8]> {
    let lines = request.headers.get_all(name).iter();
    lines.map(http::HeaderValue::as_bytes).collect()
}

fn is_over(seconds: u64, now: Timestamp) -> bool {
    i64::try_from(seconds).is_ok_and(|seconds| seconds < now.as_second())
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}
