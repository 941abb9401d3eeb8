//! `Chart.yaml` of API version v2.

use serde_json::{Map, Value};

use super::error::ChartError;
use crate::compose::yaml;

/// What a chart says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChartMetadata {
    /// The name of the chart.
    pub name: String,
    /// The version of the chart: SemVer 2.0.
    pub version: String,
    /// Whether it can be installed.
    pub chart_type: ChartType,
    /// The version of the application, in any form.
    pub app_version: Option<String>,
    /// The charts it needs.
    pub dependencies: Vec<ChartDependency>,
    /// The whole `Chart.yaml`.
    pub document: Value,
}

/// Whether a chart can be installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChartType {
    /// It can.
    #[default]
    Application,
    /// It only offers templates to other charts.
    Library,
    /// Another type than Helm documents.
    Other(String),
}

/// A chart that another one needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChartDependency {
    /// Its name.
    pub name: String,
    /// The version or range.
    pub version: Option<String>,
    /// Where it is fetched from when the chart is packaged.
    pub repository: Option<String>,
}

impl ChartMetadata {
    /// The OCI tag and the component `revision` of the chart: its version with `_` in place of `+` (rc3.md section 1.4).
    pub fn revision(&self) -> String {
        self.version.replace('+', "_")
    }

    /// Reads a `Chart.yaml`.
    pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Self, ChartError> {
        let value = yaml::parse(bytes).map_err(|why| ChartError::Yaml {
            file: file.to_owned(),
            why,
        })?;
        let reader = MetadataReader { file };
        let members = value
            .as_object()
            .ok_or_else(|| reader.fault("the document", "a mapping"))?;
        let api_version = reader.required(members, "apiVersion")?;
        if api_version != "v2" {
            return Err(ChartError::ApiVersion {
                file: file.to_owned(),
                found: api_version,
            });
        }
        let chart_type = match reader.optional(members, "type")?.as_deref() {
            None | Some("" | "application") => ChartType::Application,
            Some("library") => ChartType::Library,
            Some(other) => ChartType::Other(other.to_owned()),
        };
        Ok(Self {
            name: reader.required(members, "name")?,
            version: reader.required(members, "version")?,
            chart_type,
            app_version: reader.optional(members, "appVersion")?,
            dependencies: reader.dependencies(members)?,
            document: value.clone(),
        })
    }
}

struct MetadataReader<'a> {
    file: &'a str,
}

impl MetadataReader<'_> {
    fn dependencies(
        &self,
        members: &Map<String, Value>,
    ) -> Result<Vec<ChartDependency>, ChartError> {
        let listed = match members.get("dependencies") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(listed)) => listed,
            Some(_) => return Err(self.fault("dependencies", "a list")),
        };
        let read = |dependency: &Value| {
            let members = dependency
                .as_object()
                .ok_or_else(|| self.fault("dependencies", "a list of mappings"))?;
            Ok(ChartDependency {
                name: self.required(members, "name")?,
                version: self.optional(members, "version")?,
                repository: self.optional(members, "repository")?,
            })
        };
        listed.iter().map(read).collect()
    }

    fn required(
        &self,
        members: &Map<String, Value>,
        name: &'static str,
    ) -> Result<String, ChartError> {
        self.optional(members, name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.fault(name, "a text that is not empty"))
    }

    /// A text, or a number as Helm takes it: `appVersion: 1.16` is common.
    fn optional(
        &self,
        members: &Map<String, Value>,
        name: &'static str,
    ) -> Result<Option<String>, ChartError> {
        match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(self.fault(name, "a text")),
        }
    }

    fn fault(&self, member: &'static str, expected: &'static str) -> ChartError {
        ChartError::Metadata {
            file: self.file.to_owned(),
            member,
            expected,
        }
    }
}
