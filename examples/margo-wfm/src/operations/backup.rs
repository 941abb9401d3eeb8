//! Copying everything while the fleet manager runs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Operation;
use crate::failure::{Failure, Kind};
use crate::manager::Manager;

/// Writes a backup: database, packages and journal, as they are in the state directory.
///
/// Keys are not in it. To restore it, put it in the place of the state directory while the fleet manager does not run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Backup {
    /// The directory to make.
    pub directory: PathBuf,
}

impl Backup {
    /// A backup in this directory, which must not be there yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }
}

/// Where a backup is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackupMade {
    /// The directory.
    pub directory: PathBuf,
}

impl Operation for Backup {
    const NAME: &'static str = "backup";
    type Output = BackupMade;

    async fn run(self, manager: &Manager) -> Result<BackupMade, Failure> {
        if !self.directory.is_absolute() {
            let message =
                "the directory of a backup is not given by its whole path; begin it with /";
            return Err(Failure::new(Kind::Usage, message));
        }
        manager.backup(&self.directory).await?;
        Ok(BackupMade {
            directory: self.directory,
        })
    }
}
