//! First installations that fail: with the reason, and leaving nothing.

use std::time::Duration;

use libtest_mimic::Trial;
use margo_package::oci::ArtifactStore;
use margo_providers::compose::ComposeProvider;
use margo_providers::{Provider, ProviderError, Silent, Trouble};
use margo_types::deployment::ApplicationDeployment;
use margo_types::media_type::{COMPOSE_ARCHIVE, COMPOSE_COMPONENT};
use margo_types::oci::{Descriptor, PackageManifest};
use serde_json::json;

use crate::engine::FOREIGN_IMAGE;
use crate::told::Told;
use crate::world::{World, compose, service, with};
use crate::{Found, trial};

pub(crate) fn add(engine: &Found, trials: &mut Vec<Trial>) {
    trials.extend([
        trial("a_non_zero_exit_fails_at_once", engine, exit),
        trial("a_failed_dependency_fails_at_once", engine, dependency),
        trial("an_early_end_after_the_start_is_seen", engine, late_exit),
        trial("unhealthy_containers_time_out", engine, unhealthy),
        trial(
            "a_later_component_takes_the_earlier_ones_along",
            engine,
            later_component,
        ),
        trial("images_for_other_machines_are_refused", engine, foreign),
        trial("missing_images_are_named", engine, missing_image),
        trial("a_registry_that_is_down_is_named", engine, registry_down),
        trial("invalid_archives_are_refused", engine, invalid_archive),
        trial("refused_compose_files_are_explained", engine, refused_file),
        trial("an_engine_that_is_gone_is_named", engine, no_engine),
    ]);
}

/// A first installation that must fail and leave nothing.
async fn failure(world: &World, deployment: &ApplicationDeployment) -> ProviderError {
    let error = world.apply(deployment).await.expect_err("it fails");
    world.assert_nothing_left();
    assert_eq!(world.provider_list().await, []);
    error
}

async fn exit(world: World) {
    let web = with(
        service("echo first; echo cannot open the valve >&2; exit 3"),
        "volumes",
        json!(["data:/data"]),
    );
    let file = json!({"services": {"other": service("true"), "web": web}, "volumes": {"data": {}}});
    world.publish("web", "1.0.0", &file).await;
    let error = failure(&world, &world.deployment(&[("web", "1.0.0")])).await;
    assert_eq!(error.trouble, Trouble::Workload);
    assert_eq!(error.component.as_ref().expect("one").as_str(), "web");
    for expected in [
        "the service web ended with exit code 3",
        "cannot open the valve",
    ] {
        assert!(error.message.contains(expected), "{error}");
    }
}

/// Compose waits for ever for a dependency to be healthy; the failed container beside it is seen all the same.
async fn dependency(world: World) {
    let check = json!({"test": ["CMD", "/bin/false"], "interval": "1h"});
    let slow = with(service("true"), "healthcheck", check);
    let last = with(
        service("true"),
        "depends_on",
        json!({"slow": {"condition": "service_healthy"}}),
    );
    let file =
        json!({"services": {"slow": slow, "last": last, "bad": service("echo broken; exit 9")}});
    world.publish("web", "1.0.0", &file).await;
    let error = failure(&world, &world.deployment(&[("web", "1.0.0")])).await;
    assert_eq!(error.trouble, Trouble::Workload);
    assert!(error.message.contains("broken"), "{error}");
}

async fn late_exit(world: World) {
    let web = service("sleep 0.7; echo too late; exit 5");
    world.publish("web", "1.0.0", &compose("web", &web)).await;
    let mut options = world.options();
    options.settle = Duration::from_secs(20);
    let provider = ComposeProvider::detect(options).await.expect("an engine");
    let deployment = world.deployment(&[("web", "1.0.0")]);
    let error = provider
        .apply(&deployment, &Silent)
        .await
        .expect_err("it fails");
    assert!(error.message.contains("too late"), "{error}");
    world.assert_nothing_left();
}

async fn unhealthy(world: World) {
    let test = ["CMD", "/bin/sh", "-c", "echo no pressure; exit 1"];
    let check = json!({"test": test, "interval": "200ms", "retries": 2});
    let web = with(service("true"), "healthcheck", check);
    world.publish("web", "1.0.0", &compose("web", &web)).await;
    let mut deployment = world.deployment(&[("web", "1.0.0")]);
    let component = &mut deployment.spec.deployment_profile.components[0];
    component.properties.timeout = Some("0m30s".parse().expect("a time-out"));
    let error = failure(&world, &deployment).await;
    assert_eq!(error.trouble, Trouble::Timeout, "{error}");
    for expected in [
        "time-out of 30 s",
        "the service web is unhealthy",
        "no pressure",
    ] {
        assert!(error.message.contains(expected), "{error}");
    }
}

async fn later_component(world: World) {
    world
        .publish("db", "1.0.0", &compose("db", &service("true")))
        .await;
    world
        .publish("web", "1.0.0", &compose("web", &service("exit 1")))
        .await;
    let deployment = world.deployment(&[("db", "1.0.0"), ("web", "1.0.0")]);
    let told = Told::default();
    let applied = world.provider.apply(&deployment, &told).await;
    let error = applied.expect_err("it fails");
    assert_eq!(error.component.expect("one").as_str(), "web");
    let told = told.all();
    let expected = [
        "db installing",
        "db installed",
        "web installing",
        "db removed",
    ];
    assert_eq!(told, expected);
    world.assert_nothing_left();
    assert_eq!(world.provider_list().await, []);
}

async fn foreign(world: World) {
    let web = with(service("true"), "image", json!(FOREIGN_IMAGE));
    world.publish("web", "1.0.0", &compose("web", &web)).await;
    let error = failure(&world, &world.deployment(&[("web", "1.0.0")])).await;
    assert_eq!(error.trouble, Trouble::Deployment);
    for expected in [FOREIGN_IMAGE, "linux/s390x", "service web"] {
        assert!(error.message.contains(expected), "{error}");
    }
}

async fn missing_image(world: World) {
    // Nobody listens on port 1.
    let web = with(
        service("true"),
        "image",
        json!("127.0.0.1:1/none/such:${TAG:-7}"),
    );
    world.publish("web", "1.0.0", &compose("web", &web)).await;
    let error = failure(&world, &world.deployment(&[("web", "1.0.0")])).await;
    assert_eq!(error.trouble, Trouble::Registry);
    for expected in [
        "127.0.0.1:1/none/such:7",
        "service web",
        "cannot be pulled",
        "refused",
    ] {
        assert!(error.message.contains(expected), "{error}");
    }
}

async fn registry_down(world: World) {
    let deployment = world.deployment(&[("web", "1.0.0")]);
    let error = failure(&world, &deployment).await;
    assert_eq!(error.trouble, Trouble::Registry);
    assert!(error.message.contains("apps/web:1.0.0"), "{error}");
    world.registry.stop().await;
    let error = failure(&world, &deployment).await;
    assert_eq!(error.trouble, Trouble::Registry);
    let host = world.registry.host();
    assert!(
        error.message.contains(&host) && error.message.contains("connection"),
        "{error}"
    );
}

async fn invalid_archive(world: World) {
    let client = world.client();
    let target = world.reference("web", "1.0.0");
    let bytes = b"services: {web: {image: x}}\nnot an archive".to_vec();
    let layer = Descriptor::of(COMPOSE_ARCHIVE, &bytes);
    let empty = Descriptor::empty();
    let blobs = [
        (&layer, bytes::Bytes::from(bytes)),
        (&empty, bytes::Bytes::from_static(b"{}")),
    ];
    for (descriptor, bytes) in &blobs {
        client
            .push_blob(&target, descriptor, bytes)
            .await
            .expect("a blob");
    }
    let manifest = PackageManifest::new(COMPOSE_COMPONENT, empty.clone(), vec![layer.clone()]);
    let manifest = serde_json::to_vec(&manifest).expect("a manifest");
    let manifest = margo_package::oci::Manifest::read(&manifest, None).expect("a manifest");
    client
        .push_manifest(&target, &manifest)
        .await
        .expect("a manifest");
    let error = failure(&world, &world.deployment(&[("web", "1.0.0")])).await;
    assert_eq!(error.trouble, Trouble::Deployment, "{error}");
    assert!(
        error.message.contains("compose archive is not valid"),
        "{error}"
    );
}

async fn refused_file(world: World) {
    let web = with(service("true"), "comand", json!(["x"]));
    world.publish("web", "1.0.0", &compose("web", &web)).await;
    let error = failure(&world, &world.deployment(&[("web", "1.0.0")])).await;
    assert_eq!(error.trouble, Trouble::Deployment);
    assert!(error.message.contains("comand"), "{error}");
}

async fn no_engine(world: World) {
    let mut options = world.options();
    let nowhere = format!("unix://{}/none.sock", world.folder.path().display());
    options.docker_host = Some(nowhere.clone());
    let error = ComposeProvider::detect(options)
        .await
        .expect_err("nobody is there");
    assert_eq!(error.trouble, Trouble::Engine);
    assert!(error.message.contains("does not answer"), "{error}");
    assert!(error.message.contains(&nowhere), "{error}");
}
