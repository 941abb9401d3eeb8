//! From request lines to typed ids.

use std::borrow::Cow;

use super::template::Parameter;
use super::{Endpoint, Method, Operation, PathCaller, PathError, Route};
use crate::digest::Digest;
use crate::id::{ClientId, DeploymentId, DeviceId};
use crate::text::{InvalidText, shorten};
use crate::version::{CallerIdentity, SpecVersion};

/// What a request line means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Matched {
    /// The endpoint, and with it the generation.
    pub endpoint: &'static Endpoint,
    /// Who the path says is calling.
    pub caller: PathCaller,
    /// What is asked for.
    pub route: Route,
}

impl Matched {
    /// The path that this endpoint has for these ids.
    ///
    /// # Errors
    /// Never for a value that [`match_path`] returned.
    pub fn path(&self) -> Result<String, PathError> {
        self.route.fill(self.endpoint, &self.caller)
    }
}

/// Finds the endpoint of a request among those of some generations.
///
/// `path` is the path of the request target as it was received: percent-encoded, without query, and without
/// any prefix under which the interface is mounted. Text outside parameters has to match byte for byte;
/// parameters are percent-decoded once, so a device id may have come with `/` or with `%2F` between its
/// segments (rc3.md ambiguity 33). `HEAD` is answered like `GET` (RFC 9110 section 9.3.2).
///
/// # Errors
/// [`NoMatch`] says whether the path, the method or an id is wrong.
pub fn match_path(
    generations: &[SpecVersion],
    method: &str,
    path: &str,
) -> Result<Matched, NoMatch> {
    let method = if method == "HEAD" { "GET" } else { method };
    let mut allowed = Vec::new();
    let mut malformed = None;
    if path.len() <= MAX_PATH {
        for endpoint in Endpoint::ALL {
            if !generations.contains(&endpoint.generation) {
                continue;
            }
            let Some(captures) = Captures::of(endpoint.template, path) else {
                continue;
            };
            if endpoint.method.as_str() != method {
                allowed.push(endpoint.method);
                continue;
            }
            match captures.read(endpoint) {
                Ok(matched) => return Ok(matched),
                Err(no_match) => malformed = Some(no_match),
            }
        }
    }
    allowed.sort_unstable();
    allowed.dedup();
    Err(malformed.unwrap_or_else(|| {
        let path = shorten(path);
        if allowed.is_empty() {
            NoMatch::UnknownPath { path }
        } else {
            NoMatch::MethodNotAllowed { path, allowed }
        }
    }))
}

/// Why a request line means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoMatch {
    /// No endpoint has this path: 404.
    #[error("no endpoint has the path {path:?}")]
    UnknownPath {
        /// The path, shortened when long.
        path: String,
    },
    /// The path exists, with other methods: 405.
    #[error("the path {path:?} has other methods, see the Allow header")]
    MethodNotAllowed {
        /// The path, shortened when long.
        path: String,
        /// The methods it has.
        allowed: Vec<Method>,
    },
    /// An id in the path does not have its form, so nothing can be found by it: 404.
    #[error("the {parameter} in the path is malformed")]
    MalformedId {
        /// The endpoint.
        endpoint: &'static Endpoint,
        /// The parameter.
        parameter: Parameter,
        /// What is wrong with it.
        source: InvalidText,
    },
}

/// The longest path that is looked at: a device id of the longest kind, percent-encoded, fits twice.
const MAX_PATH: usize = 8192;

/// The parts of a path that stand where a template has parameters, as received.
#[derive(Default)]
struct Captures<'p> {
    client_id: Option<&'p str>,
    device_id: Option<&'p str>,
    deployment_id: Option<&'p str>,
    digest: Option<&'p str>,
}

impl<'p> Captures<'p> {
    fn of(template: &str, path: &'p str) -> Option<Self> {
        let mut captures = Self::default();
        let (mut template, mut path) = (template.strip_prefix('/')?, path.strip_prefix('/')?);
        loop {
            let (expected, template_rest) = cut(template);
            if Parameter::of_segment(expected) == Some(Parameter::DeviceId) {
                for expected in template_rest.into_iter().flat_map(|rest| rest.rsplit('/')) {
                    let (before, segment) = path.rsplit_once('/')?;
                    captures.take(expected, segment)?;
                    path = before;
                }
                captures.device_id = Some(path);
                return Some(captures);
            }
            let (segment, path_rest) = cut(path);
            captures.take(expected, segment)?;
            match (template_rest, path_rest) {
                (Some(rest_of_template), Some(rest_of_path)) => {
                    (template, path) = (rest_of_template, rest_of_path);
                }
                (None, None) => return Some(captures),
                _ => return None,
            }
        }
    }

    fn take(&mut self, expected: &str, segment: &'p str) -> Option<()> {
        let place = match Parameter::of_segment(expected) {
            None => return (expected == segment).then_some(()),
            Some(Parameter::ClientId) => &mut self.client_id,
            Some(Parameter::DeviceId) => &mut self.device_id,
            Some(Parameter::DeploymentId) => &mut self.deployment_id,
            Some(Parameter::Digest) => &mut self.digest,
        };
        *place = Some(segment);
        Some(())
    }

    fn read(&self, endpoint: &'static Endpoint) -> Result<Matched, NoMatch> {
        let malformed = |parameter| {
            move |source| NoMatch::MalformedId {
                endpoint,
                parameter,
                source,
            }
        };
        let client_id = self
            .client_id
            .map(ClientId::parse_segment)
            .transpose()
            .map_err(malformed(Parameter::ClientId))?;
        let mut device_id = self
            .device_id
            .map(DeviceId::parse_segment)
            .transpose()
            .map_err(malformed(Parameter::DeviceId))?;
        let deployment_id = || {
            DeploymentId::parse_segment(self.deployment_id.unwrap_or_default())
                .map_err(malformed(Parameter::DeploymentId))
        };
        let digest = || {
            Digest::parse_segment(self.digest.unwrap_or_default())
                .map_err(malformed(Parameter::Digest))
        };
        let is_caller = endpoint.generation.rules().caller == CallerIdentity::BearerToken;
        let caller = match (client_id, &mut device_id) {
            (Some(id), _) => PathCaller::Client(id),
            (None, device) if is_caller => device
                .take()
                .map_or(PathCaller::Unnamed, PathCaller::Device),
            (None, _) => PathCaller::Unnamed,
        };
        let route = match endpoint.operation {
            Operation::RootCertificate => Route::RootCertificate,
            Operation::Onboard => Route::Onboard,
            Operation::ReportCapabilities => Route::ReportCapabilities { device_id },
            Operation::RemoveDevice => Route::RemoveDevice {
                device_id: device_id
                    .map_or_else(|| DeviceId::parse(""), Ok)
                    .map_err(malformed(Parameter::DeviceId))?,
            },
            Operation::Manifest => Route::Manifest,
            Operation::Deployment => Route::Deployment {
                deployment_id: deployment_id()?,
                digest: digest()?,
            },
            Operation::Bundle => Route::Bundle { digest: digest()? },
            Operation::ReportStatus => Route::ReportStatus {
                deployment_id: deployment_id()?,
            },
            Operation::Discovery => Route::Discovery,
            Operation::TrustBundle => Route::TrustBundle,
        };
        Ok(Matched {
            endpoint,
            caller,
            route,
        })
    }
}

/// The first segment, and what follows its slash.
fn cut(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((segment, rest)) => (segment, Some(rest)),
        None => (path, None),
    }
}

/// An id that can be a parameter of a path.
trait ParseSegment: Sized {
    fn parse_decoded(text: &str) -> Result<Self, InvalidText>;

    /// Reads the id after percent-decoding it once. What is not UTF-8 then is read undecoded, and refused
    /// for its percent signs.
    fn parse_segment(raw: &str) -> Result<Self, InvalidText> {
        Self::parse_decoded(&percent_decoded(raw).unwrap_or(Cow::Borrowed(raw)))
    }
}

macro_rules! parse_segment {
    ($($id:ty)*) => {
        $(impl ParseSegment for $id {
            fn parse_decoded(text: &str) -> Result<Self, InvalidText> {
                Self::parse(text)
            }
        })*
    };
}

parse_segment!(ClientId DeviceId DeploymentId Digest);

/// RFC 3986 section 2.1; `None` when a percent sign is not followed by two digits or the result is not UTF-8.
fn percent_decoded(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}
