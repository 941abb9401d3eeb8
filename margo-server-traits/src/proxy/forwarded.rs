//! Which host a client has sent its request to, as a proxy tells it (RFC 7239).

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{FORWARDED, HOST};
use http::{Extensions, HeaderMap, HeaderName, Request};
use sfv::{BareItem, Parser};
use tower_service::Service;

use crate::signed::is_authority;

/// Scheme and authority that a client has sent its request to, in the extensions of a request.
///
/// The signed generation needs both to know what was signed; a [`FleetService`](crate::FleetService) without
/// [public URLs](crate::signed::SignedOptions::public_urls) goes by it. Without one it takes the host that the request
/// names, and `https`. A server without TLS puts its own here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub(crate) scheme: String,
    pub(crate) authority: String,
}

impl Origin {
    /// This scheme, and this host with its port, if any.
    pub fn new(scheme: impl Into<String>, authority: impl Into<String>) -> Self {
        Self {
            scheme: scheme.into(),
            authority: authority.into(),
        }
    }
}

/// Takes the [`Origin`] of a request from `Forwarded`, or else `X-Forwarded-Proto` and `X-Forwarded-Host`, if a trusted
/// proxy has written them.
///
/// Of several values the last counts: the one that the proxy itself has added. What precedes it may come from anybody.
/// The headers of anybody else say nothing, and an [`Origin`] that the server has noted stays then. Who is a trusted
/// proxy is for the caller to say, as with [`ClientCertHeader`](super::ClientCertHeader).
///
/// Where the outer URL is known, [public URLs](crate::signed::SignedOptions::public_urls) need no headers at all, and are
/// the only way when the proxy takes a prefix off the path.
#[derive(Clone)]
pub struct ForwardedOrigin<S> {
    inner: S,
    is_trusted_proxy: Arc<dyn Fn(&Extensions) -> bool + Send + Sync>,
}

impl<S> ForwardedOrigin<S> {
    /// Wraps a service; `is_trusted_proxy` looks at what the server knows about the connection of a request.
    pub fn new(
        inner: S,
        is_trusted_proxy: impl Fn(&Extensions) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner,
            is_trusted_proxy: Arc::new(is_trusted_proxy),
        }
    }
}

impl<S, B> Service<Request<B>> for ForwardedOrigin<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if (self.is_trusted_proxy)(request.extensions())
            && let Some(origin) = forwarded(request.headers())
        {
            request.extensions_mut().insert(origin);
        }
        self.inner.call(request)
    }
}

impl<S: fmt::Debug> fmt::Debug for ForwardedOrigin<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("ForwardedOrigin")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// What the headers say; `None` when they say nothing that can be relied on.
fn forwarded(headers: &HeaderMap) -> Option<Origin> {
    let (scheme, authority) = if headers.contains_key(FORWARDED) {
        let element = last_element(headers, &FORWARDED)?;
        (parameter(element, "proto"), parameter(element, "host"))
    } else {
        let value = |name| last_element(headers, name).map(str::to_owned);
        (value(&X_FORWARDED_PROTO), value(&X_FORWARDED_HOST))
    };
    let host = || Some(headers.get(HOST)?.to_str().ok()?.to_owned());
    if scheme.is_none() && authority.is_none() {
        return None;
    }
    let scheme = scheme.unwrap_or_else(|| "https".to_owned());
    let authority = authority.or_else(host)?;
    let is_scheme = |known| scheme.eq_ignore_ascii_case(known);
    if !["http", "https"].into_iter().any(is_scheme) || !is_authority(&authority) {
        tracing::warn!(
            scheme,
            authority,
            "a trusted proxy sent a host that is none; configure it to overwrite Forwarded"
        );
        return None;
    }
    Some(Origin::new(scheme, authority))
}

/// The last element of a list, which begins at the last comma outside of quotes.
fn last_element<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    let element = split(line, ',').last()?.trim();
    (!element.is_empty()).then_some(element)
}

/// The value of a parameter of an element of `Forwarded`; names are in any case (RFC 7239 section 4).
fn parameter(element: &str, name: &str) -> Option<String> {
    let pairs = split(element, ';').filter_map(|pair| pair.split_once('='));
    let mut values = pairs
        .filter(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim());
    let value = values.next()?;
    if !value.starts_with('"') {
        return Some(value.to_owned());
    }
    match Parser::new(value).parse::<sfv::Item>().ok()?.bare_item {
        BareItem::String(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

/// The parts between separators that are not in a quoted string.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        c == separator && !is_quoted
    })
}

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[(&'static str, &str)]) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "inner:3000".parse().unwrap());
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        forwarded(&headers).map(|origin| (origin.scheme, origin.authority))
    }

    #[test]
    fn last_word_counts() {
        let outer = Some(("https".to_owned(), "wfm.example:8443".to_owned()));
        for lines in [
            &[(
                "forwarded",
                r#"for=1.2.3.4;HOST="wfm.example:8443";proto=https"#,
            )][..],
            &[(
                "forwarded",
                r#"host=evil.example, for="a,b"; host="wfm.example:8443""#,
            )],
            &[
                ("forwarded", "host=evil.example"),
                ("forwarded", r#"host="wfm.example:8443""#),
            ],
            &[
                ("forwarded", r#"host="wfm.example:8443""#),
                ("x-forwarded-host", "evil.example"),
            ],
            &[
                ("x-forwarded-host", "evil.example, wfm.example:8443"),
                ("x-forwarded-proto", "https"),
            ],
        ] {
            assert_eq!(said(lines), outer, "{lines:?}");
        }
        let scheme_alone = said(&[("x-forwarded-proto", "http")]);
        assert_eq!(
            scheme_alone,
            Some(("http".to_owned(), "inner:3000".to_owned()))
        );
    }

    #[test]
    fn what_is_no_host_says_nothing() {
        for lines in [
            &[][..],
            &[("forwarded", "for=1.2.3.4")],
            &[("forwarded", "")],
            &[("forwarded", r#"host="wfm.example"#)],
            &[("forwarded", "host=user@wfm.example")],
            &[("x-forwarded-host", "wfm.example/path")],
            &[("x-forwarded-proto", "gopher")],
        ] {
            assert_eq!(said(lines), None, "{lines:?}");
        }
    }
}
