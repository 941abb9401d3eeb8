//! What a chart would make, whoever has it now.

use serde_json::Value;

use super::Installer;
use super::objects;
use crate::ProviderError;
use crate::helm::prepare::Prepared;
use crate::helm::values::large_numbers;
use crate::helm::wanted::Wanted;

impl Installer {
    /// The objects of a component, rendered for this cluster. An upgrade would not do: Helm tries none that takes what another
    /// release has.
    pub(super) async fn preview_of(
        &self,
        wanted: &Wanted<'_>,
        prepared: &Prepared,
    ) -> Result<Vec<Value>, ProviderError> {
        let (chart, values) = (
            prepared.path.display().to_string(),
            prepared.values_argument(),
        );
        let release = &wanted.release;
        let mut words = vec!["template", &release.name, &chart, &values];
        // Asks the cluster what it has; and, as for an upgrade, not whose the objects are.
        words.extend([
            "--namespace",
            &release.namespace,
            "--validate",
            "--is-upgrade",
        ]);
        let numbers = large_numbers(&wanted.values);
        words.extend(numbers.iter().flat_map(|number| ["--set", number]));
        let command = self.helm.command(words).time(wanted.timeout);
        let output = self.helm.succeed(&command, "the chart cannot be rendered");
        match output.await {
            Ok(output) => objects::read(&output.stdout),
            // A component before this one may bring it.
            Err(error) if error.message.contains(super::NO_KIND) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}
