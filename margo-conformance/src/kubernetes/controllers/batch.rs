//! Jobs. Those of cron jobs are never due.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::document::{items, now};
use super::super::garbage::{self, Propagation};
use super::super::objects::Key;
use super::super::state::State;
use super::pod::is_ready;
use super::status::{condition, set_status};
use super::{make_pod, pods_of, suffix};

pub(super) fn job(state: &mut State, key: &Key, object: &Arc<Value>) {
    let old = &object["status"];
    let is_over = items(&old["conditions"])
        .any(|it| (it["type"] == "Complete" || it["type"] == "Failed") && it["status"] == "True");
    if is_over {
        return forget(state, key, object);
    }
    let spec = &object["spec"];
    let wanted = spec["completions"].as_u64().unwrap_or(1);
    let retries = spec["backoffLimit"].as_u64().unwrap_or(6).min(MOST_RETRIES);
    let at_once = spec["parallelism"].as_u64().unwrap_or(1);
    let phases = |state: &State, phase: &str| {
        let pods = pods_of(state, object);
        pods.iter()
            .filter(|(_, pod)| pod["status"]["phase"] == phase)
            .count() as u64
    };
    let (succeeded, failed) = (phases(state, "Succeeded"), phases(state, "Failed"));
    let active = pods_of(state, object).len() as u64 - succeeded - failed;
    if failed <= retries && spec["suspend"] != true {
        let missing = wanted
            .saturating_sub(succeeded)
            .min(at_once)
            .saturating_sub(active);
        for _ in 0..missing {
            let pod = format!("{}-{}", key.name, suffix(state));
            let pod = Key::of("", "pods", &key.namespace, &pod);
            make_pod(state, object, &spec["template"], pod);
        }
    }
    let pods = pods_of(state, object);
    let ready = pods.iter().filter(|(_, pod)| is_ready(pod)).count();
    let begun = if old["startTime"].is_null() {
        now().into()
    } else {
        old["startTime"].clone()
    };
    let mut status = json!({
        "startTime": begun,
        "ready": ready,
        "terminating": 0,
        "uncountedTerminatedPods": {},
    });
    for (name, count) in [
        ("active", pods.len() as u64 - succeeded - failed),
        ("succeeded", succeeded),
        ("failed", failed),
    ] {
        if count > 0 {
            status[name] = count.into();
        }
    }
    if succeeded >= wanted {
        status["completionTime"] = now().into();
        let why = "Reached expected number of succeeded pods";
        status["conditions"] = json!([
            condition(old, "SuccessCriteriaMet", true, "CompletionsReached", why),
            condition(old, "Complete", true, "CompletionsReached", why),
        ]);
    } else if failed > retries {
        let why = "Job has reached the specified backoff limit";
        status["conditions"] = json!([
            condition(old, "FailureTarget", true, "BackoffLimitExceeded", why),
            condition(old, "Failed", true, "BackoffLimitExceeded", why),
        ]);
    }
    set_status(state, key, status);
}

/// Removes a job that is over, when it wants that.
fn forget(state: &mut State, key: &Key, object: &Value) {
    let Some(seconds) = object["spec"]["ttlSecondsAfterFinished"].as_u64() else {
        return;
    };
    let limit = Duration::from_secs(seconds);
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    if state.clock.is_stuck(uid, "over".to_owned(), limit, key) || limit.is_zero() {
        garbage::delete(&mut state.objects, key, Propagation::Background);
    }
}

/// Whatever a job says, it is not tried more often.
const MOST_RETRIES: u64 = 10;
