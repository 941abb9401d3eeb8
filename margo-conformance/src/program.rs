//! Programs that tests write and start, in place of `docker`, `helm` or a credential helper.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes an executable file that can be started at once, also while other threads start programs of their own.
///
/// It is written by another process. A child that another thread starts has all files of this process open until it becomes its
/// own program, and Linux starts nothing that somebody has open for writing ("Text file busy").
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let docker = folder.path().join("docker");
/// margo_conformance::program::write(&docker, "#!/bin/sh\necho 29.1.0\n");
///
/// let said = std::process::Command::new(docker).output()?;
/// assert_eq!(said.stdout, b"29.1.0\n");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// When the file cannot be written, and where there is no `sh`.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) {
    let mut writer = Command::new("sh")
        .args(["-c", r#"cat > "$0" && chmod 755 "$0""#])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh");
    let mut pipe = writer.stdin.take().expect("a pipe");
    // What went wrong is said by the writer.
    let _ = pipe.write_all(contents.as_ref());
    drop(pipe);
    let status = writer.wait().expect("sh");
    assert!(status.success(), "{} cannot be written", path.display());
}
