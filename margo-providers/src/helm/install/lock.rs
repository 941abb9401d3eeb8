//! One `helm` at a time for a deployment, also after a kill.
//!
//! When this process is killed, a `helm` that it started goes on. The lock is on a file that `helm` is given as its standard
//! input, which it never reads: so it is held until both are gone, and whoever comes next waits for a `helm` that is left over
//! instead of taking back under its hands what it does.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use margo_types::id::DeploymentId;
use tokio::time::Instant;

use crate::files::{blocking, create_private, device_trouble};
use crate::home::Home;
use crate::{ProviderError, Trouble};

/// Held while it, or a program that was given its file, lives.
#[derive(Debug)]
pub(super) struct Lock(Arc<File>);

impl Lock {
    pub(super) async fn take(
        state: &Path,
        deployment: &DeploymentId,
    ) -> Result<Self, ProviderError> {
        // No component is called like this: their names have no dots.
        let path = Home::of(state, deployment).join("helm.lock");
        let file = blocking(move || {
            if let Some(home) = path.parent() {
                create_private(home).map_err(device_trouble)?;
            }
            File::create(path).map_err(device_trouble)
        })
        .await?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(Arc::new(file))),
                Err(TryLockError::Error(error)) => return Err(device_trouble(error)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let message = "a helm that was started earlier is still at work on this deployment; wait, or end it";
                    return Err(ProviderError::new(Trouble::Device, message));
                }
            }
        }
    }

    /// The file that holds the lock.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.0)
    }
}

/// Longer than most components may take.
const PATIENCE: Duration = Duration::from_mins(20);
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::program::Invocation;

    #[tokio::test]
    async fn a_program_that_was_given_the_file_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let id = DeploymentId::parse("ad9b614e-8912-45f4-a523-372358765def").unwrap();
        let lock = Lock::take(folder.path(), &id).await.unwrap();
        let done = folder.path().join("done");
        let script = format!("read word < {0}.go; : > {0}", done.display());
        let path =
            std::collections::BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let mkfifo = format!("mkfifo {}.go", done.display());
        let made = Invocation::new(["/bin/sh", "-c", &mkfifo])
            .environment(&path)
            .run()
            .await;
        assert!(made.unwrap().is_success());
        let program = Invocation::new(["/bin/sh", "-c", &script]).input(lock.file());
        let running = tokio::spawn(async move { program.run().await });
        // It has begun when somebody reads from the pipe.
        let pipe = format!("{}.go", done.display());
        let pipe = tokio::fs::OpenOptions::new()
            .write(true)
            .open(pipe)
            .await
            .unwrap();
        drop(lock);
        let (state, waited_for) = (folder.path().to_owned(), done.clone());
        let next = tokio::spawn(async move {
            let lock = Lock::take(&state, &id).await.unwrap();
            assert!(waited_for.exists(), "the program was not waited for");
            drop(lock);
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!next.is_finished());
        drop(pipe);
        next.await.unwrap();
        assert!(running.await.unwrap().unwrap().is_success());
    }
}
