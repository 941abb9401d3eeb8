//! Deployments, and what is told about them.

use std::sync::{Mutex, PoisonError};

use margo_providers::Progress;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ComponentName, DeploymentId};
use margo_types::status::DeploymentState;

/// A deployment of components, each with a name and a revision.
pub(crate) fn deployment(id: DeploymentId, components: &[(&str, &str)]) -> ApplicationDeployment {
    with_timeout(id, components, "10m")
}

/// The same, with a `timeout` for each.
pub(crate) fn with_timeout(
    id: DeploymentId,
    components: &[(&str, &str)],
    timeout: &str,
) -> ApplicationDeployment {
    let mut text = format!(
        "id: {id}\n\
         metadata: {{name: kiln-watch, namespace: kilns, deviceId: edge-1}}\n\
         spec:\n  applicationId: kiln-watch\n  deploymentProfile:\n    type: compose\n    components:\n"
    );
    for (name, revision) in components {
        let repository = format!("oci://registry.example/kilns/{name}");
        text = format!(
            "{text}    - name: {name}\n      properties: \
             {{repository: {repository}, revision: {revision}, timeout: {timeout}}}\n"
        );
    }
    margo_types::read(text.as_bytes()).unwrap().into_value()
}

pub(crate) fn id(number: u8) -> DeploymentId {
    DeploymentId::from_uuid_bytes([number; 16])
}

pub(crate) fn name(text: &str) -> ComponentName {
    text.parse().unwrap()
}

/// Writes down what is told, as `name state`.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<String>>);

impl Told {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Progress for Told {
    fn component(&self, name: &ComponentName, state: DeploymentState) {
        let line = format!("{name} {}", state.as_str());
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }
}
