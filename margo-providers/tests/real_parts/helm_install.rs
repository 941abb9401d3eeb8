//! Install mode: releases that `helm` makes on the cluster of the tests.

mod injection;
mod interrupted;
mod objects;
mod revisions;

use std::path::PathBuf;

use libtest_mimic::Trial;
use margo_conformance::program;
use margo_providers::helm::Options;
use margo_types::deployment::ApplicationDeployment;
use serde_json::{Value, json};

use crate::helm_world::{HelmWorld, ID};

pub(crate) fn add(trials: &mut Vec<Trial>) {
    revisions::add(trials);
    interrupted::add(trials);
    objects::add(trials);
    injection::add(trials);
}

/// Writes down what `helm` is told, beside running it.
pub(crate) fn recording(options: &mut Options) -> PathBuf {
    let log = options.state.with_file_name("helm.log");
    let script = format!("echo \"$*\" >> {}\nexec helm \"$@\"\n", log.display());
    instead_of_helm(options, "recording-helm", &script);
    log
}

/// Has this shell script run instead of `helm`.
fn instead_of_helm(options: &mut Options, name: &str, script: &str) {
    let program = options.state.with_file_name(name);
    program::write(&program, format!("#!/bin/sh\n{script}"));
    options.program = Some(program);
}

async fn world() -> HelmWorld {
    HelmWorld::with(|_| {}).await
}

/// The component `web` with this image.
fn with_image(world: &HelmWorld, revision: &str, image: &str) -> ApplicationDeployment {
    world.deployment_with(ID, &[("web", revision)], &json!({"image": image}))
}

fn container(world: &HelmWorld) -> Value {
    let deployment = world.object("deployments", &world.names("deployments")[0]);
    deployment["spec"]["template"]["spec"]["containers"][0].clone()
}

fn image(world: &HelmWorld) -> String {
    container(world)["image"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// An environment variable of the one container.
fn env(world: &HelmWorld, name: &str) -> String {
    let container = container(world);
    let variables = container["env"].as_array().cloned().unwrap_or_default();
    let found = variables.iter().find(|variable| variable["name"] == name);
    let value = found.and_then(|variable| variable["value"].as_str());
    value
        .unwrap_or_else(|| panic!("no {name} in {variables:?}"))
        .to_owned()
}

pub(crate) const WEB: &[(&str, &str)] = &[
    (
        "values.yaml",
        "image: registry.k8s.io/pause:3.9\npassword: none\n",
    ),
    ("templates/web.yaml", DEPLOYMENT),
];
const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels: {app: {{ .Release.Name }}}
spec:
  replicas: 1
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      containers:
        - name: web
          image: {{ .Values.image }}
          args: [--password=ours]
          {{- with .Values.probe }}
          readinessProbe: {{ . }}
          {{- end }}
          resources: {limits: {memory: 1024Mi, cpu: 0.5}}
          env:
            - {name: PASSWORD, value: {{ .Values.password | quote }}}
            - {name: CHART, value: "{{ .Chart.Name }}-{{ .Chart.Version }}"}
            - {name: BRACES, value: "{{ "{{" }} not a template }}"}
"#;
/// A kind of its own.
const WIDGETS: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
/// An object of it.
const WIDGET: &str =
    "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: small}\nspec: {size: 1}\n";
