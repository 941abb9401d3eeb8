//! Paths into the values of a chart, written as for `helm --set` (Helm 3.17, `pkg/strvals`).
//!
//! | written | means |
//! |---|---|
//! | `a.b` | the member `b` of the member `a` |
//! | `a[0]`, `a[0].b`, `a[0][1]` | elements of lists, counted from 0 |
//! | `a\.b` | the member `a.b`; the backslash takes the meaning of any character |
//!
//! `,` and `=` end a path for Helm, so in a pointer they need the backslash. What Helm would silently ignore, an empty name
//! as in `a..b`, is an error here.

use std::fmt::Write;

/// A path that leads to a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(Vec<Step>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// To a member of an object.
    Name(String),
    /// To an element of a list.
    Index(usize),
}

impl Path {
    /// Reads a path. The error says what is wrong with it, to follow its text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let (mut names, mut indexes) = (0, 0);
        let mut characters = text.chars();
        loop {
            let (name, mut stop) = until(&mut characters, &['.', '[', ',', '='])?;
            if name.is_empty() {
                return Err(
                    "has an empty name; write names with single dots between them".to_owned(),
                );
            }
            steps.push(Step::Name(name));
            names += 1;
            while stop == Some('[') {
                steps.push(Step::Index(index(&mut characters)?));
                indexes += 1;
                let (after, next) = until(&mut characters, &['.', '[', ',', '='])?;
                if !after.is_empty() {
                    return Err(format!(
                        "has {after:?} behind an index; write a dot between them"
                    ));
                }
                stop = next;
            }
            match stop {
                None => break,
                Some('.') => {}
                Some(other) => {
                    return Err(format!(
                        "has a {other:?}, which ends a path for Helm; write a backslash before it"
                    ));
                }
            }
        }
        if names > MAX_NAMES {
            return Err(format!("has {names} names; Helm takes at most {MAX_NAMES}"));
        }
        if indexes > MAX_INDEXES {
            return Err(format!(
                "has {indexes} indexes; at most {MAX_INDEXES} are taken"
            ));
        }
        Ok(Self(steps))
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The text of steps, which [`parse`](Self::parse) reads again.
    pub(super) fn shown(steps: &[Step]) -> String {
        let mut text = String::new();
        for step in steps {
            match step {
                Step::Name(name) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    for character in name.chars() {
                        if SPECIAL.contains(&character) {
                            text.push('\\');
                        }
                        text.push(character);
                    }
                }
                Step::Index(index) => {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "[{index}]");
                }
            }
        }
        text
    }
}

/// The characters before one of the stops, without backslashes, and the stop; `None` at the end.
fn until(
    characters: &mut std::str::Chars<'_>,
    stops: &[char],
) -> Result<(String, Option<char>), String> {
    let mut text = String::new();
    while let Some(character) = characters.next() {
        if stops.contains(&character) {
            return Ok((text, Some(character)));
        }
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some(next) => text.push(next),
            None => return Err("ends with a backslash".to_owned()),
        }
    }
    Ok((text, None))
}

fn index(characters: &mut std::str::Chars<'_>) -> Result<usize, String> {
    let (text, stop) = until(characters, &[']'])?;
    if stop.is_none() {
        return Err("has a [ without a ]".to_owned());
    }
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let index: Option<usize> = text.parse().ok().filter(|_| is_number);
    match index {
        Some(index) if index <= MAX_INDEX => Ok(index),
        Some(_) => Err(format!(
            "has an index above {MAX_INDEX}, the largest that Helm takes"
        )),
        None => Err(format!("has {text:?} for an index; write a number from 0")),
    }
}

const SPECIAL: &[char] = &['\\', '.', '[', ',', '='];
/// Helm's own limits.
const MAX_INDEX: usize = 65_536;
const MAX_NAMES: usize = 31;
/// Helm has no limit; lists in lists without end would be more than a stack holds.
const MAX_INDEXES: usize = 31;
