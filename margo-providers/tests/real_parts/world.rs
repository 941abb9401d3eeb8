//! A registry, a provider and what they need, for one test.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use margo_conformance::registry::Registry;
use margo_package::compose::pack;
use margo_package::oci::{Client, Reference};
use margo_package::publish::{ComponentInfo, push_compose};
use margo_providers::compose::{ComposeProvider, Options};
use margo_providers::{Provider, ProviderError, Silent, Telemetry};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ComponentName, DeploymentId};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::engine::{IMAGE, TestEngine};

pub(crate) struct World {
    pub(crate) engine: Arc<TestEngine>,
    pub(crate) registry: Registry,
    pub(crate) folder: TempDir,
    pub(crate) provider: ComposeProvider,
    /// Keeps the tests apart on their one engine.
    pub(crate) prefix: String,
}

/// One deployment in every test; a second where it is needed.
pub(crate) const ID: &str = "ad9b614e-8912-45f4-a523-372358765def";
pub(crate) const OTHER_ID: &str = "ad9b614e-8912-45f4-a523-372358765de0";

impl World {
    pub(crate) async fn new(engine: Arc<TestEngine>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("t{}n{number}", std::process::id());
        let registry = Registry::start().await;
        let folder = TempDir::new().expect("a folder");
        let options = options(&engine, &registry, folder.path().join("state"), &prefix);
        let provider = ComposeProvider::detect(options).await.expect("an engine");
        Self {
            engine,
            registry,
            folder,
            provider,
            prefix,
        }
    }

    /// Other options for the same device.
    pub(crate) fn options(&self) -> Options {
        options(&self.engine, &self.registry, self.state(), &self.prefix)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn client(&self) -> Client {
        client(&self.registry)
    }

    /// Publishes a compose file, and files beside it, as a revision of a component.
    pub(crate) async fn publish(&self, component: &str, revision: &str, services: &Value) {
        self.publish_with(component, revision, services, &[]).await;
    }

    pub(crate) async fn publish_with(
        &self,
        component: &str,
        revision: &str,
        compose: &Value,
        beside: &[(&str, &str)],
    ) {
        let target = self.reference(component, revision);
        push(&self.client(), &target, component, compose, beside).await;
    }

    pub(crate) fn reference(&self, component: &str, revision: &str) -> Reference {
        let text = format!("{}/apps/{component}:{revision}", self.registry.host());
        text.parse().expect("a reference")
    }

    /// A deployment of these components and revisions, each with a time-out that no test reaches by itself.
    pub(crate) fn deployment(&self, components: &[(&str, &str)]) -> ApplicationDeployment {
        let components: Vec<Value> = components
            .iter()
            .map(|(name, revision)| {
                let repository = format!("oci://{}/apps/{name}", self.registry.host());
                let properties =
                    json!({"repository": repository, "revision": revision, "timeout": "5m0s"});
                json!({"name": name, "properties": properties})
            })
            .collect();
        let document = json!({
            "id": ID,
            "metadata": {"name": "app", "namespace": "default", "deviceId": "device-1"},
            "spec": {
                "applicationId": "app",
                "deploymentProfile": {"type": "compose", "components": components},
            },
        });
        serde_json::from_value(document).expect("a deployment")
    }

    pub(crate) async fn apply(
        &self,
        deployment: &ApplicationDeployment,
    ) -> Result<(), ProviderError> {
        self.provider.apply(deployment, &Silent).await
    }

    pub(crate) async fn remove(&self, deployment: &ApplicationDeployment) {
        let removed = self.provider.remove(deployment, &Silent).await;
        removed.expect("it is removed");
        self.assert_nothing_left();
    }

    pub(crate) async fn provider_list(&self) -> Vec<DeploymentId> {
        self.provider.list().await.expect("a list")
    }

    /// The ids of the containers of this test, whatever their state.
    pub(crate) fn containers(&self) -> BTreeSet<String> {
        self.of_this_test(&["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}"])
    }

    /// Containers, networks, volumes and files of this test.
    pub(crate) fn assert_nothing_left(&self) {
        let networks = ["network", "ls", "--format", "{{.ID}} {{.Name}}"];
        let volumes = ["volume", "ls", "--format", "{{.Name}} {{.Name}}"];
        let left = [
            self.containers(),
            self.of_this_test(&networks),
            self.of_this_test(&volumes),
        ];
        assert_eq!(left, [(); 3].map(|()| BTreeSet::new()));
        let files = std::fs::read_dir(self.state());
        let files = files.map_or(0, Iterator::count);
        assert_eq!(files, 0, "files are left");
    }

    /// The only container of a service.
    pub(crate) fn container(&self, service: &str) -> String {
        let filter = format!("label=com.docker.compose.service={service}");
        let format = "{{.ID}} {{.Names}}";
        let found = [
            "ps",
            "-a",
            "--no-trunc",
            "--filter",
            &filter,
            "--format",
            format,
        ];
        let found = self.of_this_test(&found);
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().expect("one")
    }

    /// What a shell prints in the container of a service.
    pub(crate) fn shell(&self, service: &str, script: &str) -> String {
        let container = self.container(service);
        self.engine
            .docker(&["exec", &container, "/bin/sh", "-c", script])
    }

    /// The first words of the lines whose second begins with this test's prefix.
    fn of_this_test(&self, arguments: &[&str]) -> BTreeSet<String> {
        let text = self.engine.docker(arguments);
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        pairs
            .filter(|(_, name)| name.starts_with(&format!("{}-", self.prefix)))
            .map(|(id, _)| id.to_owned())
            .collect()
    }
}

impl Drop for World {
    /// What a failed test left; after a good one there is nothing.
    fn drop(&mut self) {
        for container in self.containers() {
            let _ = self.engine.try_docker(&["rm", "-f", "-v", &container]);
        }
        for kind in ["network", "volume"] {
            let format = "{{.Name}} {{.Name}}";
            for name in self.of_this_test(&[kind, "ls", "--format", format]) {
                let _ = self.engine.try_docker(&[kind, "rm", &name]);
            }
        }
    }
}

/// Packs a compose file, with files beside it, and pushes it.
pub(crate) async fn push(
    client: &Client,
    target: &Reference,
    component: &str,
    compose: &Value,
    beside: &[(&str, &str)],
) {
    let folder = TempDir::new().expect("a folder");
    let text = serde_json::to_string(compose).expect("JSON");
    std::fs::write(folder.path().join("compose.yaml"), text).expect("a compose file");
    for (name, text) in beside {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let name = ComponentName::parse(component).expect("a name");
    let mut archive = Vec::new();
    pack(folder.path(), &name, &mut archive).expect("an archive");
    let pushed = push_compose(client, target, archive, &ComponentInfo::from(name)).await;
    pushed.expect("it is pushed");
}

/// A service that runs until it is stopped.
pub(crate) fn service(script: &str) -> Value {
    let script = format!("trap 'exit 0' TERM; {script}; while :; do sleep 0.1; done");
    json!({"image": IMAGE, "command": ["/bin/sh", "-c", script.replace('$', "$$")]})
}

/// A compose file with one service.
pub(crate) fn compose(name: &str, service: &Value) -> Value {
    json!({"services": {name: service}})
}

/// Sets a member of a value.
pub(crate) fn with(mut value: Value, key: &str, member: Value) -> Value {
    value[key] = member;
    value
}

fn options(engine: &TestEngine, registry: &Registry, state: PathBuf, prefix: &str) -> Options {
    let mut options = Options::new(state, client(registry));
    options.docker_host = Some(engine.host().to_owned());
    prefix.clone_into(&mut options.prefix);
    options.settle = Duration::from_secs(1);
    options.telemetry = Some(Telemetry::new("http://collector:4318"));
    options
}

fn client(registry: &Registry) -> Client {
    Client::builder()
        .plain_http(&registry.host())
        .no_proxy()
        .build()
        .expect("a client")
}
