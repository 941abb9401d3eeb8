//! The cluster, by hand: what the conventions of the Kubernetes API promise to clients.

mod applying;
mod conventions;
mod deleting;
mod faults;
mod patching;
mod validation;
mod watching;
mod workloads;

use margo_conformance::kubernetes::Cluster;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

/// A cluster, and a client of it.
struct World {
    cluster: Cluster,
    client: Client,
}

/// The status and the body of an answer.
type Answer = (u16, Value);

impl World {
    async fn start() -> Self {
        Self::of(Cluster::start().await)
    }

    fn of(cluster: Cluster) -> Self {
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { cluster, client }
    }

    async fn get(&self, path: &str) -> Answer {
        read(self.send(Method::GET, path, "", &Value::Null).await).await
    }

    async fn delete(&self, path: &str) -> Answer {
        read(self.send(Method::DELETE, path, "", &Value::Null).await).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        read(
            self.send(Method::POST, path, "application/json", body)
                .await,
        )
        .await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        read(self.send(Method::PUT, path, "application/json", body).await).await
    }

    /// `kind` is what is between `application/` and `-patch`.
    async fn patch(&self, kind: &str, path: &str, body: &Value) -> Answer {
        let media_type = match kind {
            "apply" => "application/apply-patch+yaml".to_owned(),
            kind => format!("application/{kind}-patch+json"),
        };
        read(self.send(Method::PATCH, path, &media_type, body).await).await
    }

    /// Creates an object, which has to be accepted.
    async fn create(&self, path: &str, body: &Value) -> Value {
        let (status, created) = self.post(path, body).await;
        assert_eq!(status, 201, "{created:#}");
        created
    }

    /// Applies an object as `manager`, which has to be accepted.
    async fn apply(&self, path: &str, manager: &str, body: &Value) -> Value {
        let path = format!("{path}?fieldManager={manager}");
        let (status, applied) = self.patch("apply", &path, body).await;
        assert!(status < 300, "{applied:#}");
        applied
    }

    async fn send(&self, method: Method, path: &str, media_type: &str, body: &Value) -> Response {
        let url = format!("{}{path}", self.cluster.url());
        let mut request = self
            .client
            .request(method, url)
            .header(ACCEPT, "application/json");
        if !body.is_null() {
            request = request
                .header(CONTENT_TYPE, media_type)
                .body(body.to_string());
        }
        request.send().await.expect("an answer")
    }
}

async fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// Asserts that something was refused with a status, a reason, and a message that contains a text.
fn assert_refused(answer: &Answer, status: u16, reason: &str, text: &str) {
    let (got, body) = answer;
    assert_eq!(*got, status, "{body:#}");
    assert_eq!(body["kind"], "Status");
    assert_eq!(body["code"], status);
    assert_eq!(body["reason"], reason);
    let message = body["message"].as_str().unwrap_or_default();
    assert!(message.contains(text), "{message}");
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list");
    let names = items.iter().map(|item| item["metadata"]["name"].as_str());
    names.map(Option::unwrap_or_default).collect()
}

/// `containers` is a list of names with images.
fn deployment(name: &str, replicas: u64, containers: &[(&str, &str)]) -> Value {
    let containers = containers
        .iter()
        .map(|(name, image)| json!({ "name": name, "image": image }));
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": containers.collect::<Vec<_>>() },
            },
        },
    })
}

fn config_map(name: &str, data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const PODS: &str = "/api/v1/namespaces/default/pods";
