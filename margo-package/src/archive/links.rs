//! Where links lead: the resolution of an operating system, played on the index of an archive.
//!
//! Reducing `..` in the text of a link is not enough: with `up` linking to `..`, the link `up/..` reads as the
//! root but leads outside. So every name is looked up, and every link on the way is followed.

use super::contents::{Contents, Entry};
use super::error::{ArchiveError, Refusal};
use super::path::{InvalidPath, MemberPath};

/// What is found at the end of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// This member, or the root when empty.
    Member(String),
    /// Nothing, but the place is inside: this path would have to be there.
    Missing(String),
    /// A place outside of the archive.
    Outside,
    /// No place: too many links.
    Loop,
}

/// Refuses symbolic links that lead out of `root`, the directory that must hold them (empty for the whole archive).
pub(crate) fn check(contents: &Contents, root: &str) -> Result<(), ArchiveError> {
    for (path, entry) in contents.iter() {
        let Entry::Symlink { target } = entry else {
            continue;
        };
        let base = path.parent();
        let base = base.as_ref().map_or("", MemberPath::as_str);
        let why = match resolve(contents, base, target) {
            Resolved::Member(found) | Resolved::Missing(found) if is_inside(&found, root) => {
                continue;
            }
            Resolved::Loop => Refusal::LinkLoop(super::error::shorten(target)),
            _ => Refusal::LinkOutside(super::error::shorten(target)),
        };
        return Err(ArchiveError::refused(path, why));
    }
    Ok(())
}

/// Refuses a target that no symbolic link may have, whatever else is in the archive.
pub(crate) fn check_target(target: &str, max_bytes: usize) -> Result<(), Refusal> {
    if target.is_empty() {
        return Err(Refusal::LinkTarget(InvalidPath::Empty));
    }
    if target.starts_with('/') {
        return Err(Refusal::AbsoluteLink(super::error::shorten(target)));
    }
    if target.len() > max_bytes {
        return Err(Refusal::LinkTarget(InvalidPath::TooLong(max_bytes)));
    }
    match target.chars().find(|c| *c == '\\' || c.is_control()) {
        Some(bad) => Err(Refusal::LinkTarget(InvalidPath::Character(bad))),
        None => Ok(()),
    }
}

/// Follows `path` from the directory `base`.
pub(crate) fn resolve(contents: &Contents, base: &str, path: &str) -> Resolved {
    if path.starts_with('/') {
        return Resolved::Outside;
    }
    let mut here: Vec<String> = names(base).map(str::to_owned).collect();
    // What is still to be followed, next name last.
    let mut ahead: Vec<String> = names(path).rev().map(str::to_owned).collect();
    let mut links = 0;
    let mut steps = 0;
    let mut missing = false;
    while let Some(name) = ahead.pop() {
        steps += 1;
        if steps > MAX_STEPS {
            return Resolved::Loop;
        }
        if name == ".." {
            // Nobody can say where the parent of a missing directory is: it may become a link.
            if missing || here.pop().is_none() {
                return Resolved::Outside;
            }
            continue;
        }
        here.push(name);
        let at = here.join("/");
        match contents.get(&at) {
            Some(Entry::Symlink { target }) => {
                links += 1;
                if links > MAX_LINKS {
                    return Resolved::Loop;
                }
                if target.starts_with('/') {
                    return Resolved::Outside;
                }
                here.pop();
                ahead.extend(names(target).rev().map(str::to_owned));
            }
            Some(Entry::Directory) => {}
            // Nothing is below a file, so what follows it is missing.
            Some(_) => missing = !ahead.is_empty(),
            None => missing = true,
        }
    }
    let place = here.join("/");
    if missing {
        Resolved::Missing(place)
    } else {
        Resolved::Member(place)
    }
}

/// As many links as Linux follows (path_resolution(7)).
const MAX_LINKS: usize = 40;
/// More names than any honest link leads through; keeps many long links cheap.
const MAX_STEPS: usize = 256;

fn names(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|name| !matches!(*name, "" | "."))
}

fn is_inside(path: &str, root: &str) -> bool {
    root.is_empty()
        || path
            .strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
