//! What the controllers make of workloads.

use std::time::{Duration, Instant};

use margo_conformance::kubernetes::{Breakage, Cluster};
use serde_json::{Value, json};

use super::{DEPLOYMENTS, PODS, World, deployment};

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"]
        .as_array()
        .expect("conditions");
    conditions
        .iter()
        .find(|it| it["type"] == kind)
        .unwrap_or(&Value::Null)
}

/// The images of the pods that are ready.
fn ready_images(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.objects("pods");
    let ready = pods
        .iter()
        .filter(|pod| condition(pod, "Ready")["status"] == "True");
    let images = ready.map(|pod| {
        pod["spec"]["containers"][0]["image"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    images.collect()
}

fn image_patch(image: &str) -> Value {
    json!({ "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": image }] } } } })
}

#[tokio::test]
async fn a_deployment_is_rolled_out_and_back() {
    let world = World::start().await;
    let path = format!("{DEPLOYMENTS}/web");
    world
        .create(DEPLOYMENTS, &deployment("web", 3, &[("web", "web:1")]))
        .await;
    let (_, found) = world.get(&path).await;
    assert_eq!(found["status"]["observedGeneration"], 1);
    assert_eq!(found["status"]["readyReplicas"], 3);
    assert_eq!(
        condition(&found, "Progressing")["reason"],
        "NewReplicaSetAvailable"
    );
    assert_eq!(
        found["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "1"
    );

    world
        .patch("strategic-merge", &path, &image_patch("web:2"))
        .await;
    assert_eq!(ready_images(&world.cluster), ["web:2"; 3]);
    world
        .patch("strategic-merge", &path, &image_patch("web:1"))
        .await;
    assert_eq!(ready_images(&world.cluster), ["web:1"; 3]);
    let (_, found) = world.get(&path).await;
    assert_eq!(
        found["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "3"
    );
    // Going back takes the old replica set.
    assert_eq!(world.cluster.objects("replicasets").len(), 2);

    world
        .patch("merge", &path, &json!({ "spec": { "replicas": 0 } }))
        .await;
    assert!(world.cluster.objects("pods").is_empty());
}

#[tokio::test]
async fn the_old_pods_run_on_while_the_new_ones_cannot_start() {
    let world = World::start().await;
    let path = format!("{DEPLOYMENTS}/web");
    world
        .create(DEPLOYMENTS, &deployment("web", 2, &[("web", "web:1")]))
        .await;
    world
        .cluster
        .break_image("web:2", Breakage::ImagePullBackOff);
    world
        .patch("strategic-merge", &path, &image_patch("web:2"))
        .await;
    assert_eq!(ready_images(&world.cluster), ["web:1"; 2]);
    let (_, found) = world.get(&path).await;
    assert_eq!(found["status"]["updatedReplicas"], 1);
    assert_eq!(condition(&found, "Available")["status"], "True");
    let (_, pods) = world.get(PODS).await;
    let pending = pods["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|pod| pod["status"]["phase"] == "Pending");
    let waiting = &pending.unwrap()["status"]["containerStatuses"][0]["state"]["waiting"];
    assert_eq!(waiting["reason"], "ImagePullBackOff");
    assert_eq!(world.cluster.objects("events")[0]["type"], "Warning");

    world.cluster.mend_image("web:2");
    assert_eq!(ready_images(&world.cluster), ["web:2"; 2]);
}

#[tokio::test]
async fn what_crashes_is_not_ready_any_more() {
    let world = World::start().await;
    world
        .create(DEPLOYMENTS, &deployment("web", 1, &[("web", "web:1")]))
        .await;
    world
        .cluster
        .break_image("web:1", Breakage::ImagePullBackOff);
    assert_eq!(ready_images(&world.cluster), ["web:1"]);
    world
        .cluster
        .break_image("web:1", Breakage::CrashLoopBackOff);
    assert!(ready_images(&world.cluster).is_empty());
    let pod = world.cluster.objects("pods").remove(0);
    let container = &pod["status"]["containerStatuses"][0];
    assert_eq!(container["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 1);
    let (_, found) = world.get(&format!("{DEPLOYMENTS}/web")).await;
    assert_eq!(condition(&found, "Available")["status"], "False");
    world.cluster.mend_image("web:1");
    assert_eq!(ready_images(&world.cluster), ["web:1"]);
}

#[tokio::test]
async fn a_rollout_that_does_not_get_on_is_given_up() {
    let world = World::start().await;
    world.cluster.break_image("web:1", Breakage::NotReady);
    let mut object = deployment("web", 1, &[("web", "web:1")]);
    object["spec"]["progressDeadlineSeconds"] = 1.into();
    world.create(DEPLOYMENTS, &object).await;
    let stuck = |cluster: &Cluster| {
        let found = cluster
            .object("deployments", Some("default"), "web")
            .unwrap();
        condition(&found, "Progressing")["reason"] == "ProgressDeadlineExceeded"
    };
    world.cluster.wait_until(stuck).await;
}

#[tokio::test]
async fn pods_can_take_their_time() {
    let world = World::start().await;
    let delay = Duration::from_millis(300);
    world.cluster.delay_readiness(delay);
    let begun = Instant::now();
    world
        .create(DEPLOYMENTS, &deployment("web", 1, &[("web", "web:1")]))
        .await;
    let is_early = ready_images(&world.cluster).len() == 1;
    assert!(!is_early || begun.elapsed() >= delay, "too early");
    world
        .cluster
        .wait_until(|cluster| ready_images(cluster).len() == 1)
        .await;
}

#[tokio::test]
async fn what_is_deleted_or_changed_behind_a_controller_is_made_again() {
    let world = World::start().await;
    world
        .create(DEPLOYMENTS, &deployment("web", 2, &[("web", "web:1")]))
        .await;
    let pod = world.cluster.objects("pods").remove(0);
    world.cluster.delete(
        "pods",
        Some("default"),
        pod["metadata"]["name"].as_str().unwrap(),
    );
    assert_eq!(ready_images(&world.cluster).len(), 2);
    world
        .cluster
        .change("deployments", Some("default"), "web", |it| {
            it["spec"]["replicas"] = 5.into();
        });
    assert_eq!(ready_images(&world.cluster).len(), 5);
    world.cluster.delete("deployments", Some("default"), "web");
    assert!(world.cluster.objects("pods").is_empty());
}

#[tokio::test]
async fn a_stateful_set_goes_one_by_one_and_keeps_its_claims() {
    let world = World::start().await;
    let sets = "/apis/apps/v1/namespaces/default/statefulsets";
    let mut object = deployment("db", 2, &[("web", "db:1")]);
    object["kind"] = "StatefulSet".into();
    object["spec"]["serviceName"] = "db".into();
    object["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "data", "mountPath": "/data" }]);
    object["spec"]["volumeClaimTemplates"] = json!([{
        "metadata": { "name": "data", "labels": { "tier": "back" } },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    }]);
    world.create(sets, &object).await;
    let names: Vec<_> = world
        .cluster
        .objects("pods")
        .iter()
        .map(|pod| pod["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["db-0", "db-1"]);
    let claims = world.cluster.objects("persistentvolumeclaims");
    assert_eq!(claims.len(), 2);
    assert_eq!(claims[0]["status"]["phase"], "Bound");
    assert_eq!(
        claims[0]["metadata"]["labels"],
        json!({ "app": "db", "tier": "back" })
    );
    let volume = world.cluster.objects("pods")[1]["spec"]["volumes"][0].clone();
    assert_eq!(volume["persistentVolumeClaim"]["claimName"], "data-db-1");

    world
        .cluster
        .break_image("db:2", Breakage::CrashLoopBackOff);
    let path = format!("{sets}/db");
    world
        .patch("strategic-merge", &path, &image_patch("db:2"))
        .await;
    // The last pod is replaced first, and the others wait for it.
    assert_eq!(ready_images(&world.cluster), ["db:1"]);
    let (_, found) = world.get(&path).await;
    assert_eq!(found["status"]["updatedReplicas"], 1);
    assert_ne!(
        found["status"]["currentRevision"],
        found["status"]["updateRevision"]
    );
    world.cluster.mend_image("db:2");
    let (_, found) = world.get(&path).await;
    assert_eq!(
        found["status"]["currentRevision"],
        found["status"]["updateRevision"]
    );
    assert_eq!(ready_images(&world.cluster), ["db:2"; 2]);

    world.delete(&path).await;
    assert!(world.cluster.objects("pods").is_empty());
    assert_eq!(world.cluster.objects("persistentvolumeclaims").len(), 2);

    // The second waits for the first, unless they start together.
    world.cluster.break_image("db:1", Breakage::NotReady);
    world.create(sets, &object).await;
    assert_eq!(world.cluster.objects("pods").len(), 1);
    world.delete(&path).await;
    object["spec"]["podManagementPolicy"] = "Parallel".into();
    world.create(sets, &object).await;
    assert_eq!(world.cluster.objects("pods").len(), 2);
}

#[tokio::test]
async fn a_daemon_set_has_a_pod_on_every_node() {
    let world = World::start().await;
    let mut object = deployment("agent", 1, &[("web", "agent:1")]);
    object["kind"] = "DaemonSet".into();
    object["spec"].as_object_mut().unwrap().remove("replicas");
    let sets = "/apis/apps/v1/namespaces/default/daemonsets";
    world.create(sets, &object).await;
    world
        .patch(
            "strategic-merge",
            &format!("{sets}/agent"),
            &image_patch("agent:2"),
        )
        .await;
    assert_eq!(ready_images(&world.cluster), ["agent:2"]);
    let (_, found) = world.get(&format!("{sets}/agent")).await;
    assert_eq!(
        found["status"]["numberReady"],
        found["status"]["desiredNumberScheduled"]
    );
}

#[tokio::test]
async fn jobs_are_done_or_fail() {
    let world = World::start().await;
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let job = |name: &str, image: &str| {
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": { "name": name },
            "spec": {
                "completions": 2,
                "backoffLimit": 1,
                "template": { "spec": {
                    "restartPolicy": "Never",
                    "containers": [{ "name": "a", "image": image }],
                }},
            },
        })
    };
    world
        .cluster
        .break_image("bad:1", Breakage::CrashLoopBackOff);
    world.create(jobs, &job("good", "good:1")).await;
    world.create(jobs, &job("bad", "bad:1")).await;
    let (_, good) = world.get(&format!("{jobs}/good")).await;
    assert_eq!(good["status"]["succeeded"], 2);
    assert_eq!(condition(&good, "Complete")["status"], "True");
    let (_, bad) = world.get(&format!("{jobs}/bad")).await;
    assert_eq!(bad["status"]["failed"], 2);
    assert_eq!(condition(&bad, "Failed")["reason"], "BackoffLimitExceeded");
}

#[tokio::test]
async fn claims_of_unknown_classes_are_not_bound() {
    let world = World::start().await;
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    let claim = |name: &str, class: &Value| {
        json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "name": name },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "1Gi" } },
                "storageClassName": class,
            },
        })
    };
    world.create(claims, &claim("good", &Value::Null)).await;
    world.create(claims, &claim("bad", &json!("fast"))).await;
    assert_eq!(
        world.get(&format!("{claims}/good")).await.1["status"]["phase"],
        "Bound"
    );
    assert_eq!(
        world.get(&format!("{claims}/bad")).await.1["status"]["phase"],
        "Pending"
    );
}

#[tokio::test]
async fn what_has_to_be_done_before_a_pod_is_done_once() {
    let world = World::start().await;
    let mut object = deployment("web", 1, &[("web", "web:1")]);
    object["spec"]["template"]["spec"]["initContainers"] =
        json!([{ "name": "init", "image": "init:1" }]);
    world
        .cluster
        .break_image("init:1", Breakage::CrashLoopBackOff);
    world.create(DEPLOYMENTS, &object).await;
    let pod = world.cluster.objects("pods").remove(0);
    assert_eq!(pod["status"]["phase"], "Pending");
    let waiting =
        |pod: &Value, list: &str| pod["status"][list][0]["state"]["waiting"]["reason"].clone();
    assert_eq!(waiting(&pod, "initContainerStatuses"), "CrashLoopBackOff");
    assert_eq!(waiting(&pod, "containerStatuses"), "PodInitializing");

    world.cluster.mend_image("init:1");
    assert_eq!(ready_images(&world.cluster), ["web:1"]);
    world
        .cluster
        .break_image("init:1", Breakage::CrashLoopBackOff);
    assert_eq!(ready_images(&world.cluster), ["web:1"]);
}

/// Whatever happens on the way.
#[tokio::test]
async fn rollouts_end_with_what_is_wanted() {
    for seed in 1_u64..=20 {
        let world = World::start().await;
        let web = format!("{DEPLOYMENTS}/web");
        world
            .create(DEPLOYMENTS, &deployment("web", 2, &[("web", "web:0")]))
            .await;
        let mut random = seed;
        let mut next = |below: u64| {
            // xorshift64
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        for _ in 0..15 {
            let image = format!("web:{}", next(4));
            match next(5) {
                0 => {
                    let patch = json!({ "spec": { "replicas": next(6) } });
                    world.patch("merge", &web, &patch).await;
                }
                1 => world.cluster.break_image(&image, Breakage::NotReady),
                2 => world.cluster.mend_image(&image),
                3 => {
                    let kind = ["Recreate", "RollingUpdate"][usize::from(next(2) == 0)];
                    let strategy = json!({ "type": kind, "rollingUpdate": null });
                    let patch = json!({ "spec": { "strategy": strategy } });
                    world.patch("merge", &web, &patch).await;
                }
                _ => {
                    let patch = image_patch(&image);
                    let (status, _) = world.patch("strategic-merge", &web, &patch).await;
                    assert_eq!(status, 200);
                }
            }
        }
        for number in 0..4 {
            world.cluster.mend_image(&format!("web:{number}"));
        }
        let (_, found) = world.get(&web).await;
        let image = &found["spec"]["template"]["spec"]["containers"][0]["image"];
        let replicas = found["spec"]["replicas"].as_u64().unwrap();
        let expected = vec![image.as_str().unwrap(); usize::try_from(replicas).unwrap()];
        assert_eq!(ready_images(&world.cluster), expected, "seed {seed}");
        assert_eq!(
            world.cluster.objects("pods").len(),
            expected.len(),
            "seed {seed}"
        );
    }
}
