//! What is refused, in which words.

use serde_json::{Value, json};

use super::{CONFIG_MAPS, DEPLOYMENTS, World, assert_refused, config_map, deployment};

#[tokio::test]
async fn names_and_labels_have_a_form() {
    let world = World::start().await;
    let long = "a".repeat(254);
    for (name, why) in [
        ("Web", "RFC 1123 subdomain"),
        (long.as_str(), "no more than 253"),
        ("", "Required value"),
    ] {
        let refused = world.post(CONFIG_MAPS, &config_map(name, &json!({}))).await;
        assert_refused(&refused, 422, "Invalid", why);
    }
    let service = |name: &str| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": { "ports": [{ "port": 80 }] } });
    let services = "/api/v1/namespaces/default/services";
    for (name, why) in [
        ("1st", "DNS-1035"),
        ("a.b", "DNS-1035"),
        (&long[..64], "no more than 63"),
    ] {
        let refused = world.post(services, &service(name)).await;
        assert_refused(&refused, 422, "Invalid", why);
    }
    for (label, value, why) in [
        ("app", "with space", "a valid label must be"),
        ("app", &long[..64], "no more than 63"),
        ("a/b/c", "x", "name part must consist"),
    ] {
        let mut object = config_map("c", &json!({}));
        object["metadata"]["labels"] = json!({ label: value });
        let refused = world.post(CONFIG_MAPS, &object).await;
        assert_refused(&refused, 422, "Invalid", why);
    }
}

#[tokio::test]
async fn required_fields_are_required() {
    let world = World::start().await;
    let wrong = |change: &dyn Fn(&mut Value)| {
        let mut object = deployment("web", 1, &[("web", "web:1")]);
        change(&mut object["spec"]);
        object
    };
    for (object, why) in [
        (
            wrong(&|spec| spec["selector"] = Value::Null),
            "spec.selector: Required value",
        ),
        (
            wrong(&|spec| spec["template"]["metadata"]["labels"]["app"] = "other".into()),
            "`selector` does not match template `labels`",
        ),
        (
            wrong(&|spec| spec["template"]["spec"]["containers"] = json!([])),
            "spec.template.spec.containers: Required value",
        ),
        (
            wrong(&|spec| spec["template"]["spec"]["containers"][0]["image"] = "".into()),
            "spec.template.spec.containers[0].image: Required value",
        ),
        (
            wrong(&|spec| spec["template"]["spec"]["restartPolicy"] = "Never".into()),
            "Unsupported value: \"Never\"",
        ),
        (
            wrong(&|spec| {
                spec["template"]["spec"]["containers"][0]["volumeMounts"] =
                    json!([{ "name": "v", "mountPath": "/v" }]);
            }),
            "volumeMounts[0].name: Not found: \"v\"",
        ),
    ] {
        let refused = world.post(DEPLOYMENTS, &object).await;
        assert_refused(&refused, 422, "Invalid", why);
        assert_eq!(refused.1["details"]["kind"], "Deployment");
    }
    assert!(world.cluster.objects("deployments").is_empty());
}

#[tokio::test]
async fn values_of_another_type_are_not_understood() {
    let world = World::start().await;
    let mut object = deployment("web", 1, &[("web", "web:1")]);
    object["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{ "name": "DEBUG", "value": true }]);
    let refused = world.post(DEPLOYMENTS, &object).await;
    let why = "json: cannot unmarshal bool into Go struct field EnvVar.spec.template.spec.containers.env.value of type string";
    assert_refused(&refused, 400, "BadRequest", why);
    let mut object = deployment("web", 1, &[("web", "web:1")]);
    object["spec"]["replicas"] = "2".into();
    let refused = world.post(DEPLOYMENTS, &object).await;
    assert_refused(
        &refused,
        400,
        "BadRequest",
        "DeploymentSpec.spec.replicas of type int32",
    );
    let refused = world
        .post(CONFIG_MAPS, &config_map("c", &json!({ "a": 1 })))
        .await;
    assert_refused(&refused, 400, "BadRequest", "cannot unmarshal number");
    for nonsense in [json!("text"), json!([1]), json!(7)] {
        let mut object = deployment("web", 1, &[("web", "web:1")]);
        object["spec"]["template"] = nonsense.clone();
        let refused = world.post(DEPLOYMENTS, &object).await;
        assert_refused(&refused, 400, "BadRequest", "cannot unmarshal");
        let refused = world.post(DEPLOYMENTS, &nonsense).await;
        assert_eq!(refused.0, 400);
    }
}

#[tokio::test]
async fn some_fields_are_for_ever() {
    let world = World::start().await;
    world
        .create(DEPLOYMENTS, &deployment("web", 1, &[("web", "web:1")]))
        .await;
    let patch = json!({ "spec": {
        "selector": { "matchLabels": { "app": "other" } },
        "template": { "metadata": { "labels": { "app": "other" } } },
    }});
    let refused = world
        .patch("merge", &format!("{DEPLOYMENTS}/web"), &patch)
        .await;
    assert_refused(
        &refused,
        422,
        "Invalid",
        "spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{\"app\":\"other\"}",
    );

    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": "once" },
        "spec": { "template": { "spec": {
            "restartPolicy": "Never",
            "containers": [{ "name": "a", "image": "a:1" }],
        }}},
    });
    world.create(jobs, &job).await;
    let patch = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "a", "image": "a:2" }] } } } });
    let refused = world
        .patch("strategic-merge", &format!("{jobs}/once"), &patch)
        .await;
    assert_refused(
        &refused,
        422,
        "Invalid",
        "spec.template: Invalid value: core.PodTemplateSpec",
    );

    let mut fixed = config_map("fixed", &json!({ "a": "1" }));
    fixed["immutable"] = true.into();
    world.create(CONFIG_MAPS, &fixed).await;
    let refused = world
        .patch(
            "merge",
            &format!("{CONFIG_MAPS}/fixed"),
            &json!({ "data": { "a": "2" } }),
        )
        .await;
    assert_refused(
        &refused,
        422,
        "Invalid",
        "field is immutable when `immutable` is set",
    );
}

#[tokio::test]
async fn there_is_an_end_to_data() {
    let world = World::start().await;
    let large = "a".repeat((1 << 20) + 1);
    let refused = world
        .post(CONFIG_MAPS, &config_map("c", &json!({ "a": large })))
        .await;
    assert_refused(
        &refused,
        422,
        "Invalid",
        "may not be more than 1048576 bytes",
    );
    let larger = "a".repeat(3 << 20);
    let refused = world
        .post(CONFIG_MAPS, &config_map("c", &json!({ "a": larger })))
        .await;
    assert_refused(&refused, 413, "RequestEntityTooLarge", "limit is 3145728");
}

#[tokio::test]
async fn what_is_left_open_is_filled_in() {
    let world = World::start().await;
    let made = world
        .create(
            DEPLOYMENTS,
            &deployment("web", 1, &[("web", "web"), ("side", "side:1")]),
        )
        .await;
    let spec = &made["spec"]["template"]["spec"];
    assert_eq!(spec["restartPolicy"], "Always");
    assert_eq!(spec["containers"][0]["imagePullPolicy"], "Always");
    assert_eq!(spec["containers"][1]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(made["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");

    let mut object = deployment("measured", 1, &[("web", "web:1")]);
    let limits = json!({ "cpu": "1000m", "memory": "1024Mi" });
    object["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({ "limits": limits });
    let made = world.create(DEPLOYMENTS, &object).await;
    let resources = &made["spec"]["template"]["spec"]["containers"][0]["resources"];
    assert_eq!(resources["limits"], json!({ "cpu": "1", "memory": "1Gi" }));

    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "a": "hello" } });
    let made = world
        .create("/api/v1/namespaces/default/secrets", &secret)
        .await;
    assert_eq!(
        (&made["type"], &made["data"]),
        (&json!("Opaque"), &json!({ "a": "aGVsbG8=" }))
    );
    assert_eq!(made["stringData"], Value::Null);
    let lines = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "l" }, "data": { "a": "aGVs\nbG8=\n" } });
    let made = world
        .create("/api/v1/namespaces/default/secrets", &lines)
        .await;
    assert_eq!(made["data"]["a"], "aGVsbG8=");

    let services = "/api/v1/namespaces/default/services";
    let service = |name: &str| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": { "ports": [{ "port": 80 }] } });
    let (first, second) = (
        world.create(services, &service("a")).await,
        world.create(services, &service("b")).await,
    );
    assert_ne!(first["spec"]["clusterIP"], second["spec"]["clusterIP"]);
    assert_eq!(first["spec"]["ports"][0]["targetPort"], 80);
}

#[tokio::test]
async fn data_of_secrets_is_base64() {
    let world = World::start().await;
    for (data, place) in [("aGVsb G8=", 5), ("aGVsbG8", 4), ("%", 0)] {
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "data": { "a": data } });
        let refused = world
            .post("/api/v1/namespaces/default/secrets", &secret)
            .await;
        let why = format!(
            "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte {place}"
        );
        assert_refused(&refused, 400, "BadRequest", &why);
    }
}
