use serde_json::{Value, json};

use super::*;

fn object(api_version: &str, kind: &str, spec: &Value, status: &Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "generation": 2}, "spec": spec, "status": status,
    })
}

/// `R`, `C` or `F`, and how.
fn of(object: &Value) -> String {
    match readiness(object) {
        Readiness::Ready => "R".to_owned(),
        Readiness::Coming(how) => format!("C {how}"),
        Readiness::Failed(how) => format!("F {how}"),
    }
}

#[test]
fn deployments() {
    let three = json!({"replicas": 3});
    let status = |all: i64, updated: i64, available: i64| {
        json!({
            "observedGeneration": 2, "replicas": all, "updatedReplicas": updated, "availableReplicas": available,
        })
    };
    let late = json!({
        "observedGeneration": 2,
        "conditions": [{
            "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out",
        }],
    });
    let stale = json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3});
    let table = [
        (&three, status(3, 3, 3), "R"),
        (&three, status(4, 2, 3), "C has 2 of 3 pods of the new form"),
        (&three, status(4, 3, 3), "C has 1 pods of the old form left"),
        (&three, status(3, 3, 1), "C has 1 of 3 pods available"),
        (&three, stale, "C is not looked at by its controller yet"),
        (&three, late.clone(), "F does not progress: timed out"),
        (&json!({"paused": true}), late, "R"),
        (&json!({}), status(1, 1, 1), "R"),
        (&json!({"replicas": 0}), status(0, 0, 0), "R"),
        (
            &three,
            json!({}),
            "C is not looked at by its controller yet",
        ),
    ];
    for (spec, status, expected) in table {
        assert_eq!(
            of(&object("apps/v1", "Deployment", spec, &status)),
            expected,
            "{status}"
        );
    }
}

#[test]
fn stateful_sets() {
    let plain = json!({"replicas": 3});
    let partition = json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}});
    let on_delete = json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}});
    let status = |ready: i64, updated: i64, is_same: bool| {
        let revision = if is_same { "b" } else { "a" };
        json!({
            "observedGeneration": 2, "readyReplicas": ready, "updatedReplicas": updated,
            "currentRevision": revision, "updateRevision": "b",
        })
    };
    let table = [
        (&plain, status(3, 3, true), "R"),
        (&plain, status(3, 0, true), "R"),
        (
            &plain,
            status(3, 2, false),
            "C has 2 of 3 pods of the new form",
        ),
        (&plain, status(2, 3, true), "C has 2 of 3 pods ready"),
        (&partition, status(3, 1, false), "R"),
        (
            &partition,
            status(3, 0, false),
            "C has 0 of 1 pods of the new form",
        ),
        (&on_delete, status(3, 0, false), "R"),
        (&on_delete, status(1, 0, false), "C has 1 of 3 pods ready"),
    ];
    for (spec, status, expected) in table {
        assert_eq!(
            of(&object("apps/v1", "StatefulSet", spec, &status)),
            expected,
            "{spec} {status}"
        );
    }
}

#[test]
fn daemon_sets_and_replica_sets() {
    let status = |updated: i64, available: i64| {
        json!({
            "observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberAvailable": available,
        })
    };
    let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
    let table = [
        (json!({}), status(2, 2), "R"),
        (json!({}), status(1, 2), "C has 1 of 2 pods of the new form"),
        (json!({}), status(2, 1), "C has 1 of 2 pods available"),
        (on_delete, status(0, 2), "R"),
        (
            json!({}),
            json!({"observedGeneration": 2, "desiredNumberScheduled": 0}),
            "R",
        ),
    ];
    for (spec, status, expected) in table {
        assert_eq!(
            of(&object("apps/v1", "DaemonSet", &spec, &status)),
            expected,
            "{status}"
        );
    }
    let ready = |count: i64| json!({"observedGeneration": 2, "readyReplicas": count});
    for (api_version, kind) in [("apps/v1", "ReplicaSet"), ("v1", "ReplicationController")] {
        let spec = json!({"replicas": 2});
        assert_eq!(of(&object(api_version, kind, &spec, &ready(2))), "R");
        let expected = "C has 1 of 2 pods ready";
        assert_eq!(of(&object(api_version, kind, &spec, &ready(1))), expected);
    }
}

#[test]
fn jobs() {
    let ended = |how: &str| json!({"conditions": [{"type": how, "status": "True", "reason": "BackoffLimitExceeded", "message": "no more"}]});
    let table = [
        (
            json!({}),
            json!({"active": 1, "ready": 0}),
            "C has no pod at work yet",
        ),
        (json!({}), json!({"active": 1, "ready": 1}), "R"),
        (json!({}), json!({"succeeded": 1}), "R"),
        (json!({}), ended("Complete"), "R"),
        (
            json!({}),
            ended("Failed"),
            "F failed: BackoffLimitExceeded: no more",
        ),
        (json!({"suspend": true}), json!({}), "R"),
    ];
    for (spec, status, expected) in table {
        assert_eq!(
            of(&object("batch/v1", "Job", &spec, &status)),
            expected,
            "{status}"
        );
    }
    let cron = object("batch/v1", "CronJob", &json!({}), &json!({}));
    assert_eq!(of(&cron), "R", "it waits for its hour");
    assert!(!is_awaited(&cron));
}

#[test]
fn pods() {
    let ready = |status: &str| json!([{"type": "Ready", "status": status}]);
    let waiting = json!([{"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}}]);
    let pulling = json!({"phase": "Pending", "containerStatuses": waiting});
    let table = [
        (
            json!({"phase": "Running", "conditions": ready("True")}),
            "R",
        ),
        (
            json!({"phase": "Running", "conditions": ready("False")}),
            "C is running and not ready",
        ),
        (
            pulling,
            "C is pending and not ready: ImagePullBackOff: Back-off",
        ),
        (json!({"phase": "Succeeded"}), "R"),
        (
            json!({"phase": "Failed", "reason": "Evicted", "message": "low disk"}),
            "F failed: Evicted: low disk",
        ),
        (json!({}), "C is pending and not ready"),
    ];
    for (status, expected) in table {
        assert_eq!(
            of(&object("v1", "Pod", &json!({}), &status)),
            expected,
            "{status}"
        );
    }
}

#[test]
fn claims_services_and_the_rest() {
    let claim = |phase: &str| {
        object(
            "v1",
            "PersistentVolumeClaim",
            &json!({}),
            &json!({"phase": phase}),
        )
    };
    assert_eq!(of(&claim("Bound")), "R");
    assert_eq!(of(&claim("Pending")), "C has no volume yet");
    assert_eq!(of(&claim("Lost")), "F has lost its volume");
    let balanced = json!({"type": "LoadBalancer"});
    let address = json!({"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}});
    assert_eq!(
        of(&object(
            "v1",
            "Service",
            &json!({"type": "ClusterIP"}),
            &json!({})
        )),
        "R"
    );
    assert_eq!(of(&object("v1", "Service", &balanced, &address)), "R");
    let expected = "C has no address from a load balancer yet";
    assert_eq!(
        of(&object("v1", "Service", &balanced, &json!({}))),
        expected
    );
    assert_eq!(
        of(&object(
            "example.org/v1",
            "Deployment",
            &json!({}),
            &json!({})
        )),
        "R"
    );
    assert_eq!(of(&json!(null)), "R");
}

#[test]
fn pods_say_what_is_wrong() {
    let pod = |status: &Value| json!({"apiVersion": "v1", "kind": "Pod", "status": status});
    let crashing = json!({"containerStatuses": [{
        "name": "app", "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
    }]});
    let trouble = pod_trouble(&pod(&crashing)).unwrap();
    assert_eq!(trouble.container.as_deref(), Some("app"));
    assert!(trouble.has_run);
    assert_eq!(
        trouble.why,
        "CrashLoopBackOff: ended with exit code 137 (OOMKilled)"
    );
    let unschedulable = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available",
    }]});
    let trouble = pod_trouble(&pod(&unschedulable)).unwrap();
    assert_eq!(trouble.why, "Unschedulable: 0/1 nodes are available");
    let starting = json!({"phase": "Pending", "containerStatuses": [{
        "name": "app", "state": {"waiting": {"reason": "ContainerCreating"}},
    }]});
    assert_eq!(pod_trouble(&pod(&starting)), None);
    let failing_init = json!({"initContainerStatuses": [{
        "name": "init", "restartCount": 0, "state": {"terminated": {"exitCode": 2, "message": "no route\n"}},
    }]});
    let trouble = pod_trouble(&pod(&failing_init)).unwrap();
    assert_eq!(trouble.why, "ended with exit code 2: no route");
    assert!(trouble.has_run);
}
