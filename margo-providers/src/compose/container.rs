//! How containers fare, as the engine's `inspect` tells it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::engine::Claim;
use super::names::SERVICE_LABEL;

/// A container of a project.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    pub(super) id: String,
    #[serde(default)]
    name: String,
    state: State,
    config: Configuration,
    host_config: Option<HostConfiguration>,
}

/// What a container's state means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It runs, and its health check, if it has one, says so.
    Running,
    /// It ended well: a task that is done.
    Done,
    /// It is not up yet, or its health check does not say so.
    Coming(String),
    /// It runs, but its health check says it is not well. It may recover.
    Unhealthy(String),
    /// It ended, and not well, whether or not the engine starts it again.
    Failed(String),
}

impl std::fmt::Display for Condition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Running => formatter.write_str("runs"),
            Self::Done => formatter.write_str("is done"),
            Self::Coming(how) | Self::Unhealthy(how) | Self::Failed(how) => {
                formatter.write_str(how)
            }
        }
    }
}

impl Container {
    /// The name of its service.
    pub(super) fn service(&self) -> &str {
        let labels = self.config.labels.as_ref();
        let service = labels.and_then(|labels| labels.get(SERVICE_LABEL));
        service.map_or("?", String::as_str)
    }

    /// Tells this run of this container from any other.
    pub(super) fn run(&self) -> (&str, &str) {
        (&self.id, &self.state.started_at)
    }

    pub(super) fn condition(&self) -> Condition {
        let state = &self.state;
        let health = state.health.as_ref().map(|health| health.status.as_str());
        match state.status.as_str() {
            "running" => match health {
                Some("unhealthy") => Condition::Unhealthy(format!("is unhealthy{}", self.probe())),
                Some("starting") => {
                    Condition::Coming(format!("is not healthy yet{}", self.probe()))
                }
                _ => Condition::Running,
            },
            "exited" | "dead" | "stopped" if state.exit_code == 0 && state.error.is_empty() => {
                Condition::Done
            }
            "exited" | "dead" | "stopped" => Condition::Failed(self.ending()),
            "restarting" if state.exit_code != 0 => {
                Condition::Failed(format!("{} and is started again and again", self.ending()))
            }
            other => Condition::Coming(format!("is {other}")),
        }
    }

    fn ending(&self) -> String {
        let state = &self.state;
        let mut text = format!("ended with exit code {}", state.exit_code);
        if state.oom_killed {
            text.push_str(" for want of memory");
        }
        if !state.error.is_empty() {
            text.push_str(": ");
            text.push_str(&state.error);
        }
        text
    }

    /// What the last health check printed.
    fn probe(&self) -> String {
        let health = self.state.health.as_ref();
        let probes = health.and_then(|health| health.log.as_ref());
        let output = probes.and_then(|probes| probes.last()).map(|probe| {
            let lines = crate::program::last_lines(&probe.output, 1);
            lines.into_iter().next().unwrap_or_default()
        });
        output
            .filter(|output| !output.is_empty())
            .map_or_else(String::new, |output| format!(": {output}"))
    }
}

/// All containers of a project at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot(pub(super) Vec<Container>);

/// How many containers a service has that run, and that are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) running: usize,
    pub(super) done: usize,
}

impl Snapshot {
    /// Reads the array of the engine's `inspect`.
    pub(super) fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json).map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names and the ports that the containers take.
    pub(super) fn claims(&self) -> BTreeSet<Claim> {
        let mut claims = BTreeSet::new();
        for container in &self.0 {
            // Docker has paths for names.
            let name = container.name.trim_start_matches('/');
            claims.insert(Claim::Container(name.to_owned()));
            let bindings = container.host_config.iter();
            let bindings = bindings.flat_map(|host| host.port_bindings.iter().flatten());
            for (inner, bindings) in bindings {
                let (_, protocol) = inner.split_once('/').unwrap_or((inner, "tcp"));
                let bindings = bindings.iter().flatten();
                let ports = bindings.filter_map(|binding| binding.host_port.parse().ok());
                let ports = ports.filter(|port| *port > 0);
                claims.extend(ports.map(|port| Claim::Port(protocol.to_owned(), port)));
            }
        }
        claims
    }

    /// The first container that ended badly in a run that `earlier` does not have.
    pub(super) fn failed_since(&self, earlier: &Self) -> Option<(&Container, String)> {
        self.0.iter().find_map(|container| {
            let is_old = earlier.0.iter().any(|old| old.run() == container.run());
            match container.condition() {
                Condition::Failed(why) if !is_old => Some((container, why)),
                _ => None,
            }
        })
    }

    /// The first container that neither runs well nor is done.
    pub(super) fn lagging(&self) -> Option<(&Container, Condition)> {
        let conditions = self.0.iter().map(|one| (one, one.condition()));
        let mut lagging = conditions
            .filter(|(_, condition)| !matches!(condition, Condition::Running | Condition::Done));
        lagging.next()
    }

    /// Whether these are the same runs of the same containers.
    pub(super) fn is_same_run(&self, other: &Self) -> bool {
        let runs = |snapshot: &Self| {
            let mut runs: Vec<(String, String)> = Vec::new();
            for container in &snapshot.0 {
                let (id, started) = container.run();
                runs.push((id.to_owned(), started.to_owned()));
            }
            runs.sort();
            runs
        };
        runs(self) == runs(other)
    }

    /// The containers of each service, when nothing is wrong with any.
    pub(super) fn tallies(&self) -> BTreeMap<String, Tally> {
        let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
        for container in &self.0 {
            let tally = tallies.entry(container.service().to_owned()).or_default();
            match container.condition() {
                Condition::Done => tally.done += 1,
                _ => tally.running += 1,
            }
        }
        tallies
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    #[serde(default)]
    exit_code: i64,
    #[serde(default)]
    error: String,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    #[serde(default)]
    started_at: String,
    // Older Podman calls it Healthcheck.
    #[serde(default, alias = "Healthcheck")]
    health: Option<Health>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    #[serde(default)]
    status: String,
    log: Option<Vec<Probe>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Probe {
    #[serde(default)]
    output: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfiguration {
    /// By the port of the container and its protocol, such as `80/tcp`.
    port_bindings: Option<BTreeMap<String, Option<Vec<Binding>>>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    #[serde(default)]
    host_port: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn snapshot(states: &[Value]) -> Snapshot {
        let containers: Vec<Value> = states
            .iter()
            .enumerate()
            .map(|(number, state)| {
                let labels = json!({"com.docker.compose.service": format!("s{number}")});
                json!({"Id": format!("id{number}"), "State": state, "Config": {"Labels": labels}})
            })
            .collect();
        Snapshot::read(&serde_json::to_vec(&containers).unwrap()).unwrap()
    }

    fn condition(state: &Value) -> Condition {
        snapshot(std::slice::from_ref(state)).0[0].condition()
    }

    #[test]
    fn states_have_meanings() {
        let running = |health: &Value| json!({"Status": "running", "Health": health});
        assert_eq!(condition(&json!({"Status": "running"})), Condition::Running);
        let healthy = running(&json!({"Status": "healthy", "Log": []}));
        assert_eq!(condition(&healthy), Condition::Running);
        // Podman has a health of empty strings where there is no check.
        let none = running(&json!({"Status": "", "Log": null}));
        assert_eq!(condition(&none), Condition::Running);
        let log = json!([{"Output": "first"}, {"Output": "no route\n"}]);
        let unhealthy = running(&json!({"Status": "unhealthy", "Log": log}));
        let expected = Condition::Unhealthy("is unhealthy: no route".to_owned());
        assert_eq!(condition(&unhealthy), expected);
        let starting = running(&json!({"Status": "starting"}));
        assert!(matches!(condition(&starting), Condition::Coming(_)));
        let ended = |code: i32| json!({"Status": "exited", "ExitCode": code});
        assert_eq!(condition(&ended(0)), Condition::Done);
        let failed = Condition::Failed("ended with exit code 3".to_owned());
        assert_eq!(condition(&ended(3)), failed);
        let killed = json!({"Status": "exited", "ExitCode": 137, "OOMKilled": true});
        let expected = "ended with exit code 137 for want of memory".to_owned();
        assert_eq!(condition(&killed), Condition::Failed(expected));
        let again = json!({"Status": "restarting", "ExitCode": 1});
        assert!(matches!(condition(&again), Condition::Failed(_)));
        for status in ["created", "paused", "removing", "something new"] {
            let state = json!({"Status": status});
            assert!(
                matches!(condition(&state), Condition::Coming(_)),
                "{status}"
            );
        }
    }

    #[test]
    fn an_old_failure_is_no_new_one() {
        let run = |at: &str| json!({"Status": "exited", "ExitCode": 1, "StartedAt": at});
        let before = snapshot(&[run("1")]);
        assert!(before.failed_since(&before).is_none());
        let after = snapshot(&[run("2")]);
        assert!(after.failed_since(&before).is_some());
        assert!(!after.is_same_run(&before));
    }

    #[test]
    fn tallies_count_by_service() {
        let states = [
            json!({"Status": "running"}),
            json!({"Status": "exited", "ExitCode": 0}),
        ];
        let tallies = snapshot(&states).tallies();
        assert_eq!(
            tallies["s0"],
            Tally {
                running: 1,
                done: 0
            }
        );
        assert_eq!(
            tallies["s1"],
            Tally {
                running: 0,
                done: 1
            }
        );
    }
}
