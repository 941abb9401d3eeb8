//! The answers to all settings of an application.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::check::Rules;
use super::fault::ValueFault;
use super::shape::{Kind, are_equal};
use crate::application::{ApplicationDescription, DeploymentProfile, Parameter, Setting};
use crate::deployment::ParameterValue;
use crate::id::ComponentName;
use crate::pattern::Patterns;
use crate::text::shorten;

/// What a person answers to the settings of an application, on top of its defaults and, for an update, of
/// what is deployed.
#[derive(Clone, Debug)]
#[must_use]
pub struct Answers<'a> {
    description: &'a ApplicationDescription,
    deployed: Option<&'a BTreeMap<String, ParameterValue>>,
    given: BTreeMap<String, Answer>,
}

#[derive(Clone, Debug)]
enum Answer {
    Value(Value),
    Text(String),
}

impl<'a> Answers<'a> {
    /// No answers yet.
    pub fn new(description: &'a ApplicationDescription) -> Self {
        Self {
            description,
            deployed: None,
            given: BTreeMap::new(),
        }
    }

    /// Answers with a value, which must have the data type of the setting. Null leaves the parameter empty.
    pub fn value(mut self, parameter: impl Into<String>, value: impl Into<Value>) -> Self {
        let answer = Answer::Value(value.into());
        self.given.insert(parameter.into(), answer);
        self
    }

    /// Answers with a text, from which the value is read as [`parse_answer`](super::parse_answer) does.
    pub fn text(mut self, parameter: impl Into<String>, text: impl Into<String>) -> Self {
        let answer = Answer::Text(text.into());
        self.given.insert(parameter.into(), answer);
        self
    }

    /// Updates a deployment with these `spec.parameters`: they stand where nothing is answered, and those of
    /// immutable settings must not change.
    pub fn updating(mut self, deployed: &'a BTreeMap<String, ParameterValue>) -> Self {
        self.deployed = Some(deployed);
        self
    }

    /// The value of every parameter: the answer, or else what is deployed, or else the default.
    ///
    /// # Errors
    /// [`InvalidAnswers`] with everything that is wrong.
    pub fn resolve(&self) -> Result<ResolvedValues<'a>, InvalidAnswers> {
        let mut faults = Vec::new();
        let mut patterns = Patterns::default();
        let mut values = BTreeMap::new();
        for name in self.given.keys() {
            if !self.description.parameters.contains_key(name) {
                faults.push(AnswerFault::new(
                    name,
                    None,
                    AnswerProblem::UnknownParameter,
                ));
            }
        }
        for (name, parameter) in &self.description.parameters {
            if let Some(value) = self.resolve_one(name, parameter, &mut patterns, &mut faults) {
                values.insert(name.clone(), value);
            }
        }
        if faults.is_empty() {
            Ok(ResolvedValues {
                description: self.description,
                values,
            })
        } else {
            Err(InvalidAnswers { faults })
        }
    }

    fn resolve_one(
        &self,
        name: &str,
        parameter: &Parameter,
        patterns: &mut Patterns<'a>,
        faults: &mut Vec<AnswerFault>,
    ) -> Option<Value> {
        let settings = self.settings_of(name, patterns, faults);
        let value = self.candidate(name, parameter, settings.first().map(|(_, rules)| rules));
        let Some(value) = value else {
            let required = settings.iter().find(|(_, rules)| !rules.allows_empty());
            if let Some((setting, _)) = required {
                faults.push(AnswerFault::new(
                    name,
                    Some(setting),
                    AnswerProblem::Missing,
                ));
            }
            return None;
        };
        if settings.is_empty() && self.given.contains_key(name) && !is_admissible(&value) {
            faults.push(AnswerFault::new(name, None, AnswerProblem::Inadmissible));
        }
        for (setting, rules) in &settings {
            let invalid = rules.faults(&value).into_iter().map(AnswerProblem::Invalid);
            faults.extend(invalid.map(|problem| AnswerFault::new(name, Some(setting), problem)));
            if let Some(deployed) = self.forbidden_change(name, setting, rules, &value) {
                let deployed = deployed.clone();
                let problem = AnswerProblem::Immutable { deployed };
                faults.push(AnswerFault::new(name, Some(setting), problem));
            }
        }
        (!is_left_out(&value, &settings)).then_some(value)
    }

    /// The settings of a parameter, with the rules for their values.
    fn settings_of(
        &self,
        parameter: &str,
        patterns: &mut Patterns<'a>,
        faults: &mut Vec<AnswerFault>,
    ) -> Vec<(&'a Setting, Rules<'a>)> {
        let mut found = Vec::new();
        let Some(configuration) = &self.description.configuration else {
            return found;
        };
        let sections = configuration.sections.iter();
        let settings = sections.flat_map(|section| &section.settings);
        for setting in settings.filter(|setting| setting.parameter == parameter) {
            if let Some(schema) = configuration.schema_named(&setting.schema) {
                found.push((setting, Rules::compile(schema, patterns)));
            } else {
                let problem = AnswerProblem::UnknownSchema(shorten(&setting.schema));
                faults.push(AnswerFault::new(parameter, Some(setting), problem));
            }
        }
        found
    }

    fn candidate(
        &self,
        name: &str,
        parameter: &Parameter,
        rules: Option<&Rules<'_>>,
    ) -> Option<Value> {
        let shape = rules.and_then(|rules| rules.shape);
        let written = match (self.given.get(name), self.deployed) {
            (Some(Answer::Value(value)), _) => return Some(value.clone()),
            (Some(Answer::Text(text)), _) => {
                return Some(shape.map_or_else(|| Value::from(&**text), |shape| shape.read(text)));
            }
            (None, Some(deployed)) if deployed.contains_key(name) => {
                deployed.get(name).map(|deployed| &deployed.value)
            }
            (None, _) => parameter.value.as_ref(),
        };
        written.map(|value| match shape {
            Some(shape) => shape.normalise(value).into_owned(),
            None => value.clone(),
        })
    }

    /// The deployed value, if the setting is immutable and the value differs from it.
    fn forbidden_change(
        &self,
        name: &str,
        setting: &Setting,
        rules: &Rules<'_>,
        value: &Value,
    ) -> Option<&'a Value> {
        let deployed = &self.deployed?.get(name)?.value;
        let is_same = match rules.shape {
            Some(shape) => shape.are_same(deployed, value),
            None => are_equal(deployed, value),
        };
        (setting.immutable == Some(true) && !is_same).then_some(deployed)
    }
}

/// The values of an application's parameters: every one obeys its rules.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedValues<'a> {
    description: &'a ApplicationDescription,
    values: BTreeMap<String, Value>,
}

impl ResolvedValues<'_> {
    /// The values by parameter. A parameter that is left empty, or has no value at all, is not here.
    pub fn values(&self) -> &BTreeMap<String, Value> {
        &self.values
    }

    /// The `spec.parameters` of a deployment of this profile: targets in other profiles are left out, and so
    /// is a parameter that then has none.
    pub fn for_profile(&self, profile: &DeploymentProfile) -> BTreeMap<String, ParameterValue> {
        let is_deployed =
            |name: &ComponentName| profile.components.iter().any(|it| it.name == *name);
        let mut parameters = BTreeMap::new();
        for (name, value) in &self.values {
            let mut targets = self
                .description
                .parameters
                .get(name)
                .map_or_else(Vec::new, |parameter| parameter.targets.clone());
            for target in &mut targets {
                target.components.retain(is_deployed);
            }
            targets.retain(|target| !target.components.is_empty());
            if !targets.is_empty() {
                parameters.insert(name.clone(), ParameterValue::new(value.clone(), targets));
            }
        }
        parameters
    }
}

/// Everything that is wrong with the answers for an application.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InvalidAnswers {
    /// What is wrong, by parameter; at least one.
    pub faults: Vec<AnswerFault>,
}

/// Something wrong with the answer to one setting.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AnswerFault {
    /// The parameter.
    pub parameter: String,
    /// The name of the setting, as a person sees it; `None` when there is no setting.
    pub setting: Option<String>,
    /// What is wrong.
    pub problem: AnswerProblem,
}

/// What can be wrong with an answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AnswerProblem {
    /// The application has no such parameter.
    UnknownParameter,
    /// There is neither an answer nor a default, and the setting must not be empty.
    Missing,
    /// The value breaks a rule of the setting's schema.
    Invalid(ValueFault),
    /// The setting must not change after installation.
    Immutable {
        /// The value that must stay.
        deployed: Value,
    },
    /// The setting names a schema that the description does not have, so that no value can be checked.
    UnknownSchema(String),
    /// The value is not a text, number, truth value, or an array of one of these.
    Inadmissible,
}

impl AnswerFault {
    fn new(parameter: &str, setting: Option<&Setting>, problem: AnswerProblem) -> Self {
        Self {
            parameter: parameter.to_owned(),
            setting: setting.map(|setting| setting.name.clone()),
            problem,
        }
    }
}

impl fmt::Display for InvalidAnswers {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        for (position, fault) in self.faults.iter().enumerate() {
            if position > 0 {
                formatter.write_str("\n")?;
            }
            fault.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidAnswers {}

impl fmt::Display for AnswerFault {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&shorten(&self.parameter))?;
        if let Some(setting) = &self.setting {
            write!(formatter, " ({})", shorten(setting))?;
        }
        write!(formatter, ": {}", self.problem)
    }
}

impl fmt::Display for AnswerProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::UnknownParameter => formatter
                .write_str("the application has no such parameter; give one that it describes"),
            Self::Missing => {
                formatter.write_str("there is no value and no default; give a value")
            }
            Self::Invalid(fault) => fault.fmt(formatter),
            Self::Immutable { deployed } => write!(
                formatter,
                "it must not change after installation; leave it at {}",
                shorten(&deployed.to_string())
            ),
            Self::UnknownSchema(schema) => write!(
                formatter,
                "the application has no schema {schema:?}; ask the supplier to add it"
            ),
            Self::Inadmissible => formatter.write_str(
                "the value has a type that no parameter has; give a text, a number, true or false, or an array of one of them",
            ),
        }
    }
}

/// Whether an empty value is none at all: only texts have an empty text, and nothing can be null.
fn is_left_out(value: &Value, settings: &[(&Setting, Rules<'_>)]) -> bool {
    let is_text = |rules: &Rules| {
        let shape = rules.shape;
        shape.is_some_and(|shape| shape.kind == Kind::Text && !shape.is_list)
    };
    match value {
        Value::Null => true,
        Value::String(text) if text.is_empty() => !settings.iter().all(|(_, rules)| is_text(rules)),
        _ => false,
    }
}

fn is_admissible(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(list) => {
            list.iter().all(Value::is_string)
                || list.iter().all(Value::is_number)
                || list.iter().all(Value::is_boolean)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}
