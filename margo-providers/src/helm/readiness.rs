//! Whether what was applied runs: the rules of Helm's `--wait` and of `kubectl rollout status`.
//!
//! Pure functions over objects as the API server tells them. Status that is about an older form of the object does not count.

use serde_json::Value;

use super::json::{int, text};

/// How a workload fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It does what it should, or there is nothing to wait for.
    Ready,
    /// It is on its way, or was, and may recover.
    Coming(String),
    /// It will not come by itself.
    Failed(String),
}

/// The readiness of an object.
pub(super) fn readiness(object: &Value) -> Readiness {
    match group_and_kind(object) {
        ("apps", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => replicas(object),
        ("batch", "Job") => job(object),
        ("", "Pod") => pod(object),
        ("", "PersistentVolumeClaim") => volume_claim(object),
        ("", "Service") => service(object),
        _ => Readiness::Ready,
    }
}

/// Whether objects like this one have a readiness.
pub(super) fn is_awaited(object: &Value) -> bool {
    matches!(
        group_and_kind(object),
        (
            "apps",
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"
        ) | ("batch", "Job")
            | (
                "",
                "ReplicationController" | "Pod" | "PersistentVolumeClaim" | "Service"
            )
    )
}

/// Whether the cluster removes an object like this one by itself when it is done, so that it may be missing.
pub(super) fn goes_when_done(object: &Value) -> bool {
    group_and_kind(object) == ("batch", "Job")
        && object
            .pointer("/spec/ttlSecondsAfterFinished")
            .is_some_and(Value::is_number)
}

/// Why a pod does not run, in the words of the kubelet; `None` when nothing is wrong with it.
pub(super) fn pod_trouble(pod: &Value) -> Option<PodTrouble> {
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let containers = statuses
        .iter()
        .filter_map(|path| pod.pointer(path)?.as_array());
    for container in containers.flatten() {
        if let Some(why) = container_trouble(container) {
            return Some(PodTrouble {
                container: Some(text(container, "/name").to_owned()),
                has_run: int(container, "/restartCount") > 0
                    || container.pointer("/state/terminated").is_some(),
                why,
            });
        }
    }
    let unscheduled = condition(pod, "PodScheduled").filter(|it| text(it, "/status") == "False");
    if let Some(condition) = unscheduled {
        return Some(PodTrouble {
            container: None,
            has_run: false,
            why: explained(text(condition, "/reason"), text(condition, "/message")),
        });
    }
    (text(pod, "/status/phase") == "Failed").then(|| PodTrouble {
        container: None,
        has_run: true,
        why: explained(text(pod, "/status/reason"), text(pod, "/status/message")),
    })
}

/// What is wrong with a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodTrouble {
    /// The container concerned; `None` when it is the whole pod.
    pub(super) container: Option<String>,
    /// Whether the container has ended before, so that it may have said why.
    pub(super) has_run: bool,
    /// The reason, such as `ImagePullBackOff`, with the message that belongs to it.
    pub(super) why: String,
}

fn container_trouble(container: &Value) -> Option<String> {
    let waiting = container.pointer("/state/waiting");
    let reason = waiting.map_or("", |waiting| text(waiting, "/reason"));
    let ended = ["/state/terminated", "/lastState/terminated"];
    let mut ended = ended.iter().filter_map(|path| container.pointer(path));
    let ended = ended.find(|ended| int(ended, "/exitCode") != 0).map(ending);
    match (reason, waiting) {
        ("CrashLoopBackOff", _) => Some(match ended {
            Some(ended) => format!("CrashLoopBackOff: {ended}"),
            None => "CrashLoopBackOff".to_owned(),
        }),
        ("" | "ContainerCreating" | "PodInitializing", _) | (_, None) => ended,
        (reason, Some(waiting)) => Some(explained(reason, text(waiting, "/message"))),
    }
}

fn ending(terminated: &Value) -> String {
    let code = int(terminated, "/exitCode");
    let reason = match text(terminated, "/reason") {
        "" | "Error" | "Completed" => String::new(),
        reason => format!(" ({reason})"),
    };
    let last = crate::program::last_lines(text(terminated, "/message"), 3).join("\n");
    let separator = if last.is_empty() { "" } else { ": " };
    format!("ended with exit code {code}{reason}{separator}{last}")
}

fn deployment(object: &Value) -> Readiness {
    let progressing = condition(object, "Progressing");
    let has_failed = |condition: &&Value| text(condition, "/reason") == "ProgressDeadlineExceeded";
    if is_stale(object) {
        return coming("is not looked at by its controller yet");
    }
    // A paused rollout goes nowhere on purpose.
    if object.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        return Readiness::Ready;
    }
    if let Some(condition) = progressing.filter(has_failed) {
        let why = explained("does not progress", text(condition, "/message"));
        return Readiness::Failed(why);
    }
    let wanted = wanted_replicas(object);
    let status = |name: &str| int(object, &format!("/status/{name}"));
    let (all, updated, available) = (
        status("replicas"),
        status("updatedReplicas"),
        status("availableReplicas"),
    );
    if updated < wanted {
        return coming(format!("has {updated} of {wanted} pods of the new form"));
    }
    if all > updated {
        return coming(format!("has {} pods of the old form left", all - updated));
    }
    if available < wanted {
        return coming(format!("has {available} of {wanted} pods available"));
    }
    Readiness::Ready
}

fn stateful_set(object: &Value) -> Readiness {
    if is_stale(object) {
        return coming("is not looked at by its controller yet");
    }
    let wanted = wanted_replicas(object);
    let status = |name: &str| int(object, &format!("/status/{name}"));
    let ready = status("readyReplicas");
    if text(object, "/spec/updateStrategy/type") != "OnDelete" {
        let partition = int(object, "/spec/updateStrategy/rollingUpdate/partition");
        let to_update = (wanted - partition).max(0);
        let updated = status("updatedReplicas");
        let current = text(object, "/status/currentRevision");
        let is_whole = partition == 0 && current == text(object, "/status/updateRevision");
        if !is_whole && updated < to_update {
            return coming(format!("has {updated} of {to_update} pods of the new form"));
        }
    }
    if ready < wanted {
        return coming(format!("has {ready} of {wanted} pods ready"));
    }
    Readiness::Ready
}

fn daemon_set(object: &Value) -> Readiness {
    if is_stale(object) {
        return coming("is not looked at by its controller yet");
    }
    let status = |name: &str| int(object, &format!("/status/{name}"));
    let wanted = status("desiredNumberScheduled");
    let updated = status("updatedNumberScheduled");
    if text(object, "/spec/updateStrategy/type") != "OnDelete" && updated < wanted {
        return coming(format!("has {updated} of {wanted} pods of the new form"));
    }
    let available = status("numberAvailable");
    if available < wanted {
        return coming(format!("has {available} of {wanted} pods available"));
    }
    Readiness::Ready
}

fn replicas(object: &Value) -> Readiness {
    if is_stale(object) {
        return coming("is not looked at by its controller yet");
    }
    let (ready, wanted) = (
        int(object, "/status/readyReplicas"),
        wanted_replicas(object),
    );
    if ready < wanted {
        return coming(format!("has {ready} of {wanted} pods ready"));
    }
    Readiness::Ready
}

/// A job that is at work is as good as one that is done: it may take hours, and Helm does not wait for its end either.
fn job(object: &Value) -> Readiness {
    let holds = |name: &str| condition(object, name).filter(|it| text(it, "/status") == "True");
    if let Some(failed) = holds("Failed") {
        let why = explained(text(failed, "/reason"), text(failed, "/message"));
        return Readiness::Failed(format!("failed: {why}"));
    }
    let is_suspended = object.pointer("/spec/suspend") == Some(&Value::Bool(true));
    let at_work = int(object, "/status/ready") + int(object, "/status/succeeded");
    if holds("Complete").is_some() || is_suspended || at_work > 0 {
        return Readiness::Ready;
    }
    coming("has no pod at work yet")
}

fn pod(object: &Value) -> Readiness {
    match text(object, "/status/phase") {
        "Succeeded" => Readiness::Ready,
        "Failed" => {
            let why = pod_trouble(object).map(|trouble| trouble.why);
            Readiness::Failed(format!("failed: {}", why.unwrap_or_default()))
        }
        phase => {
            let ready = condition(object, "Ready").map(|condition| text(condition, "/status"));
            if ready == Some("True") {
                return Readiness::Ready;
            }
            let why = pod_trouble(object).map(|trouble| format!(": {}", trouble.why));
            let phase = if phase.is_empty() { "Pending" } else { phase };
            coming(format!(
                "is {} and not ready{}",
                phase.to_lowercase(),
                why.unwrap_or_default()
            ))
        }
    }
}

fn volume_claim(object: &Value) -> Readiness {
    match text(object, "/status/phase") {
        "Bound" => Readiness::Ready,
        "Lost" => Readiness::Failed("has lost its volume".to_owned()),
        _ => coming("has no volume yet"),
    }
}

fn service(object: &Value) -> Readiness {
    if text(object, "/spec/type") != "LoadBalancer" {
        return Readiness::Ready;
    }
    let has = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_array)
            .is_some_and(|it| !it.is_empty())
    };
    if has("/spec/externalIPs") || has("/status/loadBalancer/ingress") {
        return Readiness::Ready;
    }
    coming("has no address from a load balancer yet")
}

/// Whether the status is about an older form of the object, or about none.
fn is_stale(object: &Value) -> bool {
    int(object, "/status/observedGeneration") < int(object, "/metadata/generation").max(1)
}

fn wanted_replicas(object: &Value) -> i64 {
    let replicas = object.pointer("/spec/replicas").and_then(Value::as_i64);
    replicas.unwrap_or(1)
}

fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .find(|condition| text(condition, "/type") == name)
}

fn group_and_kind(object: &Value) -> (&str, &str) {
    let api_version = text(object, "/apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    (group, text(object, "/kind"))
}

fn explained(reason: &str, message: &str) -> String {
    let message = crate::program::last_lines(message, 3).join("\n");
    match (reason, message.as_str()) {
        ("", message) => message.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

fn coming(how: impl Into<String>) -> Readiness {
    Readiness::Coming(how.into())
}

#[cfg(test)]
mod tests;
