//! First installations, and applying again.

use std::time::Duration;

use libtest_mimic::Trial;
use margo_conformance::registry::Registry;
use margo_package::oci::{Client, Credentials, StaticCredentials};
use margo_providers::compose::ComposeProvider;
use margo_providers::{Observation, Provider, Silent, Trouble};
use margo_types::status::DeploymentState;
use serde_json::json;

use crate::engine::IMAGE;
use crate::told::Told;
use crate::world::{OTHER_ID, World, compose, push, service, with};
use crate::{Found, trial};

pub(crate) fn add(engine: &Found, trials: &mut Vec<Trial>) {
    trials.extend([
        trial("parameters_and_telemetry_arrive", engine, parameters),
        trial("applying_again_restarts_nothing", engine, again),
        trial("components_come_up_in_order", engine, order),
        trial("health_checks_are_awaited", engine, health),
        trial("deployments_are_isolated", engine, isolation),
        trial("a_registry_is_needed_once", engine, offline),
        trial("what_was_cut_off_is_carried_on", engine, cut_off),
        trial("files_of_any_compose_version_run", engine, versions),
        trial("private_registries_get_the_credentials", engine, private),
        trial("the_engine_says_its_version", engine, engine_version),
    ]);
}

async fn parameters(world: World) {
    let web = with(
        service("true"),
        "environment",
        json!({"GREETING": "${GREETING:-none}", "poll": "${pollRate}"}),
    );
    world.publish("web", "1.0.0", &compose("web", &web)).await;
    let mut deployment = world.deployment(&[("web", "1.0.0")]);
    let parameters = json!({
        "greeting": {"value": "it's \"$HOME\" & more", "targets": [{"pointer": "ENV.GREETING", "components": ["web"]}]},
        "poll": {"value": 30, "targets": [{"pointer": "pollRate", "components": ["web"]}]},
        "other": {"value": "no", "targets": [{"pointer": "GREETING", "components": ["other"]}]},
    });
    deployment.spec.parameters = serde_json::from_value(parameters).expect("parameters");
    world.apply(&deployment).await.expect("it is installed");
    let seen = world.shell(
        "web",
        "echo \"$GREETING|$poll|$HTTP_OTEL_EXPORTER_OTLP_ENDPOINT\"",
    );
    assert_eq!(seen, "it's \"$HOME\" & more|30|http://collector:4318");
    let observed = world.provider.observe(&deployment).await.expect("a look");
    assert!(observed.is_installed(), "{observed:?}");
    assert_eq!(
        world.provider.list().await.expect("a list"),
        [deployment.id]
    );
    world.remove(&deployment).await;
}

async fn again(world: World) {
    let task = json!({"image": IMAGE, "command": ["/bin/true"]});
    let both = json!({"services": {"task": task, "web": service("true")}});
    world.publish("web", "1.0.0", &both).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    let runs = |world: &World| {
        let ids = [world.container("web"), world.container("task")];
        ids.map(|id| {
            let format = "{{.Id}} {{.State.StartedAt}}";
            world
                .engine
                .docker(&["container", "inspect", "--format", format, &id])
        })
    };
    let before = runs(&world);
    let requests = world.registry.requests().len();
    world
        .apply(&deployment)
        .await
        .expect("it is as it should be");
    assert_eq!(runs(&world), before, "something was started again");
    assert_eq!(world.registry.requests().len(), requests);

    // What somebody stopped is started again.
    let web = world.container("web");
    world.engine.docker(&["stop", "-t", "1", &web]);
    world.apply(&deployment).await.expect("it is repaired");
    assert_eq!(world.container("web"), web, "the same container");
    assert_eq!(world.shell("web", "echo up"), "up");
    world.remove(&deployment).await;
}

async fn order(world: World) {
    world
        .publish("db", "1.0.0", &compose("db", &service("true")))
        .await;
    world
        .publish("web", "1.0.0", &compose("web", &service("true")))
        .await;
    let deployment = world.deployment(&[("db", "1.0.0"), ("web", "1.0.0")]);
    let told = Told::default();
    world
        .provider
        .apply(&deployment, &told)
        .await
        .expect("it is installed");
    let removed = world.provider.remove(&deployment, &told).await;
    removed.expect("it is removed");
    let expected = [
        "db installing",
        "db installed",
        "web installing",
        "web installed",
        "web removing",
        "web removed",
        "db removing",
        "db removed",
    ];
    assert_eq!(told.all(), expected);
    world.assert_nothing_left();
}

async fn health(world: World) {
    let check =
        json!({"test": ["CMD", "/bin/test", "-e", "/ready"], "interval": "200ms", "retries": 100});
    let web = with(service("sleep 1; touch /ready"), "healthcheck", check);
    world.publish("web", "1.0.0", &compose("web", &web)).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    let format = "{{.State.Health.Status}}";
    let web = world.container("web");
    let seen = world
        .engine
        .docker(&["container", "inspect", "--format", format, &web]);
    assert_eq!(seen, "healthy");
    world.remove(&deployment).await;
}

async fn isolation(world: World) {
    let web = with(service("true"), "volumes", json!(["data:/data"]));
    let file = json!({"services": {"web": web}, "volumes": {"data": {}}});
    world.publish("web", "1.0.0", &file).await;
    let first = world.deployment(&[("web", "1.0.0")]);
    let mut second = first.clone();
    second.id = OTHER_ID.parse().expect("an id");
    world.apply(&first).await.expect("the first");
    world.apply(&second).await.expect("the second");
    assert_eq!(world.containers().len(), 2);
    let removed = world.provider.remove(&first, &Silent).await;
    removed.expect("it is removed");
    assert_eq!(world.provider.list().await.expect("a list"), [second.id]);
    let observed = world.provider.observe(&second).await.expect("a look");
    assert!(observed.is_installed(), "{observed:?}");
    let gone = world.provider.observe(&first).await.expect("a look");
    assert_eq!(
        gone,
        Observation::uniform(&first, &DeploymentState::Removed)
    );
    world.remove(&second).await;
}

async fn offline(world: World) {
    let web = with(service("true"), "environment", json!({"A": "${A:-one}"}));
    world.publish("web", "1.0.0", &compose("web", &web)).await;
    let mut deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    world.registry.stop().await;
    // As after a device was set up again with its state kept.
    world.engine.docker(&["rm", "-f", &world.container("web")]);
    let again = ComposeProvider::detect(world.options()).await;
    let again = again.expect("an engine");
    let seen = again.observe(&deployment).await.expect("a look");
    assert!(!seen.is_installed());
    let applied = again.apply(&deployment, &Silent).await;
    applied.expect("it comes from the disk");
    assert_eq!(world.shell("web", "echo $A"), "one");
    let parameters =
        json!({"a": {"value": "two", "targets": [{"pointer": "A", "components": ["web"]}]}});
    deployment.spec.parameters = serde_json::from_value(parameters).expect("parameters");
    world
        .apply(&deployment)
        .await
        .expect("another parameter needs no registry");
    assert_eq!(world.shell("web", "echo $A"), "two");
    world.remove(&deployment).await;
}

async fn cut_off(world: World) {
    let check = json!({"test": ["CMD", "/bin/test", "-e", "/data/go"], "interval": "200ms", "retries": 1000});
    let web = with(service("true"), "healthcheck", check);
    let web = with(web, "volumes", json!(["data:/data"]));
    let next = with(
        service("true"),
        "depends_on",
        json!({"web": {"condition": "service_healthy"}}),
    );
    let file = json!({"services": {"web": web, "next": next}, "volumes": {"data": {}}});
    world.publish("web", "1.0.0", &file).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    // Dropped at moments that lie all over an installation; the last ones while Compose itself waits.
    for step in 0..8 {
        let begun = world.apply(&deployment);
        let time = Duration::from_millis(150 * step);
        if let Ok(ended) = tokio::time::timeout(time, begun).await {
            panic!("it cannot be complete: {ended:?}");
        }
    }
    let seen = world.provider.observe(&deployment).await.expect("a look");
    assert!(!seen.is_installed());
    let finish = async {
        loop {
            let web = format!("label={}={}", "com.docker.compose.service", "web");
            let project = format!("name={}-", world.prefix);
            let found = ["ps", "-q", "--filter", &web, "--filter", &project];
            let found = world.engine.docker(&found);
            if !found.is_empty() {
                let touch = ["exec", &found, "/bin/touch", "/data/go"];
                if world.engine.try_docker(&touch).is_ok() {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (applied, ()) = tokio::join!(world.apply(&deployment), finish);
    applied.expect("it is installed at last");
    assert_eq!(world.containers().len(), 2);
    world.remove(&deployment).await;
}

async fn versions(world: World) {
    let old = with(compose("web", &service("true")), "version", json!("3.8"));
    world.publish("old", "1.0.0", &old).await;
    let named = with(
        compose("named", &service("true")),
        "name",
        json!("their-own"),
    );
    world.publish("named", "1.0.0", &named).await;
    let deployment = world.deployment(&[("old", "1.0.0"), ("named", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    assert_eq!(
        world.containers().len(),
        2,
        "both under our own project name"
    );
    world.remove(&deployment).await;
}

async fn private(mut world: World) {
    let builder = Registry::builder().credentials("device", "secret");
    world.registry = builder.start().await;
    let host = world.registry.host();
    let known = StaticCredentials::new().with(&host, Credentials::password("device", "secret"));
    let client = Client::builder()
        .plain_http(&host)
        .no_proxy()
        .credentials(known);
    let client = client.build().expect("a client");
    let target = world.reference("web", "1.0.0");
    push(
        &client,
        &target,
        "web",
        &compose("web", &service("true")),
        &[],
    )
    .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);

    let stranger = ComposeProvider::detect(world.options())
        .await
        .expect("an engine");
    let refused = stranger
        .apply(&deployment, &Silent)
        .await
        .expect_err("no credentials");
    assert_eq!(refused.trouble, Trouble::Registry, "{refused}");
    world.assert_nothing_left();

    let mut options = world.options();
    options.registry = client;
    world.provider = ComposeProvider::detect(options).await.expect("an engine");
    world.apply(&deployment).await.expect("it is installed");
    world.remove(&deployment).await;
}

async fn engine_version(world: World) {
    let engine = world.provider.engine().await.expect("an engine");
    assert_eq!(&engine, world.provider.found());
    assert!(engine.name.ends_with("compose"), "{engine}");
    assert!(
        engine.version.starts_with(|c: char| c.is_ascii_digit()),
        "{engine}"
    );
}
