//! What a client may have meant by the target of its request (RFC 9110 sections 4.2.3 and 7.1; RFC 9421 section 2.2.2).
//!
//! The target URI is signed as the client wrote it, and all that arrives of it are a path and the name of a host, perhaps
//! in another form. The form that arrived is tried first.

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;

use super::PublicUrl;
use crate::proxy::Origin;

/// What may have been signed as `@target-uri` and `@authority`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) uri: String,
    /// When `@authority` is not as RFC 9421 derives it from the URI, but verbatim.
    pub(crate) authority: Option<String>,
}

/// The targets to try, most likely first; none when the request does not say which host it is for.
///
/// They are few, since each costs the verification of a signature.
pub(crate) fn targets(parts: &Parts, public_urls: &[PublicUrl]) -> Vec<Target> {
    let target = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    let origin = origin(parts);
    let mut targets = Vec::new();
    if public_urls.is_empty() {
        if let Some(Origin { scheme, authority }) = &origin {
            push(&mut targets, scheme, authority, target);
        }
        return targets;
    }
    let is_meant = |url: &&PublicUrl| {
        origin
            .as_ref()
            .is_some_and(|origin| is_same(url.scheme(), url.authority(), &origin.authority))
    };
    let mut meant: Vec<_> = public_urls.iter().filter(is_meant).collect();
    if meant.is_empty() {
        // A proxy has put the name of this server in place of its own.
        meant = public_urls.iter().take(MAX_URLS).collect();
    }
    for url in meant {
        let path = url.strip(target).unwrap_or(target);
        let path = format!("{}{path}", url.prefix());
        push(&mut targets, url.scheme(), url.authority(), &path);
    }
    targets
}

/// The scheme and the authority that the request was sent to, as far as it tells.
fn origin(parts: &Parts) -> Option<Origin> {
    if let Some(origin) = parts.extensions.get::<Origin>() {
        return Some(origin.clone());
    }
    // The generation is spoken over TLS alone.
    if let Some(authority) = parts.uri.authority() {
        let scheme = parts.uri.scheme_str().unwrap_or(HTTPS);
        return Some(Origin::new(scheme, authority.as_str()));
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let host = host.to_str().ok()?;
            is_authority(host).then(|| Origin::new(HTTPS, host))
        }
        _ => None,
    }
}

/// Whether this is a host, perhaps with a port: what begins a path in it would be signed as part of another target.
pub(crate) fn is_authority(text: &str) -> bool {
    text.parse::<Authority>().is_ok() && !text.contains('@')
}

fn push(targets: &mut Vec<Target>, scheme: &str, authority: &str, target: &str) {
    let default_port = default_port(scheme);
    let lower_scheme = scheme.to_ascii_lowercase();
    let lower = authority.to_ascii_lowercase();
    let normal = lower.strip_suffix(default_port).unwrap_or(&lower);
    let mut push = |scheme: &str, authority: &str, verbatim: Option<&str>| {
        let target = Target {
            uri: format!("{scheme}://{authority}{target}"),
            authority: verbatim.map(str::to_owned),
        };
        if !targets.contains(&target) {
            targets.push(target);
        }
    };
    if authority != normal {
        push(scheme, authority, Some(authority));
    }
    push(scheme, authority, None);
    push(&lower_scheme, normal, None);
    if !has_port(normal) {
        let written = format!("{normal}{default_port}");
        push(&lower_scheme, &written, None);
    }
}

/// Whether two authorities are the same under this scheme.
fn is_same(scheme: &str, one: &str, other: &str) -> bool {
    let default_port = default_port(scheme);
    let [one, other] = [one, other].map(str::to_ascii_lowercase);
    let normal = |authority: &str| {
        let short = authority.strip_suffix(default_port);
        short.unwrap_or(authority).to_owned()
    };
    normal(&one) == normal(&other)
}

fn has_port(authority: &str) -> bool {
    let after_address = authority.rsplit(']').next().unwrap_or(authority);
    after_address.contains(':')
}

fn default_port(scheme: &str) -> &'static str {
    if scheme.eq_ignore_ascii_case("http") {
        ":80"
    } else {
        ":443"
    }
}

const HTTPS: &str = "https";
/// How many public URLs are tried when a request names none of them.
pub(crate) const MAX_URLS: usize = 4;

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(uri: &str, host: &str) -> Parts {
        let request = Request::get(uri).header(HOST, host);
        request.body(()).unwrap().into_parts().0
    }

    fn uris(parts: &Parts, public_urls: &[&str]) -> Vec<String> {
        let urls = public_urls.iter().map(|url| PublicUrl::parse(url).unwrap());
        let targets = targets(parts, &urls.collect::<Vec<_>>());
        let uri = |target: Target| match target.authority {
            None => target.uri,
            Some(verbatim) => format!("{} as {verbatim}", target.uri),
        };
        targets.into_iter().map(uri).collect()
    }

    #[test]
    fn what_arrives_comes_first() {
        let with_port = uris(&parts("/a?b=c", "wfm.example:8443"), &[]);
        assert_eq!(with_port, ["https://wfm.example:8443/a?b=c"]);
        let address = uris(&parts("/a", "[::1]:8443"), &[]);
        assert_eq!(address, ["https://[::1]:8443/a"]);
        let default = uris(&parts("/a", "wfm.example"), &[]);
        let both = ["https://wfm.example/a", "https://wfm.example:443/a"];
        assert_eq!(default, both);
        let written = uris(&parts("/a", "WFM.example:443"), &[]);
        assert_eq!(
            written,
            [
                "https://WFM.example:443/a as WFM.example:443",
                "https://WFM.example:443/a",
                "https://wfm.example/a",
                "https://wfm.example:443/a",
            ]
        );
    }

    #[test]
    fn absolute_form_is_taken_at_its_word() {
        let parts = parts("http://wfm.example:8080/a", "other.example");
        assert_eq!(uris(&parts, &[]), ["http://wfm.example:8080/a"]);
    }

    #[test]
    fn nothing_is_guessed_without_a_host() {
        let mut parts = parts("/a", "wfm.example");
        parts.headers.append(HOST, "other.example".parse().unwrap());
        assert_eq!(uris(&parts, &[]), [""; 0]);
        parts.headers.clear();
        assert_eq!(uris(&parts, &[]), [""; 0]);
        for host in ["", "wfm.example/a", "user@wfm.example", "wfm.example?"] {
            parts.headers.insert(HOST, host.parse().unwrap());
            assert_eq!(uris(&parts, &[]), [""; 0], "{host}");
        }
    }

    #[test]
    fn public_url_that_is_named_is_meant() {
        let urls = [
            "https://a.example:8443",
            "https://B.example/margo",
            "https://c.example:1",
        ];
        let stripped = uris(&parts("/api/v1", "b.example:443"), &urls);
        assert_eq!(stripped[0], "https://B.example/margo/api/v1 as B.example");
        assert_eq!(
            stripped,
            uris(&parts("/margo/api/v1", "b.example:443"), &urls)
        );
        assert!(stripped.iter().all(|uri| uri.contains("/margo/api/v1")));
        assert!(stripped.iter().all(|uri| !uri.contains("a.example")));

        let renamed = uris(&parts("/api/v1", "10.0.0.7:3000"), &urls);
        assert!(renamed.contains(&"https://a.example:8443/api/v1".to_owned()));
        assert!(renamed.iter().all(|uri| !uri.contains("10.0.0.7")));
    }
}
