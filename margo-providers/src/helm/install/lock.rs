//! One `helm` at a time for a deployment, also after a kill.
//!
//! When this process is killed, a `helm` that it started goes on. The lock is on a file that `helm` is given as its standard
//! input, which it never reads: so it is held until both are gone. After the device was switched off nobody holds it. A `helm` that
//! is left over is ended by whoever comes next, instead of being waited for: what it does may not be wanted any more, and what it
//! leaves is carried on from as after any other kill.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use margo_types::id::DeploymentId;
use tokio::time::Instant;

use crate::files::{at, blocking, create_private, device_trouble};
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
            // Nothing is written to it: whatever is there instead stays as it is.
            let mut options = File::options();
            let options = options.write(true).create(true).truncate(false);
            options
                .open(&path)
                .map_err(at(&path))
                .map_err(device_trouble)
        })
        .await?;
        let file = Arc::new(file);
        let begun = Instant::now();
        let mut urged = None;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(device_trouble(error)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {}
                Err(TryLockError::WouldBlock) => {
                    let message = "a helm that was started earlier is still at work on this deployment; wait, or end it";
                    return Err(ProviderError::new(Trouble::Device, message));
                }
            }
            // It may write down that it was ended, but not for long.
            let urge = if begun.elapsed() < MERCY {
                Urge::End
            } else {
                Urge::Kill
            };
            if urged != Some(urge) {
                urged = Some(urge);
                let file = Arc::clone(&file);
                blocking(move || {
                    end_holders(&file, urge);
                    Ok(())
                })
                .await?;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The file that holds the lock.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.0)
    }
}

/// How a program is told to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Urge {
    End,
    Kill,
}

/// Ends the programs whose standard input this file is.
#[cfg(target_os = "linux")]
fn end_holders(file: &File, urge: Urge) {
    use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let signal = match urge {
        Urge::End => Signal::TERM,
        Urge::Kill => Signal::KILL,
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    for id in ids.filter_map(rustix::process::Pid::from_raw) {
        // Opened before it is looked at: so it cannot be another one that is ended.
        let Ok(process) = pidfd_open(id, PidfdFlags::empty()) else {
            continue;
        };
        let number = id.as_raw_nonzero().get();
        if has_as_input(number, file) {
            tracing::warn!(process = number, "a helm that was left over is ended");
            // An error means that it has ended.
            let _ = pidfd_send_signal(&process, signal);
        }
    }
}

/// Elsewhere nobody knows who they are: they are waited for.
#[cfg(not(target_os = "linux"))]
fn end_holders(_: &File, _: Urge) {}

#[cfg(target_os = "linux")]
fn has_as_input(process: i32, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;

    let input = std::fs::metadata(format!("/proc/{process}/fd/0"));
    let (Ok(input), Ok(file)) = (input, file.metadata()) else {
        return false;
    };
    (input.dev(), input.ino()) == (file.dev(), file.ino())
}

/// How long Helm may take to end by itself.
const MERCY: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::program::Invocation;

    /// A program that was given the lock and says so in a file; the lock is held by nobody else then.
    async fn left_over(
        state: &Path,
        id: &DeploymentId,
        script: &str,
    ) -> tokio::task::JoinHandle<bool> {
        let lock = Lock::take(state, id).await.unwrap();
        let begun = state.join("begun");
        let path = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let script = format!("{script}; : > {}; {WAIT}", begun.display());
        let program = Invocation::new(["/bin/sh", "-c", &script])
            .environment(&path)
            .input(lock.file());
        let running = tokio::spawn(async move { program.run().await.unwrap().is_success() });
        while !begun.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::fs::remove_file(begun).unwrap();
        running
    }

    const WAIT: &str = "while :; do sleep 0.05; done";

    #[tokio::test]
    async fn what_is_left_over_is_ended_and_has_a_moment_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let id = DeploymentId::parse("ad9b614e-8912-45f4-a523-372358765def").unwrap();
        let script = format!("trap ': > {}/ended; exit 0' TERM", folder.path().display());
        // On a machine that stood still meanwhile its moment may be over: then once more.
        let (has_ended, is_success) = loop {
            let running = left_over(folder.path(), &id, &script).await;
            let begun = Instant::now();
            drop(Lock::take(folder.path(), &id).await.unwrap());
            let in_time = begun.elapsed() < MERCY;
            let is_success = running.await.unwrap();
            if in_time {
                break (folder.path().join("ended").exists(), is_success);
            }
        };
        assert!(has_ended && is_success, "it was killed");
        let lock = Lock::take(folder.path(), &id).await.unwrap();
        let other = DeploymentId::parse("ad9b614e-8912-45f4-a523-372358765de0").unwrap();
        Lock::take(folder.path(), &other).await.unwrap();
        drop(lock);
    }

    #[tokio::test]
    async fn what_does_not_end_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let id = DeploymentId::parse("ad9b614e-8912-45f4-a523-372358765def").unwrap();
        let running = left_over(folder.path(), &id, "trap '' TERM").await;
        let begun = Instant::now();
        Lock::take(folder.path(), &id).await.unwrap();
        assert!(begun.elapsed() >= MERCY);
        assert!(!running.await.unwrap());
    }

    #[tokio::test]
    async fn programs_with_another_input_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let id = DeploymentId::parse("ad9b614e-8912-45f4-a523-372358765def").unwrap();
        let other = DeploymentId::parse("ad9b614e-8912-45f4-a523-372358765de0").unwrap();
        let running = left_over(folder.path(), &other, "trap 'exit 1' TERM").await;
        let ended = left_over(folder.path(), &id, "trap 'exit 0' TERM").await;
        Lock::take(folder.path(), &id).await.unwrap();
        assert!(ended.await.unwrap());
        assert!(!running.is_finished());
        running.abort();
    }
}
