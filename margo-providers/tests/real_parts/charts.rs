//! Charts for tests and benchmarks: a lamp, which is a deployment with an image, a level and a service.

use std::fs;
use std::path::Path;

use margo_package::chart;
use margo_package::oci::{Client, Reference};
use margo_package::publish::push_chart;

/// Publishes a revision of the lamp as `oci://<registry>/charts/<name>`.
pub(crate) async fn publish_lamp(client: &Client, registry: &str, name: &str, version: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let image = image(name, version);
    let values = format!("image: {image}\nlevel: 1\n");
    let templates = [("deployment.yaml", DEPLOYMENT), ("service.yaml", SERVICE)];
    write(folder.path(), name, version, &values, &templates);
    publish(client, registry, folder.path(), name).await;
}

/// The image of a revision of the lamp.
pub(crate) fn image(name: &str, version: &str) -> String {
    format!("registry.example/{name}:{version}")
}

/// Writes a chart into a folder.
pub(crate) fn write(
    folder: &Path,
    name: &str,
    version: &str,
    values: &str,
    templates: &[(&str, &str)],
) {
    let metadata = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    fs::create_dir_all(folder.join("templates")).expect("a folder");
    fs::write(folder.join(chart::METADATA_FILE), metadata).expect("a file");
    fs::write(folder.join("values.yaml"), values).expect("a file");
    for (file, text) in templates {
        fs::write(folder.join("templates").join(file), text).expect("a file");
    }
}

/// Packs the chart in a folder and pushes it as `oci://<registry>/charts/<name>`.
pub(crate) async fn publish(client: &Client, registry: &str, folder: &Path, name: &str) {
    let mut archive = Vec::new();
    chart::pack(folder, &mut archive).expect("a chart");
    let place: Reference = format!("{registry}/charts/{name}")
        .parse()
        .expect("a reference");
    let pushed = push_chart(client, &place, archive).await;
    pushed.expect("it is pushed");
}

const DEPLOYMENT: &str = r"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels:
    app.kubernetes.io/name: {{ .Chart.Name }}
    app.kubernetes.io/version: {{ .Chart.Version | quote }}
spec:
  selector:
    matchLabels:
      app.kubernetes.io/instance: {{ .Release.Name }}
  template:
    metadata:
      labels:
        app.kubernetes.io/instance: {{ .Release.Name }}
    spec:
      containers:
        - name: lamp
          image: {{ .Values.image }}
          env:
            - name: LEVEL
              value: {{ .Values.level | quote }}
";

const SERVICE: &str = r"apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  selector:
    app.kubernetes.io/instance: {{ .Release.Name }}
  ports:
    - port: 80
";
