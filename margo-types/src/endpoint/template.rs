//! Path templates: their parameters, and what can be proved about them when this crate is compiled.

use std::fmt;

/// A parameter of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Parameter {
    /// `{clientId}`: one segment.
    ClientId,
    /// `{deviceId}`: one or more segments (rc3.md ambiguity 33).
    DeviceId,
    /// `{deploymentId}`: one segment.
    DeploymentId,
    /// `{digest}`: one segment.
    Digest,
}

impl Parameter {
    /// The name, as in the template.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientId => "clientId",
            Self::DeviceId => "deviceId",
            Self::DeploymentId => "deploymentId",
            Self::Digest => "digest",
        }
    }

    /// The parameter that a segment of a template stands for; `None` when it stands for itself.
    pub(super) fn of_segment(segment: &str) -> Option<Self> {
        Some(match segment {
            "{clientId}" => Self::ClientId,
            "{deviceId}" => Self::DeviceId,
            "{deploymentId}" => Self::DeploymentId,
            "{digest}" => Self::Digest,
            _ => return None,
        })
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Panics, while compiling, unless the template starts with `/`, its parameters are known and appear once.
pub(super) const fn check_template(template: &str) {
    let template = template.as_bytes();
    assert!(
        !template.is_empty() && template[0] == b'/',
        "a template starts with a slash"
    );
    let count = segments(template);
    let mut i = 0;
    while i < count {
        let one = segment(template, i);
        assert!(
            is_parameter(one) || is_literal(one),
            "a segment is neither a known parameter nor plain text"
        );
        let mut j = 0;
        while j < i {
            assert!(
                !(is_parameter(one) && is_same(one, segment(template, j))),
                "a parameter appears twice"
            );
            j += 1;
        }
        i += 1;
    }
}

/// Whether no path matches both templates.
pub(super) const fn disjoint(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let (one_count, other_count) = (segments(one), segments(other));
    let (one_long, other_long) = (spans_segments(one), spans_segments(other));
    one_count < other_count && !one_long
        || other_count < one_count && !other_long
        || differ(one, other, false)
        || differ(one, other, true)
}

/// Whether two literals differ, seen from one end up to the first parameter that spans segments.
const fn differ(one: &[u8], other: &[u8], from_end: bool) -> bool {
    let (one_count, other_count) = (segments(one), segments(other));
    let mut i = 0;
    while i < one_count && i < other_count {
        let (a, b) = if from_end {
            (
                segment(one, one_count - 1 - i),
                segment(other, other_count - 1 - i),
            )
        } else {
            (segment(one, i), segment(other, i))
        };
        if is_same(a, DEVICE_ID) || is_same(b, DEVICE_ID) {
            return false;
        }
        if !is_parameter(a) && !is_parameter(b) && !is_same(a, b) {
            return true;
        }
        i += 1;
    }
    false
}

const DEVICE_ID: &[u8] = b"{deviceId}";
const PARAMETERS: [&[u8]; 4] = [b"{clientId}", DEVICE_ID, b"{deploymentId}", b"{digest}"];

const fn spans_segments(template: &[u8]) -> bool {
    let mut i = 0;
    while i < segments(template) {
        if is_same(segment(template, i), DEVICE_ID) {
            return true;
        }
        i += 1;
    }
    false
}

const fn is_parameter(segment: &[u8]) -> bool {
    let mut i = 0;
    while i < PARAMETERS.len() {
        if is_same(segment, PARAMETERS[i]) {
            return true;
        }
        i += 1;
    }
    false
}

const fn is_literal(segment: &[u8]) -> bool {
    let mut i = 0;
    while i < segment.len() {
        if !matches!(segment[i], b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-') {
            return false;
        }
        i += 1;
    }
    true
}

const fn segments(path: &[u8]) -> usize {
    let mut count = 1;
    let mut i = 0;
    while i < path.len() {
        if path[i] == b'/' {
            count += 1;
        }
        i += 1;
    }
    count
}

/// The segment at `index`; the one before the leading slash, which is empty, has index 0.
const fn segment(path: &[u8], index: usize) -> &[u8] {
    let (mut start, mut seen) = (0, 0);
    while seen < index && start < path.len() {
        if path[start] == b'/' {
            seen += 1;
        }
        start += 1;
    }
    let mut end = start;
    while end < path.len() && path[end] != b'/' {
        end += 1;
    }
    path.split_at(end).0.split_at(start).1
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut i = 0;
    while i < one.len() {
        if one[i] != other[i] {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{check_template, disjoint};

    #[test]
    fn templates_that_share_a_path_are_found() {
        for (one, other, apart) in [
            ("/a", "/b", true),
            ("/a", "/a", false),
            ("/a/{digest}", "/a/b", false),
            ("/a/{digest}", "/a", true),
            ("/a/{digest}/c", "/a/b/d", true),
            ("/a/{deviceId}", "/a/b/c", false),
            ("/a/{deviceId}", "/a", true),
            ("/a/{deviceId}/x", "/a/{digest}/y", true),
            ("/a/{deviceId}/x", "/a/{digest}/x", false),
            ("/a/b/{deviceId}", "/a/{digest}", true),
            ("/a/{deviceId}/{digest}", "/a/{deviceId}/x", false),
        ] {
            assert_eq!(disjoint(one, other), apart, "{one} {other}");
            assert_eq!(disjoint(other, one), apart, "{other} {one}");
        }
    }

    #[test]
    fn wrong_templates_do_not_pass() {
        for template in ["", "a", "/{clientID}", "/{digest}/{digest}", "/A", "/a?b"] {
            let outcome = std::panic::catch_unwind(|| check_template(template));
            assert!(outcome.is_err(), "{template:?} passed");
        }
    }
}
