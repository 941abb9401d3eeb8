//! Building a compose archive.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use margo_types::id::ComponentName;

use super::check::check;
use super::error::ComposeError;
use super::yaml;
use crate::archive::{BuildError, Contents, MemberPath, Policy, measure_directory, pack_measured};

/// Packs a directory with a `compose.yaml` as the archive of a component. Gives the index of what was packed.
///
/// The top-level directory of the archive is called like the component, as the specification recommends. The content is
/// validated first; the same content gives the same bytes on every machine.
///
/// # Errors
/// [`ComposeError`]; what was written by then is no archive.
pub fn pack<W: Write>(
    directory: &Path,
    component: &ComponentName,
    writer: W,
) -> Result<Contents, ComposeError> {
    let top = top_of(component)?;
    let contents = check_directory(directory, &top)?;
    pack_measured(directory, Some(&top), &contents, writer)?;
    Ok(contents)
}

/// Validates a directory with a `compose.yaml` like [`pack`], without packing it.
///
/// # Errors
/// [`ComposeError`] with all rules that the content breaks.
pub fn validate(directory: &Path, component: &ComponentName) -> Result<(), ComposeError> {
    check_directory(directory, &top_of(component)?)?;
    Ok(())
}

fn top_of(component: &ComponentName) -> Result<MemberPath, BuildError> {
    // The longest component name is a valid name of a directory.
    MemberPath::parse(component.as_str()).map_err(|why| BuildError::Path {
        path: component.as_str().into(),
        why,
    })
}

fn check_directory(directory: &Path, top: &MemberPath) -> Result<Contents, ComposeError> {
    let policy = Policy::default().one_top_directory();
    let contents = measure_directory(directory, Some(top), &policy)?;
    check(&contents, top.as_str(), &mut |wanted| {
        let mut files = BTreeMap::new();
        for member in wanted {
            let inside = member.strip_prefix(top.as_str()).unwrap_or_default();
            let path = directory.join(inside.trim_start_matches('/'));
            let unreadable = |source| ComposeError::Unreadable {
                path: path.clone(),
                source,
            };
            if fs::metadata(&path).map_err(unreadable)?.len() <= yaml::MAX_BYTES as u64 {
                files.insert(member.clone(), fs::read(&path).map_err(unreadable)?);
            }
        }
        Ok(files)
    })?;
    Ok(contents)
}
