//! Programs that tests start, and write in place of `docker`, `helm` or a credential helper.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

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

/// A free port of loopback, for a program that has to be told one. It stays free until the program takes it.
///
/// It is none of those that Linux gives to whoever asks for any, or connects to somebody: those are gone again in no time.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    // Nobody in this process is told the same one, and other processes begin elsewhere.
    static TOLD: AtomicU32 = AtomicU32::new(0);
    let begin = process::id().wrapping_mul(97);
    let number = || begin.wrapping_add(TOLD.fetch_add(1, Ordering::Relaxed)) % 20_000;
    let mut ports = (0..1000).filter_map(|_| u16::try_from(10_000 + number()).ok());
    let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    port.expect("loopback has a free port")
}
