//! Why a command could not do its work.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use clap::builder::styling::AnsiColor;
use margo_package::Blame;
use margo_package::archive::ArchiveError;
use margo_package::chart::ChartError;
use margo_package::compose::ComposeError;
use margo_package::instantiate::InstantiateError;
use margo_package::oci::{Failure as OciFailure, InvalidReference, OciError};
use margo_package::package::PackageError;
use margo_package::publish::PublishError;
use serde_json::{Value, json};

/// An error for the person at the command line: kind, text, and the errors underneath.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    message: String,
    causes: Vec<String>,
}

/// Who has to act; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The package, archive, chart or document is not good.
    Invalid,
    /// The command was given something that makes no sense.
    Usage,
    /// The registry was not reached, refused, or gave something wrong.
    Registry,
    /// The disk, the configuration or the system.
    Environment,
    /// The person stopped it.
    Interrupted,
}

impl Kind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Invalid => 1,
            Self::Usage => 2,
            Self::Registry => 3,
            Self::Environment => 4,
            // As a shell reports a program that the interrupt signal ended.
            Self::Interrupted => 130,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Usage => "usage",
            Self::Registry => "registry",
            Self::Environment => "environment",
            Self::Interrupted => "interrupted",
        }
    }
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

    /// A failure because of an error.
    pub(crate) fn caused(kind: Kind, message: impl Into<String>, cause: impl Error) -> Self {
        let mut failure = Self::new(kind, message);
        failure.causes.push(cause.to_string());
        failure.causes.extend(sources(&cause));
        failure
    }

    /// An error that says everything itself.
    pub(crate) fn of(kind: Kind, error: &dyn Error) -> Self {
        let mut failure = Self::new(kind, error.to_string());
        failure.causes = sources(error);
        failure
    }

    /// A file or directory that cannot be used.
    pub(crate) fn file(path: &Path, cause: std::io::Error) -> Self {
        let message = format!(
            "cannot use {}; check the path, the rights and the free space",
            path.display()
        );
        Self::caused(Kind::Environment, message, cause)
    }

    /// The same, about this artefact or file.
    pub(crate) fn about(mut self, what: impl std::fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The failure in lines, with colours.
    pub(crate) fn to_text(&self) -> String {
        let style = AnsiColor::Red.on_default().bold();
        let mut text = format!("{style}error:{style:#} {}\n", harmless(&self.message));
        for cause in &self.causes {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  caused by: {}", harmless(cause));
        }
        text
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "kind": self.kind.name(), "message": self.message, "causes": self.causes })
    }
}

/// A text without anything that a terminal would obey: registries and authors have a say in messages.
pub(crate) fn harmless(text: &str) -> String {
    let is_harmful = |c: char| c.is_control() && c != '\n';
    text.replace(is_harmful, "\u{fffd}")
}

/// What is underneath an error, outermost first. Errors that only repeat the one above are left out.
fn sources(error: &dyn Error) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut above = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !above.contains(&text) {
            texts.push(text.clone());
        }
        above = text;
        next = source.source();
    }
    texts
}

impl From<Blame> for Kind {
    fn from(blame: Blame) -> Self {
        match blame {
            Blame::Content => Self::Invalid,
            Blame::Caller => Self::Usage,
            _ => Self::Environment,
        }
    }
}

impl From<&OciError> for Kind {
    fn from(error: &OciError) -> Self {
        match error {
            OciError::Misused { .. } => Self::Usage,
            OciError::Environment { failure, .. } if *failure != OciFailure::Connection => {
                Self::Environment
            }
            _ => Self::Registry,
        }
    }
}

impl From<OciError> for Failure {
    fn from(error: OciError) -> Self {
        Self::of((&error).into(), &error)
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let kind = match &error {
            PublishError::Transfer { source, .. } => source.into(),
            error => error.blame().into(),
        };
        Self::of(kind, &error)
    }
}

impl From<PackageError> for Failure {
    fn from(error: PackageError) -> Self {
        let kind = match error {
            PackageError::Io { .. } => Kind::Environment,
            _ => Kind::Invalid,
        };
        Self::of(kind, &error)
    }
}

impl From<InvalidReference> for Failure {
    fn from(error: InvalidReference) -> Self {
        Self::of(Kind::Usage, &error)
    }
}

impl From<InstantiateError> for Failure {
    fn from(error: InstantiateError) -> Self {
        Self::of(Kind::Usage, &error)
    }
}

/// Errors that say whose fault they are.
macro_rules! blamed {
    ($($error:ty),*) => { $(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::of(error.blame().into(), &error)
            }
        }
    )* };
}

blamed!(ArchiveError, ComposeError, ChartError);
