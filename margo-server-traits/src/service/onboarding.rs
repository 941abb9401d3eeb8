//! `POST /api/v1/onboarding` and `GET /api/v1/onboarding/certificate`: how a client of the signed generation becomes one
//! (rc1-and-pre-draft.md sections 4.1, 6.1, 6.2 and 13).

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body;
use margo_types::endpoint::Endpoint;
use margo_types::id::ClientId;
use margo_types::onboarding::{CaCertificate, OnboardingRequest, OnboardingResponse};
use margo_types::problem::{Problem, ProblemType};
use margo_types::signature::ClientCertificate;
use margo_types::{Document, Format, ReadError, SpecVersion, media_type, write};
use serde_json::Value;

use super::authenticate::Signed;
use super::call::negotiate;
use super::refusal::Refusal;
use super::{BoxError, ResponseBody, ServiceOptions, answer, receive};
use crate::in_full::in_full;
use crate::{Applicant, Enrolled};

/// Enrols the client whose certificate is in the body, if it holds the key.
///
/// There is no id yet by which a certificate could be found, so the signature has to be that of the certificate that is
/// sent: whoever signs with it has its key (rc1-and-pre-draft.md ambiguity 12). A request that is sent again is answered
/// again; that gives nobody anything new, so signatures are not remembered here.
pub(super) async fn post<B>(
    signed: &Signed,
    options: &ServiceOptions,
    endpoint: &'static Endpoint,
    parts: &Parts,
    body: B,
) -> Result<Response<ResponseBody>, Refusal>
where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    receive::check_type(&parts.headers, endpoint)?;
    let body = receive::bytes(body, options.max_body_bytes.min(MAX_BODY)).await?;
    let request = read(&body)?;
    let certificate =
        ClientCertificate::read(&request.certificate).map_err(|why| malformed(&in_full(&why)))?;
    let key = certificate.key().id();
    let signature = signed
        .verify_own(&certificate, parts, &body)
        .map_err(|why| why.into_refusal(&format_args!("with the key {key}")))?;
    let applicant = Applicant::new(request.certificate, certificate, &signature);
    let retry_after = signed.options.pending_retry_seconds;
    match signed.enrolment.enrol(&applicant).await? {
        Enrolled::Accepted(client) => {
            tracing::info!(%client, key = applicant.read.key().id(), "enrolled a client");
            enrolled(&client, &body)
        }
        Enrolled::Already(client) => enrolled(&client, &body),
        Enrolled::Pending => Ok(pending(retry_after)),
        Enrolled::Rejected(reason) => {
            tracing::warn!(
                key = applicant.read.key().id(),
                reason,
                "refused to enrol a client"
            );
            Err(Refusal::new(
                Problem::new(ProblemType::CertificateNotTrusted).with_detail(reason),
            ))
        }
    }
}

/// The root certificate of the fleet manager, for whoever trusts the connection already: nobody has to be known.
pub(super) async fn root_certificate(
    signed: &Signed,
    endpoint: &'static Endpoint,
    headers: &HeaderMap,
) -> Result<Response<ResponseBody>, Refusal> {
    let media_type = negotiate(headers, endpoint)?;
    let Some(certificate) = signed.enrolment.root_certificate().await? else {
        return Err(Refusal::new(Problem::about_blank(404).with_detail(
            "the root certificate is not given out here; install it on the device by other means",
        )));
    };
    json(StatusCode::OK, media_type, &CaCertificate::new(certificate))
}

fn read(body: &[u8]) -> Result<OnboardingRequest, Refusal> {
    let invalid =
        |detail: &str| Refusal::new(Problem::new(ProblemType::InvalidRequest).with_detail(detail));
    let read = receive::reader(SpecVersion::Rc1, MAX_BODY).read::<OnboardingRequest>(body);
    match read {
        Ok(request) if request.format() == Format::Json => Ok(request.into_value()),
        Err(unfit @ ReadError::Unfit { .. }) if receive::is_json(body) => {
            Err(malformed(&unfit.to_string()))
        }
        _ => Err(invalid(
            "the body is no enrolment request; send JSON with the certificate",
        )),
    }
}

/// 400: there is no certificate, or it cannot be used.
fn malformed(detail: &str) -> Refusal {
    Refusal::new(Problem::new(ProblemType::InvalidCertificateFormat).with_detail(detail))
}

/// 201 also for who is enrolled already: it is the only success there is, and generated clients know no other.
fn enrolled(client: &ClientId, request: &[u8]) -> Result<Response<ResponseBody>, Refusal> {
    let mut response = OnboardingResponse::new(client.clone());
    if is_of_the_first_copies(request) {
        let members = [
            ("client_id", Value::from(client.to_string())),
            ("endpoint_list", Value::from(Vec::<Value>::new())),
        ];
        let members = members.map(|(name, value)| (name.to_owned(), value));
        response.extra.0.extend(members);
    }
    json(StatusCode::CREATED, media_type::JSON, &response)
}

/// Whether the request is spelled as in the first copies, whose agents know no `clientId` (rc1-and-pre-draft.md ambiguity
/// 20).
fn is_of_the_first_copies(request: &[u8]) -> bool {
    let request = serde_json::from_slice::<Value>(request).unwrap_or_default();
    request.get("public_certificate").is_some()
}

fn pending(retry_after: u32) -> Response<ResponseBody> {
    let mut response = answer::empty(StatusCode::ACCEPTED);
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

fn json<T: Document>(
    status: StatusCode,
    media_type: &'static str,
    document: &T,
) -> Result<Response<ResponseBody>, Refusal> {
    let body = write(document, SpecVersion::Rc1).map_err(Refusal::internal)?;
    let mut response = answer::empty(status);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, NO_STORE);
    *response.body_mut() = ResponseBody::new(Bytes::from(body));
    Ok(response)
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The longest body, which carries one certificate of at most 64 KiB. It is read before anybody has proved anything.
const MAX_BODY: usize = 128 * 1024;
