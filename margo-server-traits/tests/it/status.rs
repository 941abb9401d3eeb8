//! `POST /api/v1/deployments/{deploymentId}/status`.

use serde_json::{Value, json};

use crate::exchange::{Answer, Builder, DEPLOYMENT, Exchange, OTHERS_DEPLOYMENT};

fn report() -> Value {
    json!({
        "deploymentId": DEPLOYMENT,
        "adoptedManifestVersion": 7,
        "status": { "state": "installed" },
        "components": [{ "name": "web", "state": "installed" }],
    })
}

fn post(deployment: &str, body: &Value) -> Builder {
    let path = format!("/api/v1/deployments/{deployment}/status");
    Builder::new("POST", &path).json(body.to_string())
}

#[track_caller]
fn fields(answer: &Answer) -> Vec<String> {
    let problem = answer.is_problem(422, "semantic-error");
    problem
        .errors
        .into_iter()
        .map(|error| error.field)
        .collect()
}

#[tokio::test]
async fn first_report_creates_and_later_ones_update() {
    let exchange = Exchange::new();
    exchange.send(post(DEPLOYMENT, &report())).await.is(201);
    let answer = exchange.send(post(DEPLOYMENT, &report())).await;
    assert!(answer.is(200).body.is_empty());
    let upper_case = DEPLOYMENT.to_uppercase();
    exchange.send(post(&upper_case, &report())).await.is(200);
    let received = &exchange.fleet.state().statuses[0];
    let bytes: &[u8] = received.document.bytes();
    assert_eq!(bytes, report().to_string().as_bytes());
}

#[tokio::test]
async fn deployment_of_somebody_else_is_as_unknown_as_one_of_nobody() {
    let exchange = Exchange::new();
    let nobodys = "00000000-0000-4000-8000-000000000000";
    let mut problems = Vec::new();
    for id in [OTHERS_DEPLOYMENT, nobodys] {
        let mut body = report();
        body["deploymentId"] = json!(id);
        let answer = exchange.send(post(id, &body)).await;
        assert_eq!(fields(&answer), ["deploymentId"]);
        let mut problem = answer.problem();
        problem.instance = None;
        problems.push(problem);
    }
    assert_eq!(problems[0], problems[1]);
    assert!(exchange.fleet.state().statuses.is_empty());
}

#[tokio::test]
async fn path_and_body_are_about_the_same_deployment() {
    let exchange = Exchange::new();
    let answer = exchange.send(post(OTHERS_DEPLOYMENT, &report())).await;
    assert_eq!(fields(&answer), ["deploymentId"]);
    let answer = exchange.send(post("not-a-uuid", &report())).await;
    assert_eq!(fields(&answer), ["deploymentId"]);
    assert!(!exchange.calls().contains(&"report"));
}

#[tokio::test]
async fn what_breaks_the_schema_is_refused_with_its_field() {
    let exchange = Exchange::new();
    for (pointer, value, field) in [
        (
            "adoptedManifestVersion",
            Value::Null,
            "adoptedManifestVersion",
        ),
        ("adoptedManifestVersion", json!(0), "adoptedManifestVersion"),
        (
            "adoptedManifestVersion",
            json!("7"),
            "adoptedManifestVersion",
        ),
        ("status", json!({ "state": "Installed" }), "status.state"),
        ("components", json!(null), "components"),
        (
            "components",
            json!([{ "name": "web", "state": "wobbling" }]),
            "components[0].state",
        ),
    ] {
        let mut body = report();
        body[pointer] = value.clone();
        let answer = exchange.send(post(DEPLOYMENT, &body)).await;
        assert_eq!(fields(&answer), [field], "{pointer} {value}");
    }
    let mut body = report();
    body.as_object_mut()
        .unwrap()
        .remove("adoptedManifestVersion");
    let answer = exchange.send(post(DEPLOYMENT, &body)).await;
    assert_eq!(fields(&answer), ["adoptedManifestVersion"]);
    assert!(exchange.fleet.state().statuses.is_empty());
}

#[tokio::test]
async fn what_only_breaks_a_rule_is_recorded_or_refused_on_demand() {
    let mut body = report();
    body["status"]["state"] = json!("failed");
    let lenient = Exchange::new();
    lenient.send(post(DEPLOYMENT, &body)).await.is(201);
    let names: Vec<_> = lenient.fleet.state().statuses[0]
        .findings
        .errors()
        .map(|finding| finding.rule.name)
        .collect();
    assert_eq!(names, ["status.worst-of"]);

    let strict = Exchange::with(|options| options.refuse_findings = true);
    let answer = strict.send(post(DEPLOYMENT, &body)).await;
    assert_eq!(fields(&answer), ["status.state"]);
}

#[tokio::test]
async fn empty_error_objects_are_no_errors() {
    let exchange = Exchange::with(|options| options.refuse_findings = true);
    let empty = json!({ "code": "", "source": "", "message": "" });
    let mut body = report();
    body["status"]["error"] = empty.clone();
    body["components"][0]["error"] = empty;
    exchange.send(post(DEPLOYMENT, &body)).await.is(201);
}

#[tokio::test]
async fn errors_beyond_what_a_report_holds_do_not_hide_others() {
    let exchange = Exchange::new();
    let component = |index: usize, state: &str| {
        json!({
            "name": format!("part-{index}"),
            "state": state,
            "error": { "code": "E1", "source": "somebody", "message": "it broke" },
        })
    };
    let mut components: Vec<_> = (0..120).map(|it| component(it, "installed")).collect();
    components.push(component(120, "wobbling"));
    let mut body = report();
    body["components"] = json!(components);
    assert!(!fields(&exchange.send(post(DEPLOYMENT, &body)).await).is_empty());
    assert!(exchange.fleet.state().statuses.is_empty());
}
