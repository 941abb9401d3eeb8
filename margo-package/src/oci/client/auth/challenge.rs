//! The `WWW-Authenticate` header (RFC 9110, section 11.6.1).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// One way to authenticate that a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// All challenges of an answer, in order. What cannot be read is left out.
    pub(super) fn all_in(headers: &HeaderMap) -> Vec<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).into_iter();
        values
            .filter_map(|value| value.to_str().ok())
            .filter(|text| text.len() <= MAX_HEADER)
            .flat_map(Self::parse)
            .collect()
    }

    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self
            .parameters
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// `Scheme key="value", key=value, Scheme key=…`: a word without `=` starts the next challenge.
    fn parse(text: &str) -> Vec<Self> {
        let mut challenges: Vec<Self> = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let end = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if word.is_empty() {
                return challenges;
            }
            if let Some(value) = after.trim_start().strip_prefix('=') {
                let Some((value, after)) = value_at(value.trim_start()) else {
                    return challenges;
                };
                if let Some(challenge) = challenges.last_mut() {
                    challenge.parameters.push((word.to_owned(), value));
                }
                rest = after;
            } else {
                challenges.push(Self {
                    scheme: word.to_owned(),
                    parameters: Vec::new(),
                });
                rest = after;
            }
        }
    }
}

/// A token or quoted string, and what follows it.
fn value_at(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((position, c)) = characters.next() {
        match c {
            '"' => return Some((value, quoted.get(position + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

const MAX_HEADER: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_challenges_stand_in_one_header() {
        let header = r#"Basic realm="a, \"b\"", Bearer realm="https://auth.example/token",service=registry, scope="repository:a/b:pull,push""#;
        let challenges = Challenge::parse(header);
        assert_eq!(challenges.len(), 2);
        assert!(challenges[0].is("basic"));
        assert_eq!(challenges[0].parameter("realm"), Some("a, \"b\""));
        assert!(challenges[1].is("Bearer"));
        assert_eq!(challenges[1].parameter("service"), Some("registry"));
        assert_eq!(
            challenges[1].parameter("scope"),
            Some("repository:a/b:pull,push")
        );
    }

    #[test]
    fn nonsense_is_left_out() {
        assert_eq!(Challenge::parse(""), []);
        assert_eq!(Challenge::parse("=,\"").len(), 0);
        let open = Challenge::parse("Bearer realm=\"never closed");
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].parameter("realm"), None);
    }
}
