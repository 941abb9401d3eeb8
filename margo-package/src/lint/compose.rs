//! Lint of Compose components.

use margo_types::{DocumentPath, Finding, Rule};
use serde_json::{Map, Value};

use super::{Findings, rule};
use crate::compose::interpolate::interpolate;

pub(super) fn findings(compose: &Value) -> Vec<Finding> {
    let mut findings = Findings::default();
    let path = DocumentPath::root().key("services");
    let services = compose.get("services").and_then(Value::as_object);
    for (name, service) in services.into_iter().flatten() {
        if let Some(members) = service.as_object() {
            Service { name, members }.lint(&path.key(name), &mut findings);
        }
    }
    findings.0
}

struct Service<'a> {
    name: &'a str,
    members: &'a Map<String, Value>,
}

impl Service<'_> {
    fn lint(&self, path: &DocumentPath, findings: &mut Findings) {
        self.lint_image(path, findings);
        self.lint_isolation(path, findings);
        // What is absent here may be in the service that this one extends.
        if !self.members.contains_key("extends") {
            self.lint_limits(path, findings);
            self.lint_health(path, findings);
        }
    }

    fn lint_image(&self, path: &DocumentPath, findings: &mut Findings) {
        let image = self.members.get("image").and_then(Value::as_str);
        // Without a default only the device knows the image.
        let Some(image) = image.and_then(interpolate) else {
            return;
        };
        if is_mutable(&image) {
            let message = format!("the image {image:?} can be another one tomorrow");
            let fix = "name its version, or better its digest: image@sha256:…";
            findings.add(&IMAGE_TAG, path.key("image"), message, fix);
        }
    }

    fn lint_isolation(&self, path: &DocumentPath, findings: &mut Findings) {
        let name = self.name;
        if self.members.get("privileged") == Some(&Value::Bool(true)) {
            let message = format!("the service {name} may do everything on the device");
            let fix = "grant the devices and capabilities that it needs, with devices and cap_add";
            findings.add(&PRIVILEGED, path.key("privileged"), message, fix);
        }
        if self.members.get("network_mode").and_then(Value::as_str) == Some("host") {
            let message = format!("the service {name} is in the network of the device itself");
            let fix = "publish the ports it needs, with ports";
            findings.add(&HOST_NETWORK, path.key("network_mode"), message, fix);
        }
        let volumes = self.members.get("volumes").and_then(Value::as_array);
        for (index, volume) in volumes.into_iter().flatten().enumerate() {
            let source = match volume {
                Value::String(short) => short.split(':').next(),
                long => long.get("source").and_then(Value::as_str),
            };
            if source.is_some_and(is_socket) {
                let message = format!(
                    "the service {name} mounts the socket {}, and with it may control what listens there",
                    source.unwrap_or_default()
                );
                let fix = "remove the mount; the container engine belongs to the device";
                let path = path.key("volumes").index(index);
                findings.add(&SOCKET_MOUNT, path, message, fix);
            }
        }
    }

    fn lint_limits(&self, path: &DocumentPath, findings: &mut Findings) {
        let limits = self.at(&["deploy", "resources", "limits"]);
        let has = |limit: &str, short: &str| {
            let is_set = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
            is_set(limits.and_then(|limits| limits.get(limit))) || is_set(self.members.get(short))
        };
        let lacks = match (has("memory", "mem_limit"), has("cpus", "cpus")) {
            (true, true) => return,
            (false, true) => "memory",
            (true, false) => "processor time",
            (false, false) => "memory and processor time",
        };
        let message = format!(
            "the service {} may take all {lacks} of the device",
            self.name
        );
        let fix = "set memory and cpus in deploy.resources.limits";
        findings.add(&LIMITS, path.clone(), message, fix);
    }

    fn lint_health(&self, path: &DocumentPath, findings: &mut Findings) {
        let check = self
            .members
            .get("healthcheck")
            .filter(|check| !check.is_null());
        let is_off = |check: &Value| check.get("disable") == Some(&Value::Bool(true));
        if check.is_none_or(is_off) {
            let message = format!(
                "nobody can tell whether the service {} works, only that it runs",
                self.name
            );
            let fix = "add a healthcheck, which wait: true then waits for";
            findings.add(&HEALTH_CHECK, path.clone(), message, fix);
        }
    }

    fn at(&self, keys: &[&str]) -> Option<&Value> {
        let (first, rest) = keys.split_first()?;
        let start = self.members.get(*first)?;
        rest.iter().try_fold(start, |value, key| value.get(key))
    }
}

/// Whether a path is that of a socket by its name, such as `/var/run/docker.sock`.
fn is_socket(path: &str) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(_, extension)| extension == "sock")
}

/// Whether an image has neither a digest nor a tag with a digit, such as `latest` and `stable`.
fn is_mutable(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    if name.contains('@') {
        return false;
    }
    let tag = name.split_once(':').map(|(_, tag)| tag);
    tag.is_none_or(|tag| !tag.contains(|c: char| c.is_ascii_digit()))
}

static IMAGE_TAG: Rule = rule(
    "lint.compose-image-tag",
    "an image is named by version or digest",
);
static LIMITS: Rule = rule(
    "lint.compose-limits",
    "a service has limits on memory and processor time",
);
static PRIVILEGED: Rule = rule("lint.compose-privileged", "no service is privileged");
static HOST_NETWORK: Rule = rule(
    "lint.compose-host-network",
    "no service uses the network of the device",
);
static SOCKET_MOUNT: Rule = rule(
    "lint.compose-socket-mount",
    "no service controls the container engine",
);
static HEALTH_CHECK: Rule = rule("lint.compose-health-check", "a service has a health check");

/// All rules of this file.
pub(super) const RULES: &[&Rule] = &[
    &IMAGE_TAG,
    &LIMITS,
    &PRIVILEGED,
    &HOST_NETWORK,
    &SOCKET_MOUNT,
    &HEALTH_CHECK,
];
