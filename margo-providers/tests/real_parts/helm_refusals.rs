//! What cannot be installed: refused with the reason, and the earlier revision runs on.

use libtest_mimic::Trial;
use margo_conformance::kubernetes::Verb;
use margo_package::oci::{ArtifactStore, Client, Manifest, Reference};
use margo_providers::helm::{HelmProvider, Mode};
use margo_providers::{Provider, ProviderError, Silent, Trouble};
use margo_types::id::ComponentName;
use margo_types::media_type::{HELM_CHART, HELM_CONFIG};
use margo_types::oci::Descriptor;
use serde_json::json;

use crate::helm_install::{WEB, recording};
use crate::helm_world::{HelmWorld, ID, client, template_mode};
use crate::{helm_double_trial, helm_trial};

pub(crate) fn add(trials: &mut Vec<Trial>) {
    trials.extend([
        helm_trial("helm_bad_charts_are_refused", bad_charts),
        helm_trial("helm_charts_of_another_kind_are_refused", other_kinds),
        helm_trial("helm_values_that_break_the_schema_are_refused", schema),
        helm_trial("helm_schemas_open_nothing", references),
        helm_trial("helm_nothing_changes_before_all_are_checked", all_checked),
        helm_trial("helm_missing_revisions_are_named", missing_revision),
        helm_trial("helm_registries_need_what_they_need", private_registry),
        helm_double_trial(
            "helm_clusters_that_are_down_are_named",
            "it stops the cluster",
            no_cluster,
        ),
        helm_double_trial(
            "helm_missing_permissions_are_named",
            "it takes permissions away",
            no_permission,
        ),
        helm_trial("helm_missing_namespaces_are_named", no_namespace),
        helm_trial("helm_namespaces_are_kept", other_namespace),
        helm_trial("helm_long_names_are_refused", long_name),
        helm_trial("helm_deployments_of_the_other_mode_are_refused", other_mode),
    ]);
}

/// A device whose mode was changed neither touches what came in the other one nor says that it is gone.
async fn other_mode() {
    for modes in [
        [Mode::Install, template_mode()],
        [template_mode(), Mode::Install],
    ] {
        let [before, now] = modes;
        let world = HelmWorld::with(|options| options.mode = before).await;
        world.publish("web", "1.0.0", WEB).await;
        let deployment = world.deployment(&[("web", "1.0.0")]);
        world.apply(&deployment).await.expect("it is installed");
        let version = world.cluster.version();
        let mut options = world.options();
        options.mode = now;
        let changed = HelmProvider::detect(options).await.expect("helm");
        let outcomes = [
            changed.apply(&deployment, &Silent).await,
            changed.remove(&deployment, &Silent).await,
            changed.observe(&deployment).await.map(drop),
        ];
        for outcome in outcomes {
            let error = outcome.expect_err("it is of the other mode");
            assert_eq!(error.trouble, Trouble::Device, "{error}");
            assert!(error.message.contains("it was installed in"), "{error}");
        }
        assert_eq!(world.cluster.version(), version, "nothing was changed");
        assert_eq!(world.states(&deployment).await, ["installed"]);
        world.remove(&deployment).await;
    }
}

/// An update of what runs, which must fail and leave it running.
async fn refused_update(files: &[(&str, &str)]) -> ProviderError {
    let world = HelmWorld::with(|_| {}).await;
    world.publish("web", "1.0.0", WEB).await;
    world.publish("web", "2.0.0", files).await;
    let first = world.deployment(&[("web", "1.0.0")]);
    world.apply(&first).await.expect("it is installed");
    let version = world.cluster.version();
    let error = world.refused(&world.deployment(&[("web", "2.0.0")])).await;
    assert_eq!(
        error.component.as_ref().map(ComponentName::as_str),
        Some("web"),
        "{error}"
    );
    assert_eq!(
        world.cluster.version(),
        version,
        "nothing was changed: {error}"
    );
    world.apply(&first).await.expect("it runs on");
    assert_eq!(world.cluster.version(), version, "it was touched");
    world.remove(&first).await;
    error
}

async fn bad_charts() {
    for (files, trouble, expected) in [
        (
            &[("templates/a.yaml", "{{ fail \"no licence\" }}")],
            Trouble::Deployment,
            "no licence",
        ),
        (
            &[("templates/a.yaml", "{{ .Values.a.b.c }}")],
            Trouble::Deployment,
            "templates/a.yaml:1",
        ),
        (
            &[("templates/a.yaml", "a: [")],
            Trouble::Deployment,
            "templates/a.yaml",
        ),
        (
            &[("templates/a.yaml", UNKNOWN_KIND)],
            Trouble::Device,
            "none.example/v1",
        ),
    ] {
        let error = refused_update(files).await;
        assert_eq!(error.trouble, trouble, "{error}");
        assert!(error.message.contains(expected), "{error}");
    }
}

/// An artefact of a media type, whatever is in it.
async fn push(world: &HelmWorld, revision: &str, config: &str, layer: &str, archive: Vec<u8>) {
    let host = world.registry.host();
    let client = client(&world.registry);
    let target: Reference = format!("{host}/charts/web:{revision}")
        .parse()
        .expect("a reference");
    let (layer, config) = (
        Descriptor::of(layer, &archive),
        Descriptor::of(config, b"{}"),
    );
    for (descriptor, bytes) in [(&layer, archive), (&config, b"{}".to_vec())] {
        let pushed = client
            .push_blob(&target, descriptor, &bytes::Bytes::from(bytes))
            .await;
        pushed.expect("a blob");
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer]});
    let manifest = Manifest::read(manifest.to_string().as_bytes(), None).expect("a manifest");
    client
        .push_manifest(&target, &manifest)
        .await
        .expect("a manifest");
}

/// A packed chart of this metadata, by `tar`.
fn packed(metadata: &str) -> Vec<u8> {
    let folder = tempfile::TempDir::new().expect("a folder");
    std::fs::create_dir(folder.path().join("web")).expect("a folder");
    std::fs::write(folder.path().join("web/Chart.yaml"), metadata).expect("a file");
    let mut tar = std::process::Command::new("tar");
    let output = tar.arg("-czC").arg(folder.path()).arg("web").output();
    output.expect("tar runs").stdout
}

async fn other_kinds() {
    let world = HelmWorld::with(|_| {}).await;
    let chart = |metadata: &str| packed(&format!("{metadata}\nname: web\nversion: 1.0.0\n"));
    push(
        &world,
        "1.0.0",
        HELM_CONFIG,
        HELM_CHART,
        chart("apiVersion: v1"),
    )
    .await;
    push(
        &world,
        "1.0.1",
        HELM_CONFIG,
        HELM_CHART,
        chart("apiVersion: v2\ntype: library"),
    )
    .await;
    push(
        &world,
        "1.0.2",
        HELM_CONFIG,
        HELM_CHART,
        b"no archive".to_vec(),
    )
    .await;
    push(
        &world,
        "1.0.3",
        "application/x",
        "application/y",
        b"anything".to_vec(),
    )
    .await;
    for (revision, expected) in [
        ("1.0.0", "apiVersion is \"v1\"; migrate the chart to v2"),
        ("1.0.1", "only offers templates"),
        ("1.0.2", "the chart is refused"),
        ("1.0.3", "Helm chart"),
    ] {
        let error = world.refused(&world.deployment(&[("web", revision)])).await;
        assert_eq!(error.trouble, Trouble::Deployment, "{error}");
        assert!(error.message.contains(expected), "{error}");
        world.assert_nothing_left();
    }
}

async fn schema() {
    let error = refused_update(&[("values.schema.json", SCHEMA), WEB[1]]).await;
    assert_eq!(error.trouble, Trouble::Deployment);
    for expected in ["do not fit the chart", "password"] {
        assert!(error.message.contains(expected), "{error}");
    }
}

/// A schema has `helm` ask nobody, neither that of the chart nor that of one in it; in both modes.
async fn references() {
    for world in [HelmWorld::with(|_| {}).await, HelmWorld::template().await] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("it can be asked");
        let url = format!("http://{}/schema.json", listener.local_addr().expect("one"));
        let schema = json!({"properties": {"password": {"$ref": url}}}).to_string();
        let inner = "apiVersion: v2\nname: inner\nversion: 1.0.0\n";
        let outside = [("values.schema.json", schema.as_str()), WEB[0], WEB[1]];
        let inside = [
            ("charts/inner/Chart.yaml", inner),
            ("charts/inner/values.schema.json", &schema),
            WEB[1],
        ];
        for (revision, files, file) in [
            ("1.0.0", outside, "web/values.schema.json"),
            ("2.0.0", inside, "web/charts/inner/values.schema.json"),
        ] {
            world.publish("web", revision, &files).await;
            let error = world.refused(&world.deployment(&[("web", revision)])).await;
            assert_eq!(error.trouble, Trouble::Deployment, "{error}");
            for expected in [file, &url] {
                assert!(error.message.contains(expected), "{error}");
            }
            let asked = listener.accept().expect_err("nobody asks");
            assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock);
        }
        world.assert_nothing_left();
    }
}

async fn all_checked() {
    let world = HelmWorld::with(|options| drop(recording(options))).await;
    world.publish("db", "1.0.0", WEB).await;
    world
        .publish("web", "1.0.0", &[("values.schema.json", SCHEMA), WEB[1]])
        .await;
    let version = world.cluster.version();
    let error = world
        .refused(&world.deployment(&[("db", "1.0.0"), ("web", "1.0.0")]))
        .await;
    assert_eq!(
        error.component.as_ref().map(ComponentName::as_str),
        Some("web")
    );
    assert_eq!(world.cluster.version(), version, "{error}");
    world.assert_nothing_left();
}

async fn missing_revision() {
    let world = HelmWorld::with(|_| {}).await;
    world.publish("web", "1.0.0", WEB).await;
    let error = world.refused(&world.deployment(&[("web", "9.9.9")])).await;
    assert_eq!(error.trouble, Trouble::Registry);
    assert!(error.message.contains("web:9.9.9"), "{error}");
    world.assert_nothing_left();
}

/// All tests pull from a private registry over plain HTTP, which is allowed to its host alone.
async fn private_registry() {
    let world = HelmWorld::with(|_| {}).await;
    world.publish("web", "1.0.0", WEB).await;
    let host = world.registry.host();
    let client = || Client::builder().no_proxy();
    for (client, expected) in [
        (client().plain_http(&host), "credentials"),
        (client(), "the connection failed"),
    ] {
        let mut options = world.options();
        options.registry = client.build().expect("a client");
        let device = HelmProvider::detect(options).await.expect("helm");
        let deployment = world.deployment(&[("web", "1.0.0")]);
        let refused = device.apply(&deployment, &Silent).await;
        let error = refused.expect_err("it must be refused");
        assert_eq!(error.trouble, Trouble::Registry, "{error}");
        assert!(error.message.contains(expected), "{error}");
        world.assert_nothing_left();
    }
}

async fn no_cluster() {
    let world = HelmWorld::with(|_| {}).await;
    world.publish("web", "1.0.0", WEB).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    world.cluster.double().stop().await;
    let error = world.refused(&deployment).await;
    assert_eq!(error.trouble, Trouble::Engine, "{error}");
    assert!(error.message.contains("cannot be reached"), "{error}");
    world.cluster.double().restart();
    world
        .apply(&deployment)
        .await
        .expect("it is as it should be");
    world.remove(&deployment).await;
}

async fn no_permission() {
    let world = HelmWorld::with(|_| {}).await;
    world.publish("web", "1.0.0", WEB).await;
    world.cluster.double().forbid(Verb::Create, "deployments");
    let deployment = world.deployment(&[("web", "1.0.0")]);
    let error = world.refused(&deployment).await;
    assert_eq!(error.trouble, Trouble::Device, "{error}");
    assert!(error.message.contains("do not allow it"), "{error}");
    world.assert_nothing_left();
    world.cluster.double().allow_all();
    world.apply(&deployment).await.expect("it is installed");
    world.remove(&deployment).await;
}

async fn no_namespace() {
    let world = HelmWorld::with(|_| {}).await;
    world.publish("web", "1.0.0", WEB).await;
    let mut deployment = world.deployment(&[("web", "1.0.0")]);
    deployment.metadata.namespace = Some(world.beside("shop"));
    let error = world.refused(&deployment).await;
    assert_eq!(error.trouble, Trouble::Device, "{error}");
    let told = format!("no namespace {}; create it", world.beside("shop"));
    assert!(error.message.contains(&told), "{error}");

    let world = HelmWorld::with(|options| options.create_namespace = true).await;
    world.publish("web", "1.0.0", WEB).await;
    let mut deployment = world.deployment(&[("web", "1.0.0")]);
    deployment.metadata.namespace = Some(world.beside("shop"));
    world.apply(&deployment).await.expect("it is made");
    let made = world
        .cluster
        .object("namespaces", None, &world.beside("shop"));
    assert!(made.is_some());
}

async fn other_namespace() {
    let world = HelmWorld::with(|_| {}).await;
    world.cluster.add_namespace(&world.beside("shop"));
    world.publish("web", "1.0.0", WEB).await;
    let mut deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    deployment.metadata.namespace = Some(world.beside("shop"));
    let error = world.refused(&deployment).await;
    let told = format!("cannot be moved to {}", world.beside("shop"));
    assert!(error.message.contains(&told), "{error}");
    assert!(error.message.contains(&world.namespace), "{error}");
    world.remove(&deployment).await;
}

async fn long_name() {
    let world = HelmWorld::with(|_| {}).await;
    let name = "a-very-long-name-of-a-component-that-no-release-can-have";
    let error = world
        .refused(&world.deployment_with(ID, &[(name, "1.0.0")], &json!({})))
        .await;
    assert_eq!(error.trouble, Trouble::Deployment);
    assert!(error.message.contains("shorten the name to 42"), "{error}");
    assert_eq!(world.registry.requests().len(), 0, "nobody was asked");
}

const SCHEMA: &str = r#"{
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["password"],
    "properties": {"password": {"type": "string", "minLength": 8}}
}"#;
const UNKNOWN_KIND: &str = "apiVersion: none.example/v1\nkind: Widget\nmetadata: {name: a}\n";
