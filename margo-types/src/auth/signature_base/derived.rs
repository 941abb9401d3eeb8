//! Derived components of a request, RFC 9421, section 2.2.

use url::form_urlencoded;

use super::{
    super::component::{ComponentParameter, CoveredComponent},
    RequestParts, SignatureBaseError as Error,
};

/// The value of a component whose name starts with `@`.
pub(super) fn value<H>(
    request: &RequestParts<'_, H>,
    component: &CoveredComponent,
) -> Result<String, Error> {
    let target = || Target::split(request.target_uri, component);
    match (component.name(), component.parameters()) {
        ("@method", []) => method(request.method, component),
        ("@target-uri", []) => target().map(|target| target.uri.to_owned()),
        ("@authority", []) => match request.authority {
            Some(verbatim) => graphic(verbatim, component).map(str::to_owned),
            None => target().map(|target| target.normal_authority()),
        },
        ("@scheme", []) => target().map(|target| target.scheme.to_ascii_lowercase()),
        ("@request-target", []) => target().map(|target| target.origin_form()),
        ("@path", []) => target().map(|target| target.path.to_owned()),
        ("@query", []) => target().map(|target| format!("?{}", target.query.unwrap_or_default())),
        ("@query-param", [ComponentParameter::Name(name)]) => {
            query_param(target()?.query.unwrap_or_default(), name, component)
        }
        _ => Err(Error::unsupported(component)),
    }
}

/// An absolute URI in its parts, none of them decoded or changed.
struct Target<'a> {
    uri: &'a str,
    scheme: &'a str,
    authority: &'a str,
    /// Never empty: RFC 9421 has `/` for an empty path.
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Target<'a> {
    fn split(uri: &'a str, component: &CoveredComponent) -> Result<Self, Error> {
        let not_absolute = || {
            Error::value(
                component,
                "give the target as scheme://authority/path?query",
            )
        };

        let (scheme, rest) = graphic(uri, component)?
            .split_once("://")
            .ok_or_else(not_absolute)?;
        let (authority, path_and_query) =
            rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host_is_empty = authority.is_empty() || authority.starts_with(':');
        if scheme.is_empty()
            || host_is_empty
            || authority.contains('@')
            || uri.contains(['#', '\\'])
        {
            return Err(not_absolute());
        }

        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        Ok(Self {
            uri,
            scheme,
            authority,
            path: if path.is_empty() { "/" } else { path },
            query,
        })
    }

    /// Lower case, without the port that the scheme implies (RFC 9421, section 2.2.3).
    fn normal_authority(&self) -> String {
        let default_port = match self.scheme.to_ascii_lowercase().as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => "",
        };
        let authority = self.authority.to_ascii_lowercase();
        match authority.strip_suffix(default_port) {
            Some(host) => host.to_owned(),
            None => authority,
        }
    }

    /// Path and query: the request target of every request that is not CONNECT, OPTIONS * or made to a
    /// proxy (RFC 9421, section 2.2.5).
    fn origin_form(&self) -> String {
        match self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.to_owned(),
        }
    }
}

fn method(method: &str, component: &CoveredComponent) -> Result<String, Error> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(Error::value(component, "give the method as one token"));
    }
    Ok(method.to_owned())
}

/// The one query parameter called `name`, decoded as a form and encoded again (RFC 9421, section
/// 2.2.8). Which one is meant among several is not defined, so they cannot be signed.
fn query_param(query: &str, name: &str, component: &CoveredComponent) -> Result<String, Error> {
    let mut values = form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| percent_encoded(key) == name)
        .map(|(_, value)| percent_encoded(&value));
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(Error::missing(component)),
        _ => Err(Error::value(component, "send this query parameter once")),
    }
}

/// Like a form, but with a space as `%20`.
fn percent_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// Refuses what could not stand in a request line, line feeds above all.
fn graphic<'a>(text: &'a str, component: &CoveredComponent) -> Result<&'a str, Error> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::value(
            component,
            "percent-encode spaces, control characters and text outside ASCII",
        ));
    }
    Ok(text)
}
