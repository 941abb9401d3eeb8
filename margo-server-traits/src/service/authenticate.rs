//! Who calls in the signed generation (rc1-and-pre-draft.md section 4 and part V).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use http::request::Parts;
use http_body::Body;
use jiff::Timestamp;
use margo_types::SpecVersion;
use margo_types::auth::RequestParts;
use margo_types::endpoint::{Matched, NoMatch, PathCaller, match_path};
use margo_types::id::ClientId;
use margo_types::problem::{Problem, ProblemType};
use margo_types::signature::{
    ClientCertificate, VerifiedHead, VerifiedSignature, VerifyError, VerifyingKey, verify_head,
};

use super::refusal::Refusal;
use super::{BoxError, receive};
use crate::in_full::in_full;
use crate::signed::{MAX_URLS, SignedOptions, Target, Use, targets};
use crate::{Caller, Enrolment, Verified};

/// What the service needs of the signed generation.
pub(super) struct Signed {
    pub(super) enrolment: Arc<dyn Enrolment>,
    pub(super) options: SignedOptions,
    /// Whose signatures are looked for when there is nobody: so that this takes as long and says the same.
    nobody: Option<VerifyingKey>,
}

impl Signed {
    pub(super) fn new(enrolment: Arc<dyn Enrolment>, options: SignedOptions) -> Self {
        for url in options.public_urls.iter().skip(MAX_URLS) {
            tracing::warn!(%url, "only requests that name this public URL are verified by it, for {MAX_URLS} are before it");
        }
        Self {
            enrolment,
            options,
            nobody: VerifyingKey::from_spki_der(&NOBODY).ok(),
        }
    }

    /// The path of a request without the prefix of a public URL.
    pub(super) fn path<'p>(&self, path: &'p str) -> &'p str {
        let mut urls = self.options.public_urls.iter();
        let stripped = urls.find_map(|url| url.strip(path).filter(|_| !url.prefix().is_empty()));
        stripped.unwrap_or(path)
    }

    /// Proves that a client has sent this request, and reads its body.
    pub(super) async fn authenticate<B>(
        &self,
        client: ClientId,
        parts: &Parts,
        body: B,
        max_body_bytes: usize,
    ) -> Result<(Verified<Caller>, Bytes), Refusal>
    where
        B: Body<Data: Send, Error: Into<BoxError>>,
    {
        let certificates = self.enrolment.credentials(&client).await?;
        if certificates.is_empty() && self.options.tell_unknown_clients {
            return Err(Refusal::new(
                Problem::new(ProblemType::InvalidClient)
                    .with_detail("no such client is enrolled; enrol again"),
            ));
        }
        let has_body = !body.is_end_stream();
        let head = self
            .verify_head(&certificates, parts, has_body, Timestamp::now())
            .map_err(|why| why.into_refusal(&client))?;
        let body = receive::bytes(body, max_body_bytes).await?;
        let signature = head
            .with_body(&body)
            .map_err(|error| Unproved::of(error).into_refusal(&client))?;
        let replays = &self.options.replays;
        match replays.note(&client, &signature, Timestamp::now()).await? {
            Use::First => Ok((Verified::of_signature(client, &signature), body)),
            Use::Again => Err(Unproved::Replayed.into_refusal(&client)),
            Use::TooMany => Err(too_many(&client)),
        }
    }

    /// The signature of a request that carries its own certificate, whole.
    pub(super) fn verify_own(
        &self,
        certificate: &ClientCertificate,
        parts: &Parts,
        body: &[u8],
    ) -> Result<VerifiedSignature, Unproved> {
        let certificates = std::slice::from_ref(certificate);
        let head = self.verify_head(certificates, parts, !body.is_empty(), Timestamp::now())?;
        head.with_body(body).map_err(Unproved::of)
    }

    /// The proof that the owner of one of these certificates has signed. While a certificate is renewed there are two.
    fn verify_head(
        &self,
        certificates: &[ClientCertificate],
        parts: &Parts,
        has_body: bool,
        now: Timestamp,
    ) -> Result<VerifiedHead, Unproved> {
        let targets = targets(parts, &self.options.public_urls);
        if targets.is_empty() {
            return Err(Unproved::NoHost);
        }
        let request = SignedRequest {
            parts,
            targets: &targets,
            has_body,
            now,
            signed: self,
        };
        let mut refused = None;
        let is_valid = |it: &&ClientCertificate| it.not_before() <= now && now <= it.not_after();
        for certificate in certificates.iter().filter(is_valid) {
            match request.verify(certificate.key()) {
                Err(Unproved::Key { error, .. }) => refused = Some(error),
                decided => return decided,
            }
        }
        for certificate in certificates.iter().filter(|it| !is_valid(it)) {
            match request.verify(certificate.key()) {
                Ok(_) => return Err(Unproved::NotValid(certificate.clone())),
                Err(Unproved::Key { error, .. }) => refused = Some(error),
                Err(decided) => return Err(decided),
            }
        }
        if certificates.is_empty()
            && let Some(nobody) = &self.nobody
            && let Err(error) = request.verify(nobody)
        {
            return Err(error);
        }
        Err(Unproved::Key {
            error: refused.unwrap_or(VerifyError::Mismatch),
            targets,
        })
    }
}

/// A request, and all that does not depend on a key.
struct SignedRequest<'r> {
    parts: &'r Parts,
    targets: &'r [Target],
    has_body: bool,
    now: Timestamp,
    signed: &'r Signed,
}

impl SignedRequest<'_> {
    fn verify(&self, key: &VerifyingKey) -> Result<VerifiedHead, Unproved> {
        let lines = |name: &str| -> Vec<&[u8]> {
            let lines = self.parts.headers.get_all(name).iter();
            lines.map(HeaderValue::as_bytes).collect()
        };
        let policy = &self.signed.options.policy;
        let mut refused = VerifyError::Mismatch;
        for target in self.targets {
            let mut request = RequestParts::new(self.parts.method.as_str(), &target.uri, lines);
            if let Some(authority) = &target.authority {
                request = request.with_authority(authority);
            }
            match verify_head(&request, self.has_body, key, policy, self.now) {
                Ok(head) => return Ok(head),
                Err(error @ (VerifyError::Mismatch | VerifyError::Algorithm { .. })) => {
                    refused = error;
                }
                Err(error) => return Err(Unproved::Request(error)),
            }
        }
        Err(Unproved::Key {
            error: refused,
            targets: self.targets.to_vec(),
        })
    }
}

/// Why a request proves nothing about a client.
pub(super) enum Unproved {
    /// It does not say which host it is for.
    NoHost,
    /// Something is wrong that has nothing to do with the client, who may not exist.
    Request(VerifyError),
    /// No key of the client made this signature, or there is no such client.
    Key {
        error: VerifyError,
        targets: Vec<Target>,
    },
    /// The certificate of the key is not valid now.
    NotValid(ClientCertificate),
    /// It was sent before.
    Replayed,
}

impl Unproved {
    fn of(error: VerifyError) -> Self {
        Self::Request(error)
    }

    /// The answer. All there is to know goes into the log; to whoever calls, a client that does not exist is like a wrong
    /// key.
    pub(super) fn into_refusal(self, client: &dyn fmt::Display) -> Refusal {
        match self {
            Self::NoHost => {
                tracing::warn!(%client, "refused a request without one host");
                let detail = "the request does not name one host; send one Host header";
                Refusal::new(Problem::new(ProblemType::InvalidRequest).with_detail(detail))
            }
            Self::Request(error) => {
                let reason = in_full(&error);
                tracing::warn!(%client, reason, "refused the signature of a request");
                match error.problem_type() {
                    ProblemType::SignatureVerificationFailed => Refusal::unauthenticated(reason),
                    other => Refusal::new(Problem::new(other).with_detail(reason)),
                }
            }
            Self::Key { error, targets } => {
                let reason = in_full(&error);
                let targets: Vec<_> = targets.iter().map(|target| &*target.uri).collect();
                tracing::warn!(
                    %client,
                    reason,
                    ?targets,
                    "refused a signature that no certificate of a client has made for this target"
                );
                Refusal::unauthenticated(
                    "no certificate that is enrolled for this client has made this signature for this request; check the \
                     client id, the key and its algorithm, and that method, target URI and headers arrive as they were \
                     signed",
                )
            }
            Self::NotValid(certificate) => not_valid(client, &certificate),
            Self::Replayed => {
                tracing::warn!(%client, "refused a request that was sent before");
                Refusal::unauthenticated("the signature was used before; sign every request anew")
            }
        }
    }
}

/// 403: a certificate that is expired, or not yet valid.
fn not_valid(client: &dyn fmt::Display, certificate: &ClientCertificate) -> Refusal {
    let (from, until) = (certificate.not_before(), certificate.not_after());
    tracing::warn!(%client, %from, %until, "refused a certificate that is not valid now");
    Refusal::new(
        Problem::new(ProblemType::CertificateNotTrusted).with_detail(format!(
            "the certificate is valid from {from} until {until}; renew it, and check the clocks"
        )),
    )
}

/// The client whose request it says it is, by its path: that of an endpoint, or at least below those of a client.
pub(super) fn claimed(matched: &Result<Matched, NoMatch>, path: &str) -> Option<ClientId> {
    if let Ok(Matched {
        caller: PathCaller::Client(client),
        ..
    }) = matched
    {
        return Some(client.clone());
    }
    let client = path.strip_prefix(CLIENTS)?.split('/').next()?;
    let manifest = format!("{CLIENTS}{client}/deployments");
    match match_path(&[SpecVersion::Rc1], "GET", &manifest)
        .ok()?
        .caller
    {
        PathCaller::Client(client) => Some(client),
        _ => None,
    }
}

/// 401: the path is that of no client.
pub(super) fn names_nobody() -> Refusal {
    Refusal::unauthenticated(
        "the path names no client, so nothing proves who calls; check the base URL and its prefix, and enrol first",
    )
}

fn too_many(client: &ClientId) -> Refusal {
    tracing::warn!(%client, "refused a client that sends too many requests");
    Refusal::new(
        Problem::about_blank(429).with_detail("too many requests within the life of a signature"),
    )
}

/// What precedes the id of a client in a path.
const CLIENTS: &str = "/api/v1/clients/";

/// A public key whose private half nobody has.
const NOBODY: [u8; 91] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x83, 0x75, 0x0b, 0x5f, 0x68,
    0xb1, 0x70, 0xaa, 0x42, 0x17, 0x7e, 0xe5, 0x60, 0xc6, 0xb1, 0xbd, 0x0a, 0xf5, 0x62, 0x5d, 0x5c,
    0x13, 0xa8, 0x3f, 0x24, 0x34, 0xb5, 0x97, 0xbf, 0x4a, 0xe7, 0xb8, 0x95, 0xf4, 0xf0, 0x82, 0xe2,
    0x12, 0x17, 0x02, 0x24, 0x50, 0xd8, 0x6b, 0x80, 0x83, 0x56, 0x6d, 0x2c, 0x44, 0xa1, 0x8b, 0x22,
    0x20, 0x50, 0x77, 0xa1, 0x8d, 0x6b, 0xbd, 0x40, 0x87, 0x92, 0xad,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_a_key() {
        assert!(VerifyingKey::from_spki_der(&NOBODY).is_ok());
    }

    #[test]
    fn client_is_known_from_paths_that_are_no_endpoints() {
        let claimed = |method, path| {
            let matched = match_path(&SpecVersion::ALL, method, path);
            claimed(&matched, path).map(|client| client.to_string())
        };
        let line_4 = Some("line-4".to_owned());
        for path in [
            "/api/v1/clients/line-4/deployments",
            "/api/v1/clients/line%2D4/deployments",
            "/api/v1/clients/line-4/nothing/there",
            "/api/v1/clients/line-4",
        ] {
            assert_eq!(claimed("GET", path), line_4, "{path}");
            assert_eq!(claimed("PATCH", path), line_4, "{path}");
        }
        for path in [
            "/api/v1/clients/",
            "/api/v1/clients//deployments",
            "/api/v1/clients/a%2Fb/deployments",
            "/api/v1/deployments",
            "/",
        ] {
            assert_eq!(claimed("GET", path), None, "{path}");
        }
    }
}
