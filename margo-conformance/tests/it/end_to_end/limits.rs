//! Promise 8: whatever a fleet manager sends, memory and disk of the device are bounded.

use std::time::Duration;

use margo_conformance::wfm::{Answer, FakeWfm};
use margo_types::endpoint::Operation;
use margo_types::manifest::{BundleReference, DeploymentReference, ManifestVersion, StateManifest};
use margo_types::{Digest, SpecVersion, media_type};

use super::files::Plant;
use super::station::{Running, Station, at_level, deployment, id, noise};

#[tokio::test]
async fn promise_8_answers_without_end_are_given_up() {
    let rig = Rig::start().await;
    let too_long = "sends more than the 65536 bytes";
    let too_slow = "did not finish its answer";
    let drip = || Answer::drip(Duration::from_millis(1));
    for (answer, why) in [(Answer::endless(), too_long), (drip(), too_slow)] {
        rig.refuses(Operation::Manifest, answer, why).await;
    }
    // Many documents come as the bundle, one by itself.
    rig.wfm.assign(&deployment(1, "2.0"));
    for number in 2..=8 {
        let other = at_level(deployment(number, "1.0"), &noise(number));
        rig.wfm.assign(&other);
    }
    for (answer, why) in [(Answer::endless(), too_long), (drip(), too_slow)] {
        rig.fails(Operation::Bundle, answer, why).await;
    }
    rig.runs("2.0").await;

    let too_long = "sends more than the 32768 bytes";
    rig.wfm.assign(&deployment(1, "3.0"));
    for (answer, why) in [(Answer::endless(), too_long), (drip(), too_slow)] {
        rig.fails(Operation::Deployment, answer, why).await;
    }
    rig.runs("3.0").await;
}

#[tokio::test]
async fn promise_8_a_manifest_of_too_many_deployments_is_refused() {
    let rig = Rig::start().await;
    let references = (0..5000_u32).map(|number| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let id = margo_types::id::DeploymentId::from_uuid_bytes(bytes);
        let mut reference = DeploymentReference::new(id, Digest::of(&bytes), 1, "/");
        reference.size_bytes = None;
        reference
    });
    let bundle = BundleReference::new(Digest::of(b"bundle"), 1, "/");
    let version = ManifestVersion::new(1000).unwrap();
    let manifest = StateManifest::new(version, Some(bundle), references.collect());
    let manifest = margo_types::write(&manifest, SpecVersion::NEWEST).unwrap();
    let answer = Answer::body(200, media_type::MANIFEST, manifest);
    rig.refuses(Operation::Manifest, answer.clone(), "sends more than")
        .await;
    drop(rig);

    let rig = Rig::with_manifests_of(8 << 20).await;
    rig.refuses(Operation::Manifest, answer, "more than the limit of 4096")
        .await;
    rig.runs("1.0").await;
}

#[tokio::test]
async fn promise_8_documents_that_grow_when_they_are_read_are_refused() {
    let rig = Rig::start().await;
    let mut laughs = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n".to_owned();
    for level in 1..10 {
        let row = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs = format!("{laughs}a{level}: &a{level} [{row}]\n");
    }
    let deep = "[".repeat(30_000);
    for document in [laughs, deep] {
        rig.wfm.assign_document(&id(2), document);
        rig.is_failing("cannot be read").await;
        rig.wfm.withdraw(&id(2));
        rig.runs("1.0").await;
    }
}

/// A device that runs app-1, and takes little.
struct Rig {
    wfm: FakeWfm,
    station: Station,
    agent: Running,
    _plant: Plant,
}

impl Rig {
    async fn start() -> Self {
        Self::with_manifests_of(64 << 10).await
    }

    async fn with_manifests_of(bytes: usize) -> Self {
        let plant = Plant::new();
        let wfm = plant.fake_wfm().await;
        let mut station = plant.station("line-1");
        station.limits.max_manifest = bytes;
        station.limits.max_deployment = 32 << 10;
        station.limits.max_bundle = 64 << 10;
        station.limits.exchange = Duration::from_millis(500);
        station.limits.bundle = Duration::from_millis(500);
        wfm.assign(&deployment(1, "1.0"));
        let agent = station.start(&wfm.url()).await;
        agent.until_installed(&[1]).await;
        Self {
            wfm,
            station,
            agent,
            _plant: plant,
        }
    }

    /// Fails for this reason while it is answered like this, and keeps what it has.
    async fn fails(&self, operation: Operation, answer: Answer, why: &str) {
        let before = self.agent.handle.snapshot().manifest;
        let running = self.station.machine.runs(1);
        // Nobody asks in between: there is one thread.
        self.wfm.recover();
        self.wfm.fail_always(operation, answer);
        let snapshot = self.is_failing(why).await;
        assert_eq!(snapshot.manifest, before);
        assert_eq!(self.station.machine.runs(1), running);
    }

    /// The same, and then goes on.
    async fn refuses(&self, operation: Operation, answer: Answer, why: &str) {
        self.wfm.fail_always(operation, answer);
        self.is_failing(why).await;
        self.wfm.recover();
        self.runs("1.0").await;
    }

    async fn is_failing(&self, why: &str) -> margo_client::agent::Snapshot {
        let is_why = |it: &margo_client::agent::Snapshot| {
            it.last_error.as_deref().is_some_and(|it| it.contains(why))
        };
        self.agent.until(why, is_why).await
    }

    async fn runs(&self, revision: &str) {
        self.wfm.recover();
        self.agent
            .until(revision, |it| {
                it.last_error.is_none()
                    && it.outbox == 0
                    && self.station.machine.runs(1).as_deref() == Some(revision)
            })
            .await;
    }
}
