//! Being asked to end: Ctrl-C, `kill`, a terminal that is closed.

use std::fmt;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

/// Which signal ended the tour before its time.
#[derive(Debug)]
pub(crate) struct Interrupted {
    name: &'static str,
    number: u8,
}

/// Listens from now on; ready when one of the signals came.
///
/// # Errors
/// When the system does not let the program listen.
pub(crate) fn interruption() -> std::io::Result<impl Future<Output = Interrupted>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        let (name, number) = tokio::select! {
            _ = interrupt.recv() => ("SIGINT", 2),
            _ = terminate.recv() => ("SIGTERM", 15),
            _ = hang_up.recv() => ("SIGHUP", 1),
        };
        Interrupted { name, number }
    })
}

impl Interrupted {
    /// The one that shells use for it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(128 + self.number)
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "interrupted by {}", self.name)
    }
}

impl std::error::Error for Interrupted {}
