//! Packing a chart.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::error::ChartError;
use super::metadata::ChartMetadata;
use super::read::Chart;
use crate::archive::{
    BuildError, Contents, InvalidPath, MemberPath, Policy, measure_directory, pack_measured,
};

/// The file in which a chart says what it is.
pub const METADATA_FILE: &str = "Chart.yaml";

/// Packs the directory of a chart as `helm package` does, but with the same bytes for the same content on every machine.
///
/// The top-level directory of the archive is called like the chart. Everything in the directory is packed: dependencies
/// must be in `charts/` already, and `.helmignore` is not looked at. Links are refused, as Helm has no use for them.
///
/// # Errors
/// [`ChartError`]; what was written by then is no chart.
pub fn pack<W: Write>(directory: &Path, writer: W) -> Result<Contents, ChartError> {
    let metadata = ChartMetadata::of_directory(directory)?;
    let top = MemberPath::parse(&metadata.name)
        .and_then(|top| match top.parent() {
            None => Ok(top),
            Some(_) => Err(InvalidPath::Character('/')),
        })
        .map_err(|why| BuildError::Path {
            path: metadata.name.clone().into(),
            why,
        })?;
    let policy = Policy::default()
        .limits(Chart::default_limits())
        .without_links()
        .one_top_directory();
    let contents = measure_directory(directory, Some(&top), &policy)?;
    pack_measured(directory, Some(&top), &contents, writer)?;
    Ok(contents)
}

impl ChartMetadata {
    /// Reads the `Chart.yaml` in the directory of a chart.
    ///
    /// # Errors
    /// [`ChartError`] when there is none or it is not one of API version v2.
    pub fn of_directory(directory: &Path) -> Result<Self, ChartError> {
        let path = directory.join(METADATA_FILE);
        if !path.is_file() {
            return Err(ChartError::NoMetadata(directory.display().to_string()));
        }
        let bytes = fs::read(&path).map_err(|source| BuildError::Unreadable {
            path: path.clone(),
            source,
        })?;
        Self::read(&path.display().to_string(), &bytes)
    }
}
