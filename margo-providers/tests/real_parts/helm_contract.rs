//! The contract of all providers, kept by Helm in both modes.

use std::time::Duration;

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
use crate::helm_world::{FIRST, HelmWorld, NEVER, SECOND, SLOW, briefly, is_real, template_mode};

pub(crate) fn add(trials: &mut Vec<Trial>) {
    for check in CHECKS {
        for (name, mode) in [("install", Mode::Install), ("template", template_mode())] {
            trials.push(helm_trial(
                &format!("helm_{name}_contract_{}", check.name()),
                move || keep(check, mode),
            ));
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

/// The revision of the chart, and the parameters.
fn of(sample: Sample) -> (&'static str, Value) {
    match sample {
        Sample::Update => ("1.1.0", json!({"image": SECOND})),
        Sample::Failing => ("1.1.0", json!({"image": FAILING, "command": "[/nothing]"})),
        Sample::TooSlow => ("1.1.0", json!({"image": TOO_SLOW, "probe": NEVER})),
        Sample::Slow => ("1.0.0", json!({"image": FIRST, "probe": SLOW})),
        _ => ("1.0.0", json!({"image": FIRST})),
    }
}

fn deployment(world: &HelmWorld, id: DeploymentId, sample: Sample) -> ApplicationDeployment {
    let (revision, parameters) = of(sample);
    let components: &[(&str, &str)] = match sample {
        Sample::Several => &[("db", revision), ("cache", revision), ("web", revision)],
        _ => &[("web", revision)],
    };
    let deployment = world.deployment_with(&id.to_string(), components, &parameters);
    match sample {
        Sample::Failing | Sample::TooSlow => briefly(deployment, &["web"]),
        _ => deployment,
    }
}

/// What the releases of a deployment end with.
fn suffix(owner: &str, id: DeploymentId) -> String {
    let digest = Digest::of(format!("{owner} {id}").as_bytes()).to_hex();
    format!("-{}", &digest[..10])
}

struct Samples<'a>(&'a HelmWorld);

impl Samples<'_> {
    /// The objects of a deployment, with their versions.
    fn objects_of(&self, suffix: &str) -> Vec<String> {
        let mut found = Vec::new();
        for plural in PLURALS {
            for object in self.0.cluster.objects(plural) {
                let metadata = &object["metadata"];
                let name = metadata["name"].as_str().unwrap_or_default();
                if name.contains(suffix) {
                    let version = metadata["resourceVersion"].as_str().unwrap_or_default();
                    found.push(format!("{plural}/{name} {version}"));
                }
            }
        }
        found
    }

    /// The volume claim of the stateful set of the component `web`.
    fn claim(&self, deployment: &ApplicationDeployment) -> String {
        format!("data-web{}-0", suffix(&self.0.owner(), deployment.id))
    }
}

#[async_trait]
impl Fixture for Samples<'_> {
    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    fn deployment(&self, id: DeploymentId, sample: Sample) -> ApplicationDeployment {
        if sample == Sample::Slow {
            self.0.cluster.delay_readiness(Duration::from_secs(2));
        }
        deployment(self.0, id, sample)
    }

    async fn write_data(&self, deployment: &ApplicationDeployment, text: &str) {
        let name = self.claim(deployment);
        self.0.cluster.change(
            "persistentvolumeclaims",
            Some(&self.0.namespace),
            &name,
            |claim| {
                claim["metadata"]["annotations"]["data"] = text.into();
            },
        );
    }

    async fn read_data(&self, deployment: &ApplicationDeployment) -> Option<String> {
        let name = self.claim(deployment);
        let claim =
            self.0
                .cluster
                .object("persistentvolumeclaims", Some(&self.0.namespace), &name)?;
        claim["metadata"]["annotations"]["data"]
            .as_str()
            .map(str::to_owned)
    }

    async fn sabotage(&self, deployment: &ApplicationDeployment) {
        let name = format!("web{}", suffix(&self.0.owner(), deployment.id));
        self.0
            .cluster
            .delete("statefulsets", Some(&self.0.namespace), &name);
    }

    async fn leftovers(&self, id: DeploymentId) -> Vec<String> {
        let suffix = suffix(&self.0.owner(), id);
        let mut left = self.objects_of(&suffix);
        // A real cluster tells how workloads fare, and collects garbage, when it gets round to it.
        while is_real() {
            tokio::time::sleep(SETTLING).await;
            let now = self.objects_of(&suffix);
            if now == left {
                break;
            }
            left = now;
        }
        let files = self.0.state().join(id.to_string());
        left.extend(files.exists().then(|| files.display().to_string()));
        left
    }
}

/// Images that a real cluster can pull; what is wrong with them the chart says.
const FAILING: &str = "registry.k8s.io/pause:3.8";
const TOO_SLOW: &str = "registry.k8s.io/pause:3.7";
/// How long nothing happens on a real cluster when no more is to come.
const SETTLING: Duration = Duration::from_secs(2);
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
          {{- with .Values.command }}
          command: {{ . }}
          {{- end }}
          {{- with .Values.probe }}
          readinessProbe: {{ . }}
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
