//! The compose file that is laid over the author's: labels and telemetry for every service.

use std::collections::{BTreeMap, BTreeSet};

use margo_types::id::{ComponentName, DeploymentId};
use serde::Serialize;
use serde_json::Value;

use super::names::{COMPONENT_LABEL, DEPLOYMENT_LABEL, REVISION_LABEL};
use crate::Telemetry;

/// What is added to each service, so to each of its containers.
pub(super) struct Additions<'a> {
    pub(super) deployment: &'a DeploymentId,
    pub(super) component: &'a ComponentName,
    pub(super) revision: &'a str,
    pub(super) telemetry: Option<&'a Telemetry>,
}

impl Additions<'_> {
    /// The file: JSON, which is YAML too. The same additions to the same services give the same bytes, so Compose sees no
    /// change where there is none.
    ///
    /// `version` is that of the author's file, for Compose 1 wants the same in all files.
    pub(super) fn to_bytes<'n>(
        &self,
        services: impl IntoIterator<Item = &'n str>,
        version: Option<&Value>,
    ) -> Vec<u8> {
        let deployment = self.deployment.to_string();
        let labels = [
            (COMPONENT_LABEL, escaped(self.component.as_str())),
            (DEPLOYMENT_LABEL, escaped(&deployment)),
            // A new revision recreates the containers also where only a file beside the compose file changed.
            (REVISION_LABEL, escaped(self.revision)),
        ];
        let telemetry = self.telemetry.map(Telemetry::variables).unwrap_or_default();
        let service = Service {
            environment: telemetry
                .into_iter()
                .map(|(name, value)| (name, escaped(value)))
                .collect(),
            labels: labels.into_iter().collect(),
        };
        let services: BTreeSet<&str> = services.into_iter().collect();
        let file = File {
            version,
            services: services.into_iter().map(|name| (name, &service)).collect(),
        };
        serde_json::to_vec(&file).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a Value>,
    services: BTreeMap<&'a str, &'a Service>,
}

#[derive(Serialize)]
struct Service {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    environment: BTreeMap<&'static str, String>,
    labels: BTreeMap<&'static str, String>,
}

/// The text with every dollar doubled, for Compose replaces variables here too.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_service_gets_labels_and_telemetry() {
        let deployment = DeploymentId::parse("AD9B614E-8912-45f4-a523-372358765def").unwrap();
        let component = ComponentName::parse("web").unwrap();
        let mut telemetry = Telemetry::new("http://collector:4318/$x");
        telemetry.protocol = Some("grpc".to_owned());
        let additions = Additions {
            deployment: &deployment,
            component: &component,
            revision: "1.0.0",
            telemetry: Some(&telemetry),
        };
        let bytes = additions.to_bytes(["b", "a"], Some(&json!("3.8")));
        let service = json!({
            "environment": {
                "HTTP_OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/$$x",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            },
            "labels": {
                "margo.component": "web",
                "margo.deployment": "ad9b614e-8912-45f4-a523-372358765def",
                "margo.revision": "1.0.0",
            },
        });
        let expected = json!({"version": "3.8", "services": {"a": service, "b": service}});
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
        assert_eq!(bytes, additions.to_bytes(["a", "b"], Some(&json!("3.8"))));
    }
}
