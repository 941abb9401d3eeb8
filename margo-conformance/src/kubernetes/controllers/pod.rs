//! Pods: a container runs unless its image is broken.

use serde_json::{Value, json};

use super::super::document::{items, now, set, text};
use super::super::faults::Breakage;
use super::super::objects::Key;
use super::super::state::{NODE, State};
use super::status::{condition, warn};

/// Whether a pod counts for its workload.
pub(super) fn is_ready(pod: &Value) -> bool {
    items(&pod["status"]["conditions"]).any(|it| it["type"] == "Ready" && it["status"] == "True")
}

pub(super) fn reconcile(state: &mut State, key: &Key, pod: &Value) {
    let old = &pod["status"];
    if matches!(text(&old["phase"]), "Succeeded" | "Failed") {
        return;
    }
    let uid = text(&pod["metadata"]["uid"]);
    if old["phase"].is_null() {
        let delay = state.faults.readiness;
        state.clock.hold_back(uid, delay, key);
    }
    let is_started = old["phase"] == "Running";
    let containers = judged(state, &pod["spec"]["containers"], is_started);
    let mut inits = judged(state, &pod["spec"]["initContainers"], is_started);
    if is_started {
        // These are done.
        for (_, breakage) in &mut inits {
            *breakage = None;
        }
    }
    let broken_init = inits.iter().find_map(|(_, breakage)| *breakage);
    let broken = broken_init.or_else(|| containers.iter().find_map(|(_, breakage)| *breakage));
    let is_finite = pod["spec"]["restartPolicy"] != "Always";
    let is_due = state.clock.may_be_ready(uid);
    let course = match broken {
        None if is_finite && is_due => Course::Succeeded,
        None => Course::Running { is_ready: is_due },
        Some(Breakage::CrashLoopBackOff) if is_finite => Course::Failed,
        Some(Breakage::ImagePullBackOff) => Course::Pending,
        Some(_) if broken_init.is_some() => Course::Pending,
        Some(_) => Course::Running { is_ready: false },
    };

    let begun = match &old["startTime"] {
        Value::Null => now().into(),
        begun => begun.clone(),
    };
    let statuses = containers.iter().map(|(container, breakage)| {
        let is_blocked = broken_init.is_some() && breakage.is_none();
        container_status(container, *breakage, course, &begun, is_blocked)
    });
    let statuses: Vec<Value> = statuses.collect();
    let mut status = json!({
        "phase": course.phase(),
        "startTime": begun,
        "qosClass": "BestEffort",
        "hostIP": "127.0.0.1",
        "podIP": old["podIP"].as_str().map_or_else(|| address(state), ToOwned::to_owned),
        "conditions": conditions(pod, course, broken_init.is_none()),
        "containerStatuses": statuses,
    });
    if !inits.is_empty() {
        let inits = inits.iter().map(|(container, breakage)| {
            let course = breakage.map_or(Course::Succeeded, |_| course);
            container_status(container, *breakage, course, &begun, false)
        });
        status["initContainerStatuses"] = inits.collect::<Vec<_>>().into();
    }
    state.objects.change(key, |pod| {
        set(pod, &["spec"], "nodeName", NODE);
        pod["status"] = status;
    });
    if let Some(breakage) = broken {
        let (reason, message) = match breakage {
            Breakage::ImagePullBackOff => ("Failed", "Error: ImagePullBackOff"),
            Breakage::CrashLoopBackOff => ("BackOff", "Back-off restarting failed container"),
            Breakage::NotReady => ("Unhealthy", "Readiness probe failed"),
        };
        warn(state, key, pod, reason, message);
    }
}

/// Containers, with what is wrong with their images. What was pulled runs on.
fn judged<'a>(
    state: &State,
    containers: &'a Value,
    is_started: bool,
) -> Vec<(&'a Value, Option<Breakage>)> {
    let judged = items(containers).map(|container| {
        let breakage = state.faults.images.get(text(&container["image"]));
        let breakage = breakage.copied();
        let counts = |it: &Breakage| !(is_started && *it == Breakage::ImagePullBackOff);
        (container, breakage.filter(counts))
    });
    judged.collect()
}

fn conditions(pod: &Value, course: Course, is_initialized: bool) -> Value {
    let old = &pod["status"];
    let is_ready = course == Course::Running { is_ready: true };
    let (reason, message) = match course {
        _ if is_ready => ("", String::new()),
        Course::Succeeded => ("PodCompleted", String::new()),
        _ => {
            let unready = items(&pod["spec"]["containers"]).map(|it| text(&it["name"]));
            let unready = unready.collect::<Vec<_>>().join(" ");
            let message = format!("containers with unready status: [{unready}]");
            ("ContainersNotReady", message)
        }
    };
    let uninitialized = if is_initialized {
        ""
    } else {
        "ContainersNotInitialized"
    };
    json!([
        condition(old, "PodReadyToStartContainers", true, "", ""),
        condition(old, "Initialized", is_initialized, uninitialized, ""),
        condition(old, "Ready", is_ready, reason, &message),
        condition(old, "ContainersReady", is_ready, reason, &message),
        condition(old, "PodScheduled", true, "", ""),
    ])
}

/// Where a pod is in its life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    Pending,
    Running { is_ready: bool },
    Succeeded,
    Failed,
}

impl Course {
    fn phase(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running { .. } => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

fn container_status(
    container: &Value,
    breakage: Option<Breakage>,
    course: Course,
    begun: &Value,
    is_blocked: bool,
) -> Value {
    let image = &container["image"];
    let name = text(&container["name"]);
    let running = json!({ "running": { "startedAt": begun } });
    let ended = |code: u8, reason: &str| json!({ "terminated": { "exitCode": code, "reason": reason, "startedAt": begun, "finishedAt": begun } });
    let waiting = |reason: &str, message: &str| json!({ "waiting": { "reason": reason, "message": message } });
    let mut last = json!({});
    let mut restarts = 0;
    let state = match (breakage, course) {
        _ if is_blocked => json!({ "waiting": { "reason": "PodInitializing" } }),
        (_, Course::Succeeded) | (None, Course::Failed) => ended(0, "Completed"),
        (Some(Breakage::ImagePullBackOff), _) => waiting(
            "ImagePullBackOff",
            &format!("Back-off pulling image {image}: ErrImagePull: not found"),
        ),
        (Some(Breakage::CrashLoopBackOff), Course::Failed) => ended(1, "Error"),
        (Some(Breakage::CrashLoopBackOff), _) => {
            last = ended(1, "Error");
            restarts = 3;
            let why = format!("back-off 40s restarting failed container={name}");
            waiting("CrashLoopBackOff", &why)
        }
        (Some(Breakage::NotReady), _) | (None, Course::Running { .. }) => running,
        (None, Course::Pending) => json!({ "waiting": { "reason": "ContainerCreating" } }),
    };
    let is_running = state["running"].is_object();
    json!({
        "name": name,
        "image": image,
        "imageID": "",
        "ready": is_running && breakage.is_none() && course == Course::Running { is_ready: true },
        "started": is_running,
        "restartCount": restarts,
        "state": state,
        "lastState": last,
    })
}

/// An address that no other pod has.
fn address(state: &State) -> String {
    let number = state.objects.version();
    format!("10.244.{}.{}", (number >> 8) % 256, number % 256)
}
