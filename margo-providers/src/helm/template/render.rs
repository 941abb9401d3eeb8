//! Rendering a chart without the cluster.

use std::collections::BTreeSet;
use std::fmt::Display;

use margo_package::chart::{ChartRule, calls_lookup, read_rendered};
use serde_json::Value;

use super::Applier;
use super::explicit::spell_out;
use super::object::ObjectId;
use crate::error::with_causes;
use crate::files::blocking;
use crate::helm::json::text;
use crate::helm::pods::{containers, pod_spec};
use crate::helm::prepare::Prepared;
use crate::helm::program::Helm;
use crate::helm::values::large_numbers;
use crate::helm::wanted::Wanted;
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
        if self.helm.is_4() {
            refuse_lookup_in_values(wanted)?;
        }
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
        // Helm 3 answers `lookup` with nothing when it has no cluster, and tells nobody. So it is told to ask one, where nobody
        // can be: then the chart fails where it looks something up, also where only rendering makes it. Nothing else is asked.
        // Helm 4 would ask for everything.
        if !self.helm.is_4() {
            arguments.push("--dry-run=server".to_owned());
        }
        let nobody = ["--kube-apiserver", NOBODY, "--kube-context", ""];
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
            .arguments(nobody)
            .environment(without_cluster.iter().map(|(name, value)| (name, value)))
            .time(wanted.timeout);
        let output = self.helm.run(&command).await?;
        if !output.is_success()
            && let Some(place) = place_of_lookup(&output.stderr)
        {
            let finding = format!("{place}: {}", ChartRule::Lookup);
            return Err(forbidden("the chart", &[finding]));
        }
        let output = Helm::succeeded(output, "the chart cannot be rendered")?;
        let read = blocking(move || Ok(read_rendered(&output.stdout))).await?;
        let rendered =
            read.map_err(|error| ProviderError::new(Trouble::Deployment, with_causes(&error)))?;
        refuse("the rendered chart", rendered.findings.iter())?;
        let objects = rendered.objects.into_iter().map(|one| one.object);
        let mut objects: Vec<Value> = objects.collect();
        refuse_repeated_variables(&objects)?;
        self.injection.put_into(&mut objects, release);
        objects.iter_mut().for_each(spell_out);
        Ok(objects)
    }
}

/// Refuses a chart with findings.
fn refuse(what: &str, findings: impl Iterator<Item = impl Display>) -> Result<(), ProviderError> {
    let findings: Vec<String> = findings.map(|finding| finding.to_string()).collect();
    if findings.is_empty() {
        return Ok(());
    }
    Err(forbidden(what, &findings))
}

/// The error of a chart with findings; the first few are named.
fn forbidden(what: &str, findings: &[String]) -> ProviderError {
    let shown: Vec<&str> = findings.iter().take(SHOWN).map(String::as_str).collect();
    let more = match findings.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\nand {more} more"),
    };
    let message = format!(
        "{what} has what a Margo chart must not have:\n{}{more}",
        shown.join("\n")
    );
    ProviderError::new(Trouble::Deployment, message)
}

/// Refuses parameters that have a template look something up, should the chart run them with `tpl`.
fn refuse_lookup_in_values(wanted: &Wanted<'_>) -> Result<(), ProviderError> {
    let mut values = wanted.values.iter();
    let Some((name, _)) = values.find(|(_, value)| has_lookup(value)) else {
        return Ok(());
    };
    let message =
        format!("the value of {name} uses the template function lookup; give what it would find");
    Err(ProviderError::new(Trouble::Deployment, message))
}

fn has_lookup(value: &Value) -> bool {
    match value {
        Value::String(text) => calls_lookup(text),
        Value::Array(elements) => elements.iter().any(has_lookup),
        Value::Object(members) => members.values().any(has_lookup),
        _ => false,
    }
}

/// Refuses containers that are given a variable twice. Helm has the last one count; server-side apply takes neither.
fn refuse_repeated_variables(objects: &[Value]) -> Result<(), ProviderError> {
    for object in objects {
        for container in pod_spec(object).into_iter().flat_map(containers) {
            let variables = container.get("env").and_then(Value::as_array);
            let mut names = BTreeSet::new();
            let mut variables = variables.into_iter().flatten().map(|it| text(it, "/name"));
            let Some(repeated) = variables.find(|name| !names.insert(*name)) else {
                continue;
            };
            let message = format!(
                "{} gives its container {} the variable {repeated} twice; take one away in the chart",
                ObjectId::of(object),
                text(container, "/name")
            );
            return Err(ProviderError::new(Trouble::Deployment, message));
        }
    }
    Ok(())
}

/// Where a chart failed because it looked something up, such as `web/templates/a.yaml:5`: Helm names the file that called
/// another before it.
fn place_of_lookup(words: &str) -> Option<String> {
    let (calls, _) = words.split_once("error calling lookup: ")?;
    let places = calls.split("template: ").skip(1);
    let places = places.filter_map(|call| {
        let mut parts = call.splitn(3, ':');
        let (file, line) = (parts.next()?, parts.next()?);
        let is_line = line.bytes().all(|byte| byte.is_ascii_digit());
        // What `tpl` runs has no file.
        (is_line && file != "gotpl").then(|| format!("{file}:{line}"))
    });
    places.last()
}

const SHOWN: usize = 5;
/// No program listens on this port, and it is of this device whatever proxies there are.
const NOBODY: &str = "http://127.0.0.1:0";

#[cfg(test)]
mod tests {
    use super::place_of_lookup;

    #[test]
    fn the_file_that_looks_something_up_is_named() {
        let words = "the chart cannot be rendered:\ntemplate: web/templates/a.yaml:6:8: executing \"web/templates/a.yaml\" at <include \"x\" .>: \
            error calling include: template: web/templates/_h.tpl:3:3: executing \"x\" at <tpl .Values.x .>: error calling tpl: \
            error during tpl function execution for \"{{ lookup }}\": template: gotpl:1:3: executing \"gotpl\" at <lookup>: \
            error calling lookup: unable to get apiresource";
        assert_eq!(
            place_of_lookup(words).as_deref(),
            Some("web/templates/_h.tpl:3")
        );
        assert_eq!(
            place_of_lookup("template: web/templates/a.yaml:6:8: x"),
            None
        );
    }
}
