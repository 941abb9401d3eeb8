//! What the Helm provider takes beside the `helm` commands that do the same by hand, over loopback to the doubles of a registry and
//! of a cluster.
//!
//! `cargo bench -p margo-providers --features helm --bench helm` prints medians of interleaved rounds; `-- overhead`, `-- collector` and
//! `-- template` run one part. `MARGO_BENCH_RUNS` (15) sets the number of rounds.

#[path = "../tests/real_parts/charts.rs"]
mod charts;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use margo_conformance::kubernetes::Cluster;
use margo_conformance::registry::Registry;
use margo_package::oci::Client;
use margo_providers::helm::{HelmProvider, Mode, Options, TemplateOptions};
use margo_providers::{Provider as _, Silent, Telemetry};
use margo_types::deployment::ApplicationDeployment;
use serde_json::json;
use tempfile::TempDir;

fn main() {
    if !has_helm() {
        println!("not run: helm is missing; .ci/install installs it");
        return;
    }
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // `cargo test --benches` wants to know that it runs, not how fast.
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let runs = if is_bench {
        number("MARGO_BENCH_RUNS", 15)
    } else {
        1
    };
    let only = arguments.iter().find(|argument| !argument.starts_with('-'));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for part in PARTS {
        if only.is_none_or(|only| only == part.name) {
            runtime.block_on(part.run(runs));
        }
    }
}

/// A comparison.
struct Part {
    name: &'static str,
    about: &'static str,
    chart: &'static str,
    mode: fn() -> Mode,
    /// Whether the provider tells containers of a collector.
    has_collector: bool,
    /// Of the medians, ours by theirs.
    goal: f64,
}

const PARTS: [Part; 3] = [
    Part {
        name: "overhead",
        about: "install mode, a chart of 2 objects",
        chart: "lamp",
        mode: || Mode::Install,
        has_collector: false,
        goal: 1.1,
    },
    Part {
        name: "collector",
        about: "the same, and containers are told of a collector, which `helm` by hand does not do",
        chart: "lamp",
        mode: || Mode::Install,
        has_collector: true,
        goal: 1.1,
    },
    Part {
        name: "template",
        about: "template mode, a chart of 100 objects",
        chart: "hundred",
        has_collector: true,
        mode: || Mode::Template(TemplateOptions::new("1.32")),
        goal: 0.8,
    },
];

impl Part {
    async fn run(&self, runs: usize) {
        let place = Place::new().await;
        let provider = HelmProvider::detect(self.options(&place)).await;
        let provider = provider.expect("a provider");
        let mut times = [const { Vec::new() }; 4];
        for round in 0..runs {
            // Who is first has the colder caches.
            for is_ours in [round % 2 == 0, round % 2 == 1] {
                let [install, update] = if is_ours {
                    place.ours(&provider, self.chart, round).await
                } else {
                    place.theirs(self.chart, round).await
                };
                let first = usize::from(!is_ours);
                times[first].push(install);
                times[first + 2].push(update);
            }
        }
        println!(
            "{}: {}, medians of {runs} interleaved rounds",
            self.name, self.about
        );
        let [ours, theirs, our_update, their_update] = times.map(median);
        self.print("install", ours, theirs);
        self.print("update", our_update, their_update);
    }

    fn options(&self, place: &Place) -> Options {
        let mut options = Options::new(place.folder.path().join("state"), place.client());
        options.mode = (self.mode)();
        options.kubeconfig = Some(place.kubeconfig());
        options.telemetry = self
            .has_collector
            .then(|| Telemetry::new("http://collector:4318"));
        options
    }

    fn print(&self, what: &str, ours: Duration, theirs: Duration) {
        let (ours, theirs) = (ours.as_secs_f64(), theirs.as_secs_f64());
        let ratio = ours / theirs;
        let verdict = if ratio <= self.goal { "met" } else { "missed" };
        println!(
            "  {what}: ours {ours:.3} s, helm {theirs:.3} s, ratio {ratio:.2}; goal {} {verdict}",
            self.goal
        );
    }
}

/// A registry with charts, and a cluster.
struct Place {
    registry: Registry,
    cluster: Cluster,
    folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        let place = Self {
            registry: Registry::start().await,
            cluster: Cluster::start().await,
            folder: TempDir::new().expect("a folder"),
        };
        std::fs::write(place.kubeconfig(), place.cluster.kubeconfig()).expect("a kubeconfig");
        let (client, host) = (place.client(), place.registry.host());
        for version in VERSIONS {
            charts::publish_lamp(&client, &host, "lamp", version).await;
            publish_hundred(&client, &host, version).await;
        }
        place
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn client(&self) -> Client {
        let client = Client::builder()
            .plain_http(&self.registry.host())
            .no_proxy();
        client.build().expect("a client")
    }

    /// How long our installation and our update take.
    async fn ours(&self, provider: &HelmProvider, chart: &str, round: usize) -> [Duration; 2] {
        let mut times = [Duration::ZERO; 2];
        for (time, version) in times.iter_mut().zip(VERSIONS) {
            let deployment = self.deployment(chart, version, round);
            let start = Instant::now();
            let applied = provider.apply(&deployment, &Silent).await;
            *time = start.elapsed();
            applied.expect("it is applied");
        }
        let deployment = self.deployment(chart, VERSIONS[1], round);
        let removed = provider.remove(&deployment, &Silent).await;
        removed.expect("it is removed");
        times
    }

    /// How long `helm` takes for the same when a person types it.
    async fn theirs(&self, chart: &str, round: usize) -> [Duration; 2] {
        let release = format!("{chart}-{round}");
        let values = self.folder.path().join("values.json");
        std::fs::write(&values, json!({"level": 7}).to_string()).expect("values");
        let mut times = [Duration::ZERO; 2];
        for (time, version) in times.iter_mut().zip(VERSIONS) {
            let folder = tempfile::tempdir_in(&self.folder).expect("a folder");
            let repository = format!("oci://{}/charts/{chart}", self.registry.host());
            let packed = folder.path().join(format!("{chart}-{version}.tgz"));
            let start = Instant::now();
            let mut pull = self.helm(&["pull", &repository, "--version", version, "--plain-http"]);
            pull.arg("--destination").arg(folder.path());
            run(pull).await;
            let mut upgrade = self.helm(&["upgrade", "--install", &release]);
            upgrade
                .arg(&packed)
                .arg("--values")
                .arg(&values)
                .args(["--wait", "--timeout", "5m"]);
            run(upgrade).await;
            *time = start.elapsed();
        }
        run(self.helm(&["uninstall", &release, "--wait"])).await;
        times
    }

    fn helm(&self, arguments: &[&str]) -> Command {
        let home = self.folder.path().join("home");
        let mut command = Command::new("helm");
        command
            .args(arguments)
            .env("HOME", &home)
            .env("HELM_CACHE_HOME", home.join("cache"))
            .env("HELM_CONFIG_HOME", home.join("config"))
            .env("HELM_DATA_HOME", home.join("data"))
            .env("KUBECONFIG", self.kubeconfig());
        command
    }

    fn deployment(&self, chart: &str, version: &str, round: usize) -> ApplicationDeployment {
        let repository = format!("oci://{}/charts/{chart}", self.registry.host());
        let target = json!({"pointer": "level", "components": [chart]});
        let document = json!({
            "id": format!("ad9b614e-8912-45f4-a523-{round:012}"),
            "metadata": {"name": chart, "namespace": "default", "deviceId": "device-1"},
            "spec": {
                "applicationId": "com-example-app",
                "deploymentProfile": {
                    "type": "helm",
                    "components": [{
                        "name": chart,
                        "properties": {"repository": repository, "revision": version},
                    }],
                },
                "parameters": {"level": {"value": 7, "targets": [target]}},
            },
        });
        serde_json::from_value(document).expect("a deployment")
    }
}

/// A chart of 100 objects, of the kinds that applications have.
async fn publish_hundred(client: &Client, registry: &str, version: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let values = format!("image: {}\nlevel: 1\n", charts::image("hundred", version));
    let templates = [("hundred.yaml", HUNDRED)];
    charts::write(folder.path(), "hundred", version, &values, &templates);
    charts::publish(client, registry, folder.path(), "hundred").await;
}

/// Runs a program to its end, which must be a good one.
async fn run(mut command: Command) {
    let run = move || {
        let output = command.output().expect("the program runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {errors}");
    };
    let ended = tokio::task::spawn_blocking(run).await;
    ended.expect("it ends");
}

fn has_helm() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder: PathBuf| Path::is_file(&folder.join("helm")))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

const VERSIONS: [&str; 2] = ["1.0.0", "1.1.0"];

const HUNDRED: &str = r#"{{- range $i := until 25 }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Release.Name }}-{{ $i }}
data:
  level: {{ $.Values.level | quote }}
  settings.ini: |
    [lamp]
    number = {{ $i }}
    version = {{ $.Chart.Version }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ $.Release.Name }}-{{ $i }}
stringData:
  password: {{ printf "%s-%d" $.Chart.Version $i | sha256sum }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $.Release.Name }}-{{ $i }}
spec:
  selector:
    lamp: {{ $.Release.Name }}-{{ $i }}
  ports:
    - port: 80
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $.Release.Name }}-{{ $i }}
spec:
  selector:
    matchLabels:
      lamp: {{ $.Release.Name }}-{{ $i }}
  template:
    metadata:
      labels:
        lamp: {{ $.Release.Name }}-{{ $i }}
    spec:
      containers:
        - name: lamp
          image: {{ $.Values.image }}
          envFrom:
            - configMapRef:
                name: {{ $.Release.Name }}-{{ $i }}
---
{{- end }}
"#;
