//! Removing: all of it, again, and without any memory.

use libtest_mimic::Trial;
use margo_providers::{Provider, Silent};
use serde_json::json;

use crate::world::{World, service, with};
use crate::{Found, trial};

pub(crate) fn add(engine: &Found, trials: &mut Vec<Trial>) {
    trials.extend([
        trial(
            "removing_takes_everything_and_may_be_repeated",
            engine,
            everything,
        ),
        trial("removing_needs_no_files", engine, without_files),
        trial("names_that_look_alike_are_left_alone", engine, lookalike),
    ]);
}

async fn installed(world: &World) -> margo_types::deployment::ApplicationDeployment {
    let web = with(
        service("true"),
        "volumes",
        json!(["data:/data", "/anonymous"]),
    );
    let file = json!({"services": {"web": web}, "volumes": {"data": {}}});
    world.publish("web", "1.0.0", &file).await;
    let deployment = world.deployment(&[("web", "1.0.0")]);
    world.apply(&deployment).await.expect("it is installed");
    deployment
}

async fn everything(world: World) {
    let deployment = installed(&world).await;
    let anonymous = "{{range .Mounts}}{{.Name}} {{end}}";
    let web = world.container("web");
    let volumes = world
        .engine
        .docker(&["container", "inspect", "--format", anonymous, &web]);
    world.remove(&deployment).await;
    world.remove(&deployment).await;
    assert_eq!(world.provider_list().await, []);
    let left = world.engine.docker(&["volume", "ls", "-q"]);
    for volume in volumes.split_whitespace() {
        assert!(!left.contains(volume), "{volume}");
    }
    // And it can come back.
    world.apply(&deployment).await.expect("it is installed");
    world.remove(&deployment).await;
}

async fn without_files(world: World) {
    let deployment = installed(&world).await;
    std::fs::remove_dir_all(world.state()).expect("the files go");
    world.registry.stop().await;
    assert_eq!(world.provider_list().await, [deployment.id]);
    let mut stripped = deployment.clone();
    stripped.spec.deployment_profile.components.clear();
    world.remove(&stripped).await;
}

async fn lookalike(world: World) {
    let deployment = installed(&world).await;
    let project = format!(
        "{}-{}-web",
        world.prefix,
        deployment.id.to_string().replace('-', "")
    );
    let stranger = format!("{project}-2");
    let arguments = [
        "run",
        "-d",
        "--net",
        "none",
        "--name",
        &stranger,
        crate::engine::IMAGE,
        "/bin/sleep",
        "600",
    ];
    world.engine.docker(&arguments);
    let removed = world.provider.remove(&deployment, &Silent).await;
    removed.expect("it is removed");
    assert_eq!(world.containers().len(), 1, "the stranger's is left");
    world.engine.docker(&["rm", "-f", &stranger]);
    world.assert_nothing_left();
}
