//! The contract of all providers, kept by Helm in both modes: on the cluster of the tests and, when `KUBECONFIG` is given, on
//! that one.

use async_trait::async_trait;
use libtest_mimic::Trial;
use margo_conformance::kubernetes::Breakage;
use margo_providers::contract::{Abilities, CHECKS, Check, Fixture, Sample};
use margo_providers::helm::Mode;
use margo_types::Digest;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeploymentId;
use serde_json::{Value, json};

use crate::helm_trial;
use crate::helm_world::{HelmWorld, NAMESPACE, template_mode};

pub(crate) fn add(trials: &mut Vec<Trial>) {
    for check in CHECKS {
        for (name, mode) in [("install", Mode::Install), ("template", template_mode())] {
            let kept = mode.clone();
            trials.push(helm_trial(
                &format!("helm_{name}_contract_{}", check.name()),
                move || keep(check, kept),
            ));
            if std::env::var_os("KUBECONFIG").is_some() && check.is_possible(RealSamples::ABILITIES)
            {
                trials.push(helm_trial(
                    &format!("helm_{name}_contract_{}_real_cluster", check.name()),
                    move || keep_really(check, mode),
                ));
            }
        }
    }
}

async fn keep(check: &'static Check, mode: Mode) {
    let world = HelmWorld::with(|options| options.mode = mode).await;
    publish(&world).await;
    world
        .cluster
        .break_image(FAILING, Breakage::CrashLoopBackOff);
    world.cluster.break_image(TOO_SLOW, Breakage::NotReady);
    check.run(&world.provider, &Samples(&world)).await;
    world.assert_nothing_left();
}

async fn publish(world: &HelmWorld) {
    let claim = [("templates/web.yaml", STATEFUL_SET)];
    for revision in ["1.0.0", "1.1.0"] {
        world.publish("web", revision, &claim).await;
    }
    for other in ["db", "cache"] {
        world.publish(other, "1.0.0", &claim).await;
    }
}

/// The revision of the chart, the image, and the time-out.
fn of(sample: Sample) -> (&'static str, &'static str, &'static str) {
    match sample {
        Sample::Update => ("1.1.0", UPDATE, "1m0s"),
        Sample::Failing => ("1.1.0", FAILING, "0m5s"),
        Sample::TooSlow => ("1.1.0", TOO_SLOW, "0m3s"),
        _ => ("1.0.0", HEALTHY, "1m0s"),
    }
}

fn deployment(world: &HelmWorld, id: DeploymentId, sample: Sample) -> ApplicationDeployment {
    let (revision, image, timeout) = of(sample);
    let components: &[(&str, &str)] = match sample {
        Sample::Several => &[("db", revision), ("cache", revision), ("web", revision)],
        _ => &[("web", revision)],
    };
    let parameters = json!({"image": image});
    let mut deployment = world.deployment_with(&id.to_string(), components, &parameters);
    for component in &mut deployment.spec.deployment_profile.components {
        component.properties.timeout = Some(timeout.parse().expect("a time-out"));
    }
    deployment
}

/// What the releases of a deployment end with.
fn suffix(owner: &str, id: DeploymentId) -> String {
    let digest = Digest::of(format!("{owner} {id}").as_bytes()).to_hex();
    format!("-{}", &digest[..10])
}

struct Samples<'a>(&'a HelmWorld);

impl Samples<'_> {
    /// The volume claim of the stateful set of the component `web`.
    fn claim(deployment: &ApplicationDeployment) -> String {
        format!("data-web{}-0", suffix("margo", deployment.id))
    }
}

#[async_trait]
impl Fixture for Samples<'_> {
    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    fn deployment(&self, id: DeploymentId, sample: Sample) -> ApplicationDeployment {
        if sample == Sample::Slow {
            self.0
                .cluster
                .delay_readiness(std::time::Duration::from_secs(2));
        }
        deployment(self.0, id, sample)
    }

    async fn write_data(&self, deployment: &ApplicationDeployment, text: &str) {
        let name = Self::claim(deployment);
        self.0
            .cluster
            .change("persistentvolumeclaims", Some(NAMESPACE), &name, |claim| {
                claim["metadata"]["annotations"]["data"] = text.into();
            });
    }

    async fn read_data(&self, deployment: &ApplicationDeployment) -> Option<String> {
        let name = Self::claim(deployment);
        let claim = self
            .0
            .cluster
            .object("persistentvolumeclaims", Some(NAMESPACE), &name)?;
        claim["metadata"]["annotations"]["data"]
            .as_str()
            .map(str::to_owned)
    }

    async fn sabotage(&self, deployment: &ApplicationDeployment) {
        let name = format!("web{}", suffix("margo", deployment.id));
        self.0
            .cluster
            .delete("statefulsets", Some(NAMESPACE), &name);
    }

    async fn leftovers(&self, id: DeploymentId) -> Vec<String> {
        let suffix = suffix("margo", id);
        let mut left = Vec::new();
        for plural in PLURALS {
            for object in self.0.cluster.objects(plural) {
                let metadata = &object["metadata"];
                let name = metadata["name"].as_str().unwrap_or_default();
                if name.contains(&suffix) {
                    let version = metadata["resourceVersion"].as_str().unwrap_or_default();
                    left.push(format!("{plural}/{name} {version}"));
                }
            }
        }
        let files = self.0.state().join(id.to_string());
        left.extend(files.exists().then(|| files.display().to_string()));
        left
    }
}

/// A cluster that runs what it is told, in the namespace `default`.
struct RealSamples<'a>(&'a HelmWorld);

impl RealSamples<'_> {
    /// What can be done to it by means of `helm` alone.
    const ABILITIES: Abilities = {
        let mut abilities = Abilities::NONE;
        abilities.failing = true;
        abilities.several = true;
        abilities.too_slow = true;
        abilities
    };
}

async fn keep_really(check: &'static Check, mode: Mode) {
    let owner = format!("t{}", std::process::id());
    let world = HelmWorld::with(|options| {
        options.mode = mode;
        options.kubeconfig = None;
        options.owner = owner;
    })
    .await;
    publish(&world).await;
    check.run(&world.provider, &RealSamples(&world)).await;
}

#[async_trait]
impl Fixture for RealSamples<'_> {
    fn abilities(&self) -> Abilities {
        Self::ABILITIES
    }

    fn deployment(&self, id: DeploymentId, sample: Sample) -> ApplicationDeployment {
        let mut deployment = deployment(self.0, id, sample);
        deployment.metadata.namespace = Some("default".to_owned());
        let image = match sample {
            // Nobody has it.
            Sample::Failing => "margo.invalid/broken:1",
            _ => "registry.k8s.io/pause:3.10",
        };
        if let Some(parameter) = deployment.spec.parameters.get_mut("image") {
            parameter.value = Value::from(image);
        }
        if sample == Sample::TooSlow {
            // Nobody listens there.
            let target = json!({"pointer": "readyPort", "components": ["web"]});
            let parameter = json!({"value": 9, "targets": [target]});
            let parameter = serde_json::from_value(parameter).expect("a parameter");
            deployment
                .spec
                .parameters
                .insert("readyPort".to_owned(), parameter);
        }
        for component in &mut deployment.spec.deployment_profile.components {
            let timeout = if sample == Sample::TooSlow {
                "0m20s"
            } else {
                "3m0s"
            };
            let timeout = if sample == Sample::Failing {
                "0m40s"
            } else {
                timeout
            };
            component.properties.timeout = Some(timeout.parse().expect("a time-out"));
        }
        deployment
    }
}

const HEALTHY: &str = "registry.example/web:1.0.0";
const UPDATE: &str = "registry.example/web:1.1.0";
const FAILING: &str = "registry.example/web:broken";
const TOO_SLOW: &str = "registry.example/web:never";
const PLURALS: &[&str] = &[
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "secrets",
    "services",
    "statefulsets",
];
const STATEFUL_SET: &str = r"
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .Release.Name }}
spec:
  serviceName: {{ .Release.Name }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: {{ .Values.image }}
          {{- with .Values.readyPort }}
          readinessProbe: {tcpSocket: {port: {{ . }}}}
          {{- end }}
          volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{port: 80}]}
";
