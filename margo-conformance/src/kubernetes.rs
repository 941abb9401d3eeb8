//! A Kubernetes cluster: the API conventions, in memory, over plain HTTP.
//!
//! It has no nodes and runs nothing. What it has is an API server that stores objects, with watches, patches, server-side
//! apply and garbage collection, and controllers that at once make the pods a workload asks for and call them ready, unless
//! a test says otherwise. That is what the real `helm` and the `kube` crate need to install, update, wait and uninstall.
//!
//! ```no_run
//! # async fn test() {
//! use margo_conformance::kubernetes::{Breakage, Cluster, Verb};
//!
//! let cluster = Cluster::start().await;
//! std::fs::write("kubeconfig", cluster.kubeconfig()).unwrap();
//! cluster.break_image("registry.example/app:2", Breakage::ImagePullBackOff);
//! cluster.forbid(Verb::Create, "secrets");
//! // … install something by `kubeconfig`, then:
//! let release = cluster.object("deployments", Some("default"), "app");
//! # }
//! ```

mod answer;
mod apply;
mod clock;
mod controllers;
mod defaults;
mod discovery;
mod document;
mod failure;
mod faults;
mod fields;
mod garbage;
mod lists;
mod merge;
mod objects;
mod operation;
mod protobuf;
mod quantity;
mod queue;
mod resource;
mod route;
mod schema;
mod selector;
mod state;
mod validation;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

pub use self::faults::{Breakage, Fault};
use self::garbage::Propagation;
use self::objects::Key;
pub use self::route::Verb;
use self::state::{Shared, State};
use crate::request::RecordedRequest;
use crate::server::{Port, serve_http};

/// A cluster that begins with the namespaces `default` and `kube-system`, one node and one storage class, and lets everybody
/// do everything.
///
/// Resources are called by their plural names, such as `deployments`; the namespace of an object is `None` where it has none.
#[derive(Debug)]
pub struct Cluster {
    port: Port,
    shared: Arc<Shared>,
    clock: JoinHandle<()>,
}

impl Cluster {
    /// Starts one of Kubernetes 1.32.
    pub async fn start() -> Self {
        Self::start_version(1, 32).await
    }

    /// Starts one that says it is of another version. What it does is the same.
    pub async fn start_version(major: u32, minor: u32) -> Self {
        let shared = Arc::new(Shared::new((major, minor)));
        let served = Arc::clone(&shared);
        let handle = move |stream: tokio::net::TcpStream| {
            let shared = Arc::clone(&served);
            // Watches tell of every change at once.
            let _ = stream.set_nodelay(true);
            async move {
                serve_http(stream, |request| {
                    answer::answer(Arc::clone(&shared), request)
                })
                .await;
            }
        };
        Self {
            port: Port::listen(handle).await,
            clock: tokio::spawn(clock::run(Arc::downgrade(&shared))),
            shared,
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.port.host())
    }

    /// The text of a kubeconfig file for it; its one context is `margo`.
    pub fn kubeconfig(&self) -> String {
        let url = self.url();
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: margo\n\
             clusters:\n- name: margo\n  cluster:\n    server: {url}\n\
             users:\n- name: margo\n  user: {{}}\n\
             contexts:\n- name: margo\n  context:\n    cluster: margo\n    user: margo\n"
        )
    }

    /// Cuts all connections and takes no others, as if it were down. Its objects stay.
    pub async fn stop(&self) {
        self.port.close().await;
    }

    /// Serves again after [`stop`](Self::stop), on the same port.
    pub fn restart(&self) {
        self.port.open();
    }
}

/// What is in it.
impl Cluster {
    /// All objects of a resource, by namespace and name.
    pub fn objects(&self, plural: &str) -> Vec<Value> {
        self.shared.look(|state| {
            let group = group_of(state, plural);
            let all = state.objects.list(&group, plural, None);
            all.map(|(_, object)| Value::clone(object)).collect()
        })
    }

    /// One object.
    pub fn object(&self, plural: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        self.shared.look(|state| {
            let key = key_of(state, plural, namespace, name);
            state.objects.get(&key).map(|object| Value::clone(object))
        })
    }

    /// The resource version: every change of any object has one of its own.
    pub fn version(&self) -> u64 {
        self.shared.look(|state| state.objects.version())
    }

    /// Every request so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.look(|state| state.requests.clone())
    }

    /// Waits until it is as desired. It is looked at after every change.
    ///
    /// # Panics
    /// When that takes more than a minute.
    pub async fn wait_until(&self, is_desired: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        let mut changes = self.shared.changes();
        loop {
            changes.borrow_and_update();
            if is_desired(self) {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the cluster did not become as desired"
            );
            // The clock of the runtime may be stopped, so it does not measure the patience.
            let _ = tokio::time::timeout(GLANCE, changes.changed()).await;
        }
    }
}

/// What somebody else does with it.
impl Cluster {
    /// Adds an object, also a `Namespace` or a `CustomResourceDefinition`, as it is: nothing is filled in or checked.
    ///
    /// # Panics
    /// When the cluster has no such kind, when there is such an object, or no such namespace.
    pub fn add(&self, object: Value) {
        self.shared.change(|state| {
            let resource = state.objects.resource_of(&object).cloned();
            let Some(resource) = resource else {
                panic!("{} {} is unknown", object["apiVersion"], object["kind"]);
            };
            let metadata = &object["metadata"];
            let name = metadata["name"].as_str().expect("an object has a name");
            let namespace = metadata["namespace"].as_str().unwrap_or("default");
            let key = Key::new(&resource, Some(namespace), name);
            assert!(state.objects.get(&key).is_none(), "{name} is there already");
            if resource.is_namespaced {
                let has_place = state.objects.get(&Key::namespace(namespace)).is_some();
                assert!(has_place, "there is no namespace {namespace}");
            }
            state.objects.insert(key, object);
        });
    }

    /// Adds a namespace, unless it is there.
    pub fn add_namespace(&self, name: &str) {
        self.shared.change(|state| state.add_namespace(name));
    }

    /// Adds a kind of objects of its own, in namespaces and with a status: a `CustomResourceDefinition` that takes all fields.
    pub fn define(&self, group: &str, version: &str, kind: &str, plural: &str) {
        self.add(json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.{group}") },
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() },
                "versions": [{
                    "name": version,
                    "served": true,
                    "storage": true,
                    "schema": { "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": true,
                    }},
                    "subresources": { "status": {} },
                }],
            },
        }));
    }

    /// Changes an object behind everybody's back; its controllers notice, as they do of everything.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn change(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) {
        self.shared.change(|state| {
            let key = key_of(state, plural, namespace, name);
            let changed = state.objects.change(&key, change);
            assert!(changed.is_some(), "there is no {plural}/{name}");
        });
    }

    /// Deletes an object, with what belongs to it.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn delete(&self, plural: &str, namespace: Option<&str>, name: &str) {
        self.shared.change(|state| {
            let key = key_of(state, plural, namespace, name);
            assert!(
                state.objects.get(&key).is_some(),
                "there is no {plural}/{name}"
            );
            garbage::delete(&mut state.objects, &key, Propagation::Background);
        });
    }
}

/// What goes wrong.
impl Cluster {
    /// Something is wrong with this image from now on.
    pub fn break_image(&self, image: &str, breakage: Breakage) {
        self.shared.change(|state| {
            state.faults.images.insert(image.to_owned(), breakage);
            look_at_pods(state);
        });
    }

    /// Containers of this image start again, also those that could not.
    pub fn mend_image(&self, image: &str) {
        self.shared.change(|state| {
            state.faults.images.remove(image);
            look_at_pods(state);
        });
    }

    /// Pods that start from now on are ready only after so long; those of jobs are done only then.
    pub fn delay_readiness(&self, delay: Duration) {
        self.shared.note(|state| state.faults.readiness = delay);
    }

    /// Nobody may do this with this resource; 403.
    pub fn forbid(&self, verb: Verb, plural: &str) {
        self.shared.note(|state| state.faults.forbid(verb, plural));
    }

    /// Everything is allowed again.
    pub fn allow_all(&self) {
        self.shared.note(|state| state.faults.allow_all());
    }

    /// The next requests of this kind fail. What they ask for is not done.
    pub fn fail_next(&self, verb: Verb, plural: &str, count: usize, fault: Fault) {
        self.shared
            .note(|state| state.faults.fail_next(verb, plural, count, fault));
    }

    /// Every answer takes so much longer; not when zero.
    pub fn slow_down(&self, delay: Duration) {
        self.shared.note(|state| state.faults.slowness = delay);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.clock.abort();
    }
}

fn key_of(state: &State, plural: &str, namespace: Option<&str>, name: &str) -> Key {
    Key::of(
        &group_of(state, plural),
        plural,
        namespace.unwrap_or_default(),
        name,
    )
}

/// The group that has a resource of this name.
fn group_of(state: &State, plural: &str) -> String {
    let mut all = state.objects.resources().iter();
    let resource = all.find(|it| it.plural == plural);
    resource.map(|it| it.group.clone()).unwrap_or_default()
}

fn look_at_pods(state: &mut State) {
    let pods = state.objects.list("", "pods", None);
    let pods: Vec<Key> = pods.map(|(key, _)| key.clone()).collect();
    for pod in pods {
        state.objects.unsettle(pod);
    }
}

/// How long something may take that takes no time.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often the patience is looked at.
const GLANCE: Duration = Duration::from_millis(100);
