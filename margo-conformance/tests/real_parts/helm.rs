//! Deployments of charts: a real fleet manager, a real agent and the real `helm`, in both modes, with a cluster that is a double.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use margo_client::agent::Options as AgentOptions;
use margo_conformance::kubernetes::{Breakage, Cluster};
use margo_conformance::registry::Registry;
use margo_package::oci::Client;
use margo_providers::helm::{HelmProvider, Mode, Options, TemplateOptions};
use margo_providers::{Provider, Telemetry};
use margo_types::application::{Component, ComponentProperties, DeploymentType, Target};
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec, ParameterValue,
};
use margo_types::status::{DeploymentState, DeploymentStatus};
use serde_json::{Value, json};

use super::files::{Plant, eventually};
use super::fleet_manager::FleetManager;
use super::station::{Running, Station, host, id, quick_options};
use crate::charts;

/// A test with a name, for each mode.
pub(crate) type Test = fn(Mode) -> Pin<Box<dyn Future<Output = ()>>>;

pub(crate) const TESTS: [(&str, Test); 5] = [
    (
        "charts_are_deployed_updated_reconfigured_and_removed",
        |mode| Box::pin(lifecycle(mode)),
    ),
    ("components_come_one_after_the_other_and_recover", |mode| {
        Box::pin(components(mode))
    }),
    ("an_agent_killed_in_the_middle_finishes", |mode| {
        Box::pin(killed(mode))
    }),
    ("a_cluster_goes_down_and_comes_back", |mode| {
        Box::pin(cluster_down(mode))
    }),
    ("drift_is_reported_and_repaired", |mode| {
        Box::pin(drift(mode))
    }),
];

/// The modes by the names that tests have for them.
pub(crate) fn modes() -> [(&'static str, Mode); 2] {
    let template = Mode::Template(TemplateOptions::new("1.32"));
    [("install_mode", Mode::Install), ("template_mode", template)]
}

async fn lifecycle(mode: Mode) {
    let site = Site::new(mode).await;
    for version in ["1.0.0", "1.1.0"] {
        site.publish("lamp", version).await;
    }
    let agent = site.start().await;

    let steps = [
        (deployment(&site, &[("lamp", "1.0.0")]), "1.0.0", "1"),
        (deployment(&site, &[("lamp", "1.1.0")]), "1.1.0", "1"),
        (
            at_level(deployment(&site, &[("lamp", "1.1.0")]), "lamp", 7),
            "1.1.0",
            "7",
        ),
    ];
    let mut first = None;
    for (wanted, version, level) in steps {
        let manifest = site.assign(&[wanted]).await;
        agent
            .until("accepted", |it| {
                it.manifest.is_some_and(|it| it.get() == manifest)
            })
            .await;
        agent.until_installed(&[1]).await;
        let lamp = site.lamp("lamp").expect("a deployment");
        assert_eq!(
            lamp["metadata"]["labels"]["app.kubernetes.io/version"],
            version
        );
        let container = &lamp["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], charts::image("lamp", version));
        assert_eq!(variable(container, "LEVEL"), level);
        let collector = variable(container, "HTTP_OTEL_EXPORTER_OTLP_ENDPOINT");
        assert_eq!(collector, COLLECTOR);
        let report = site.until_reported(&DeploymentState::Installed).await;
        assert_eq!(report.adopted_manifest_version.unwrap().get(), manifest);
        let uid = lamp["metadata"]["uid"].clone();
        assert_eq!(
            *first.get_or_insert(uid.clone()),
            uid,
            "updates are in place"
        );
    }

    site.assign(&[]).await;
    site.until_reported(&DeploymentState::Removed).await;
    agent.until_installed(&[]).await;
    for kind in ["deployments", "replicasets", "pods", "secrets"] {
        assert_eq!(site.cluster.objects(kind), Vec::<Value>::new(), "{kind}");
    }
    assert!(!site.has_service(), "the service is gone");
    let failures = agent.handle.snapshot();
    assert_eq!((failures.refused_reports, failures.security_events), (0, 0));
}

async fn components(mode: Mode) {
    let site = Site::new(mode).await;
    for name in ["db", "lamp", "web"] {
        for version in ["1.0.0", "1.1.0", "1.2.0"] {
            site.publish(name, version).await;
        }
    }
    let all = |db: &str, lamp: &str, web: &str| {
        let mut wanted = deployment(&site, &[("db", db), ("lamp", lamp), ("web", web)]);
        for component in &mut wanted.spec.deployment_profile.components {
            // Short for a machine, and long enough for what is not broken, however busy this one is.
            component.properties.timeout = Some("0m20s".parse().unwrap());
        }
        wanted
    };
    let break_lamp = |version: &str| {
        let image = charts::image("lamp", version);
        site.cluster.break_image(&image, Breakage::ImagePullBackOff);
    };
    let mut options = calmer(quick_options());
    // Only the operator makes it try again.
    options.provider_waits.first = Duration::from_mins(10);
    options.provider_waits.longest = Duration::from_mins(10);
    let agent = site.start_with(options).await;

    break_lamp("1.0.0");
    site.assign(&[all("1.0.0", "1.0.0", "1.0.0")]).await;
    let report = site.until_reported(&DeploymentState::Failed).await;
    assert_lamp_failed(&report, &DeploymentState::Removed);
    assert_eq!(
        site.cluster.objects("deployments"),
        Vec::<Value>::new(),
        "a failed first installation leaves nothing"
    );

    site.assign(&[all("1.0.0", "1.1.0", "1.0.0")]).await;
    agent.until_installed(&[1]).await;
    let report = site.until_reported(&DeploymentState::Installed).await;
    let mut states = report.components.iter().map(|it| &it.state);
    assert!(states.all(|state| *state == DeploymentState::Installed));
    assert_eq!(site.running(), ["1.0.0", "1.1.0", "1.0.0"]);

    break_lamp("1.2.0");
    site.assign(&[all("1.1.0", "1.2.0", "1.1.0")]).await;
    let report = site.until_reported(&DeploymentState::Failed).await;
    assert_lamp_failed(&report, &DeploymentState::Installed);
    assert_eq!(
        site.running()[1..],
        ["1.1.0", "1.0.0"],
        "the earlier revision is kept running, and the third component waits for the second one"
    );

    site.cluster.mend_image(&charts::image("lamp", "1.2.0"));
    site.assign(&[at_level(all("1.1.0", "1.2.0", "1.1.0"), "lamp", 7)])
        .await;
    agent.until_installed(&[1]).await;
    site.until_reported(&DeploymentState::Installed).await;
    assert_eq!(site.running(), ["1.1.0", "1.2.0", "1.1.0"]);
}

async fn killed(mode: Mode) {
    let site = Site::new(mode).await;
    for version in ["1.0.0", "1.1.0"] {
        site.publish("lamp", version).await;
        // Whoever waits for it waits until it is killed.
        site.cluster
            .break_image(&charts::image("lamp", version), Breakage::NotReady);
    }
    for version in ["1.0.0", "1.1.0"] {
        let agent = site.start().await;
        site.assign(&[deployment(&site, &[("lamp", version)])])
            .await;
        let image = charts::image("lamp", version);
        let has_come = |lamp: &Value| {
            let container = &lamp["spec"]["template"]["spec"]["containers"][0];
            container["image"] == image.as_str()
        };
        eventually("does the lamp come", || async {
            site.lamp("lamp").filter(has_come)
        })
        .await;
        agent.kill().await;
        site.cluster.mend_image(&image);

        let agent = site.start().await;
        agent.until_installed(&[1]).await;
        site.until_reported(&DeploymentState::Installed).await;
        assert!(site.lamp("lamp").is_some_and(|lamp| has_come(&lamp)));
        site.assert_no_release_is_pending();
        agent.kill().await;
    }
}

async fn cluster_down(mode: Mode) {
    let site = Site::new(mode).await;
    for version in ["1.0.0", "1.1.0"] {
        site.publish("lamp", version).await;
    }
    let agent = site.start().await;
    site.assign(&[deployment(&site, &[("lamp", "1.0.0")])])
        .await;
    agent.until_installed(&[1]).await;

    site.cluster.stop().await;
    site.assign(&[deployment(&site, &[("lamp", "1.1.0")])])
        .await;
    let report = site.until_reported(&DeploymentState::Failed).await;
    let whole = report.status.error.iter();
    let parts = report.components.iter().filter_map(|it| it.error.as_ref());
    let codes: Vec<_> = whole.chain(parts).map(|it| it.code.as_str()).collect();
    assert!(codes.contains(&"ENGINE_UNAVAILABLE"), "{report:#?}");

    site.cluster.restart();
    agent.until_installed(&[1]).await;
    site.until_reported(&DeploymentState::Installed).await;
    let lamp = site.lamp("lamp").expect("a deployment");
    assert_eq!(
        lamp["metadata"]["labels"]["app.kubernetes.io/version"],
        "1.1.0"
    );
}

async fn drift(mode: Mode) {
    let site = Site::new(mode).await;
    site.publish("lamp", "1.0.0").await;
    let agent = site.start().await;
    site.assign(&[deployment(&site, &[("lamp", "1.0.0")])])
        .await;
    agent.until_installed(&[1]).await;
    site.until_reported(&DeploymentState::Installed).await;

    let lamp = site.lamp("lamp").expect("a deployment");
    let text = |name: &str| lamp["metadata"][name].as_str().unwrap().to_owned();
    let (namespace, name) = (text("namespace"), text("name"));
    site.cluster.delete("deployments", Some(&namespace), &name);
    let report = eventually("is the drift reported", || async {
        let reports = site.wfm.reports("line-1", 1).await;
        let mut failures = reports
            .into_iter()
            .filter(|it| it.status.state == DeploymentState::Failed);
        failures.next()
    })
    .await;
    let error = report.components[0].error.as_ref().unwrap();
    assert!(error.message.contains(&name), "{}", error.message);

    site.until_reported(&DeploymentState::Installed).await;
    agent.until_installed(&[1]).await;
    let repaired = site.lamp("lamp").expect("a deployment");
    assert_ne!(repaired["metadata"]["uid"], lamp["metadata"]["uid"]);
}

/// A fleet manager, and a machine with a cluster.
struct Site {
    wfm: FleetManager,
    station: Station,
    registry: Registry,
    cluster: Cluster,
    mode: Mode,
    plant: Plant,
}

impl Site {
    async fn new(mode: Mode) -> Self {
        let plant = Plant::new();
        let site = Self {
            wfm: FleetManager::start(&plant).await,
            station: plant.station("line-1"),
            registry: Registry::start().await,
            cluster: Cluster::start().await,
            mode,
            plant,
        };
        std::fs::write(site.kubeconfig(), site.cluster.kubeconfig()).unwrap();
        site
    }

    fn kubeconfig(&self) -> std::path::PathBuf {
        self.plant.folder("line-1").join("kubeconfig")
    }

    fn client(&self) -> Client {
        let client = Client::builder()
            .plain_http(&self.registry.host())
            .no_proxy();
        client.build().unwrap()
    }

    async fn publish(&self, name: &str, version: &str) {
        charts::publish_lamp(&self.client(), &self.registry.host(), name, version).await;
    }

    /// Makes these the deployments of the machine.
    async fn assign(&self, deployments: &[ApplicationDeployment]) -> u64 {
        self.wfm.publish("line-1", deployments).await
    }

    /// Starts the agent with a provider of its own, as after a restart of the machine.
    async fn start(&self) -> Running {
        self.start_with(calmer(quick_options())).await
    }

    async fn start_with(&self, agent_options: AgentOptions) -> Running {
        let state = self.plant.folder("line-1").join("charts");
        let mut options = Options::new(state, self.client());
        options.mode = self.mode.clone();
        options.kubeconfig = Some(self.kubeconfig());
        options.telemetry = Some(Telemetry::new(COLLECTOR));
        let provider = HelmProvider::detect(options).await.expect("a helm");
        let provider: Arc<dyn Provider> = Arc::new(provider);
        let mut capabilities = host("edge");
        capabilities.properties.supported_deployment_types = Some(vec![DeploymentType::Helm]);
        self.station
            .start_with(&self.wfm.url(), |agent| {
                let agent = agent.device(capabilities, [provider]);
                agent.options(agent_options)
            })
            .await
    }

    async fn until_reported(&self, state: &DeploymentState) -> DeploymentStatus {
        self.wfm.until_reported("line-1", 1, state).await
    }

    /// The Kubernetes deployment of a component.
    fn lamp(&self, name: &str) -> Option<Value> {
        let all = self.cluster.objects("deployments");
        all.into_iter()
            .find(|it| it["metadata"]["labels"]["app.kubernetes.io/name"] == name)
    }

    /// Whether there is a service beside that of the cluster itself.
    fn has_service(&self) -> bool {
        let all = self.cluster.objects("services");
        all.iter().any(|it| it["metadata"]["name"] != "kubernetes")
    }

    /// The versions of the three components.
    fn running(&self) -> [String; 3] {
        ["db", "lamp", "web"].map(|name| {
            let deployment = self.lamp(name).expect("a deployment");
            let version = &deployment["metadata"]["labels"]["app.kubernetes.io/version"];
            version.as_str().unwrap().to_owned()
        })
    }

    /// The newest record of Helm's release, if Helm keeps any, is a good one.
    fn assert_no_release_is_pending(&self) {
        let secrets = self.cluster.objects("secrets");
        let releases = secrets.iter().map(|it| &it["metadata"]["labels"]);
        let releases = releases.filter(|labels| labels["owner"] == "helm");
        let version = |labels: &Value| labels["version"].as_str()?.parse::<u32>().ok();
        if let Some(newest) = releases.max_by_key(|labels| version(labels)) {
            assert_eq!(newest["status"], "deployed", "{newest:#}");
        }
    }
}

/// Deployment `app-1` of these components in these revisions.
fn deployment(site: &Site, components: &[(&str, &str)]) -> ApplicationDeployment {
    let component = |(name, revision): &(&str, &str)| {
        let repository = format!("oci://{}/charts/{name}", site.registry.host());
        let mut properties = ComponentProperties::default();
        properties.repository = Some(repository.parse().unwrap());
        properties.revision = Some(revision.parse().unwrap());
        Component::new(name.parse().unwrap(), properties)
    };
    let components = components.iter().map(component).collect();
    let profile = DeployedProfile::new(DeploymentType::Helm, components);
    ApplicationDeployment::new(
        id(1),
        DeploymentMetadata::new("app-1", "default", "edge".parse().unwrap()),
        DeploymentSpec::new("com-example-app".parse().unwrap(), profile),
    )
}

/// The same deployment with the level of one component set.
fn at_level(
    mut deployment: ApplicationDeployment,
    component: &str,
    level: u8,
) -> ApplicationDeployment {
    let target = Target::new("level", vec![component.parse().unwrap()]);
    let value = ParameterValue::new(json!(level), vec![target]);
    deployment.spec.parameters.insert("level".to_owned(), value);
    deployment
}

/// The first component is in this state, the second one did not come, and the third was not begun.
fn assert_lamp_failed(report: &DeploymentStatus, first: &DeploymentState) {
    let [db, lamp, web] = &report.components[..] else {
        panic!("{report:#?}");
    };
    assert_eq!(db.state, *first);
    assert_eq!(lamp.state, DeploymentState::Failed);
    assert_eq!(web.state, DeploymentState::Pending);
    let error = lamp.error.as_ref().unwrap();
    assert_eq!(error.source, "lamp");
    assert!(error.message.contains("lamp"), "{}", error.message);
}

/// A variable of a container.
fn variable<'a>(container: &'a Value, name: &str) -> &'a str {
    let all = container["env"].as_array().into_iter().flatten();
    let found = all.filter(|it| it["name"] == name).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{name} in {container:#}");
    found[0]["value"].as_str().unwrap()
}

/// Every look and every attempt starts a program.
fn calmer(mut options: AgentOptions) -> AgentOptions {
    options.observe_every = Duration::from_millis(500);
    options.provider_waits.first = Duration::from_millis(200);
    options.provider_waits.longest = Duration::from_secs(1);
    options
}

const COLLECTOR: &str = "http://collector:4318";
