//! JSON Pointers (RFC 6901), taken apart once.

/// A JSON Pointer, as its reference tokens with escapes undone.
#[derive(Clone, Debug)]
pub(super) struct Pointer(Box<[Token]>);

/// One step of a pointer.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The name of a member.
    pub(super) name: Box<str>,
    /// The index that the token is for a list; leading zeros and `-` are none.
    pub(super) index: Option<usize>,
}

impl Pointer {
    /// Takes a pointer apart; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Ok(Self(Box::default()));
        }
        let Some(tokens) = text.strip_prefix('/') else {
            return Err("the key is not a JSON Pointer, which starts with a slash");
        };
        tokens
            .split('/')
            .map(Token::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn tokens(&self) -> &[Token] {
        &self.0
    }
}

impl Token {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut name = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            name.push(match c {
                '~' => match chars.next() {
                    Some('0') => '~',
                    Some('1') => '/',
                    _ => return Err("the key has a ~ that is not part of ~0 or ~1"),
                },
                other => other,
            });
        }
        let is_index = text == "0"
            || (text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0'));
        Ok(Self {
            index: is_index.then(|| text.parse().ok()).flatten(),
            name: name.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_taken_apart_as_rfc_6901_says() {
        let names = |text| -> Vec<String> {
            let pointer = Pointer::parse(text).unwrap();
            let names = pointer.tokens().iter().map(|token| token.name.to_string());
            names.collect()
        };
        assert!(names("").is_empty());
        assert_eq!(names("/"), [""]);
        assert_eq!(names("/cpus/0/cores"), ["cpus", "0", "cores"]);
        assert_eq!(names("/a~1b/m~0n/~01"), ["a/b", "m~n", "~1"]);
        for text in ["vendor", "#/vendor", "/a~", "/a~2", "/~/"] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_plain_decimal_numbers_are_indices() {
        let index = |text| Pointer::parse(text).unwrap().tokens()[0].index;
        assert_eq!((index("/0"), index("/12")), (Some(0), Some(12)));
        for text in ["/-", "/", "/01", "/+1", "/1e0", "/99999999999999999999"] {
            assert_eq!(index(text), None, "{text}");
        }
    }
}
