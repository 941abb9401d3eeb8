//! What a request line means.

use margo_types::Digest;

use super::answer::Refusal;

/// The parts of a path below `/v2/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/v2/`
    Base,
    /// `/v2/<name>/manifests/<reference>`
    Manifest(&'a str, Wanted<'a>),
    /// `/v2/<name>/blobs/<digest>`
    Blob(&'a str, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(&'a str),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(&'a str, &'a str),
    /// `/v2/<name>/tags/list`
    Tags(&'a str),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(&'a str, Digest),
}

/// How a manifest is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    Tag(&'a str),
    Digest(Digest),
}

impl<'a> Route<'a> {
    pub(super) fn parse(path: &'a str) -> Result<Self, Refusal> {
        let unknown = || Refusal::new(404, "UNSUPPORTED", "there is no such endpoint");
        let rest = path.strip_prefix("/v2").ok_or_else(unknown)?;
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        if rest.is_empty() {
            return Ok(Self::Base);
        }
        // A name has slashes of its own, so a path is read from its end.
        let (front, last) = rest.rsplit_once('/').ok_or_else(unknown)?;
        if let Some(name) = front.strip_suffix("/blobs/uploads") {
            let name = check_name(name)?;
            return Ok(match last {
                "" => Self::Uploads(name),
                id => Self::Upload(name, id),
            });
        }
        if let Some(name) = rest.strip_suffix("/blobs/uploads") {
            return Ok(Self::Uploads(check_name(name)?));
        }
        let (name, kind) = front.rsplit_once('/').ok_or_else(unknown)?;
        let name = check_name(name)?;
        match (kind, last) {
            ("manifests", reference) => Ok(Self::Manifest(name, Wanted::parse(reference)?)),
            ("blobs", digest) => Ok(Self::Blob(name, parse_digest(digest)?)),
            ("referrers", digest) => Ok(Self::Referrers(name, parse_digest(digest)?)),
            ("tags", "list") => Ok(Self::Tags(name)),
            _ => Err(unknown()),
        }
    }
}

impl<'a> Wanted<'a> {
    fn parse(reference: &'a str) -> Result<Self, Refusal> {
        if reference.contains(':') {
            return Ok(Self::Digest(parse_digest(reference)?));
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_tag = reference.len() <= 128
            && reference.starts_with(word)
            && reference.chars().all(|c| word(c) || c == '.' || c == '-');
        if is_tag {
            Ok(Self::Tag(reference))
        } else {
            Err(Refusal::new(400, "MANIFEST_INVALID", "this is not a tag"))
        }
    }
}

pub(super) fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    text.parse()
        .map_err(|_| Refusal::new(400, "DIGEST_INVALID", "this is not a sha256 digest"))
}

/// Segments of lower-case letters and digits, with single separators between them.
fn check_name(name: &str) -> Result<&str, Refusal> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_segment = |segment: &str| {
        segment.starts_with(is_word)
            && segment.ends_with(is_word)
            && segment.chars().all(|c| is_word(c) || "._-".contains(c))
            && !segment
                .split(is_word)
                .any(|separator| !is_separator(separator))
    };
    if name.split('/').all(is_segment) {
        Ok(name)
    } else {
        Err(Refusal::new(
            400,
            "NAME_INVALID",
            "this is not the name of a repository",
        ))
    }
}

fn is_separator(text: &str) -> bool {
    matches!(text, "" | "." | "_" | "__") || text.chars().all(|c| c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification() {
        for name in ["a", "a/b", "apps/furnace-watch", "a__b.c", "a---b", "0/1"] {
            assert_eq!(check_name(name).ok(), Some(name));
        }
        for name in ["", "A", "a//b", "a/", "-a", "a..b", "a_", "a___b", "a b"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn paths_are_read_from_their_end() {
        let tags = Route::parse("/v2/manifests/tags/list").ok();
        assert_eq!(tags, Some(Route::Tags("manifests")));
        let upload = Route::parse("/v2/a/b/blobs/uploads/7").ok();
        assert_eq!(upload, Some(Route::Upload("a/b", "7")));
        for path in ["/v2/a/blobs/uploads/", "/v2/a/blobs/uploads"] {
            assert_eq!(Route::parse(path).ok(), Some(Route::Uploads("a")));
        }
        for path in ["/", "/v1/", "/v2/a", "/v2/a/tags/other", "/v2/a/blobs/x"] {
            assert!(Route::parse(path).is_err(), "{path}");
        }
    }
}
