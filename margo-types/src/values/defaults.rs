//! What the supplier wrote: defaults against their schemas, and schemas that cannot be used.

use std::fmt;

use super::check::Rules;
use super::fault::{ValueFault, ValueRule};
use crate::application::ApplicationDescription;
use crate::path::DocumentPath;
use crate::pattern::Patterns;
use crate::text::shorten;

/// A default that breaks a rule of its schema, or a schema that cannot be used.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DefaultFault {
    /// Where in the description it is, such as `parameters.greeting.value`.
    pub path: DocumentPath,
    /// The name of the setting whose schema is broken; `None` for a schema that cannot be used.
    pub setting: Option<String>,
    /// What is wrong.
    pub fault: ValueFault,
}

/// Checks the defaults of an application description against the schemas of their settings.
///
/// A default must have the data type itself: the quoted numbers of deployments are no excuse here. Settings
/// that name an unknown parameter or schema are not looked at.
pub fn check_defaults(description: &ApplicationDescription) -> Vec<DefaultFault> {
    let mut patterns = Patterns::default();
    let mut faults = unusable_schemas(description, &mut patterns);
    let broken = broken_defaults(description, &mut patterns);
    faults.extend(broken.into_iter().map(DefaultFault::from));
    faults
}

/// The schemas that no value can be checked by.
fn unusable_schemas<'a>(
    description: &'a ApplicationDescription,
    patterns: &mut Patterns<'a>,
) -> Vec<DefaultFault> {
    let Some(configuration) = &description.configuration else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let schemas = DocumentPath::root().key("configuration").key("schema");
    for (index, schema) in configuration.schema.iter().enumerate() {
        let rules = Rules::compile(schema, patterns);
        if let Some(fault) = rules.schema_fault() {
            let attribute = if rules.shape.is_none() {
                "dataType"
            } else {
                "regexMatch"
            };
            faults.push(DefaultFault {
                path: schemas.index(index).key(attribute),
                setting: None,
                fault,
            });
        }
    }
    faults
}

/// The defaults that break a rule of their schema.
pub(crate) fn broken_defaults<'a>(
    description: &'a ApplicationDescription,
    patterns: &mut Patterns<'a>,
) -> Vec<BrokenDefault<'a>> {
    let Some(configuration) = &description.configuration else {
        return Vec::new();
    };
    let mut broken = Vec::new();
    let settings = configuration
        .sections
        .iter()
        .flat_map(|section| &section.settings);
    for setting in settings {
        let parameter = description.parameters.get(&setting.parameter);
        let default = parameter.and_then(|parameter| parameter.value.as_ref());
        let schema = configuration.schema_named(&setting.schema);
        let (Some(default), Some(schema)) = (default, schema) else {
            continue;
        };
        for fault in Rules::compile(schema, patterns).faults(default) {
            if fault.rule != ValueRule::UsableSchema {
                broken.push(BrokenDefault {
                    parameter: &setting.parameter,
                    setting: &setting.name,
                    fault,
                });
            }
        }
    }
    broken
}

/// A default that breaks a rule of its schema.
pub(crate) struct BrokenDefault<'a> {
    pub(crate) parameter: &'a str,
    pub(crate) setting: &'a str,
    pub(crate) fault: ValueFault,
}

impl From<BrokenDefault<'_>> for DefaultFault {
    fn from(broken: BrokenDefault<'_>) -> Self {
        let parameters = DocumentPath::root().key("parameters");
        let value = parameters.key(broken.parameter).key("value");
        let element = broken.fault.element.map(|element| value.index(element));
        Self {
            path: element.unwrap_or(value),
            setting: Some(broken.setting.to_owned()),
            fault: broken.fault,
        }
    }
}

impl fmt::Display for DefaultFault {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.path.fmt(formatter)?;
        if let Some(setting) = &self.setting {
            write!(formatter, " ({})", shorten(setting))?;
        }
        write!(formatter, ": {}; {}", self.fault.message, self.fault.fix)
    }
}
