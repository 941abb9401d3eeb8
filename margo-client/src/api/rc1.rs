//! The management interface of rc.1: signed requests over TLS (rc1-and-pre-draft.md part I).

mod forms;

use std::sync::Arc;

use margo_types::SpecVersion;
use margo_types::capabilities::DeviceCapabilities;
use margo_types::endpoint::{Endpoint, Operation, PathCaller, PathError, Route};
use margo_types::problem::ProblemType;
use margo_types::status::DeploymentStatus;
use reqwest::StatusCode;
use url::Url;

use super::ApiOptions;
use super::interface::{Generation, Interface, fleet_api, unsupported};
use crate::error::Error;
use crate::exchange::{Answer, Call};
use crate::location::Location;
use crate::onboarding::{Enrolment, Member};
use crate::signed::may_be_repeated;

/// A fleet manager of rc.1, spoken to as the client that an [`Enrolment`] is.
///
/// Every request is signed, also that with which the client enrols: it goes before the first one, and again when the
/// certificate was renewed or the fleet manager does not know the client any more. So "the operator has not decided yet"
/// is an error of whatever was asked for, to be repeated as it says.
#[derive(Debug)]
pub struct Rc1Api(Interface<Signed>);

impl Rc1Api {
    /// The fleet manager of this enrolment.
    pub const fn new(enrolment: Enrolment) -> Self {
        Self(Interface::new(Signed { enrolment }))
    }

    /// What the client is to the fleet manager.
    pub const fn enrolment(&self) -> &Enrolment {
        &self.0.generation().enrolment
    }
}

fleet_api!(Rc1Api, Signed);

#[derive(Debug)]
struct Signed {
    enrolment: Enrolment,
}

impl Generation for Signed {
    const VERSION: SpecVersion = SpecVersion::Rc1;

    type Caller = Arc<Member>;

    fn location(&self) -> &Location {
        &self.enrolment.channel().location
    }

    fn options(&self) -> &ApiOptions {
        &self.enrolment.channel().options
    }

    async fn caller(&self) -> Result<Arc<Member>, Error> {
        self.enrolment.member().await
    }

    /// The endpoints of the specification, and those of an older reading that the dialect wants.
    fn place(
        &self,
        member: &Arc<Member>,
        route: &Route,
    ) -> Result<(&'static Endpoint, String), PathError> {
        let dialect = &self.enrolment.channel().dialect;
        let caller = PathCaller::Client(member.id.clone());
        let operation = route.operation();
        let usual = route.endpoint(Self::VERSION)?;
        let mut path = route.path(Self::VERSION, &caller)?;
        let mut endpoint = usual;
        match operation {
            Operation::ReportCapabilities if dialect.capabilities_by_post => {
                let by_post = Endpoint::of(Self::VERSION).find(|it| {
                    it.operation == operation
                        && it.template == usual.template
                        && it.method != usual.method
                });
                endpoint = by_post.unwrap_or(usual);
            }
            Operation::ReportStatus if dialect.singular_status => {
                let singular = Endpoint::of(Self::VERSION)
                    .find(|it| it.operation == operation && it.template != usual.template);
                endpoint = singular.unwrap_or(usual);
                path = path.replacen("/deployments/", "/deployment/", 1);
            }
            Operation::RemoveDevice if !dialect.device_in_path => {
                return Err(PathError::NotInGeneration {
                    operation,
                    generation: Self::VERSION,
                });
            }
            _ => {}
        }
        Ok((endpoint, path))
    }

    /// Only to what is this client's own: a signature for somebody else's path is worth nothing.
    fn may_lead_to(&self, member: &Arc<Member>, url: &Url) -> bool {
        let own = self
            .location()
            .of_path(&format!("/api/v1/clients/{}/", member.id));
        url.path().starts_with(own.path())
    }

    fn capabilities(
        &self,
        member: &Arc<Member>,
        capabilities: &DeviceCapabilities,
    ) -> Result<(Route, Vec<u8>), Error> {
        let dialect = &self.enrolment.channel().dialect;
        let id = &capabilities.properties.id;
        if id.segments().count() > 1 && !dialect.device_in_path {
            let why =
                "devices behind a gateway came with late copies; choose a dialect that has them";
            return Err(unsupported("the capabilities").because(why));
        }
        let body = forms::capabilities(dialect, &member.id, capabilities)
            .map_err(|why| unsupported("the capabilities").because(why))?;
        let route = Route::ReportCapabilities {
            device_id: dialect.device_in_path.then(|| id.clone()),
        };
        Ok((route, body))
    }

    fn status(
        &self,
        _: &Arc<Member>,
        status: &DeploymentStatus,
    ) -> Result<(Route, Vec<u8>), Error> {
        let body = forms::status(&self.enrolment.channel().dialect, status)
            .map_err(|why| unsupported("the status").because(why))?;
        let route = Route::ReportStatus {
            deployment_id: status.deployment_id,
        };
        Ok((route, body))
    }

    async fn exchange(&self, member: &Arc<Member>, call: &Call<'_>) -> Result<Answer, Error> {
        let signer = &member.material.signer;
        self.enrolment.channel().send(call, signer).await
    }

    fn refusal(&self, member: &Arc<Member>, answer: &Answer, asked: &str) -> Error {
        let channel = self.enrolment.channel();
        let error = channel.refusal(&member.material, answer, asked);
        let is_vague = channel.dialect.vague_refusals
            && answer.status == StatusCode::BAD_REQUEST
            && !answer.is_no_answer();
        if is_vague || is_unknown_client(answer, &error) {
            self.enrolment.doubt();
        }
        if is_vague {
            return may_be_repeated(error);
        }
        error
    }
}

/// Whether the fleet manager may have forgotten the client, as after the loss of its data. No wrong clock explains it then.
fn is_unknown_client(answer: &Answer, error: &Error) -> bool {
    let slug = error.problem_type().and_then(ProblemType::slug);
    match answer.status {
        StatusCode::UNAUTHORIZED => !answer.is_no_answer() && !error.is_retryable(),
        StatusCode::NOT_FOUND => slug == Some("invalid-client"),
        _ => false,
    }
}
