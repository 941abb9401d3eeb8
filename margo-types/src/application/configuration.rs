//! How parameters are presented to a person, and the rules their values obey (rc3.md section 1.7).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::extra::Extra;
use crate::open_enum::open_enum;

/// The settings a person sees, and the schemas their values obey.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Configuration {
    /// Groups of settings.
    pub sections: Vec<Section>,
    /// Rules that settings name.
    pub schema: Vec<Schema>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Configuration {
    /// The schema with this name.
    pub fn schema_named(&self, name: &str) -> Option<&Schema> {
        self.schema.iter().find(|schema| schema.name == name)
    }

    /// The setting of this parameter, if there is one.
    pub fn setting_for(&self, parameter: &str) -> Option<&Setting> {
        self.sections
            .iter()
            .flat_map(|section| &section.settings)
            .find(|setting| setting.parameter == parameter)
    }
}

/// A group of settings under one heading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Section {
    /// The heading.
    pub name: String,
    /// The settings, in the order they are shown.
    pub settings: Vec<Setting>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

/// A parameter as a person sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Setting {
    /// The name of the parameter it sets.
    pub parameter: String,
    /// The name a person sees.
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the value must stay what it was at installation; false unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immutable: Option<bool>,
    /// The name of the schema its value obeys.
    pub schema: String,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

/// Rules for values. The class follows from the data type, and from `options` for a selection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(transform = crate::schema::older::alias("dataType", "datatype"))
)]
#[non_exhaustive]
pub struct Schema {
    /// The name by which settings refer to it.
    pub name: String,
    /// The type of a value. Also read as `datatype`, the spelling of the pre-draft's tables.
    #[serde(alias = "datatype")]
    pub data_type: DataType,
    /// Whether a value may be left empty; false unless said. Older copies of the specification describe it
    /// backwards; this is the newest reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_empty: Option<bool>,
    /// The fewest characters (Unicode scalar values) of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// The most characters (Unicode scalar values) of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// A regular expression that a text must match somewhere, unless it is anchored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex_match: Option<String>,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_value: Option<Number>,
    /// The greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_value: Option<Number>,
    /// The fewest decimal places of a double.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_precision: Option<u64>,
    /// The most decimal places of a double.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_precision: Option<u64>,
    /// Whether several options may be chosen; false unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiselect: Option<bool>,
    /// The choices of a selection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<Value>>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Schema {
    /// A schema that checks the type only.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            allow_empty: None,
            min_length: None,
            max_length: None,
            regex_match: None,
            min_value: None,
            max_value: None,
            min_precision: None,
            max_precision: None,
            multiselect: None,
            options: None,
            extra: Extra::default(),
        }
    }

    /// The class of this schema; `None` for an unknown data type.
    pub fn class(&self) -> Option<SchemaClass> {
        if self.options.is_some() {
            return Some(SchemaClass::Select);
        }
        match self.data_type {
            DataType::String | DataType::StringArray => Some(SchemaClass::Text),
            DataType::Boolean | DataType::BooleanArray => Some(SchemaClass::Boolean),
            DataType::Integer | DataType::IntegerArray => Some(SchemaClass::Integer),
            DataType::Double | DataType::DoubleArray => Some(SchemaClass::Double),
            DataType::_Unknown(_) => None,
        }
    }
}

/// The five kinds of schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SchemaClass {
    /// `allowEmpty`, `minLength`, `maxLength`, `regexMatch`.
    Text,
    /// `allowEmpty`.
    Boolean,
    /// `allowEmpty`, `minValue`, `maxValue`.
    Integer,
    /// `allowEmpty`, `minValue`, `maxValue`, `minPrecision`, `maxPrecision`.
    Double,
    /// `allowEmpty`, `multiselect`, `options`.
    Select,
}

open_enum! {
    /// The type of a parameter's value.
    pub enum DataType {
        /// A text.
        String = "string",
        /// A whole number.
        Integer = "integer",
        /// A number.
        Double = "double",
        /// True or false.
        Boolean = "boolean",
        /// Texts.
        StringArray = "array[string]",
        /// Whole numbers.
        IntegerArray = "array[integer]",
        /// Numbers.
        DoubleArray = "array[double]",
        /// True or false, several times.
        BooleanArray = "array[boolean]",
    }
}
