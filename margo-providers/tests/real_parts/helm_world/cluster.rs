//! The cluster of a test: the one in this process or, when `KUBECONFIG` is given, the one it names.

use std::time::{Duration, Instant};

use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use margo_conformance::kubernetes::{Breakage, Cluster};
use serde_json::Value;

use super::real::RealCluster;

pub(crate) enum TestCluster {
    Double(Cluster),
    Real(RealCluster),
}

/// Whether the tests run against the cluster of `KUBECONFIG`.
pub(crate) fn is_real() -> bool {
    std::env::var_os("KUBECONFIG").is_some()
}

impl TestCluster {
    /// With an empty namespace, which is given too.
    pub(super) async fn start() -> (Self, String) {
        if is_real() {
            let real = RealCluster::connect().await;
            let namespace = real.namespace().to_owned();
            return (Self::Real(real), namespace);
        }
        let double = Cluster::start().await;
        double.add_namespace(NAMESPACE);
        (Self::Double(double), NAMESPACE.to_owned())
    }

    /// The one in this process, for what nobody does to another.
    pub(crate) fn double(&self) -> &Cluster {
        match self {
            Self::Double(double) => double,
            Self::Real(_) => panic!("this test is only for the cluster in this process"),
        }
    }
}

/// What is in it. Of a real one, no more is looked at than the namespace of the test.
impl TestCluster {
    pub(crate) fn objects(&self, plural: &str) -> Vec<Value> {
        match self {
            Self::Double(double) => double.objects(plural),
            Self::Real(real) => real.objects(plural),
        }
    }

    pub(crate) fn object(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<Value> {
        match self {
            Self::Double(double) => double.object(plural, namespace, name),
            Self::Real(real) => real.object(plural, namespace, name),
        }
    }

    /// What is another number after a change of any object; of a real one, of what somebody asks for.
    pub(crate) fn version(&self) -> u64 {
        match self {
            Self::Double(double) => double.version(),
            Self::Real(real) => real.version(),
        }
    }

    /// What is another number after a request that could change something for good: how many there were. Of a real one, the
    /// version.
    pub(crate) fn writes(&self) -> u64 {
        let double = match self {
            Self::Double(double) => double,
            Self::Real(real) => return real.version(),
        };
        let requests = double.requests();
        let writes = requests.iter().filter(|request| {
            let query = request.query.as_deref().unwrap_or_default();
            request.method != "GET" && !query.contains("dryRun")
        });
        writes.count().try_into().expect("not that many")
    }

    /// Waits until it is as desired.
    pub(crate) async fn wait_until(&self, is_desired: impl Fn(&Self) -> bool) {
        if let Self::Double(double) = self {
            return double.wait_until(|_| is_desired(self)).await;
        }
        let begun = Instant::now();
        while !is_desired(self) {
            assert!(
                begun.elapsed() < PATIENCE,
                "the cluster did not become as desired"
            );
            tokio::time::sleep(GLANCE).await;
        }
    }
}

impl TestCluster {
    /// Waits until all workloads are as they shall be, also where nobody is told of it, as after an update was taken back.
    pub(crate) async fn settle(&self) {
        let is_settled = |workload: &Value| {
            let (wanted, status) = (&workload["spec"]["replicas"], &workload["status"]);
            let counts = ["replicas", "updatedReplicas", "readyReplicas"];
            status["observedGeneration"] == workload["metadata"]["generation"]
                && counts.iter().all(|count| status[*count] == *wanted)
        };
        self.wait_until(|cluster| {
            let kinds = ["deployments", "statefulsets"].iter();
            kinds
                .flat_map(|plural| cluster.objects(plural))
                .all(|it| is_settled(&it))
        })
        .await;
    }
}

/// What somebody else does with it.
impl TestCluster {
    pub(crate) fn add(&self, object: &Value) {
        match self {
            Self::Double(double) => double.add(object.clone()),
            Self::Real(real) => real.add(object),
        }
    }

    pub(crate) fn add_namespace(&self, name: &str) {
        match self {
            Self::Double(double) => double.add_namespace(name),
            Self::Real(real) => real.add_namespace(name),
        }
    }

    pub(crate) fn change(
        &self,
        plural: &str,
        namespace: Option<&str>,
        name: &str,
        change: impl Fn(&mut Value),
    ) {
        match self {
            Self::Double(double) => double.change(plural, namespace, name, change),
            Self::Real(real) => real.change(plural, namespace, name, change),
        }
    }

    pub(crate) fn delete(&self, plural: &str, namespace: Option<&str>, name: &str) {
        match self {
            Self::Double(double) => double.delete(plural, namespace, name),
            Self::Real(real) => real.delete(plural, namespace, name),
        }
    }

    /// Has the API server do something.
    pub(crate) async fn ask(&self, request: Request<Vec<u8>>) -> Value {
        let client = match self {
            Self::Double(double) => {
                let kubeconfig = Kubeconfig::from_yaml(&double.kubeconfig()).expect("it is one");
                let options = KubeConfigOptions::default();
                let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
                Client::try_from(config.expect("it is usable")).expect("it is usable")
            }
            Self::Real(real) => real.client().clone(),
        };
        client.request(request).await.expect("it is done")
    }

    /// Something is wrong with this image. A chart for tests says the same in its own way, which a real cluster understands.
    pub(crate) fn break_image(&self, image: &str, breakage: Breakage) {
        if let Self::Double(double) = self {
            double.break_image(image, breakage);
        }
    }

    /// Pods are ready only after so long; a chart says the same with [`SLOW`](super::SLOW).
    pub(crate) fn delay_readiness(&self, delay: Duration) {
        if let Self::Double(double) = self {
            double.delay_readiness(delay);
        }
    }
}

/// The namespace in a cluster of the test's own.
const NAMESPACE: &str = "apps";

/// How long a real cluster may take for what takes no time.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often a real cluster is looked at.
pub(super) const GLANCE: Duration = Duration::from_millis(50);
