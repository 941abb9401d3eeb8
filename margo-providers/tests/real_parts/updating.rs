//! New revisions and parameters of what is there.

use libtest_mimic::Trial;
use margo_conformance::program;
use margo_providers::{Provider, Trouble};
use serde_json::{Value, json};

use crate::told::Told;
use crate::world::{World, compose, service, with};
use crate::{Found, trial};

pub(crate) fn add(engine: &Found, trials: &mut Vec<Trial>) {
    trials.extend([
        trial("an_update_keeps_data", engine, data),
        trial("a_failed_update_keeps_data", engine, failed),
        trial(
            "an_update_that_cannot_be_fetched_changes_nothing",
            engine,
            unfetched,
        ),
        trial("dropped_components_are_removed", engine, dropped),
        trial("dropped_components_are_removed_last", engine, dropped_last),
        trial("a_renamed_component_takes_over_the_port", engine, renamed),
        trial("what_is_not_begun_is_pending", engine, not_begun),
        trial(
            "a_component_that_fails_in_an_update_leaves_nothing",
            engine,
            added,
        ),
    ]);
}

/// A service with a named volume and a bind mount beside the compose file.
fn keeper(script: &str) -> Value {
    let web = with(
        service(script),
        "volumes",
        json!(["data:/data", "./bound:/bound"]),
    );
    json!({"services": {"web": web}, "volumes": {"data": {}}})
}

const WRITE: &str = "echo rows > /data/db; echo rows > /bound/db";
const READ: &str = "cat /data/db /bound/db";

async fn data(world: World) {
    let mut first = keeper("true");
    first["services"]["web"]["env_file"] = json!("web.env");
    world
        .publish_with("web", "1.0.0", &first, &[("web.env", "A=one\n")])
        .await;
    world
        .publish_with("web", "1.1.0", &first, &[("web.env", "A=two\n")])
        .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    world.shell("web", WRITE);
    let update = world.deployment(&[("web", "1.1.0")]);
    world.apply(&update).await.expect("it is updated");
    assert_eq!(world.shell("web", "echo $A"), "two");
    assert_eq!(world.shell("web", READ), "rows\nrows");
    let label = "{{index .Config.Labels \"margo.revision\"}}";
    let web = world.container("web");
    let seen = world
        .engine
        .docker(&["container", "inspect", "--format", label, &web]);
    assert_eq!(seen, "1.1.0");
    world.remove(&update).await;
}

async fn failed(world: World) {
    world.publish("web", "1.0.0", &keeper("true")).await;
    world
        .publish("web", "1.1.0", &keeper("echo no such thing; exit 4"))
        .await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    world.shell("web", WRITE);
    let update = world.deployment(&[("web", "1.1.0")]);
    let error = world.apply(&update).await.expect_err("it fails");
    assert_eq!(error.trouble, Trouble::Workload);
    assert!(error.message.contains("no such thing"), "{error}");
    world.apply(&deployment).await.expect("back again");
    assert_eq!(world.shell("web", READ), "rows\nrows");
    world.remove(&deployment).await;
}

async fn unfetched(world: World) {
    world.publish("web", "1.0.0", &keeper("true")).await;
    world
        .publish("db", "1.0.0", &compose("db", &service("true")))
        .await;
    world
        .publish(
            "db",
            "1.1.0",
            &compose("db", &json!({"image": "127.0.0.1:1/none:1"})),
        )
        .await;
    let deployment = world.deployment(&[("web", "1.0.0"), ("db", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    let before = world.containers();
    for update in [
        [("web", "1.0.1"), ("db", "1.0.0")],
        [("web", "1.0.0"), ("db", "1.1.0")],
    ] {
        let update = world.deployment(&update);
        let error = world.apply(&update).await.expect_err("it fails");
        assert_eq!(error.trouble, Trouble::Registry, "{error}");
        assert_eq!(world.containers(), before);
    }
    world.remove(&deployment).await;
}

async fn dropped(world: World) {
    let keeper = keeper("true");
    world.publish("db", "1.0.0", &keeper).await;
    world
        .publish("web", "1.0.0", &compose("front", &service("true")))
        .await;
    let both = world.deployment(&[("db", "1.0.0"), ("web", "1.0.0")]);
    world.apply(&both).await.expect("it is installed");
    let front = world.container("front");
    let one = world.deployment(&[("web", "1.0.0")]);
    world.apply(&one).await.expect("it is updated");
    assert_eq!(world.containers().into_iter().collect::<Vec<_>>(), [front]);
    assert!(!world.state().join(one.id.to_string()).join("db").exists());
    world.remove(&one).await;
}

/// While another is not complete, the earlier revision runs on.
async fn dropped_last(world: World) {
    world
        .publish("db", "1.0.0", &compose("rows", &service("true")))
        .await;
    world
        .publish("web", "1.0.0", &compose("front", &service("true")))
        .await;
    world
        .publish("web", "1.1.0", &compose("front", &service("exit 3")))
        .await;
    let both = world.deployment(&[("db", "1.0.0"), ("web", "1.0.0")]);
    world.apply(&both).await.expect("they are installed");
    let rows = world.container("rows");
    let error = world.apply(&world.deployment(&[("web", "1.1.0")])).await;
    assert_eq!(
        error
            .expect_err("it fails")
            .component
            .expect("one")
            .as_str(),
        "web"
    );
    assert_eq!(world.container("rows"), rows, "it was touched");
    let one = world.deployment(&[("web", "1.0.0")]);
    world.apply(&one).await.expect("it is updated");
    assert_eq!(world.containers().len(), 1);
    world.remove(&one).await;
}

/// Two cannot have one port, one container name or one volume name: there the dropped one goes first.
async fn renamed(world: World) {
    let port = program::free_port();
    let name = format!("{}-fixed", world.prefix);
    let base = service("true");
    for (way, member, value, volumes) in [
        (
            "port",
            "ports",
            json!([format!("127.0.0.1:{port}:80")]),
            json!({}),
        ),
        ("name", "container_name", json!(name), json!({})),
        (
            "volume",
            "volumes",
            json!(["data:/data"]),
            json!({"data": {"name": name}}),
        ),
    ] {
        let file = json!({
            "version": "3.7", "services": {"front": with(base.clone(), member, value)}, "volumes": volumes,
        });
        let (old, new) = (format!("old-{way}"), format!("new-{way}"));
        for component in [&old, &new] {
            world.publish(component, "1.0.0", &file).await;
        }
        world
            .publish("db", "1.0.0", &compose("rows", &service("true")))
            .await;
        let first = world.deployment(&[("db", "1.0.0"), (&old, "1.0.0")]);
        world.apply(&first).await.expect("they are installed");
        let front = world.container("front");
        let second = world.deployment(&[(&new, "1.0.0")]);
        world.apply(&second).await.expect("the old one makes way");
        assert_ne!(world.container("front"), front);
        world.remove(&second).await;
    }
}

/// What is announced while all are fetched, and not begun because another cannot be, is neither installing nor failed.
async fn not_begun(world: World) {
    world
        .publish("web", "1.0.0", &compose("front", &service("true")))
        .await;
    let told = Told::default();
    let bad = world.deployment(&[("web", "1.0.0"), ("db", "9.9.9")]);
    let applied = world.provider.apply(&bad, &told).await;
    assert_eq!(
        applied
            .expect_err("it fails")
            .component
            .expect("one")
            .as_str(),
        "db"
    );
    assert_eq!(told.all(), ["web installing", "web pending"]);
    world.assert_nothing_left();
}

async fn added(world: World) {
    world.publish("web", "1.0.0", &keeper("true")).await;
    let failing = json!({"services": {"side": with(service("exit 1"), "volumes", json!(["junk:/junk"]))}, "volumes": {"junk": {}}});
    world.publish("side", "1.0.0", &failing).await;
    let one = world.deployment(&[("web", "1.0.0")]);
    world.apply(&one).await.expect("it is installed");
    let web = world.container("web");
    let two = world.deployment(&[("web", "1.0.0"), ("side", "1.0.0")]);
    let error = world.apply(&two).await.expect_err("it fails");
    assert_eq!(error.component.expect("a component").as_str(), "side");
    assert_eq!(world.containers().into_iter().collect::<Vec<_>>(), [web]);
    let volumes = world.engine.docker(&["volume", "ls", "-q"]);
    assert!(
        !volumes.contains("junk") || !volumes.contains(&world.prefix),
        "{volumes}"
    );
    world.remove(&one).await;
}
