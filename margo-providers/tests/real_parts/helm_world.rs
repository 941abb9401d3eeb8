//! A cluster, a registry, a provider and what they need, for one test of the Helm provider.

mod cluster;
mod real;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use margo_conformance::registry::Registry;
use margo_package::chart::pack;
use margo_package::oci::{Client, Credentials, Reference, StaticCredentials};
use margo_package::publish::push_chart;
use margo_providers::helm::{HelmProvider, Mode, Options, TemplateOptions};
use margo_providers::{Provider, ProviderError, Silent};
use margo_types::deployment::ApplicationDeployment;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use self::cluster::{TestCluster, is_real};

pub(crate) struct HelmWorld {
    pub(crate) cluster: TestCluster,
    /// The namespace of all deployments.
    pub(crate) namespace: String,
    pub(crate) registry: Registry,
    pub(crate) folder: TempDir,
    pub(crate) provider: HelmProvider,
}

/// The one deployment of most tests.
pub(crate) const ID: &str = "ad9b614e-8912-45f4-a523-372358765def";
pub(crate) const OTHER_ID: &str = "ad9b614e-8912-45f4-a523-372358765de0";
/// Images that every cluster can pull.
pub(crate) const FIRST: &str = "registry.k8s.io/pause:3.9";
pub(crate) const SECOND: &str = "registry.k8s.io/pause:3.10";
/// An image that nobody can pull.
pub(crate) const BROKEN: &str = "registry.invalid/web:broken";
/// Values of `probe` in charts for tests: readiness that never comes, and that takes three seconds.
pub(crate) const NEVER: &str = "{exec: {command: [/nothing]}}";
pub(crate) const SLOW: &str = "{exec: {command: [/pause, -v]}, initialDelaySeconds: 3}";
/// A chart with a job that the cluster removes when it is done.
pub(crate) const PASSING_JOB: &[(&str, &str)] = &[(
    "templates/job.yaml",
    r"
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  ttlSecondsAfterFinished: 60
  template:
    spec:
      restartPolicy: Never
      containers: [{name: job, image: registry.k8s.io/pause:3.9, command: [/pause, -v]}]
",
)];

impl HelmWorld {
    /// A device in template mode.
    pub(crate) async fn template() -> Self {
        Self::with(|options| options.mode = template_mode()).await
    }

    /// A device with these options.
    pub(crate) async fn with(set: impl FnOnce(&mut Options)) -> Self {
        let (cluster, namespace) = TestCluster::start().await;
        let registry = Registry::builder().credentials(USER, PASSWORD);
        let registry = registry.start().await;
        let folder = TempDir::new().expect("a folder");
        if let TestCluster::Double(double) = &cluster {
            let kubeconfig = folder.path().join("kubeconfig");
            std::fs::write(kubeconfig, double.kubeconfig()).expect("it can be written");
        }
        let mut options = options(&registry, &folder, &namespace);
        set(&mut options);
        let provider = HelmProvider::detect(options).await.expect("helm");
        Self {
            cluster,
            namespace,
            registry,
            folder,
            provider,
        }
    }

    /// The options of this device, but for what its test set.
    pub(crate) fn options(&self) -> Options {
        options(&self.registry, &self.folder, &self.namespace)
    }

    /// The owner of the releases of this device.
    pub(crate) fn owner(&self) -> String {
        self.options().owner
    }

    /// The name of another namespace, which is not there yet.
    pub(crate) fn beside(&self, name: &str) -> String {
        format!("{}-{name}", self.namespace)
    }

    /// The API group of kinds that the test defines.
    pub(crate) fn group(&self) -> String {
        group(&self.namespace)
    }

    /// Another device in template mode at the same cluster.
    pub(crate) async fn another(&self, set: impl FnOnce(&mut Options)) -> HelmProvider {
        let mut options = self.options();
        options.mode = template_mode();
        options.state = self.folder.path().join("another");
        set(&mut options);
        HelmProvider::detect(options).await.expect("helm")
    }

    /// Publishes a chart of these files, templates by their names.
    pub(crate) async fn publish(&self, name: &str, revision: &str, files: &[(&str, &str)]) {
        let source = TempDir::new().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = source.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        };
        let metadata = format!("apiVersion: v2\nname: {name}\nversion: {revision}\n");
        write("Chart.yaml", &metadata);
        for (path, text) in files {
            write(path, text);
        }
        let mut archive = Vec::new();
        pack(source.path(), &mut archive).expect("a chart");
        let target = format!("{}/charts/{name}:{revision}", self.registry.host());
        let target: Reference = target.parse().expect("a reference");
        let pushed = push_chart(&client(&self.registry), &target, archive).await;
        pushed.expect("it is pushed");
    }

    /// A deployment of these components and revisions.
    pub(crate) fn deployment(&self, components: &[(&str, &str)]) -> ApplicationDeployment {
        self.deployment_with(ID, components, &json!({}))
    }

    /// The same with parameters, each for a pointer of all components.
    pub(crate) fn deployment_with(
        &self,
        id: &str,
        components: &[(&str, &str)],
        parameters: &Value,
    ) -> ApplicationDeployment {
        let names: Vec<&str> = components.iter().map(|(name, _)| *name).collect();
        let components: Vec<Value> = components
            .iter()
            .map(|(name, revision)| {
                let repository = format!("oci://{}/charts/{name}", self.registry.host());
                json!({"name": name, "properties": {"repository": repository, "revision": revision, "timeout": "5m0s"}})
            })
            .collect();
        let parameters = parameters.as_object().into_iter().flatten();
        let parameters: serde_json::Map<String, Value> = parameters
            .map(|(pointer, value)| {
                let targets = json!([{"pointer": pointer, "components": names}]);
                (pointer.clone(), json!({"value": value, "targets": targets}))
            })
            .collect();
        let document = json!({
            "id": id,
            "metadata": {"name": "app", "namespace": self.namespace, "deviceId": "device-1"},
            "spec": {
                "applicationId": "app",
                "deploymentProfile": {"type": "helm", "components": components},
                "parameters": parameters,
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

    /// Applies what must fail.
    pub(crate) async fn refused(&self, deployment: &ApplicationDeployment) -> ProviderError {
        let applied = self.apply(deployment).await;
        applied.expect_err("it must be refused")
    }

    pub(crate) async fn remove(&self, deployment: &ApplicationDeployment) {
        let removed = self.provider.remove(deployment, &Silent).await;
        removed.expect("it is removed");
        self.assert_nothing_left();
    }

    /// The states of the components, with what is wrong.
    pub(crate) async fn states(&self, deployment: &ApplicationDeployment) -> Vec<String> {
        let observed = self
            .provider
            .observe(deployment)
            .await
            .expect("an observation");
        let components = observed.components.iter();
        components
            .map(|component| {
                let error = component.error.as_ref().map(|error| error.message.as_str());
                match error {
                    Some(error) => format!("{}: {error}", component.state),
                    None => component.state.to_string(),
                }
            })
            .collect()
    }

    /// What [`TestCluster::writes`] says.
    pub(crate) fn writes(&self) -> u64 {
        self.cluster.writes()
    }

    /// The only object of a kind in the namespace of the deployments whose name begins like this.
    pub(crate) fn object(&self, plural: &str, name: &str) -> Value {
        self.cluster
            .object(plural, Some(&self.namespace), name)
            .unwrap_or_else(|| panic!("there is no {plural}/{name}: {:?}", self.names(plural)))
    }

    /// The names of all objects of a kind in the namespace of the deployments, without what every namespace has.
    pub(crate) fn names(&self, plural: &str) -> Vec<String> {
        let objects = self.cluster.objects(plural);
        let ours = objects
            .iter()
            .filter(|object| object["metadata"]["namespace"] == *self.namespace)
            .filter(|object| object["type"] != "kubernetes.io/service-account-token");
        let names = ours.filter_map(|object| object["metadata"]["name"].as_str());
        names
            .filter(|name| *name != "kube-root-ca.crt" && *name != "default")
            .map(str::to_owned)
            .collect()
    }

    /// Changes an object as `kubectl edit` does.
    pub(crate) async fn kubectl_patch(&self, plural: &str, name: &str, patch: &str) {
        let root = if plural == "deployments" {
            "apis/apps/v1"
        } else {
            "api/v1"
        };
        let namespace = &self.namespace;
        let target =
            format!("/{root}/namespaces/{namespace}/{plural}/{name}?fieldManager=kubectl-edit");
        let request = http::Request::patch(target)
            .header("content-type", "application/merge-patch+json")
            .body(patch.to_owned().into_bytes())
            .expect("a request");
        self.cluster.ask(request).await;
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn assert_nothing_left(&self) {
        for plural in [
            "configmaps",
            "secrets",
            "services",
            "deployments",
            "statefulsets",
            "replicasets",
            "pods",
            "persistentvolumeclaims",
            "jobs",
        ] {
            // A real cluster collects garbage when it gets round to it.
            let is_gone = || self.names(plural).is_empty();
            let begun = std::time::Instant::now();
            while is_real() && !is_gone() && begun.elapsed() < Duration::from_mins(1) {
                std::thread::sleep(Duration::from_millis(50));
            }
            assert_eq!(self.names(plural), [""; 0], "{plural} are left");
        }
    }

    /// Runs `helm` against the cluster.
    pub(crate) fn helm(&self, arguments: &[&str]) {
        let mut command = Command::new("helm");
        command.args(arguments).current_dir(self.folder.path());
        if !is_real() {
            command.env("KUBECONFIG", self.folder.path().join("kubeconfig"));
            command.env("HOME", self.folder.path());
        }
        // The cluster is on other threads of this process.
        let output = tokio::task::block_in_place(|| command.output().expect("helm runs"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm {arguments:?}: {errors}");
    }
}

pub(crate) fn template_mode() -> Mode {
    Mode::Template(TemplateOptions::new("1.32.0"))
}

/// The name of the release of a component of the one deployment.
pub(crate) fn release(world: &HelmWorld, component: &str) -> String {
    let secrets = world.names("secrets");
    let prefix = format!("margo.release.{component}-");
    let found = secrets.iter().find(|name| name.starts_with(&prefix));
    let found = found.unwrap_or_else(|| panic!("no release of {component}: {secrets:?}"));
    found["margo.release.".len()..].to_owned()
}

/// The deployment with [`brief`] time-outs of the components that must fail. What shall succeed has its time.
pub(crate) fn briefly(
    mut deployment: ApplicationDeployment,
    failing: &[&str],
) -> ApplicationDeployment {
    let timeout = format!("0m{}s", brief());
    let components = &mut deployment.spec.deployment_profile.components;
    for component in components.iter_mut() {
        if failing.contains(&component.name.as_str()) {
            component.properties.timeout = Some(timeout.parse().expect("a time-out"));
        }
    }
    deployment
}

/// The seconds for what must fail: enough for a pod to say what is wrong with it, on a busy machine as well.
pub(crate) fn brief() -> u8 {
    if is_real() { 20 } else { 15 }
}

/// The API group of kinds that a test defines.
fn group(namespace: &str) -> String {
    format!("{namespace}.example.org")
}

fn options(registry: &Registry, folder: &TempDir, namespace: &str) -> Options {
    let mut options = Options::new(folder.path().join("state"), client(registry));
    match namespace.strip_prefix("margo-") {
        // Others use the cluster too.
        Some(owner) => owner.clone_into(&mut options.owner),
        None => options.kubeconfig = Some(folder.path().join("kubeconfig")),
    }
    options.default_timeout = Duration::from_mins(5);
    options
}

/// A client that the private registry lets in.
pub(crate) fn client(registry: &Registry) -> Client {
    let login = Credentials::password(USER, PASSWORD);
    Client::builder()
        .plain_http(&registry.host())
        .credentials(StaticCredentials::new().with(&registry.host(), login))
        .no_proxy()
        .build()
        .expect("a client")
}

/// Who may use the registry.
pub(crate) const USER: &str = "device";
pub(crate) const PASSWORD: &str = "s3cret";
