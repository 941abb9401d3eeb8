//! What the connections of a cluster share.

use std::fmt;
use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::sync::watch::{self, Receiver, Sender};

use super::clock::Clock;
use super::controllers;
use super::faults::Faults;
use super::objects::{Key, Objects};
use crate::request::RecordedRequest;
use crate::server::lock;

pub(crate) struct Shared {
    state: Mutex<State>,
    /// The newest resource version, for those who watch.
    version: Sender<u64>,
}

impl Shared {
    pub(super) fn new(version: (u32, u32)) -> Self {
        let mut state = State {
            version,
            objects: Objects::default(),
            faults: Faults::default(),
            clock: Clock::default(),
            requests: Vec::new(),
        };
        state.furnish();
        controllers::settle(&mut state);
        let (version, _) = watch::channel(state.objects.version());
        Self {
            state: Mutex::new(state),
            version,
        }
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&lock(&self.state))
    }

    /// Notes something that nobody watches.
    pub(super) fn note<T>(&self, note: impl FnOnce(&mut State) -> T) -> T {
        note(&mut lock(&self.state))
    }

    /// Changes something, and has the controllers do their part.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.state);
        let result = change(&mut state);
        controllers::settle(&mut state);
        self.version.send_replace(state.objects.version());
        result
    }

    /// Tells of every change.
    pub(super) fn changes(&self) -> Receiver<u64> {
        self.version.subscribe()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("version", &*self.version.borrow())
            .finish_non_exhaustive()
    }
}

/// All that a cluster knows.
#[derive(Debug)]
pub(super) struct State {
    /// The version of Kubernetes that it says it is.
    pub(super) version: (u32, u32),
    pub(super) objects: Objects,
    pub(super) faults: Faults,
    pub(super) clock: Clock,
    pub(super) requests: Vec<RecordedRequest>,
}

impl State {
    /// Puts in what every cluster has.
    fn furnish(&mut self) {
        for name in ["default", "kube-system"] {
            self.add_namespace(name);
        }
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "labels": { "kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux" } },
            "status": { "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady" }] },
        });
        self.objects.insert(Key::of("", "nodes", "", NODE), node);
        let class = json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": { "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } },
            "provisioner": "example.org/memory",
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        });
        let key = Key::of(
            "storage.k8s.io",
            "storageclasses",
            "",
            super::defaults::DEFAULT_STORAGE_CLASS,
        );
        self.objects.insert(key, class);
    }

    pub(super) fn add_namespace(&mut self, name: &str) {
        if self.objects.get(&Key::namespace(name)).is_none() {
            let mut namespace: Value = json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": { "name": name },
            });
            super::defaults::namespace(&mut namespace);
            self.objects.insert(Key::namespace(name), namespace);
        }
    }
}

/// The only one.
pub(super) const NODE: &str = "node-1";
