//! The template language of Go, split into text and tokens (text/template, "Actions" and "Arguments").

/// Splits a template: hands out its actions in order and gives the text around them.
///
/// Actions are left out of the text, except those that are one string, which becomes text. Lines stay where they are.
/// Comments are neither. What is never closed reaches to the end; nothing is an error here.
pub(super) fn split(source: &str, mut on_action: impl FnMut(&Action)) -> String {
    let mut scanner = Scanner {
        rest: source,
        line: 1,
    };
    let mut result = String::with_capacity(source.len());
    while let Some((text, _)) = scanner.rest.split_once("{{") {
        result.push_str(text);
        scanner.skip(text.len() + 2);
        let line = scanner.line;
        let action = scanner.action();
        if let [
            Token {
                kind: TokenKind::Text(text),
                ..
            },
        ] = action.as_slice()
            && !text.contains('\n')
        {
            result.push_str(text);
        }
        result.extend(std::iter::repeat_n('\n', scanner.line - line));
        if !action.is_empty() {
            on_action(&action);
        }
    }
    result.push_str(scanner.rest);
    result
}

/// The tokens between `{{` and `}}`.
pub(super) type Action = Vec<Token>;

/// A piece of an action and the line it starts on, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name, number, variable or chain of fields: `include`, `$x.name`, `.Values.port`.
    Word(String),
    /// A string, without its quotes and the usual escapes.
    Text(String),
    /// Anything else: `|`, parentheses, `:=`.
    Symbol(char),
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Scanner<'a> {
    /// The tokens up to `}}`, which is consumed.
    fn action(&mut self) -> Action {
        // A trim marker is a minus with white space.
        if let Some(after) = self.rest.strip_prefix('-')
            && after.starts_with(char::is_whitespace)
        {
            self.skip(1);
        }
        if self.rest.trim_start().starts_with("/*") {
            let end = self.rest.find("*/").map_or(self.rest.len(), |end| end + 2);
            self.skip(end);
        }
        let mut tokens = Vec::new();
        while let Some(next) = self.rest.chars().next() {
            if self.rest.starts_with("}}") {
                self.skip(2);
                break;
            }
            let line = self.line;
            let kind = match next {
                _ if next.is_whitespace() => {
                    self.skip(next.len_utf8());
                    continue;
                }
                '"' | '\'' => TokenKind::Text(self.quoted(next)),
                '`' => TokenKind::Text(self.raw()),
                _ if is_word(next) => TokenKind::Word(self.word().to_owned()),
                _ => {
                    self.skip(next.len_utf8());
                    // The marker before `}}`, not a token.
                    if next == '-' && self.rest.starts_with("}}") {
                        continue;
                    }
                    TokenKind::Symbol(next)
                }
            };
            if tokens.len() < MAX_TOKENS {
                tokens.push(Token { kind, line });
            }
        }
        tokens
    }

    /// A string that starts here, up to the same quote or the end of the line.
    fn quoted(&mut self, quote: char) -> String {
        self.skip(1);
        let mut text = String::new();
        let mut escaped = false;
        let mut length = self.rest.len();
        for (position, character) in self.rest.char_indices() {
            if escaped {
                text.push(match character {
                    'n' => '\n',
                    't' => '\t',
                    other => other,
                });
                escaped = false;
            } else if character == '\\' {
                escaped = true;
            } else if character == quote {
                length = position + 1;
                break;
            } else if character == '\n' {
                length = position;
                break;
            } else {
                text.push(character);
            }
        }
        self.skip(length);
        text
    }

    /// A raw string that starts here.
    fn raw(&mut self) -> String {
        self.skip(1);
        let end = self.rest.find('`');
        let text = self.rest.get(..end.unwrap_or(self.rest.len()));
        let text = text.unwrap_or_default().to_owned();
        self.skip(text.len() + usize::from(end.is_some()));
        text
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let word = self.rest.get(..end).unwrap_or_default();
        self.skip(end);
        word
    }

    /// Goes on by so many bytes and counts the lines among them.
    fn skip(&mut self, bytes: usize) {
        let (skipped, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.line += skipped.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '.' | '$')
}

/// No action that a person wrote has more; the rest of a longer one is not looked at.
const MAX_TOKENS: usize = 4096;

#[cfg(test)]
mod tests;
