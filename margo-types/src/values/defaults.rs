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
    let Some(configuration) = &description.configuration else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let mut patterns = Patterns::default();
    let schemas = DocumentPath::root().key("configuration").key("schema");
    for (index, schema) in configuration.schema.iter().enumerate() {
        let rules = Rules::compile(schema, &mut patterns);
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
        let parameters = DocumentPath::root().key("parameters");
        let value = parameters.key(&setting.parameter).key("value");
        for fault in Rules::compile(schema, &mut patterns).faults(default) {
            if fault.rule == ValueRule::UsableSchema {
                continue;
            }
            let path = fault.element.map(|element| value.index(element));
            faults.push(DefaultFault {
                path: path.unwrap_or_else(|| value.clone()),
                setting: Some(setting.name.clone()),
                fault,
            });
        }
    }
    faults
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
