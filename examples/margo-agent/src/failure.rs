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
    /// The agent is not running, or not healthy: 1.
    NotHealthy,
    /// A file, the engine or the state cannot be used: 69.
    Unavailable,
    /// The configuration, a certificate or the capabilities are wrong: 78. Starting again does not help.
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
            failure.causes.push(source.to_string());
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

    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self.kind {
            Kind::NotHealthy => 1,
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
