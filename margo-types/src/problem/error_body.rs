//! Any error body of any server as a [`Problem`]: a server's error body is never lost.
//!
//! Three styles exist within rc.1 alone (rc1-and-pre-draft.md section 11): `{"error"}`,
//! `{"error", "message"}` and RFC 9457; proxies in between add HTML and plain text.

use serde_json::{Map, Value};

use super::{Problem, ProblemType};
use crate::extra::Extra;
use crate::wire::modernise;

impl Problem {
    /// The problem that an HTTP response reports.
    ///
    /// `status` is the response's status code; the `status` member of a body is advisory and gives way
    /// (RFC 9457 section 3.1.3). What the body says is kept:
    /// - of a problem document, every member;
    /// - of `{"error": …, "message": …}`, the error as `title` and the message as `detail`;
    /// - of any other JSON object, its members as [`extra`](Self::extra);
    /// - of anything else, the first KiB as `detail`.
    ///
    /// The body decides about its form, whatever `content_type` says: problem documents travel under
    /// `application/json`, with parameters, and under no type at all. The type's `charset` says how a body
    /// that is no JSON is read. A title that is missing becomes the phrase of the status code.
    ///
    /// A member of a problem document that has the wrong type counts as missing (RFC 9457 section 3.1); the
    /// first KiB of the body then stands in for a missing `detail`.
    #[must_use]
    pub fn from_error_body(status: u16, content_type: Option<&str>, body: &[u8]) -> Self {
        let json = if body.len() <= MAX_JSON {
            serde_json::from_slice(body).ok()
        } else {
            None
        };
        let problem = match json {
            Some(Value::Object(members)) => from_members(status, members, body),
            Some(Value::String(text)) => Self {
                detail: excerpt(&text),
                ..blank(status)
            },
            _ => Self {
                detail: excerpt(&decode(content_type, body)),
                ..blank(status)
            },
        };
        modernise(problem)
    }
}

fn blank(status: u16) -> Problem {
    Problem {
        problem_type: ProblemType::AboutBlank,
        title: super::phrase(status).to_owned(),
        status,
        detail: None,
        instance: None,
        retryable: None,
        retry_after_seconds: None,
        backoff_strategy: None,
        errors: Vec::new(),
        extra: Extra::default(),
    }
}

fn from_members(status: u16, mut members: Map<String, Value>, body: &[u8]) -> Problem {
    let is_legacy = !members.contains_key("type") && !members.contains_key("title");
    if is_legacy {
        rename(&mut members, "error", "title");
        rename(&mut members, "message", "detail");
    }
    members.remove("status");
    let mut any_misfit = false;
    let mut take = Taker {
        members: &mut members,
        any_misfit: &mut any_misfit,
    };
    let mut problem = Problem {
        problem_type: take.typed("type").unwrap_or(ProblemType::AboutBlank),
        title: take.typed("title").unwrap_or_default(),
        detail: take.typed("detail"),
        instance: take.typed("instance"),
        retryable: take.typed("retryable"),
        retry_after_seconds: take.typed("retryAfterSeconds"),
        backoff_strategy: take.typed("backoffStrategy"),
        errors: take.typed("errors").unwrap_or_default(),
        ..blank(status)
    };
    if problem.title.is_empty() {
        super::phrase(status).clone_into(&mut problem.title);
    }
    if any_misfit && problem.detail.is_none() {
        problem.detail = excerpt(&String::from_utf8_lossy(body));
    }
    problem.extra = Extra(members.into_iter().collect());
    problem
}

/// Gives a text member its name of today; leaves it alone when it is no text or the new name is taken.
fn rename(members: &mut Map<String, Value>, old: &str, new: &str) {
    if members.get(old).is_some_and(Value::is_string)
        && !members.contains_key(new)
        && let Some(text) = members.remove(old)
    {
        members.insert(new.to_owned(), text);
    }
}

/// Takes members out of an object, and notes whether any was not of its type.
struct Taker<'a> {
    members: &'a mut Map<String, Value>,
    any_misfit: &'a mut bool,
}

impl Taker<'_> {
    fn typed<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        let typed = serde_json::from_value(value).ok();
        *self.any_misfit |= typed.is_none();
        typed
    }
}

/// The text of a body. Bytes that are not UTF-8 are Latin-1 where the type says so, and marked otherwise.
fn decode(content_type: Option<&str>, body: &[u8]) -> String {
    let body = body.trim_ascii_start();
    // A character that begins within the excerpt may end up to three bytes after it.
    let start = body.get(..MAX_EXCERPT + 3).unwrap_or(body);
    if content_type.is_some_and(is_latin_1) {
        return start.iter().copied().map(char::from).collect();
    }
    String::from_utf8_lossy(start).into_owned()
}

fn is_latin_1(content_type: &str) -> bool {
    let charset = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    };
    let charset = content_type.split(';').skip(1).find_map(charset);
    charset.is_some_and(|charset| LATIN_1.contains(&charset.as_str()))
}

/// The beginning of a text, at most one KiB; `None` when there is nothing to see.
fn excerpt(text: &str) -> Option<String> {
    let text = text.trim();
    let mut end = text.len().min(MAX_EXCERPT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (end > 0).then(|| text[..end].to_owned())
}

/// No error body worth keeping whole is longer.
const MAX_JSON: usize = 64 * 1024;
const MAX_EXCERPT: usize = 1024;
const LATIN_1: [&str; 3] = ["iso-8859-1", "latin1", "windows-1252"];
