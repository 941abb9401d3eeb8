//! Parameter values as a person gives them.

use std::collections::BTreeMap;

use margo_package::instantiate::read_answers;
use margo_types::application::ApplicationDescription;
use margo_types::values::Answers;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Values for parameters. What is not given keeps its deployed value or default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// Values as texts, by parameter; each is read as the data type of its setting. They win over `answers`.
    pub set: BTreeMap<String, String>,
    /// A file with answers.
    pub answers: Option<AnswersText>,
}

/// A file with answers: a mapping from parameter to value, as YAML or JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a name and a text")]
pub struct AnswersText {
    /// What messages call the file.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl Settings {
    /// One value more.
    #[must_use]
    pub fn set(mut self, parameter: impl Into<String>, value: impl Into<String>) -> Self {
        self.set.insert(parameter.into(), value.into());
        self
    }

    /// Takes values from a file, too.
    #[must_use]
    pub fn answers(mut self, answers: AnswersText) -> Self {
        self.answers = Some(answers);
        self
    }

    /// Whether no value is given.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.answers.is_none()
    }

    /// The answers to the settings of this application.
    pub(super) fn to_answers<'a>(
        &self,
        description: &'a ApplicationDescription,
    ) -> Result<Answers<'a>, Failure> {
        let mut answers = Answers::new(description);
        if let Some(file) = &self.answers {
            answers = read_answers(file.text.as_bytes(), answers)
                .map_err(|error| Failure::from(error).about(&file.name))?;
        }
        for (parameter, text) in &self.set {
            answers = answers.text(parameter, text);
        }
        Ok(answers)
    }
}
