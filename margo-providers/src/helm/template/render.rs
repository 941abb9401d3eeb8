//! Rendering a chart without the cluster.

use std::fmt::Display;

use margo_package::chart::read_rendered;
use serde_json::Value;

use super::Applier;
use super::explicit::spell_out;
use crate::files::blocking;
use crate::helm::prepare::Prepared;
use crate::helm::values::large_numbers;
use crate::helm::wanted::Wanted;
use crate::source::with_causes;
use crate::{ProviderError, Trouble};

impl Applier {
    /// The objects of a chart with these values, and what every container is given in them.
    ///
    /// # Errors
    /// [`Trouble::Deployment`] for charts that cannot be rendered or have what charts must not have.
    pub(super) async fn render(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
    ) -> Result<Vec<Value>, ProviderError> {
        let charts = prepared.chart.all();
        let findings = charts.iter().flat_map(|chart| &chart.findings);
        refuse("the chart", findings)?;
        let release = &wanted.release;
        let (chart, values) = (prepared.path.display(), prepared.values.display());
        let mut arguments = vec![
            "template".to_owned(),
            release.name.clone(),
            chart.to_string(),
            format!("--namespace={}", release.namespace),
            format!("--values={values}"),
            format!("--kube-version={}", self.capabilities.kube_version),
        ];
        let apis = self.capabilities.api_versions.iter();
        arguments.extend(apis.map(|api| format!("--api-versions={api}")));
        for number in large_numbers(&wanted.values) {
            arguments.extend(["--set".to_owned(), number]);
        }
        // No file, no pod: whatever the chart tries, there is no cluster to ask.
        let nowhere = prepared.work.join("no-kubeconfig").display().to_string();
        let without_cluster = [
            ("KUBECONFIG".to_owned(), nowhere),
            ("KUBERNETES_SERVICE_HOST".to_owned(), String::new()),
            ("KUBERNETES_SERVICE_PORT".to_owned(), String::new()),
        ];
        let command = self
            .helm
            .command(arguments.iter().map(String::as_str))
            .environment(without_cluster.iter().map(|(name, value)| (name, value)))
            .time(wanted.timeout);
        let output = self
            .helm
            .succeed(&command, "the chart cannot be rendered")
            .await?;
        let read = blocking(move || Ok(read_rendered(&output.stdout))).await?;
        let rendered =
            read.map_err(|error| ProviderError::new(Trouble::Deployment, with_causes(&error)))?;
        refuse("the rendered chart", rendered.findings.iter())?;
        let objects = rendered.objects.into_iter().map(|one| one.object);
        let mut objects: Vec<Value> = objects.collect();
        self.injection.put_into(&mut objects, release);
        objects.iter_mut().for_each(spell_out);
        Ok(objects)
    }
}

/// Refuses a chart with findings; the first few are named.
fn refuse(what: &str, findings: impl Iterator<Item = impl Display>) -> Result<(), ProviderError> {
    let findings: Vec<String> = findings.map(|finding| finding.to_string()).collect();
    if findings.is_empty() {
        return Ok(());
    }
    let shown: Vec<&str> = findings.iter().take(SHOWN).map(String::as_str).collect();
    let more = match findings.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\nand {more} more"),
    };
    let message = format!(
        "{what} has what a Margo chart must not have:\n{}{more}",
        shown.join("\n")
    );
    Err(ProviderError::new(Trouble::Deployment, message))
}

const SHOWN: usize = 5;
