//! Charts of what a chart renders to, with what every container is given besides.
//!
//! A chart of finished objects does where there is no post-renderer: it keeps the name, the version and the values of the original,
//! and is thus listed like it. Hooks stay hooks. It takes a run of `helm` more, and about twice the room in a release.

use std::path::{Path, PathBuf};
use std::time::Duration;

use margo_package::chart::ChartRule;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::history::Content;
use super::objects::{self, shown};
use super::{Installer, NO_KIND};
use crate::files::{blocking, create_private, device_trouble, write_durably};
use crate::helm::cluster::{Write, trouble_with};
use crate::helm::json::text;
use crate::helm::prepare::Prepared;
use crate::helm::values::json_for_helm;
use crate::helm::wanted::Wanted;
use crate::{ProviderError, Trouble};

/// The objects in what `helm upgrade --dry-run --output json` prints, hooks among them.
pub(super) fn objects_of(output: &[u8]) -> Result<Vec<Value>, ProviderError> {
    let content: Content = serde_json::from_slice(output).map_err(|error| {
        let message = "what helm prints of a trial is not readable; use another version of Helm";
        ProviderError::new(Trouble::Engine, message).because(error)
    })?;
    objects::with_hooks(&content)
}

impl Installer {
    /// What a chart renders to, when it is to be installed now: the kinds that it brings itself are there first, which a trial
    /// does not know otherwise.
    pub(super) async fn render_now(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
        time: Duration,
    ) -> Result<Vec<Value>, ProviderError> {
        let deadline = Instant::now() + time;
        match self.render(wanted, prepared, time).await {
            Err(error) if error.message.contains(NO_KIND) => {
                let definitions = objects::read(&self.definitions(prepared).await?)?;
                if definitions.is_empty() {
                    return Err(error);
                }
                for definition in &definitions {
                    self.define(definition, deadline).await?;
                }
                let left = deadline.saturating_duration_since(Instant::now());
                self.render(wanted, prepared, left).await
            }
            outcome => outcome,
        }
    }

    /// Makes a custom resource definition, unless there is one of its name, and waits until it can be used: as Helm does.
    async fn define(&self, definition: &Value, deadline: Instant) -> Result<(), ProviderError> {
        let name = text(definition, "/metadata/name");
        let kind = self
            .cluster
            .kind(text(definition, "/apiVersion"), text(definition, "/kind"))
            .await?;
        let failed = |error| trouble_with(error, &shown(definition));
        loop {
            let live = self.cluster.get(&kind, None, name).await.map_err(failed)?;
            match live {
                Some(live) if is_established(&live) => return Ok(()),
                Some(_) => {}
                None => {
                    let made = self
                        .cluster
                        .apply(&kind, None, definition, "helm", Write::New);
                    made.await.map_err(failed)?;
                }
            }
            if Instant::now() >= deadline {
                let message = format!("the cluster does not take up the {}", shown(definition));
                return Err(ProviderError::new(Trouble::Timeout, message));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A chart that renders to these objects, whatever its values are.
    pub(super) async fn chart_of(
        &self,
        prepared: &Prepared,
        objects: Vec<Value>,
    ) -> Result<PathBuf, ProviderError> {
        let mut metadata = prepared.chart.metadata.document.clone();
        if let Some(members) = metadata.as_object_mut() {
            members.remove("dependencies");
        }
        let definitions = self.definitions(prepared).await?;
        let directory = prepared.work.join("rendered");
        let chart = directory.clone();
        blocking(move || write(&chart, &metadata, &objects, &definitions).map_err(device_trouble))
            .await?;
        Ok(directory)
    }

    /// The custom resource definitions of the original, which are not rendered.
    async fn definitions(&self, prepared: &Prepared) -> Result<Vec<u8>, ProviderError> {
        let charts = prepared.chart.all();
        let mut findings = charts.iter().flat_map(|chart| &chart.findings);
        if !findings.any(|finding| finding.rule == ChartRule::CrdDirectory) {
            return Ok(Vec::new());
        }
        let path = prepared.path.display().to_string();
        let command = self.helm.command(["show", "crds", &path]);
        let what = "helm did not show the custom resource definitions of the chart";
        Ok(self.helm.succeed(&command, what).await?.stdout)
    }
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition.pointer("/status/conditions");
    let mut conditions = conditions.and_then(Value::as_array).into_iter().flatten();
    conditions.any(|it| text(it, "/type") == "Established" && text(it, "/status") == "True")
}

/// The objects are in a file that is no template, so nothing in them is taken for one.
fn write(
    chart: &Path,
    metadata: &Value,
    objects: &[Value],
    definitions: &[u8],
) -> std::io::Result<()> {
    let mut documents = Vec::new();
    for object in objects {
        documents.extend(b"---\n");
        documents.extend(json_for_helm(object).into_bytes());
        documents.push(b'\n');
    }
    for directory in ["templates", "crds"] {
        create_private(&chart.join(directory))?;
    }
    // JSON is YAML.
    write_durably(
        &chart.join("Chart.yaml"),
        json!(metadata).to_string().as_bytes(),
    )?;
    write_durably(&chart.join("objects.yaml"), &documents)?;
    if !definitions.is_empty() {
        write_durably(&chart.join("crds/all.yaml"), definitions)?;
    }
    write_durably(&chart.join("templates/objects.yaml"), TEMPLATE)
}

const PAUSE: Duration = Duration::from_millis(100);
const TEMPLATE: &[u8] = b"{{ .Files.Get \"objects.yaml\" }}\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_would_take_otherwise_is_escaped() {
        let folder = tempfile::tempdir().unwrap();
        let object = json!({"kind": "ConfigMap", "data": {"v": "a\u{85}b\u{7f}\u{feff}é"}});
        write(folder.path(), &json!({}), &[object], b"").unwrap();
        let written = std::fs::read_to_string(folder.path().join("objects.yaml")).unwrap();
        assert!(written.contains(r#""a\u0085b\u007f\ufeffé""#), "{written}");
    }
}
