//! What is refused, with a clear error and nothing changed.

use std::path::PathBuf;

use libtest_mimic::Trial;
use margo_conformance::kubernetes::{Fault, Verb};
use margo_conformance::program;
use margo_package::oci::Credentials;
use margo_providers::helm::{HelmProvider, Mode, Options, TemplateOptions};
use margo_providers::{Provider, Trouble};
use serde_json::json;

use super::{CONFIG, WEB};
use crate::helm_world::{HelmWorld, ID, OTHER_ID, PASSWORD, USER, release, template_mode};
use crate::{helm_double_trial, helm_trial};

pub(super) fn add(trials: &mut Vec<Trial>) {
    trials.extend([
        helm_trial(
            "helm_template_refuses_what_charts_must_not_have",
            what_charts_must_not_have,
        ),
        helm_double_trial(
            "helm_template_refuses_lookup_that_is_put_together",
            "it looks at requests",
            hidden_lookup,
        ),
        helm_trial(
            "helm_template_refuses_lookup_in_parameters_of_helm_4",
            lookup_of_helm_4,
        ),
        helm_trial(
            "helm_template_refuses_bad_charts_and_the_earlier_runs_on",
            bad_charts,
        ),
        helm_trial(
            "helm_template_refuses_charts_of_version_1",
            charts_of_version_1,
        ),
        helm_trial("helm_template_refuses_bad_options", bad_options),
        helm_trial("helm_template_refuses_bad_places", bad_places),
        helm_trial(
            "helm_template_blames_the_chart_for_what_it_renders_to",
            bad_objects,
        ),
        helm_trial(
            "helm_template_refuses_what_it_could_not_remember",
            too_much_to_remember,
        ),
        helm_double_trial(
            "helm_template_says_what_is_wrong_with_the_cluster",
            "its API server fails",
            trouble_with_the_cluster,
        ),
        helm_trial(
            "helm_template_does_not_touch_what_is_not_its_own",
            not_its_own,
        ),
    ]);
}

/// The files of a chart, by their paths.
type Files<'a> = &'a [(&'a str, &'a str)];

async fn what_charts_must_not_have() {
    let world = HelmWorld::template().await;
    let writes = world.writes();
    let lookup = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: {{ lookup \"v1\" \"Secret\" \"x\" \"y\" | quote }}\n";
    let hook = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    helm.sh/hook: post-install\n";
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: a\n";
    // Seen only when it is rendered.
    let hidden = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    {{ printf \"%s/%s\" \"helm.sh\" \"hook\" }}: test\n";
    let sub = "apiVersion: v2\nname: sub\nversion: 1.0.0\n";
    let table: &[(&str, Files, &str)] = &[
        (
            "1.0.0",
            &[("templates/a.yaml", lookup)],
            "web/templates/a.yaml:6: uses the template function lookup",
        ),
        (
            "1.0.1",
            &[("templates/a.yaml", hook)],
            "web/templates/a.yaml:6: is a Helm hook",
        ),
        (
            "1.0.2",
            &[("templates/a.yaml", definition)],
            "web/templates/a.yaml:2: defines a custom resource",
        ),
        (
            "1.0.3",
            &[("crds/a.yaml", definition)],
            "web/crds/a.yaml: is a custom resource definition",
        ),
        (
            "1.0.4",
            &[
                ("charts/sub/Chart.yaml", sub),
                ("charts/sub/templates/a.yaml", hook),
            ],
            "web/charts/sub/templates/a.yaml:6: is a Helm hook",
        ),
        (
            "1.0.5",
            &[("templates/a.yaml", hidden)],
            "web/templates/a.yaml:6: is a Helm hook",
        ),
    ];
    for (revision, files, expected) in table {
        world.publish("web", revision, files).await;
        let error = world.refused(&world.deployment(&[("web", revision)])).await;
        assert_eq!(error.trouble, Trouble::Deployment, "{error}");
        assert!(error.message.contains(expected), "{error}");
    }
    assert_eq!(world.writes(), writes);
    world.assert_nothing_left();
}

/// A function that only rendering makes one: Helm itself says nothing and finds nothing.
async fn hidden_lookup() {
    let world = HelmWorld::with(|options| {
        options.mode = template_mode();
        // What its owner tells `helm` of the cluster is not for rendering.
        let cluster = options.kubeconfig.clone().expect("one");
        let text = std::fs::read_to_string(cluster).expect("it is there");
        let (_, url) = text.split_once("server: ").expect("a server");
        let url = url.lines().next().expect("a line").trim();
        let server = (
            "HELM_KUBEAPISERVER".to_owned(),
            url.trim_matches('"').to_owned(),
        );
        options.environment.extend([server]);
    })
    .await;
    let of_values = [("values.yaml", "run: ''\n"), ("templates/a.yaml", RUN)];
    let put_together = [("templates/a.yaml", PUT_TOGETHER)];
    let helper = [
        ("templates/_run.tpl", HELPER),
        ("templates/a.yaml", INCLUDE),
    ];
    let in_file = [("files/a.txt", LOOKUP), ("templates/a.yaml", FROM_FILE)];
    let parameters = json!({"run": LOOKUP});
    for (revision, files, expected) in [
        ("1.0.0", &of_values[..], "web/templates/a.yaml:5"),
        ("1.0.1", &put_together, "web/templates/a.yaml:5"),
        ("1.0.2", &helper, "web/templates/_run.tpl:2"),
        ("1.0.3", &in_file, "web/templates/a.yaml:5"),
    ] {
        world.publish("web", revision, files).await;
        let deployment = world.deployment_with(ID, &[("web", revision)], &parameters);
        let error = world.refused(&deployment).await;
        assert_eq!(error.trouble, Trouble::Deployment, "{error}");
        let expected = format!("{expected}: uses the template function lookup; take the value");
        assert!(error.message.contains(&expected), "{error}");
    }
    let asked = world.cluster.double().requests();
    let lookups = asked.iter().filter(|it| it.path.contains("secrets/s"));
    assert_eq!(lookups.count(), 0);
    assert_eq!(world.writes(), 0);

    // The word itself is nobody's business.
    let deployment = world.deployment_with(ID, &[("web", "1.0.0")], &json!({"run": "lookup"}));
    world.apply(&deployment).await.expect("it is applied");
    let run = &world.object("configmaps", "a")["data"]["run"];
    assert_eq!(*run, "lookup");
}

/// Helm 4 wants a cluster to say who asks for it: what a parameter would have it ask is refused unrendered.
async fn lookup_of_helm_4() {
    let world = HelmWorld::with(|options| {
        options.mode = template_mode();
        options.program = Some(helm_4(options));
    })
    .await;
    let files = [("values.yaml", "run: ''\n"), ("templates/a.yaml", RUN)];
    world.publish("web", "1.0.0", &files).await;
    let writes = world.writes();
    for value in [json!(LOOKUP), json!({"a": ["b", LOOKUP]})] {
        let parameters = json!({"run": value});
        let deployment = world.deployment_with(ID, &[("web", "1.0.0")], &parameters);
        let error = world.refused(&deployment).await;
        assert_eq!(error.trouble, Trouble::Deployment, "{error}");
        let expected = "the value of run uses the template function lookup";
        assert!(error.message.contains(expected), "{error}");
    }
    assert_eq!(world.writes(), writes);
    let deployment =
        world.deployment_with(ID, &[("web", "1.0.0")], &json!({"run": "lookup {{ 1 }}"}));
    world.apply(&deployment).await.expect("it is applied");
}

/// The `helm` of the `PATH` under another version, without what that version does not have.
fn helm_4(options: &Options) -> PathBuf {
    let program = options.state.parent().expect("a parent").join("helm-4");
    let script = "#!/bin/sh\ncase \"$*\" in\nversion*) echo v4.0.0+gabcdef ;;\n*--dry-run=server*) echo Error: no cluster >&2; exit 1 ;;\n\
        *) exec helm \"$@\" ;;\nesac\n";
    program::write(&program, script);
    program
}

async fn bad_charts() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", WEB).await;
    let good = world.deployment(&[("web", "1.0.0")]);
    world.apply(&good).await.expect("it is applied");
    let name = release(&world, "web");
    let before = world.object("deployments", &name);
    let writes = world.writes();

    let schema = r#"{"properties": {"replicas": {"type": "integer", "maximum": 3}}}"#;
    let failing = "{{ fail \"no pump is configured\" }}";
    let twice = CONFIG.to_owned() + "---\n" + CONFIG;
    let no_ports = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {}\n";
    let unknown_kind = "apiVersion: none.example/v1\nkind: Pump\nmetadata: {name: a}\n";
    let table: &[(&str, Files, Trouble, &str)] = &[
        (
            "2.0.0",
            &[("values.schema.json", schema), ("templates/c.yaml", CONFIG)],
            Trouble::Deployment,
            "replicas",
        ),
        (
            "2.0.1",
            &[("templates/c.yaml", failing)],
            Trouble::Deployment,
            "no pump is configured",
        ),
        (
            "2.0.2",
            &[("templates/c.yaml", "a: b: c\n")],
            Trouble::Deployment,
            "web/templates/c.yaml",
        ),
        (
            "2.0.3",
            &[("templates/c.yaml", &twice)],
            Trouble::Deployment,
            "twice",
        ),
        (
            "2.0.4",
            &[("templates/c.yaml", no_ports)],
            Trouble::Deployment,
            "spec.ports",
        ),
        (
            "2.0.5",
            &[("templates/c.yaml", unknown_kind)],
            Trouble::Device,
            "no kind Pump",
        ),
    ];
    for (revision, files, trouble, expected) in table {
        world.publish("web", revision, files).await;
        let bad = world.deployment_with(ID, &[("web", revision)], &json!({"replicas": 9}));
        let error = world.refused(&bad).await;
        assert!(error.message.contains(expected), "{revision}: {error}");
        assert_eq!(error.trouble, *trouble, "{error}");
    }
    let error = world.refused(&world.deployment(&[("web", "9.9.9")])).await;
    assert!(error.message.contains("9.9.9"), "{error}");

    assert_eq!(world.writes(), writes, "nothing was changed");
    assert_eq!(world.object("deployments", &name), before);
    world.apply(&good).await.expect("it still runs");
    assert_eq!(world.states(&good).await, ["installed"]);
}

async fn charts_of_version_1() {
    let world = HelmWorld::template().await;
    let chart = world.folder.path().join("web");
    std::fs::create_dir_all(chart.join("templates")).expect("a folder");
    std::fs::write(
        chart.join("Chart.yaml"),
        "apiVersion: v1\nname: web\nversion: 1.0.0\n",
    )
    .expect("a file");
    world.helm(&["package", "web"]);
    let target = format!("oci://{}/charts", world.registry.host());
    let login = ["--username", USER, "--password", PASSWORD];
    let push = ["push", "web-1.0.0.tgz", &target, "--plain-http"];
    world.helm(&[push.as_slice(), &login].concat());
    let error = world.refused(&world.deployment(&[("web", "1.0.0")])).await;
    assert_eq!(error.trouble, Trouble::Deployment);
    assert!(error.message.contains("apiVersion is \"v1\""), "{error}");
    world.assert_nothing_left();
}

/// The options of a device that does not know its Kubernetes.
async fn bad_options() {
    let world = HelmWorld::template().await;
    let mut options = world.options();
    options.mode = Mode::Template(TemplateOptions::new("latest"));
    let error = HelmProvider::detect(options).await.expect_err("no version");
    assert_eq!(error.trouble, Trouble::Device);
    assert!(error.message.contains("\"latest\""), "{error}");
    let mut options = world.options();
    let token = Credentials::BearerToken("t".into());
    options
        .image_credentials
        .insert("registry.example".to_owned(), token);
    let error = HelmProvider::detect(options).await.expect_err("a token");
    assert!(error.message.contains("registry.example"), "{error}");
}

async fn bad_places() {
    let world = HelmWorld::template().await;
    let writes = world.writes();
    world.publish("web", "1.0.0", WEB).await;
    let mut nowhere = world.deployment(&[("web", "1.0.0")]);
    nowhere.metadata.namespace = Some(world.beside("nowhere"));
    let error = world.refused(&nowhere).await;
    let told = format!("the cluster has no namespace {}", world.beside("nowhere"));
    assert!(error.message.contains(&told), "{error}");
    assert_eq!(error.trouble, Trouble::Device);

    let long = "a".repeat(60);
    world.publish(&long, "1.0.0", WEB).await;
    let error = world.refused(&world.deployment(&[(&long, "1.0.0")])).await;
    assert_eq!(error.trouble, Trouble::Deployment);
    assert!(error.message.contains("shorten the name"), "{error}");
    assert_eq!(world.writes(), writes);
    world.assert_nothing_left();
}

/// What server-side apply, an API server or the provider cannot take is for the author to change.
async fn bad_objects() {
    let world = HelmWorld::template().await;
    let writes = world.writes();
    let twice = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: web\n    image: x\n    \
        env: [{name: A, value: '1'}, {name: A, value: '2'}]\n";
    let same_ports = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80, name: a}, {port: 80, name: b}]}\n";
    let namespace = world.beside("elsewhere");
    let elsewhere =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: {namespace}}}\n");
    let no_namespace =
        format!("no namespace {namespace}; create it; that of the deployment itself");
    let long = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: {{ repeat 17000000 \"x\" }}\n";
    for (revision, template, trouble, expected) in [
        (
            "1.0.0",
            twice,
            Trouble::Deployment,
            "the Pod a gives its container web the variable A twice",
        ),
        (
            "1.0.3",
            same_ports,
            Trouble::Deployment,
            "duplicate entries",
        ),
        ("1.0.1", &elsewhere, Trouble::Device, &no_namespace),
        (
            "1.0.2",
            long,
            Trouble::Deployment,
            "renders to more than 16 MiB",
        ),
    ] {
        let files = [("templates/a.yaml", template)];
        world.publish("web", revision, &files).await;
        let error = world.refused(&world.deployment(&[("web", revision)])).await;
        assert_eq!(error.trouble, trouble, "{error}");
        assert!(error.message.contains(expected), "{error}");
    }
    assert_eq!(world.writes(), writes);
}

/// What was last complete is kept in one secret, which must hold it.
async fn too_much_to_remember() {
    let world = HelmWorld::template().await;
    let chart = "{{ range until (int .Values.count) }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a{{ . }}}\n\
        data: {random: {{ randAlphaNum 100000 }}}\n{{ end }}";
    let files = [("values.yaml", "count: 2\n"), ("templates/a.yaml", chart)];
    world.publish("web", "1.0.0", &files).await;
    let good = world.deployment(&[("web", "1.0.0")]);
    world.apply(&good).await.expect("it is applied");
    let (maps, writes) = (world.names("configmaps"), world.writes());
    let bad = world.deployment_with(ID, &[("web", "1.0.0")], &json!({"count": 20}));
    let error = world.refused(&bad).await;
    assert_eq!(error.trouble, Trouble::Deployment, "{error}");
    let expected = "its 20 objects cannot be remembered on the cluster: packed they have 1";
    assert!(error.message.contains(expected), "{error}");
    assert_eq!(world.names("configmaps"), maps);
    assert_eq!(world.writes(), writes, "nothing was changed");
    assert_eq!(world.states(&good).await, ["installed"]);
}

async fn trouble_with_the_cluster() {
    let world = HelmWorld::template().await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.cluster.double().forbid(Verb::Patch, "deployments");
    let error = world.refused(&deployment).await;
    assert_eq!(error.trouble, Trouble::Device, "{error}");
    assert!(
        error.message.contains("do not allow it for the Deployment"),
        "{error}"
    );
    world.assert_nothing_left();
    world.cluster.double().allow_all();

    world
        .cluster
        .double()
        .fail_next(Verb::List, "secrets", 1, Fault::Unauthorized);
    let error = world.refused(&deployment).await;
    assert_eq!(error.trouble, Trouble::Device, "{error}");
    assert!(
        error.message.contains("does not know the credentials"),
        "{error}"
    );

    world.apply(&deployment).await.expect("it is applied");
    world.cluster.double().stop().await;
    let changed = world.deployment_with(ID, &[("web", "1.0.0")], &json!({"replicas": 1}));
    let error = world.refused(&changed).await;
    assert_eq!(error.trouble, Trouble::Engine, "{error}");
    assert!(
        error.message.contains("the cluster cannot be reached"),
        "{error}"
    );
    assert_eq!(
        world
            .provider
            .engine()
            .await
            .expect_err("it is down")
            .trouble,
        Trouble::Engine
    );
    world.cluster.double().restart();
    assert_eq!(world.states(&deployment).await, ["installed"]);
}

async fn not_its_own() {
    let world = HelmWorld::template().await;
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shared\ndata: {a: b}\n";
    world
        .publish("web", "1.0.0", &[("templates/c.yaml", config)])
        .await;
    world
        .publish("api", "1.0.0", &[("templates/c.yaml", config)])
        .await;
    let theirs = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "theirs"},
        "metadata": {"name": "shared", "namespace": world.namespace, "annotations": {"meta.helm.sh/release-name": "old"}},
    });
    world.cluster.add(&theirs);
    let error = world.refused(&world.deployment(&[("web", "1.0.0")])).await;
    assert_eq!(error.trouble, Trouble::Deployment);
    assert!(
        error.message.contains(
            "the ConfigMap shared is on the cluster already and belongs to the Helm release old"
        ),
        "{error}"
    );
    assert_eq!(world.object("configmaps", "shared")["data"]["a"], "theirs");
    world
        .cluster
        .delete("configmaps", Some(&world.namespace), "shared");

    let both = world.deployment(&[("web", "1.0.0"), ("api", "1.0.0")]);
    let error = world.refused(&both).await;
    assert!(error.message.contains("in use by somebody else"), "{error}");
    world.assert_nothing_left();

    world
        .apply(&world.deployment(&[("web", "1.0.0")]))
        .await
        .expect("it is applied");
    let other = world.deployment_with(OTHER_ID, &[("api", "1.0.0")], &json!({}));
    let error = world.refused(&other).await;
    let expected = format!("belongs to the component web of the deployment {ID}");
    assert!(error.message.contains(&expected), "{error}");
}

const LOOKUP: &str = "{{ lookup \"v1\" \"Secret\" \"apps\" \"s\" | toJson }}";
const RUN: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  run: {{ tpl (toString .Values.run) . | quote }}\n";
const PUT_TOGETHER: &str = r#"apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  a: {{ tpl (printf "{{ look%s \"v1\" \"Secret\" \"apps\" \"s\" }}" "up") . | quote }}
"#;
const HELPER: &str = r#"{{ define "run" }}
{{ tpl (printf "{{ look%s \"v1\" \"Secret\" \"apps\" \"\" }}" "up") . | quote }}
{{ end }}"#;
const INCLUDE: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: {{ include \"run\" . }}\n";
const FROM_FILE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: {{ tpl (.Files.Get \"files/a.txt\") . | quote }}\n";
