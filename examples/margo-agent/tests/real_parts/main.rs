//! The program with the real `helm`, on a cluster that is a double.
//!
//! Without `helm` the tests are *visibly ignored, with the reason*; with `CI=true` they fail. `.ci/install` installs it.

#[path = "../../../../margo-providers/tests/real_parts/charts.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod charts;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with the tests in `it`")]
mod support;

use std::pin::Pin;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use margo_conformance::kubernetes::{Breakage, Cluster};
use margo_conformance::registry::Registry;
use margo_conformance::wfm::FakeWfm;
use margo_package::oci::Client;
use margo_types::application::{Component, ComponentProperties, DeploymentType};
use margo_types::deployment::{ApplicationDeployment, DeployedProfile};
use margo_types::status::DeploymentState;
use serde_json::Value;

use self::support::{Place, fleet};

/// A test, given the settings of the mode.
type Test = fn(&'static str) -> Pin<Box<dyn Future<Output = ()>>>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let tests: [(&str, Test); 4] = [
        ("runs_charts_and_removes_them", |mode| {
            Box::pin(runs_and_removes(mode))
        }),
        ("has_an_owner_and_logins_for_images", |mode| {
            Box::pin(owner_and_logins(mode))
        }),
        ("finishes_after_a_kill", |mode| Box::pin(killed(mode))),
        ("goes_on_without_its_cluster", |mode| {
            Box::pin(without_cluster(mode))
        }),
    ];
    let mut trials = vec![trial("wrong_kubeconfigs_are_named", || async {
        wrong_kubeconfigs();
    })];
    for (name, mode) in MODES {
        for (test_name, test) in tests {
            trials.push(trial(&format!("{name}_mode_{test_name}"), move || {
                test(mode)
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

async fn runs_and_removes(mode: &'static str) {
    let device = Device::new(mode).await;
    for version in ["1.0.0", "1.1.0"] {
        device.publish(version).await;
    }
    let mut agent = device.place.start();
    for version in ["1.0.0", "1.1.0"] {
        device.wfm.assign(&device.deployment(version));
        agent.wait("the chart", |status| {
            is_installed(status) && device.image() == Some(charts::image("lamp", version))
        });
    }
    let installed = &DeploymentState::Installed;
    let id = device.deployment("1.1.0").id;
    device.wfm.wait_for_status(&id, installed).await;
    let log = device.place.log();
    assert!(log.contains("engine=helm 3."), "{log}");
    // The workload goes on without the agent, which knows it again.
    assert_eq!(agent.terminate(), Some(0));
    let before = device.cluster.objects("deployments");
    let mut agent = device.place.start();
    agent.wait("the chart as it was", |status| {
        is_installed(status) && status["contact"] == "online"
    });
    assert_eq!(device.cluster.objects("deployments"), before);

    device.wfm.withdraw(&id);
    device
        .wfm
        .wait_for_status(&id, &DeploymentState::Removed)
        .await;
    agent.wait("the end", |status| {
        status["deployments"]
            .as_object()
            .is_none_or(serde_json::Map::is_empty)
    });
    for kind in ["deployments", "secrets"] {
        assert_eq!(device.cluster.objects(kind), Vec::<Value>::new(), "{kind}");
    }
    let workloads = std::fs::read_dir(device.place.path("state/workloads"));
    let left: Vec<_> = workloads
        .into_iter()
        .flatten()
        .flatten()
        .map(|it| it.file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains(&id.to_string())),
        "{left:?}"
    );
}

async fn owner_and_logins(mode: &'static str) {
    let device = Device::new(mode).await;
    device.publish("1.0.0").await;
    let kubeconfig = "kubeconfig = \"kubeconfig\"";
    let settings = format!(
        "{kubeconfig}\nowner = \"line4\"\n[provider.image_registries.\"images.example\"]\nusername = \"panel\"\n\
         password_file = \"images-password\""
    );
    device
        .place
        .change("margo-agent.toml", kubeconfig, &settings);
    device.place.write("images-password", "s3cret\n");
    device.wfm.assign(&device.deployment("1.0.0"));
    let mut agent = device.place.start();
    agent.wait("the chart", is_installed);
    let secrets = device.cluster.objects("secrets");
    let owned = secrets
        .iter()
        .filter(|it| it["metadata"]["labels"]["margo.owner"] == "line4");
    assert!(owned.count() > 0, "{secrets:#?}");
    let logins = secrets
        .iter()
        .filter_map(|it| it["data"][".dockerconfigjson"].as_str());
    assert_eq!(logins.count(), 1, "{secrets:#?}");
}

async fn killed(mode: &'static str) {
    let device = Device::new(mode).await;
    device.publish("1.0.0").await;
    let image = charts::image("lamp", "1.0.0");
    device.cluster.break_image(&image, Breakage::NotReady);
    device.wfm.assign(&device.deployment("1.0.0"));
    let mut agent = device.place.start();
    agent.wait("the middle", |_| device.image().is_some());
    agent.kill();
    device.cluster.mend_image(&image);

    let mut agent = device.place.start();
    agent.wait("the chart", is_installed);
    let secrets = device.cluster.objects("secrets");
    let is_pending = |it: &&Value| {
        let status = it["metadata"]["labels"]["status"].as_str();
        status.is_some_and(|status| status.starts_with("pending"))
    };
    assert_eq!(secrets.iter().filter(is_pending).count(), 0, "{secrets:#?}");
}

async fn without_cluster(mode: &'static str) {
    let device = Device::new(mode).await;
    device.publish("1.0.0").await;
    device.cluster.stop().await;
    device.wfm.assign(&device.deployment("1.0.0"));
    let mut agent = device.place.start();
    agent.wait("the failure", |status| {
        let error = &only(status)["lastError"];
        error["code"] == "ENGINE_UNAVAILABLE"
    });
    let text = device.place.stdout(&["status"]);
    assert!(text.contains("cluster"), "{text}");
    assert!(text.contains("failed"), "{text}");
    device.cluster.restart();
    // The first attempts to come are seconds apart.
    agent.wait("the chart", is_installed);
}

fn wrong_kubeconfigs() {
    for (name, mode) in MODES {
        let place = Place::alone();
        place.provider(&format!("{mode}\nkubeconfig = \"no-such-file\""));
        let (code, message) = place.failure(&["run"]);
        assert_eq!(code, 69, "{name}: {message}");
        assert!(message.contains("no-such-file"), "{name}: {message}");

        place.write("no-such-file", "apiVersion: v1\nkind: [Config\n");
        let (code, message) = place.failure(&["run"]);
        assert_eq!(code, 69, "{name}: {message}");
        assert!(message.contains("no-such-file"), "{name}: {message}");

        let place = Place::alone();
        place.provider(&format!(
            "{mode}\nkubeconfig = \"kubeconfig\"\ncontext = \"elsewhere\""
        ));
        place.write("kubeconfig", KUBECONFIG);
        let (code, message) = place.failure(&["run"]);
        assert_eq!(code, 69, "{name}: {message}");
        assert!(message.contains("elsewhere"), "{name}: {message}");
    }
}

/// The device `panel` with a cluster.
struct Device {
    wfm: FakeWfm,
    place: Place,
    registry: Registry,
    cluster: Cluster,
}

impl Device {
    async fn new(mode: &str) -> Self {
        let (wfm, place) = fleet().await;
        let registry = Registry::start().await;
        let cluster = Cluster::start().await;
        place.write("kubeconfig", &cluster.kubeconfig());
        place.change("capabilities.json", "\"compose\"", "\"helm\"");
        place.provider(&format!("{mode}\nkubeconfig = \"kubeconfig\""));
        let access = format!("[registries.\"{}\"]\nplain_http = true\n", registry.host());
        let schedule = "[schedule]";
        place.change(
            "margo-agent.toml",
            schedule,
            &format!("{access}\n{schedule}"),
        );
        Self {
            wfm,
            place,
            registry,
            cluster,
        }
    }

    async fn publish(&self, version: &str) {
        let host = self.registry.host();
        let client = Client::builder().plain_http(&host).no_proxy();
        let client = client.build().expect("a client");
        charts::publish_lamp(&client, &host, "lamp", version).await;
    }

    fn deployment(&self, version: &str) -> ApplicationDeployment {
        let mut deployment = support::deployment(1);
        let mut properties = ComponentProperties::default();
        let repository = format!("oci://{}/charts/lamp", self.registry.host());
        properties.repository = Some(repository.parse().expect("a repository"));
        properties.revision = Some(version.parse().expect("a revision"));
        let component = Component::new("lamp".parse().expect("a name"), properties);
        deployment.spec.deployment_profile =
            DeployedProfile::new(DeploymentType::Helm, vec![component]);
        deployment
    }

    /// The image that the cluster runs.
    fn image(&self) -> Option<String> {
        let deployments = self.cluster.objects("deployments");
        let container = &deployments.first()?["spec"]["template"]["spec"]["containers"][0];
        container["image"].as_str().map(str::to_owned)
    }
}

/// The only deployment in a status.
fn only(status: &Value) -> &Value {
    let mut all = status["deployments"].as_object().into_iter().flatten();
    all.next().map_or(&Value::Null, |(_, it)| it)
}

fn is_installed(status: &Value) -> bool {
    only(status)["state"] == "installed" && status["outbox"] == 0
}

/// A test, unless there is no `helm`.
fn trial<F, T>(name: &str, test: T) -> Trial
where
    F: Future<Output = ()>,
    T: FnOnce() -> F + Send + 'static,
{
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join("helm").is_file());
    let obstacle = (!is_there).then_some("helm is missing; .ci/install installs it");
    let trial = Trial::test(name, move || {
        if let Some(reason) = obstacle {
            return Err(Failed::from(reason));
        }
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(test());
        Ok(())
    });
    trial
        .with_kind(obstacle.unwrap_or_default())
        .with_ignored_flag(obstacle.is_some() && !in_ci)
}

const MODES: [(&str, &str); 2] = [
    ("install", "kind = \"helm\""),
    (
        "template",
        "kind = \"helm\"\nmode = \"template\"\nkube_version = \"1.32\"",
    ),
];

const KUBECONFIG: &str = r#"apiVersion: v1
kind: Config
current-context: here
clusters: [{ name: here, cluster: { server: "http://127.0.0.1:1" } }]
users: [{ name: here, user: {} }]
contexts: [{ name: here, context: { cluster: here, user: here } }]
"#;
