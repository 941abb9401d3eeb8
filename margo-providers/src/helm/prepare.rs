//! Everything that can be done before anything on the cluster changes.

use std::fs::File;
use std::path::{Path, PathBuf};

use margo_package::Blame;
use margo_package::chart::{Chart, ChartError, ChartType};
use margo_package::publish::ComponentKind;
use margo_types::Digest;
use serde::{Deserialize, Serialize};

use super::HelmProvider;
use super::names::Release;
use super::options::ModeName;
use super::values::values_file;
use super::wanted::Wanted;
use crate::error::with_causes;
use crate::files::{blocking, device_trouble};
use crate::source::Pin;
use crate::{ProviderError, Trouble};

/// What is remembered of a deployment.
pub(super) type Record = crate::home::Record<Kept>;

/// What is remembered of a component.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// What the chart was when it was first pulled; `None` when only the cluster remembers the release.
    pub(super) pin: Option<Pin>,
    pub(super) release: Release,
    /// How it came to the cluster.
    pub(super) mode: ModeName,
    /// The digest of all that went into what is on the cluster and was complete once.
    pub(super) complete: Option<Digest>,
}

/// A component that can be delivered.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) pin: Pin,
    /// The packed chart, its digest verified.
    pub(super) path: PathBuf,
    pub(super) chart: Chart,
    /// The file with the values, for this user alone.
    pub(super) values: PathBuf,
    /// A directory for what is needed until it is delivered.
    pub(super) work: PathBuf,
}

impl Prepared {
    /// The file with the values as Helm takes it: it reads lists of files, as CSV.
    pub(super) fn values_argument(&self) -> String {
        let path = self.values.display().to_string();
        format!("--values=\"{}\"", path.replace('"', "\"\""))
    }
}

impl HelmProvider {
    pub(super) async fn prepare(
        &self,
        wanted: &Wanted<'_>,
        kept: Option<&Kept>,
    ) -> Result<Prepared, ProviderError> {
        let fetched = wanted.source.fetch(
            &self.options.registry,
            ComponentKind::Helm,
            kept.and_then(|kept| kept.pin.as_ref()),
            &wanted.place,
        );
        let pin = fetched.await?;
        let work = wanted.place.work();
        let archive = wanted.place.archive(pin.archive);
        // Helm takes packed charts by their extension.
        let (path, values) = (work.join("chart.tgz"), work.join("values.json"));
        let bytes = values_file(&wanted.values).into_bytes();
        let (link, file) = (path.clone(), values.clone());
        let chart = blocking(move || {
            // Not every file system has links.
            std::fs::hard_link(&archive, &link)
                .or_else(|_| std::fs::copy(&archive, &link).map(drop))
                .map_err(device_trouble)?;
            std::fs::write(&file, &bytes).map_err(device_trouble)?;
            read_chart(&archive)
        })
        .await?;
        if chart.metadata.chart_type != ChartType::Application {
            let message = format!(
                "the chart {} only offers templates to other charts; publish an application chart",
                chart.metadata.name
            );
            return Err(ProviderError::new(Trouble::Deployment, message));
        }
        refuse_references(&chart)?;
        Ok(Prepared {
            pin,
            path,
            chart,
            values,
            work,
        })
    }
}

fn read_chart(path: &Path) -> Result<Chart, ProviderError> {
    let file = File::open(path).map_err(device_trouble)?;
    Chart::read(file, Chart::default_limits()).map_err(|error| chart_trouble(&error))
}

/// Refuses schemas that would have `helm` open whatever the chart's author wants.
fn refuse_references(chart: &Chart) -> Result<(), ProviderError> {
    for chart in chart.all() {
        if let Some(reference) = chart.schema_references.first() {
            let message = format!(
                "the chart is refused: {}/values.schema.json refers to {reference:?}; put what is there into the file and refer to it with #",
                chart.directory
            );
            return Err(ProviderError::new(Trouble::Deployment, message));
        }
    }
    Ok(())
}

fn chart_trouble(error: &ChartError) -> ProviderError {
    let trouble = match error.blame() {
        Blame::Content => Trouble::Deployment,
        _ => Trouble::Device,
    };
    ProviderError::new(
        trouble,
        format!("the chart is refused: {}", with_causes(error)),
    )
}
