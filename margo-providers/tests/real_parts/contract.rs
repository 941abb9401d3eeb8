//! The contract of all providers, kept by Compose.

use async_trait::async_trait;
use libtest_mimic::Trial;
use margo_providers::contract::{Abilities, CHECKS, Check, Fixture, Sample};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::DeploymentId;
use serde_json::{Value, json};

use crate::world::{World, service, with};
use crate::{Found, trial_of};

pub(crate) fn add(engine: &Found, trials: &mut Vec<Trial>) {
    for check in CHECKS {
        let name = format!("contract_{}", check.name());
        trials.push(trial_of(&name, engine, |world| keep(check, world)));
    }
}

async fn keep(check: &'static Check, world: World) {
    let file = |web: Value| {
        let web = with(web, "volumes", json!(["data:/data"]));
        json!({"services": {"web": web}, "volumes": {"data": {}}})
    };
    let after = |test: &[&str]| json!({"test": test, "interval": "200ms", "retries": 1000});
    let ready = after(&["CMD", "/bin/test", "-e", "/ready"]);
    let never = after(&["CMD", "/bin/false"]);
    let samples = [
        (HEALTHY, service("true")),
        (UPDATE, service("echo updated")),
        (FAILING, service("echo broken; exit 7")),
        (
            SLOW,
            with(service("sleep 2; touch /ready"), "healthcheck", ready),
        ),
        (TOO_SLOW, with(service("true"), "healthcheck", never)),
    ];
    for (revision, web) in samples {
        world.publish("web", revision, &file(web)).await;
    }
    for other in ["db", "cache"] {
        world.publish(other, HEALTHY, &file(service("true"))).await;
    }
    check.run(&world.provider, &Samples(&world)).await;
    world.assert_nothing_left();
}

struct Samples<'a>(&'a World);

#[async_trait]
impl Fixture for Samples<'_> {
    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    fn deployment(&self, id: DeploymentId, sample: Sample) -> ApplicationDeployment {
        let components: &[(&str, &str)] = match sample {
            Sample::Healthy => &[("web", HEALTHY)],
            Sample::Update => &[("web", UPDATE)],
            Sample::Failing => &[("web", FAILING)],
            Sample::Slow => &[("web", SLOW)],
            Sample::TooSlow => &[("web", TOO_SLOW)],
            Sample::Several => &[("db", HEALTHY), ("cache", HEALTHY), ("web", HEALTHY)],
            other => panic!("a new kind of sample: {other:?}"),
        };
        let mut deployment = self.0.deployment(components);
        deployment.id = id;
        if sample == Sample::TooSlow {
            let component = &mut deployment.spec.deployment_profile.components[0];
            component.properties.timeout = Some("0m5s".parse().expect("a time-out"));
        }
        deployment
    }

    async fn write_data(&self, deployment: &ApplicationDeployment, text: &str) {
        let script = format!("echo '{text}' > /data/text");
        let web = self.web(deployment);
        self.0
            .engine
            .docker(&["exec", &web, "/bin/sh", "-c", &script]);
    }

    async fn read_data(&self, deployment: &ApplicationDeployment) -> Option<String> {
        let web = self.web(deployment);
        let read = ["exec", &web, "/bin/cat", "/data/text"];
        self.0.engine.try_docker(&read).ok()
    }

    async fn sabotage(&self, deployment: &ApplicationDeployment) {
        let web = self.web(deployment);
        self.0.engine.docker(&["kill", &web]);
        self.0.engine.docker(&["wait", &web]);
    }

    async fn leftovers(&self, id: DeploymentId) -> Vec<String> {
        let start = format!("{}-{}-", self.0.prefix, id.to_string().replace('-', ""));
        let lists: [&[&str]; 3] = [
            &["ps", "-a", "--format", "{{.Names}} {{.ID}}"],
            &["network", "ls", "--format", "{{.Name}} {{.ID}}"],
            &["volume", "ls", "--format", "{{.Name}}"],
        ];
        let texts = lists.map(|list| self.0.engine.docker(list));
        let lines = texts.iter().flat_map(|text| text.lines());
        let ours = lines.filter(|line| line.starts_with(&start));
        let mut left: Vec<String> = ours.map(str::to_owned).collect();
        let files = self.0.state().join(id.to_string());
        left.extend(files.exists().then(|| files.display().to_string()));
        left
    }
}

impl Samples<'_> {
    fn web(&self, deployment: &ApplicationDeployment) -> String {
        let filter = format!("label=margo.deployment={}", deployment.id);
        self.0
            .engine
            .docker(&["ps", "-a", "-q", "--filter", &filter])
    }
}

const HEALTHY: &str = "1.0.0";
const UPDATE: &str = "1.1.0";
const FAILING: &str = "1.2.0";
const SLOW: &str = "1.3.0";
const TOO_SLOW: &str = "1.4.0";
