//! The rules of the specification, on the index of an archive and the compose files in it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::COMPOSE_FILE;
use super::error::{ComposeError, ComposeFault, Role};
use super::references::{Reference, collect, directory_of};
use super::yaml;
use crate::archive::{Contents, Entry, Resolved};

/// Gives the content of members; those that are too long for a compose file may be left out.
pub(super) type ReadFiles<'a> =
    dyn FnMut(&BTreeSet<String>) -> Result<BTreeMap<String, Vec<u8>>, ComposeError> + 'a;

/// Checks everything and gives the parsed `compose.yaml`.
pub(super) fn check(
    contents: &Contents,
    directory: &str,
    read: &mut ReadFiles<'_>,
) -> Result<Value, ComposeError> {
    let root = format!("{directory}/{COMPOSE_FILE}");
    let Some(root_file) = file_at(contents, directory, &root) else {
        return Err(ComposeError::Invalid(vec![ComposeFault::NoComposeFile {
            directory: directory.to_owned(),
            found: lookalike(contents),
        }]));
    };
    let mut check = Check {
        contents,
        directory,
        faults: Vec::new(),
        seen: BTreeSet::new(),
        next: BTreeSet::new(),
    };
    check.schedule(root_file.clone(), Some(directory.to_owned()));
    let mut document = Value::Null;
    // One round reads the archive once and checks all files known so far.
    while !check.next.is_empty() && check.faults.is_empty() {
        let round = std::mem::take(&mut check.next);
        let wanted = round.iter().map(|(file, _)| file.clone()).collect();
        let found = read(&wanted)?;
        for (file, base) in round {
            let is_root = file == root_file;
            let name = if is_root { &root } else { &file };
            let content = found.get(&file).map(Vec::as_slice);
            if let Some(parsed) = check.file(name, base.as_deref(), content)
                && is_root
            {
                document = parsed;
            }
        }
    }
    if check.faults.is_empty() {
        Ok(document)
    } else {
        Err(ComposeError::Invalid(check.faults))
    }
}

struct Check<'a> {
    contents: &'a Contents,
    directory: &'a str,
    faults: Vec<ComposeFault>,
    /// Compose files with the directory that their relative paths start from; `None` when it is outside.
    seen: BTreeSet<(String, Option<String>)>,
    next: BTreeSet<(String, Option<String>)>,
}

impl Check<'_> {
    fn file(&mut self, name: &str, base: Option<&str>, content: Option<&[u8]>) -> Option<Value> {
        let file = name.to_owned();
        let parsed = match content {
            Some(content) => yaml::parse(content),
            None => Err(yaml::too_long()),
        };
        let document = match parsed {
            Ok(document) => document,
            Err(why) => {
                self.faults.push(ComposeFault::Yaml { file, why });
                return None;
            }
        };
        let (references, faults) = collect(name, &document);
        self.faults.extend(faults);
        let services = document.get("services");
        // An included file may consist of networks or volumes alone.
        let is_root = file == format!("{}/{COMPOSE_FILE}", self.directory);
        let has_services = services
            .and_then(Value::as_object)
            .is_some_and(|services| !services.is_empty());
        if is_root && document.is_object() && !has_services {
            self.faults.push(ComposeFault::NoServices { file });
        }
        for reference in references {
            if let Some(fault) = self.reference(name, base, &reference) {
                self.faults.push(fault);
            }
        }
        Some(document)
    }

    fn reference(
        &mut self,
        name: &str,
        base: Option<&str>,
        reference: &Reference,
    ) -> Option<ComposeFault> {
        let (file, place) = (name.to_owned(), reference.place.clone());
        let (role, path) = (reference.role, reference.path.clone());
        let Some(resolved) = &reference.resolved else {
            return role.must_be_packed().then_some(ComposeFault::Variable {
                file,
                place,
                role,
                path,
            });
        };
        let opened = base.and_then(|base| joined(base, resolved));
        let found = opened.map_or(Resolved::Outside, |opened| self.contents.resolve(&opened));
        let found = match found {
            Resolved::Member(member) if self.is_inside(&member) => Found::Member(member),
            Resolved::Missing(place) if self.is_inside(&place) => Found::Nothing,
            _ => Found::Outside,
        };
        match found {
            Found::Member(_) if !role.must_be_packed() => Some(ComposeFault::Packed {
                file,
                place,
                role,
                path,
            }),
            _ if !role.must_be_packed() => None,
            Found::Outside => Some(ComposeFault::Outside {
                file,
                place,
                role,
                path,
            }),
            Found::Nothing if reference.is_optional => None,
            Found::Member(member) => match content_of(self.contents, &member) {
                Some(member) => {
                    let directory = reference.project_directory.as_deref();
                    let directory = directory.unwrap_or_else(|| directory_of(resolved));
                    let next_base = base.and_then(|base| joined(base, directory));
                    if matches!(role, Role::Include | Role::Extends) {
                        self.schedule(member, next_base);
                    }
                    None
                }
                None => Some(ComposeFault::NotPacked {
                    file,
                    place,
                    role,
                    path,
                }),
            },
            Found::Nothing => Some(ComposeFault::NotPacked {
                file,
                place,
                role,
                path,
            }),
        }
    }

    /// Has a compose file checked that another one includes or extends.
    fn schedule(&mut self, file: String, base: Option<String>) {
        if !self.seen.insert((file.clone(), base.clone())) {
            return;
        }
        if self.seen.len() > MAX_FILES {
            let fault = ComposeFault::TooManyFiles { limit: MAX_FILES };
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
            return;
        }
        self.next.insert((file, base));
    }

    fn is_inside(&self, path: &str) -> bool {
        path.strip_prefix(self.directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

enum Found {
    Member(String),
    Nothing,
    Outside,
}

/// What Compose opens for `path` in a file whose relative paths start from `base`; `None` when that is outside of the archive.
///
/// It takes `..` out of the text. The operating system would follow a link before, and may come to another place.
fn joined(base: &str, path: &str) -> Option<String> {
    // A home directory is outside of every archive.
    if path.starts_with(['/', '~']) {
        return None;
    }
    let mut names = Vec::new();
    for name in base.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

/// The member with the content of the file at `path`, if it is inside of `directory`.
fn file_at(contents: &Contents, directory: &str, path: &str) -> Option<String> {
    match contents.resolve(path) {
        Resolved::Member(member) if member.starts_with(directory) => content_of(contents, &member),
        _ => None,
    }
}

/// The member whose content this file has: itself, or the file that a hard link is another name of.
fn content_of(contents: &Contents, member: &str) -> Option<String> {
    match contents.get(member)? {
        Entry::File { .. } => Some(member.to_owned()),
        Entry::HardLink { file } => Some(file.to_string()),
        _ => None,
    }
}

/// A file that its author may have meant to be `compose.yaml`.
fn lookalike(contents: &Contents) -> Option<String> {
    let is_lookalike = |name: &str| {
        let name = name.to_ascii_lowercase();
        matches!(
            name.as_str(),
            "compose.yaml"
                | "compose.yml"
                | "docker-compose.yaml"
                | "docker-compose.yml"
                | "container-compose.yaml"
                | "container-compose.yml"
                | "podman-compose.yaml"
                | "podman-compose.yml"
        )
    };
    let mut found: Vec<&str> = contents
        .iter()
        .filter(|(path, entry)| **entry != Entry::Directory && is_lookalike(path.file_name()))
        .map(|(path, _)| path.as_str())
        .collect();
    found.sort_by_key(|path| path.matches('/').count());
    found.first().map(ToString::to_string)
}

/// As many compose files as one archive may need; far more than any has.
const MAX_FILES: usize = 32;
