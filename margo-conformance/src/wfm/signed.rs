//! The endpoints of the signed generation, as a profile has them (rc1-and-pre-draft.md sections 4 to 9; peers.md 4b, 4c
//! and 4e).

mod document;
mod enrolment;
mod refusal;
mod reports;
mod signature;

use bytes::Bytes;
use http::Response;
use http::header::{ETAG, HeaderName};
use margo_types::endpoint::{Form, Matched, Operation, PathCaller, Route};
use margo_types::etag::EntityTag;
use margo_types::id::ClientId;
use margo_types::problem::ProblemType;
use margo_types::{Digest, SpecVersion, media_type};

pub(super) use self::document::document;
pub(super) use self::enrolment::Enrolments;
use self::refusal::Refusal;
use super::content::{Content, accepts};
use super::desired::Lie;
use super::state::State;
use crate::authority::{Authority, IssuedSvid, Lifetime};
use crate::interop::{AcceptRule, CachingForm, FleetManagerRules};
use crate::request::RecordedRequest;
use crate::server::AnswerBody;

/// The answer, or why there is none.
type Answered = Result<Response<AnswerBody>, Refusal>;

/// The certificate of a server on loopback. Names are looked at by clients that know the address by one.
pub(super) fn server_certificate(authority: &Authority, lifetime: Lifetime) -> IssuedSvid {
    authority.issue_server(&["127.0.0.1", "localhost", "wfm.example.test"], lifetime)
}

/// What a fleet manager of these rules answers, as far as no lie is about it.
pub(super) fn answer(
    state: &mut State,
    rules: &FleetManagerRules,
    matched: &Matched,
    request: &RecordedRequest,
) -> Response<AnswerBody> {
    let exchange = Exchange {
        rules,
        matched,
        request,
    };
    exchange
        .answer(state)
        .unwrap_or_else(|refusal| refusal.into_response(rules.errors))
}

/// A request whose path is that of an endpoint.
struct Exchange<'a> {
    rules: &'a FleetManagerRules,
    matched: &'a Matched,
    request: &'a RecordedRequest,
}

impl Exchange<'_> {
    fn answer(&self, state: &mut State) -> Answered {
        self.check_form()?;
        match (&self.matched.route, &self.matched.caller) {
            (Route::RootCertificate, _) => self.root_certificate(state),
            (Route::Onboard, _) => self.onboard(state),
            (route, PathCaller::Client(client)) => {
                self.authenticate(state, client)?;
                self.of_client(state, client, route)
            }
            _ => Err(Refusal::not_found("there is no such path")),
        }
    }

    /// That the endpoint is one of those that these rules have.
    fn check_form(&self) -> Result<(), Refusal> {
        let endpoint = self.matched.endpoint;
        let is_singular = endpoint.template.contains("/deployment/");
        let is_served = match &self.matched.route {
            Route::ReportStatus { .. } => is_singular == self.rules.singular_status,
            Route::ReportCapabilities { device_id } => {
                device_id.is_none() || self.rules.device_in_capabilities_path
            }
            Route::RemoveDevice { .. } => self.rules.device_in_capabilities_path,
            _ => endpoint.form == Form::Used,
        };
        if is_served {
            Ok(())
        } else {
            Err(Refusal::not_found("there is no such path"))
        }
    }

    fn of_client(&self, state: &mut State, client: &ClientId, route: &Route) -> Answered {
        match route {
            Route::Manifest => self.manifest(state),
            Route::Deployment {
                deployment_id,
                digest,
            } => {
                let document = state.desired.document(*deployment_id, *digest);
                match document.filter(|_| self.rules.serves_documents) {
                    Some(document) => self.immutable(state, media_type::YAML, *digest, document),
                    None => Err(Refusal::new(
                        ProblemType::DeploymentNotFound,
                        "the digest is not that of the deployment",
                    )),
                }
            }
            Route::Bundle { digest } => match state.desired.bundle_bytes(digest) {
                Some(bundle) => self.immutable(state, media_type::BUNDLE, *digest, bundle),
                None => Err(Refusal::new(
                    ProblemType::InvalidBundle,
                    "there is no such bundle",
                )),
            },
            Route::ReportStatus { deployment_id } => self.report(state, *deployment_id),
            Route::ReportCapabilities { device_id } => {
                self.capabilities(state, client, device_id.as_ref())
            }
            Route::RemoveDevice { device_id } => reports::removal(state, device_id),
            _ => Err(Refusal::not_found("there is no such path")),
        }
    }

    fn manifest(&self, state: &mut State) -> Answered {
        self.check_accept(Operation::Manifest, media_type::MANIFEST)?;
        let manifest = state
            .desired
            .manifest(SpecVersion::Rc1, &self.matched.caller);
        if !self.rules.keeps_bundles {
            state.desired.forget_other_bundles(&manifest);
        }
        let bytes = margo_types::write(&manifest, SpecVersion::Rc1)
            .expect("the signed generation has state manifests");
        let own = Digest::of(&bytes);
        let bundle = manifest.bundle.map(|bundle| bundle.digest);
        let tag = bundle.filter(|_| self.rules.tag_of_bundle).unwrap_or(own);
        let mut content = Content::new(media_type::MANIFEST, bytes.into(), tag);
        if has_tags(state) {
            content = content.tagged();
        }
        let caching = match self.rules.caching {
            CachingForm::Specification => SpecVersion::Rc1.rules().manifest_cache_control,
            CachingForm::Coa | CachingForm::Private => Some(FOR_EVER),
        };
        Ok(content.cached(caching).answer(self.request))
    }

    fn immutable(
        &self,
        state: &State,
        media_type: &'static str,
        digest: Digest,
        bytes: Bytes,
    ) -> Answered {
        self.check_accept(self.matched.endpoint.operation, media_type)?;
        let content = Content::new(media_type, bytes, digest);
        let content = match self.rules.caching {
            _ if !has_tags(state) => content,
            CachingForm::Specification => content
                .tagged()
                .cached(SpecVersion::Rc1.rules().immutable_cache_control),
            CachingForm::Private => content
                .tagged()
                .cached(SpecVersion::Rc3.rules().immutable_cache_control),
            CachingForm::Coa => {
                let tag = EntityTag::from(digest).to_string();
                let hidden = serde_json::json!({ ETAG.as_str(): tag, "cache-control": FOR_EVER });
                content.header(COA_META, hidden.to_string())
            }
        };
        Ok(content.answer(self.request))
    }

    fn check_accept(&self, operation: Operation, media_type: &str) -> Result<(), Refusal> {
        let is_manifest = operation == Operation::Manifest;
        match self.rules.accept {
            AcceptRule::Negotiated if accepts(self.request, media_type) => Ok(()),
            AcceptRule::Negotiated => Err(Refusal::new(
                ProblemType::ServerCannotGenerateResponse,
                "nothing that is accepted can be served",
            )),
            AcceptRule::Exact => {
                let accept = self.request.header("accept");
                let generic = [Some(media_type), Some("*/*"), Some(OCTETS), None];
                let allowed = if is_manifest { &generic[..1] } else { &generic };
                if allowed.contains(&accept) {
                    Ok(())
                } else {
                    // 406 is meant, which the framework below does not know.
                    Err(Refusal::of_status(500, "not acceptable"))
                }
            }
        }
    }
}

fn has_tags(state: &State) -> bool {
    state.desired.lie != Some(Lie::NoEntityTag)
}

const FOR_EVER: &str = "public, max-age=31536000, immutable";
const COA_META: HeaderName = HeaderName::from_static("coa-meta-header");
const OCTETS: &str = "application/octet-stream";
