//! Why the program ended, for the person or the service manager that started it.

use std::error::Error;
use std::fmt;

/// Why the program ended: exit code, text, and the errors underneath.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    causes: Vec<String>,
}

/// Who has to act; decides the exit code. Numbers above 64 are those of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No agent runs: 1.
    NotRunning,
    /// The state, the engine, the identity service or the fleet manager cannot be used now: 69. Starting again may help.
    Unavailable,
    /// The configuration, a certificate or the capabilities are wrong: 78. Starting again does not help before somebody
    /// corrects them.
    Configuration,
}

impl Failure {
    /// A failure with nothing underneath.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
        }
    }

    /// A failure that an error explains.
    pub(crate) fn of(kind: Kind, error: &dyn Error) -> Self {
        let mut failure = Self::new(kind, error.to_string());
        let mut next = error.source();
        while let Some(source) = next {
            let cause = source.to_string();
            // Some errors of others repeat what lies beneath.
            if failure.causes.last() != Some(&cause) {
                failure.causes.push(cause);
            }
            next = source.source();
        }
        failure
    }

    /// The same failure, saying first what could not be done.
    #[must_use]
    pub(crate) fn while_doing(mut self, what: impl fmt::Display) -> Self {
        let cause = std::mem::replace(&mut self.message, what.to_string());
        self.causes.insert(0, cause);
        self
    }

    /// The same text for a log.
    pub(crate) fn in_one_line(&self) -> String {
        let mut text = self.message.clone();
        for cause in &self.causes {
            text.push_str(": ");
            text.push_str(cause);
        }
        text
    }

    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self.kind {
            Kind::NotRunning => 1,
            Kind::Unavailable => 69,
            Kind::Configuration => 78,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.message)?;
        for cause in &self.causes {
            write!(formatter, "\n  because {cause}")?;
        }
        Ok(())
    }
}
