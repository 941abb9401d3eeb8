//! Why something could not be done, for the person at the command line.

use std::error::Error;
use std::fmt;
use std::path::Path;

use margo_package::Blame;
use margo_package::instantiate::{InstantiateError, InvalidAnswersFile};
use margo_package::oci::{Failure as OciFailure, InvalidReference, OciError, RegistriesError};
use margo_package::package::PackageError;
use margo_package::publish::PublishError;
use margo_server_traits::RegistrarError;
use margo_server_traits::store::StoreError;
use margo_types::eligibility::NotPlaceable;
use serde::{Deserialize, Serialize};

/// A failure: who has to act, what is wrong with what to do, and what is underneath.
///
/// It travels over the admin API as it is, so a command line says the same as the server's own log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// Who has to act; decides the exit code.
    pub kind: Kind,
    /// What is wrong and what to do.
    pub message: String,
    /// What is underneath, outermost first.
    #[serde(default)]
    pub causes: Vec<String>,
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// The package or the answers are not good.
    Invalid,
    /// The command or the configuration makes no sense.
    Usage,
    /// The registry was not reached, refused, or gave something wrong.
    Registry,
    /// A file, the port, the database or the system.
    Environment,
    /// The fleet cannot do it: no device fits, or a device has not reported.
    Refused,
    /// The fleet manager is not running.
    NotRunning,
}

impl Kind {
    /// The exit code of the program.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Invalid => 1,
            Self::Usage => 2,
            Self::Registry => 3,
            Self::Environment => 4,
            Self::Refused => 5,
            Self::NotRunning => 6,
        }
    }
}

impl Failure {
    /// A failure with nothing underneath.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
        }
    }

    /// A failure because of an error.
    pub fn caused(kind: Kind, message: impl Into<String>, cause: &dyn Error) -> Self {
        let mut failure = Self::new(kind, message);
        failure.causes.push(cause.to_string());
        failure.causes.extend(sources(cause));
        failure
    }

    /// An error that says everything itself.
    pub fn of(kind: Kind, error: &dyn Error) -> Self {
        let mut failure = Self::new(kind, error.to_string());
        failure.causes = sources(error);
        failure
    }

    /// A file or directory that cannot be used.
    pub fn file(path: &Path, cause: &std::io::Error) -> Self {
        let message = format!(
            "cannot use {}; check the path, the rights and the free space",
            path.display()
        );
        Self::caused(Kind::Environment, message, cause)
    }

    /// The same failure, about this file, deployment or device.
    #[must_use]
    pub fn about(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.message)?;
        for cause in &self.causes {
            write!(formatter, "\n  caused by: {cause}")?;
        }
        Ok(())
    }
}

impl Error for Failure {}

/// What is underneath an error, outermost first. Errors that only repeat the one above are left out.
fn sources(error: &dyn Error) -> Vec<String> {
    let mut texts = Vec::new();
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

impl From<OciError> for Failure {
    fn from(error: OciError) -> Self {
        Self::of(kind_of_oci(&error), &error)
    }
}

fn kind_of_oci(error: &OciError) -> Kind {
    match error {
        OciError::Misused { .. } => Kind::Usage,
        OciError::Environment { failure, .. } if *failure != OciFailure::Connection => {
            Kind::Environment
        }
        _ => Kind::Registry,
    }
}

impl From<RegistriesError> for Failure {
    fn from(error: RegistriesError) -> Self {
        let kind = match error {
            RegistriesError::Incomplete { .. } => Kind::Usage,
            _ => Kind::Environment,
        };
        Self::of(kind, &error)
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let kind = match &error {
            PublishError::Transfer { source, .. } => kind_of_oci(source),
            error => match error.blame() {
                Blame::Content => Kind::Invalid,
                Blame::Caller => Kind::Usage,
                _ => Kind::Environment,
            },
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

impl From<RegistrarError> for Failure {
    fn from(error: RegistrarError) -> Self {
        let kind = match error {
            RegistrarError::Certificate(_) => Kind::Invalid,
            RegistrarError::Store(_) => Kind::Environment,
            _ => Kind::Refused,
        };
        Self::of(kind, &error)
    }
}

impl From<InstantiateError> for Failure {
    fn from(error: InstantiateError) -> Self {
        let kind = match error {
            InstantiateError::Answers(_) => Kind::Invalid,
            _ => Kind::Usage,
        };
        Self::of(kind, &error)
    }
}

/// Errors that always have one kind.
macro_rules! kinds {
    ($($error:ty => $kind:ident),* $(,)?) => { $(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::of(Kind::$kind, &error)
            }
        }
    )* };
}

kinds! {
    InvalidAnswersFile => Invalid,
    InvalidReference => Usage,
    NotPlaceable => Refused,
    StoreError => Environment,
}
