//! What a run needs of its machine. One that has nothing left to give says nothing about what is tortured.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Failure, Outcome};
use crate::load::cost::open_files;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TortureError {
    /// The files of a run have no place.
    #[error(
        "no files can be written in {}; set TMPDIR to a folder that is there, and that has room", .path.display()
    )]
    Folder {
        /// The folder for temporary files.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
    /// Every device has files and connections.
    #[error(
        "{needed} files have to be open at a time, and {limit} may be; raise the limit (ulimit -Hn, ulimit -n), or take fewer devices"
    )]
    OpenFiles {
        /// How many may be.
        limit: u64,
        /// How many have to be.
        needed: u64,
    },
    /// The fleet could not be made; nothing was done to it.
    #[error("the fleet does not start")]
    Start(#[source] Failure),
    /// The machine failed, and what was noticed may come of that.
    #[error(
        "the machine has failed: {why}; mend that and begin again, because what was noticed may come of it: {noticed}"
    )]
    Machine {
        /// What the machine has no more of.
        why: String,
        /// What would have been the first violation.
        noticed: String,
    },
}

/// A folder for the files of a run, if the machine has what the run needs.
pub(super) fn folder(open_files_needed: u64) -> Result<TempDir, TortureError> {
    let refused = |error| TortureError::Folder {
        path: std::env::temp_dir(),
        error,
    };
    let folder = TempDir::with_prefix("margo-torture-").map_err(refused)?;
    try_room(folder.path()).map_err(refused)?;
    enough(open_files(), open_files_needed)?;
    Ok(folder)
}

/// What came of a run with its files in this folder, in which this was logged of the machine; an error when the outcome may
/// come of that.
pub(super) fn judged(
    outcome: Outcome,
    logged: Option<&str>,
    folder: &Path,
) -> Result<Outcome, TortureError> {
    let Some(noticed) = outcome.violations.first() else {
        return Ok(outcome);
    };
    let said = outcome.violations.iter().chain(&outcome.trace);
    let said = said.map(String::as_str).find_map(exhausted);
    let why = match said.or(logged) {
        Some(said) => said.to_owned(),
        None => match try_room(folder) {
            Ok(()) => return Ok(outcome),
            Err(error) => format!("no files can be written in {}: {error}", folder.display()),
        },
    };
    Err(TortureError::Machine {
        why,
        noticed: noticed.clone(),
    })
}

/// What a text says that the machine has no more of.
pub(super) fn exhausted(text: &str) -> Option<&'static str> {
    EXHAUSTED.into_iter().find(|mark| text.contains(mark))
}

fn enough(limit: Option<u64>, needed: u64) -> Result<(), TortureError> {
    match limit {
        Some(limit) if limit < needed => Err(TortureError::OpenFiles { limit, needed }),
        _ => Ok(()),
    }
}

/// Whether as much as somebody writes at a time can be written.
fn try_room(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&vec![0xa5; ROOM])?;
    file.sync_all()
}

const ROOM: usize = 8 << 20;

/// As the C library and SQLite say it.
const EXHAUSTED: [&str; 5] = [
    "No space left on device",
    "Disk quota exceeded",
    "database or disk is full",
    "Too many open files",
    "Cannot allocate memory",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::Counts;

    fn noticed(violation: &str, before: &str) -> Outcome {
        Outcome {
            counts: Counts::default(),
            violations: vec![violation.to_owned()],
            trace: vec![before.to_owned()],
            is_interrupted: false,
        }
    }

    #[test]
    fn a_machine_that_has_nothing_left_is_no_violation() {
        let folder = TempDir::new().unwrap();
        let said = io::Error::from_raw_os_error(28).to_string();
        for outcome in [
            noticed(&format!("it failed: {said}"), "quiet"),
            noticed("a report was lost", &format!("1: Failed({said})")),
            noticed(
                "a panic: Os { code: 24, message: \"Too many open files\" }",
                "",
            ),
        ] {
            let why = judged(outcome, None, folder.path());
            assert!(matches!(why, Err(TortureError::Machine { .. })), "{why:?}");
        }
        // What the runner does itself is none.
        let own = "the disk is full, says the torture runner; make room";
        assert!(judged(noticed(own, own), None, folder.path()).is_ok());
        let logged = Some("No space left on device");
        assert!(judged(noticed(own, own), logged, folder.path()).is_err());
    }

    #[test]
    fn a_folder_that_is_gone_is_no_violation() {
        let folder = TempDir::new().unwrap();
        let gone = folder.path().join("gone");
        let why = judged(noticed("a report was lost", "quiet"), None, &gone);
        assert!(matches!(why, Err(TortureError::Machine { .. })), "{why:?}");
    }

    #[test]
    fn open_files_are_counted_before() {
        assert!(enough(None, 5000).is_ok() && enough(Some(5000), 5000).is_ok());
        let why = enough(Some(1024), 5000).unwrap_err().to_string();
        assert!(why.starts_with("5000 files have to be open"), "{why}");
    }
}
