//! A cluster, a chart, and `helm` with a home of its own.

use std::path::Path;
use std::process::{Command, Output};

use margo_conformance::kubernetes::Cluster;
use tempfile::TempDir;

pub(super) struct World {
    pub(super) cluster: Cluster,
    folder: TempDir,
}

impl World {
    pub(super) async fn start() -> Self {
        let world = Self {
            cluster: Cluster::start().await,
            folder: tempfile::tempdir().expect("a folder"),
        };
        world.write("kubeconfig", &world.cluster.kubeconfig());
        world.write(
            "chart/Chart.yaml",
            "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
        );
        world.write("chart/values.yaml", "tag: 1\nservice: true\ncount: 0\n");
        world.write("chart/templates/all.yaml", TEMPLATES);
        world
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        std::fs::write(path, text).expect("it can be written");
    }

    /// What it says.
    pub(super) fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.helm(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What it complains of.
    pub(super) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.helm(arguments);
        assert!(!output.status.success(), "helm {arguments:?} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub(super) fn helm(&self, arguments: &[&str]) -> Output {
        let path = |name: &str| self.folder.path().join(name);
        let chart = path("chart");
        let arguments = arguments.iter().map(|it| match *it {
            "CHART" => chart.as_path(),
            other => Path::new(other),
        });
        let mut command = Command::new("helm");
        // It remembers what clusters have by their ports.
        command.args(arguments).env("HOME", path("home"));
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(name, path("home"));
        }
        command.env("KUBECONFIG", path("kubeconfig"));
        // The cluster is on other threads of this process.
        tokio::task::block_in_place(|| command.output().expect("helm runs"))
    }
}

const TEMPLATES: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: 2
  selector:
    matchLabels: { app: {{ .Release.Name }} }
  template:
    metadata:
      labels: { app: {{ .Release.Name }} }
    spec:
      containers:
        - name: web
          image: registry.example/web:{{ .Values.tag }}
          ports: [{ containerPort: 80 }]
---
{{- if .Values.service }}
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  selector: { app: {{ .Release.Name }} }
  ports: [{ port: 80 }]
---
{{- end }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  greeting: hello
";
