//! The regular expressions of a supplier (`regexMatch`, rc3.md section 1.7 and ambiguity 55), compiled within
//! bounds.
//!
//! Compiling is the one step whose cost does not follow from the length of a document: `\pL{50}` takes
//! milliseconds. So each pattern may need so much memory only, each text is compiled once, and a description
//! has a bounded number of them.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

/// The patterns of one description.
#[derive(Debug, Default)]
pub(crate) struct Patterns<'a> {
    compiled: BTreeMap<&'a str, Result<Regex, UnusablePattern>>,
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug)]
pub(crate) enum UnusablePattern {
    /// It is none; the reason.
    Syntax(String),
    /// Only other dialects have what it uses; the reason.
    OtherDialect(String),
    /// It is too large once compiled.
    TooLarge,
    /// There are too many others before it.
    TooMany,
}

impl<'a> Patterns<'a> {
    pub(crate) fn compile(&mut self, pattern: &'a str) -> Result<Regex, UnusablePattern> {
        if let Some(known) = self.compiled.get(pattern) {
            return known.clone();
        }
        if self.compiled.len() >= MAX_PATTERNS {
            return Err(UnusablePattern::TooMany);
        }
        let compiled = compile(pattern);
        self.compiled.insert(pattern, compiled.clone());
        compiled
    }
}

impl UnusablePattern {
    /// What is wrong with the pattern.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Syntax(why) | Self::OtherDialect(why) => why.clone(),
            Self::TooLarge => "it is too large once compiled".to_owned(),
            Self::TooMany => {
                format!("the description has more than {MAX_PATTERNS} different ones")
            }
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, UnusablePattern> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => UnusablePattern::TooLarge,
            // The engine's message is a drawing of several lines; the last says what is wrong.
            other => {
                let drawing = other.to_string();
                let last = drawing.lines().last().unwrap_or_default();
                let why = last.strip_prefix("error: ").unwrap_or(last).to_owned();
                if is_other_dialect(&why) {
                    UnusablePattern::OtherDialect(why)
                } else {
                    UnusablePattern::Syntax(why)
                }
            }
        })
}

/// The library gives its reason as text only. Were the text to change, a warning would become an error.
fn is_other_dialect(why: &str) -> bool {
    ["look-around", "backreferences"]
        .iter()
        .any(|it| why.contains(it))
}

/// Memory that one pattern may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// How many different patterns a description may have: compiling all of them takes about a second at worst.
const MAX_PATTERNS: usize = 256;
