//! The endpoints of every generation, as data (rc3.md sections 3.1 and 7.4; rc1-and-pre-draft.md sections
//! 5, 5.1, 14 and 19.1).
//!
//! Client, server and conformance suite share one [table](Endpoint::ALL). A client asks a [`Route`] for its
//! path; a server asks [`match_path`] what a request line means and is given typed ids. The routes of the
//! generations do not collide (proved when this crate is compiled), so one server hosts all of them.
//!
//! ```
//! use margo_types::SpecVersion;
//! use margo_types::endpoint::{PathCaller, Route, match_path};
//! use margo_types::id::ClientId;
//!
//! let caller = PathCaller::Client(ClientId::parse("line-4")?);
//! let path = Route::Manifest.path(SpecVersion::Rc1, &caller)?;
//! assert_eq!(path, "/api/v1/clients/line-4/deployments");
//!
//! let matched = match_path(&SpecVersion::ALL, "GET", &path)?;
//! assert_eq!(matched.endpoint.generation, SpecVersion::Rc1);
//! assert_eq!((matched.caller, matched.route), (caller, Route::Manifest));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod matching;
mod route;
mod table;
mod template;

use std::fmt;

use crate::problem::ProblemType;
use crate::version::SpecVersion;

pub use matching::{Matched, NoMatch, match_path};
pub use route::{PathCaller, PathError, Route};
pub use template::Parameter;

/// One endpoint of one generation: what goes over the wire and what may come back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The generation.
    pub generation: SpecVersion,
    /// What the endpoint is for.
    pub operation: Operation,
    /// The HTTP method.
    pub method: Method,
    /// The path, with parameters such as `{deploymentId}`; a `{deviceId}` may span several segments.
    pub template: &'static str,
    /// Whether a client uses this form, or a server only accepts it.
    pub form: Form,
    /// Whether the caller has to be known, as the generation's [rules](SpecVersion::rules) say.
    pub authenticated: bool,
    /// The media type of the request's body; `None` when it has none or the generation leaves it undefined.
    pub request_type: Option<&'static str>,
    /// The media type of the body of a 200 or 201; `None` when there is none.
    pub response_type: Option<&'static str>,
    /// The status codes of success, the usual one first; 304 counts as success.
    pub success: &'static [u16],
    /// The errors the generation lists for this endpoint.
    pub errors: &'static [ListedError],
    /// How the response may be cached.
    pub caching: Caching,
}

impl Endpoint {
    /// All endpoints of all generations, the newest generation first.
    pub const ALL: &'static [Self] = table::ALL;

    /// The endpoints of a generation, with those that a server only accepts.
    pub fn of(generation: SpecVersion) -> impl Iterator<Item = &'static Self> {
        Self::ALL
            .iter()
            .filter(move |endpoint| endpoint.generation == generation)
    }

    /// The endpoint that a client of a generation uses for an operation; `None` when there is none.
    pub fn find(generation: SpecVersion, operation: Operation) -> Option<&'static Self> {
        Self::of(generation)
            .find(|endpoint| endpoint.operation == operation && endpoint.form == Form::Used)
    }

    /// The parameters of the path, from left to right.
    pub fn parameters(&self) -> impl Iterator<Item = Parameter> {
        self.template.split('/').filter_map(Parameter::of_segment)
    }

    /// The `Cache-Control` header of a successful response; `None` when the generation does not say.
    pub const fn cache_control(&self) -> Option<&'static str> {
        let rules = self.generation.rules();
        match self.caching {
            Caching::Revalidated => rules.manifest_cache_control,
            Caching::Immutable => rules.immutable_cache_control,
            Caching::None | Caching::Tagged => None,
        }
    }

    /// The problem types that the listed errors have; none where the generation has no problem types.
    pub fn problem_types(&self) -> impl Iterator<Item = ProblemType> {
        let base = self.generation.rules().problem_type_base;
        self.errors.iter().filter_map(move |error| {
            let slug = error.slug?;
            Some(ProblemType::from(format!("{}{slug}", base?).as_str()))
        })
    }

    const fn new(
        generation: SpecVersion,
        operation: Operation,
        method: Method,
        template: &'static str,
    ) -> Self {
        Self {
            generation,
            operation,
            method,
            template,
            form: Form::Used,
            authenticated: true,
            request_type: None,
            response_type: None,
            success: &[],
            errors: &[],
            caching: Caching::None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.template)
    }
}

/// What an endpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Fetch the root certificate of a fleet manager.
    RootCertificate,
    /// Enrol a client.
    Onboard,
    /// Report the capabilities of a device.
    ReportCapabilities,
    /// Say that a device is gone.
    RemoveDevice,
    /// Fetch the state manifest.
    Manifest,
    /// Fetch a deployment by digest.
    Deployment,
    /// Fetch a bundle by digest.
    Bundle,
    /// Report how a deployment fares.
    ReportStatus,
    /// Learn where the trust bundle is.
    Discovery,
    /// Fetch the trust bundle.
    TrustBundle,
}

/// An HTTP method (RFC 9110 section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

impl Method {
    /// The method as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// Whether sending the request twice has the effect of sending it once (RFC 9110 section 9.2.2).
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Whether a client uses a form of an endpoint, or a server only accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// Clients use it.
    Used,
    /// Another reading of the specification, which a server accepts.
    Accepted,
}

/// How a response may be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Caching {
    /// Not at all.
    None,
    /// It should have an entity tag, and nothing more is said.
    Tagged,
    /// It has a strong entity tag, the digest of its body, and is asked for again every time.
    Revalidated,
    /// It has its digest as entity tag and never changes.
    Immutable,
}

/// An error that a generation lists for an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ListedError {
    /// The HTTP status.
    pub status: u16,
    /// The end of the problem type's URI; `None` when no type is registered for this case.
    pub slug: Option<&'static str>,
}
