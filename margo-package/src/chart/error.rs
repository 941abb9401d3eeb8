//! Why a chart is not read.

use crate::Blame;
use crate::archive::{ArchiveError, BuildError};
use crate::compose::YamlError;

/// Why a chart was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// The archive is damaged, hostile or too large, or it could not be read: see the source.
    #[error("the archive of the chart was not read")]
    Archive(#[from] ArchiveError),
    /// The directory could not be packed: see the source.
    #[error("the chart was not packed")]
    Build(#[from] BuildError),
    /// The author's fault: a directory of a chart has no `Chart.yaml`.
    #[error("there is no {0}/Chart.yaml; write one")]
    NoMetadata(String),
    /// The author's fault: a `Chart.yaml` is no YAML.
    #[error("{file} is not readable")]
    Yaml {
        /// The file.
        file: String,
        /// The reason.
        #[source]
        why: YamlError,
    },
    /// The author's fault: a value in a `Chart.yaml` is missing or has another shape.
    #[error("{file}: {member} must be {expected}")]
    Metadata {
        /// The file.
        file: String,
        /// The value.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The author's fault: the specification allows `apiVersion` v2 only.
    #[error("{file}: apiVersion is {found:?}; migrate the chart to v2")]
    ApiVersion {
        /// The file.
        file: String,
        /// What it is.
        found: String,
    },
    /// The author's fault: a `values.schema.json` is no JSON.
    #[error("{file} is no JSON")]
    Schema {
        /// The file.
        file: String,
        /// The reason.
        #[source]
        why: serde_json::Error,
    },
    /// The author's fault: charts are packed into charts deeper, or more often, than is read.
    #[error(
        "{file} is one packed chart too many: more than {limit} of them, or nested too deeply; unpack some"
    )]
    TooManyCharts {
        /// The packed chart.
        file: String,
        /// The most packed charts.
        limit: usize,
    },
    /// A packed subchart was not read: see the source.
    #[error("the packed chart {file} was not read")]
    Nested {
        /// The packed chart.
        file: String,
        /// The reason.
        #[source]
        source: Box<ChartError>,
    },
}

impl ChartError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Archive(error) => error.blame(),
            Self::Build(error) => error.blame(),
            Self::Nested { source, .. } => source.blame(),
            _ => Blame::Content,
        }
    }
}
