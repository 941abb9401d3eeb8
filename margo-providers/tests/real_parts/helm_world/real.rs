//! The cluster of `KUBECONFIG`, by its API.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::CONTENT_TYPE;
use http::{Method, Request};
use kube::{Client, Error};
use serde_json::{Value, json};

/// A namespace of its own in it, which goes with it.
pub(crate) struct RealCluster {
    client: Client,
    namespace: String,
}

impl RealCluster {
    pub(super) async fn connect() -> Self {
        let client = Client::try_default()
            .await
            .expect("a usable file in KUBECONFIG");
        let real = Self {
            client,
            namespace: format!("margo-{}", unique()),
        };
        real.add_namespace(&real.namespace);
        // Pods wait for it, and Helm does not wait for them.
        let account = real.collection("serviceaccounts", Some(&real.namespace));
        while real
            .ask(Method::GET, &format!("{account}/default"), None)
            .is_err()
        {
            tokio::time::sleep(super::cluster::GLANCE).await;
        }
        real
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The objects in its namespace.
    pub(super) fn objects(&self, plural: &str) -> Vec<Value> {
        let all = self.collection(plural, Some(&self.namespace));
        match self.ask(Method::GET, &all, None) {
            Ok(mut list) => match list["items"].take() {
                Value::Array(items) => items,
                _ => Vec::new(),
            },
            // A kind that nobody has defined yet.
            Err(error) if is_missing(&error) => Vec::new(),
            Err(error) => panic!("{all}: {error}"),
        }
    }

    pub(super) fn object(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<Value> {
        let path = format!("{}/{name}", self.collection(plural, namespace));
        match self.ask(Method::GET, &path, None) {
            Ok(object) => Some(object),
            Err(error) if is_missing(&error) => None,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// A digest of what was asked for. Controllers add to objects what they like, at any time.
    pub(super) fn version(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for plural in ASKED_FOR {
            for mut object in self.objects(plural) {
                let metadata = &mut object["metadata"];
                for ours in ["resourceVersion", "managedFields"] {
                    metadata[ours].take();
                }
                object["status"].take();
                object.to_string().hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    pub(super) fn add(&self, object: &Value) {
        let plural = format!(
            "{}s",
            object["kind"].as_str().expect("a kind").to_lowercase()
        );
        let namespace = object["metadata"]["namespace"].as_str();
        let all = self.collection(&plural, namespace);
        let added = self.ask(Method::POST, &all, Some(object));
        added.unwrap_or_else(|error| panic!("{all}: {error}"));
    }

    pub(super) fn add_namespace(&self, name: &str) {
        let metadata = json!({"name": name});
        self.add(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
    }

    pub(super) fn change(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
        change: impl Fn(&mut Value),
    ) {
        let path = format!("{}/{name}", self.collection(plural, namespace));
        loop {
            let object = self.object(plural, namespace, name);
            let mut object = object.unwrap_or_else(|| panic!("there is no {plural}/{name}"));
            change(&mut object);
            match self.ask(Method::PUT, &path, Some(&object)) {
                Ok(_) => return,
                // A controller was quicker.
                Err(Error::Api(status)) if status.code == 409 => {}
                Err(error) => panic!("{path}: {error}"),
            }
        }
    }

    /// Deletes an object and waits until it is gone.
    pub(super) fn delete(&self, plural: &str, namespace: Option<&str>, name: &str) {
        let path = format!("{}/{name}", self.collection(plural, namespace));
        let options = json!({"propagationPolicy": "Background"});
        let deleted = self.ask(Method::DELETE, &path, Some(&options));
        deleted.unwrap_or_else(|error| panic!("{path}: {error}"));
        while self.object(plural, namespace, name).is_some() {
            std::thread::sleep(super::cluster::GLANCE);
        }
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let request = self.client.request(request(method, path, body));
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(request))
    }

    fn collection(&self, plural: &str, namespace: Option<&str>) -> String {
        let root = match plural {
            "deployments" | "replicasets" | "statefulsets" => "/apis/apps/v1",
            "jobs" => "/apis/batch/v1",
            "widgets" => &format!("/apis/{}/v1", super::group(&self.namespace)),
            _ => "/api/v1",
        };
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
            None => format!("{root}/{plural}"),
        }
    }
}

impl Drop for RealCluster {
    /// Has everything of the test deleted; the cluster takes its time.
    fn drop(&mut self) {
        let namespace = std::mem::take(&mut self.namespace);
        // The runtime of the test may be ending.
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(clean(&namespace))
        });
        let cleaned = cleaning.join().map_err(|_| "it panicked".to_owned());
        if let Err(error) = cleaned.and_then(|cleaned| cleaned.map_err(|it| it.to_string())) {
            eprintln!("the cluster was not cleaned: {error}");
        }
    }
}

/// Deletes the namespaces of a test, and the kinds that it defined.
async fn clean(namespace: &str) -> Result<(), Error> {
    let client = Client::try_default().await?;
    let is_ours = |name: &str| name == namespace || name.starts_with(&format!("{namespace}-"));
    let kind_suffix = format!(".{}", super::group(namespace));
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for all in ["/api/v1/namespaces", definitions] {
        let list: Value = client.request(request(Method::GET, all, None)).await?;
        let items = list["items"].as_array().into_iter().flatten();
        for name in items.filter_map(|item| item["metadata"]["name"].as_str()) {
            if is_ours(name) || name.ends_with(&kind_suffix) {
                let path = format!("{all}/{name}");
                let deletion = client.request::<Value>(request(Method::DELETE, &path, None));
                deletion.await?;
            }
        }
    }
    Ok(())
}

fn request(method: Method, path: &str, body: Option<&Value>) -> Request<Vec<u8>> {
    let body = body.map(|body| body.to_string().into_bytes());
    Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/json")
        .body(body.unwrap_or_default())
        .expect("a request")
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 404)
}

/// What no other test has, nor had in an earlier run.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.expect("a clock").as_secs();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("t{seconds:x}x{:x}x{count}", std::process::id())
}

/// The kinds that only change when somebody asks for it, but for their status.
const ASKED_FOR: &[&str] = &[
    "configmaps",
    "deployments",
    "jobs",
    "secrets",
    "services",
    "statefulsets",
];
