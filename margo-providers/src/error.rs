//! Why a provider failed.

use margo_types::id::ComponentName;
use margo_types::status::StatusError;

/// Why an operation of a provider failed.
#[derive(Debug, thiserror::Error)]
#[error("{}{message}", Subject(.component.as_ref()))]
#[non_exhaustive]
pub struct ProviderError {
    /// The component concerned; `None` when it is the whole deployment or the engine.
    pub component: Option<ComponentName>,
    /// What kind of trouble it is, and with it who has to act.
    pub trouble: Trouble,
    /// What happened and what to do, for a person: one line, or several with the workload's own last words.
    pub message: String,
    /// What lies beneath.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ProviderError {
    /// An error of the whole deployment or the engine. What programs and servers say is often in the message: control characters
    /// are left out of it, and of more than 32 KiB the middle.
    pub fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self {
            component: None,
            trouble,
            message: readable(message.into()),
            source: None,
        }
    }

    /// The same error, of this component.
    #[must_use]
    pub fn of(mut self, component: &ComponentName) -> Self {
        self.component = Some(component.clone());
        self
    }

    /// The same error, with what lies beneath.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The error as a status report has it; `source` is the component or, without one, `deployment`.
    pub fn to_status(&self, deployment: &str) -> StatusError {
        let source = self
            .component
            .as_ref()
            .map_or(deployment, ComponentName::as_str);
        StatusError::new(self.trouble.code(), source, &self.message)
    }
}

/// The kinds of trouble, by who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Trouble {
    /// The deployment asks for what cannot be: a wrong artefact, an invalid archive, another type. Trying again is no use
    /// until it is changed.
    Deployment,
    /// The registry, or the way to it: it may work later.
    Registry,
    /// There is no engine, or it does not answer: the device's owner has to act.
    Engine,
    /// The workload came up wrong: it ended, is unhealthy, or its engine refused it.
    Workload,
    /// A component was not complete within its `timeout`.
    Timeout,
    /// Files, memory or permissions of the device.
    Device,
}

impl Trouble {
    /// The code in status reports, such as `WORKLOAD_FAILED`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Deployment => "DEPLOYMENT_INVALID",
            Self::Registry => "REGISTRY_UNAVAILABLE",
            Self::Engine => "ENGINE_UNAVAILABLE",
            Self::Workload => "WORKLOAD_FAILED",
            Self::Timeout => "TIMEOUT",
            Self::Device => "DEVICE_ERROR",
        }
    }

    /// Whether the same call may succeed later without a new deployment.
    pub const fn is_transient(self) -> bool {
        !matches!(self, Self::Deployment)
    }
}

fn readable(mut message: String) -> String {
    message.retain(|letter| !letter.is_control() || matches!(letter, '\n' | '\t'));
    if message.len() > LONGEST {
        let begin = message.floor_char_boundary(LONGEST / 2);
        let end = message.ceil_char_boundary(message.len() - LONGEST / 2);
        message.replace_range(begin..end, "…");
    }
    message
}

/// A status report has to take it.
const LONGEST: usize = 32 << 10;

struct Subject<'a>(Option<&'a ComponentName>);

impl std::fmt::Display for Subject<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self.0 {
            Some(component) => write!(formatter, "component {component}: "),
            None => Ok(()),
        }
    }
}

/// The text of an error with those of its causes: a status report has room for nothing else.
#[cfg(any(feature = "compose", feature = "helm"))]
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_readable_and_end() {
        let error = ProviderError::new(Trouble::Engine, "a\u{1b}[1m\r\nb\tc\0");
        assert_eq!(error.message, "a[1m\nb\tc");
        let error = ProviderError::new(Trouble::Engine, "é".repeat(LONGEST));
        assert!(error.message.len() < LONGEST + 4 && error.message.contains('…'));
    }
}
