//! The signature base: the bytes that are signed, RFC 9421, section 2.5.
//!
//! The raw base is signed, not a hash of its base64 as an earlier proposal had it (contradiction 2),
//! and component names are quoted, unlike in Margo's sample (contradiction 4).

mod derived;
mod header;

use std::fmt;

use thiserror::Error;

use super::{component::CoveredComponent, signature_params::SignatureParams};

/// Builds the signature base of `request` for the components that `params` covers.
///
/// The lines are joined by a line feed, with none at the end. Every component must exist in the
/// request: one that does not is an error that names it.
pub fn signature_base<'h, H>(
    request: &RequestParts<'_, H>,
    params: &SignatureParams,
) -> Result<String, SignatureBaseError>
where
    H: Fn(&str) -> Vec<&'h [u8]>,
{
    let mut base = String::new();
    for component in params.components() {
        let value = if component.name().starts_with('@') {
            derived::value(request, component)?
        } else {
            header::value(&request.headers, component)?
        };
        base.extend([&component.to_string(), ": ", &value, "\n"]);
    }
    base.extend(["\"@signature-params\": ", params.as_str()]);
    Ok(base)
}

/// The parts of a request that can be covered by a signature.
///
/// Headers are asked for by lower-case name and given as one value per line, in the order received; an
/// empty vector means that there is no such header. With the `http` crate that is
/// `|name| headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()`.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RequestParts<'a, H> {
    /// The method, for instance `POST`.
    pub method: &'a str,
    /// The absolute URI as the client wrote it. A server behind a proxy restores the outer scheme and
    /// authority. Percent-encoding, of the `:` in a digest for instance (contradiction 42), stays as
    /// it is.
    pub target_uri: &'a str,
    /// The authority, if it is to be used verbatim. RFC 9421 has `@authority` in lower case without the
    /// default port, and so it is derived from `target_uri` when this is `None`; Margo's sandbox signs
    /// it exactly as configured. Margo's text does not cover it at all (contradiction 9).
    pub authority: Option<&'a str>,
    /// Looks a header up.
    pub headers: H,
}

impl<'a, H> RequestParts<'a, H> {
    /// A request with these parts.
    pub fn new<'h>(method: &'a str, target_uri: &'a str, headers: H) -> Self
    where
        H: Fn(&str) -> Vec<&'h [u8]>,
    {
        Self {
            method,
            target_uri,
            authority: None,
            headers,
        }
    }

    /// The same request with the verbatim value of `@authority`.
    #[must_use]
    pub fn with_authority(mut self, authority: &'a str) -> Self {
        self.authority = Some(authority);
        self
    }
}

impl<H> fmt::Debug for RequestParts<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestParts")
            .field("method", &self.method)
            .field("target_uri", &self.target_uri)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// Why a request has no signature base for the components listed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignatureBaseError {
    /// The request has no such header, member, or query parameter.
    #[error("the request has no {component}; send it or do not cover it")]
    Missing {
        /// The component identifier.
        component: String,
    },
    /// The component cannot be taken from a request, or is not known here.
    #[error("{component} is not supported in a request; do not cover it")]
    Unsupported {
        /// The component identifier.
        component: String,
    },
    /// The component exists, but has no single value that could be signed.
    #[error("the value of {component} cannot be signed; {problem}")]
    Value {
        /// The component identifier.
        component: String,
        /// What is wrong with the value and what to do.
        problem: &'static str,
    },
}

impl SignatureBaseError {
    fn missing(component: &CoveredComponent) -> Self {
        Self::Missing {
            component: component.to_string(),
        }
    }

    fn unsupported(component: &CoveredComponent) -> Self {
        Self::Unsupported {
            component: component.to_string(),
        }
    }

    fn value(component: &CoveredComponent, problem: &'static str) -> Self {
        Self::Value {
            component: component.to_string(),
            problem,
        }
    }
}

#[cfg(test)]
mod tests;
