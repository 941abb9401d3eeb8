//! Enrolment bodies of rc.1 (rc1-and-pre-draft.md sections 6.1 and 6.2, ambiguity 20).
//!
//! The first OpenAPI says `public_certificate` and `client_id` without envelope, the aligned one
//! `certificate` and `clientId`. Both are read; a peer that sends both to please everybody must mean the
//! same by them. The aligned form is written.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::extra::Extra;
use crate::id::ClientId;
use crate::onboarding::{Certificate, OnboardingRequest, OnboardingResponse};
use crate::version::SpecVersion;
use crate::wire::drift::{Enveloped, Rejected, no_clash};
use crate::write::Unrepresentable;

/// A request in either spelling.
#[derive(Debug, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(transform = crate::schema::older::any_present("certificate public_certificate"))
)]
pub(in crate::wire) struct Request {
    #[serde(rename = "apiVersion", default)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    _api_version: IgnoredAny,
    #[serde(rename = "kind", default)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    _kind: IgnoredAny,
    certificate: Option<Certificate>,
    public_certificate: Option<Certificate>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

/// A response in either spelling.
#[derive(Debug, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(transform = crate::schema::older::any_present("clientId client_id"))
)]
pub(in crate::wire) struct Response {
    #[serde(rename = "clientId")]
    new_spelling: Option<ClientId>,
    #[serde(rename = "client_id")]
    old_spelling: Option<ClientId>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

impl TryFrom<Request> for OnboardingRequest {
    type Error = Rejected;

    fn try_from(request: Request) -> Result<Self, Rejected> {
        let spellings = ["certificate", "public_certificate"];
        let certificate = either(request.certificate, request.public_certificate, spellings)?;
        let mut onboarding = Self::new(certificate);
        onboarding.extra = request.extra;
        Ok(onboarding)
    }
}

impl TryFrom<Response> for OnboardingResponse {
    type Error = Rejected;

    fn try_from(response: Response) -> Result<Self, Rejected> {
        let spellings = ["clientId", "client_id"];
        let client_id = either(response.new_spelling, response.old_spelling, spellings)?;
        let mut onboarding = Self::new(client_id);
        onboarding.extra = response.extra;
        Ok(onboarding)
    }
}

/// The request as rc.1 has it.
pub(in crate::wire) fn write(
    request: &OnboardingRequest,
) -> Result<Enveloped<&OnboardingRequest>, Unrepresentable> {
    no_clash(
        &request.extra,
        "",
        &["apiVersion", "kind"],
        SpecVersion::Rc1,
    )?;
    Ok(Enveloped::new(
        "onboarding.margo.org/v1alpha1",
        "OnboardingRequest",
        request,
    ))
}

/// Checks that a generation defines these bodies at all.
pub(in crate::wire) fn must_exist_in(
    generation: SpecVersion,
    field: &str,
) -> Result<(), Unrepresentable> {
    let why = match generation {
        SpecVersion::PreDraft => {
            "it leaves the bodies of onboarding undefined; write them for rc.1"
        }
        SpecVersion::Rc1 => return Ok(()),
        SpecVersion::Rc3 => "it has no onboarding API; provision the client's X.509-SVID instead",
    };
    Err(Unrepresentable::new(field, generation, why))
}

fn either<T: PartialEq>(
    new: Option<T>,
    old: Option<T>,
    [new_name, old_name]: [&str; 2],
) -> Result<T, Rejected> {
    match (new, old) {
        (Some(new), Some(old)) if new != old => Err(Rejected::at(
            [old_name],
            format!("it differs from `{new_name}`; send one of them"),
        )),
        (Some(value), _) | (None, Some(value)) => Ok(value),
        (None, None) => Err(Rejected::at([], format!("`{new_name}` is missing"))),
    }
}
