//! Disks that are really full: a file system of a few megabytes in memory, which only root can make.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use margo_client::agent::Snapshot;
use margo_client::api::Rc3Api;
use margo_client::schedule::{Schedule, ScheduleConfig};
use margo_client::state::{FileStore, StateStore as _};
use margo_client::{Agent, AgentHandle, Error, ErrorKind};
use margo_conformance::authority::{Authority, Lifetime};
use margo_conformance::wfm::FakeWfm;
use margo_providers::simulated::SimulatedProvider;
use margo_server_traits::publish::{PublishError, Publisher};
use margo_server_traits::store::{ContentKey, SqliteStore, StatusRecord, Store as _, StoreError};
use margo_types::Digest;
use margo_types::application::DeploymentType;
use margo_types::capabilities::{DeviceCapabilities, DeviceProperties, Runtime};
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, DeploymentId, DeviceId, SpiffeId, TrustDomain};
use margo_types::manifest::{ManifestVersion, StateManifest};
use margo_types::status::DeploymentState;
use margo_types::svid::Identity;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Why there can be no small disk here; `None` when there can.
pub(crate) fn obstacle() -> Option<String> {
    SmallDisk::mount().err()
}

/// An agent whose disk is full accepts nothing, keeps what it has, and goes on when there is room again.
pub(crate) async fn agent() {
    let disk = SmallDisk::mount().expect("a disk");
    let device = Machine::new(&disk.path().join("state.redb")).await;
    device.wfm.assign(&deployment(1, "small"));
    let running = device.start().await.expect("an agent");
    running
        .until("installed", |it| installed(it) == [id(1)])
        .await;
    let before = running.handle.snapshot().manifest;

    disk.fill();
    // Longer than what the file has to spare.
    let long = "x".repeat(600_000);
    device.wfm.assign(&deployment(2, &long));
    let snapshot = running
        .until("out of room", |it| it.state_error.is_some())
        .await;
    let said = snapshot.state_error.clone().unwrap_or_default();
    assert!(said.contains("check the disk"), "{said}");
    assert_eq!(
        snapshot.manifest, before,
        "nothing is accepted without being written"
    );
    assert_eq!(installed(&snapshot), [id(1)]);
    running.kill().await;

    // A device that is switched on while the disk is full either works from its state, or says why it does not.
    match device.start().await {
        Ok(running) => {
            let there = |it: &Snapshot| installed(it) == [id(1)];
            running.until("as before", there).await;
            running.kill().await;
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::State);
            assert!(error.to_string().contains("check"), "{error}");
        }
    }

    disk.make_room();
    let running = device.start().await.expect("an agent");
    let both = |it: &Snapshot| installed(it) == [id(1), id(2)] && it.outbox == 0;
    running.until("complete", both).await;
    for number in [1, 2] {
        let installed = &DeploymentState::Installed;
        device.wfm.wait_for_status(&id(number), installed).await;
    }
    running.kill().await;
    let store = device.store().await.expect("the state");
    assert_eq!(store.load().await.expect("the state").current.len(), 2);
}

/// A fleet manager whose disk is full acknowledges nothing, serves what it has, and goes on when there is room again.
pub(crate) async fn fleet_manager() {
    let disk = SmallDisk::mount().expect("a disk");
    let path = disk.path().join("fleet.db");
    let client = ClientId::parse("line-4").expect("an id");
    let mut store = Arc::new(SqliteStore::open(&path).await.expect("a store"));
    let mut acknowledged = publish(&store, &client, 1).await.expect("there is room");
    disk.fill();
    let refused = loop {
        match publish(&store, &client, acknowledged.get() + 1).await {
            Ok(version) => acknowledged = version,
            Err(error) => break error,
        }
    };
    let refused = match refused {
        PublishError::Store(error) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert_serves(&store, &client, acknowledged).await;
    let report = bytes::Bytes::from(vec![b' '; 200_000]);
    let state = DeploymentState::Installed;
    let now = jiff::Timestamp::now();
    let report = StatusRecord::new(client.clone(), id(1), state, report, now);
    let refused = store
        .put_status(&report)
        .await
        .expect_err("there is no room");
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert_eq!(store.statuses(None).await.expect("none"), []);
    store.close().await;
    drop(store);

    match SqliteStore::open(&path).await {
        Ok(store) => {
            assert_serves(&store, &client, acknowledged).await;
            store.close().await;
        }
        Err(error) => assert!(error.to_string().contains("fleet.db"), "{error}"),
    }

    disk.make_room();
    store = Arc::new(SqliteStore::open(&path).await.expect("the store"));
    assert_serves(&store, &client, acknowledged).await;
    let next = publish(&store, &client, acknowledged.get() + 1).await;
    assert_serves(&store, &client, next.expect("there is room")).await;
    store
        .put_status(&report)
        .await
        .expect("there is room for it");
}

async fn publish(
    store: &Arc<SqliteStore>,
    client: &ClientId,
    number: u64,
) -> Result<ManifestVersion, PublishError> {
    let publisher = Publisher::new(store.clone());
    let wanted = [deployment(1, &format!("{number} {}", "x".repeat(50_000)))];
    Ok(publisher.publish(client, &wanted).await?.version)
}

/// Asserts that this is the newest version, and everything of it is there.
async fn assert_serves(store: &SqliteStore, client: &ClientId, version: ManifestVersion) {
    let head = store
        .head(client)
        .await
        .expect("the head")
        .expect("a version");
    assert_eq!(head.version, version);
    let manifest = store
        .manifest(client)
        .await
        .expect("it")
        .expect("a manifest");
    assert_eq!(Digest::of(&manifest), head.digest);
    let manifest = margo_types::read::<StateManifest>(&manifest).expect("a manifest");
    for reference in &manifest.value().deployments {
        let key = ContentKey::Deployment(reference.deployment_id, reference.digest);
        let bytes = store
            .content(client, &key)
            .await
            .expect("it")
            .expect("content");
        assert_eq!(Digest::of(&bytes), reference.digest);
    }
}

/// A device whose state is on the small disk, and its fleet manager.
struct Machine {
    wfm: FakeWfm,
    identity: Identity,
    state: PathBuf,
    engine: Arc<SimulatedProvider>,
}

impl Machine {
    async fn new(state: &Path) -> Self {
        let domain = TrustDomain::parse("plant.example").expect("a domain");
        let authority = Authority::new(&domain);
        let own = SpiffeId::wfm(&domain, "wfm-1").expect("an id");
        let client = ClientId::parse("line-4").expect("an id");
        let id = SpiffeId::wfm_client(&domain, "wfm-1", &client).expect("an id");
        let svid = authority.issue(&id, Lifetime::default()).svid();
        Self {
            wfm: FakeWfm::start(&authority, &own).await,
            identity: Identity::new(svid, &authority.bundle()).expect("an identity"),
            state: state.to_owned(),
            engine: Arc::new(SimulatedProvider::new()),
        }
    }

    /// Its state, once nothing of a killed agent has it open any more.
    async fn store(&self) -> Result<FileStore, Error> {
        let begun = Instant::now();
        loop {
            let opened = FileStore::open(&self.state, self.identity.id()).await;
            match &opened {
                Err(error) if error.to_string().contains("in use by another process") => {
                    assert!(begun.elapsed() < PATIENCE, "never free: {error}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                _ => return opened,
            }
        }
    }

    async fn start(&self) -> Result<Running, Error> {
        let api = Rc3Api::new(
            self.wfm.url().parse().expect("a URL"),
            self.identity.clone(),
        )?;
        let mut every = ScheduleConfig::default();
        every.period = Duration::from_millis(100);
        let provider: Arc<dyn margo_providers::Provider> = self.engine.clone();
        let agent = Agent::builder(Arc::new(api), Arc::new(self.store().await?))
            .device(capabilities(), [provider])
            .schedule(Schedule::new(&every)?)
            .build()
            .await?;
        let handle = agent.handle();
        let task = tokio::spawn(async move { agent.run(std::future::pending()).await });
        Ok(Running { handle, task })
    }
}

struct Running {
    handle: AgentHandle,
    task: JoinHandle<()>,
}

impl Running {
    /// Waits until the agent is like this.
    async fn until(&self, what: &str, is_so: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let begun = Instant::now();
        loop {
            let snapshot = self.handle.snapshot();
            if is_so(&snapshot) {
                return snapshot;
            }
            assert!(begun.elapsed() < PATIENCE, "never {what}: {snapshot:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it as a kill does. What it has begun to write goes on.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

fn installed(snapshot: &Snapshot) -> Vec<DeploymentId> {
    let all = snapshot.deployments.iter();
    let all = all.filter(|(_, view)| view.state == DeploymentState::Installed);
    all.map(|(id, _)| *id).collect()
}

fn capabilities() -> DeviceCapabilities {
    let id = DeviceId::parse("line-4").expect("an id");
    let mut properties = DeviceProperties::new(id, "Example Industries", "Edge 2", "0001");
    properties.supported_runtimes = Some(vec![Runtime::Oci]);
    properties.supported_deployment_types = Some(vec![DeploymentType::Compose]);
    properties.cpus = Some(vec![margo_types::capabilities::Cpu::new(2.0, None)]);
    properties.memory = Some("1Gi".parse().expect("a quantity"));
    properties.storage = Some("8Gi".parse().expect("a quantity"));
    properties.peripherals = Some(Vec::new());
    properties.interfaces = Some(Vec::new());
    properties.otel_collector = Some(true);
    DeviceCapabilities::new(properties)
}

fn id(number: u8) -> DeploymentId {
    let mut bytes = [0x40; 16];
    bytes[15] = number;
    DeploymentId::from_uuid_bytes(bytes)
}

fn deployment(number: u8, setting: &str) -> ApplicationDeployment {
    let id = id(number);
    let text = format!(
        r#"
id: {id}
metadata:
  name: hello-{number}
  namespace: default
  deviceId: line-4
spec:
  applicationId: com-example-hello
  deploymentProfile:
    type: compose
    components:
      - name: hello
        properties:
          repository: oci://registry.example/hello
          revision: 1.0.0
  parameters:
    setting:
      value: "{setting}"
      targets:
        - pointer: SETTING
          components: [hello]
"#
    );
    let read = margo_types::read::<ApplicationDeployment>(text.as_bytes());
    read.expect("a deployment").into_value()
}

/// A file system of a few megabytes.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m,mode=0700", "margo-test"]);
        let done = mount.arg(folder.path()).output();
        match done {
            Ok(output) if output.status.success() => Ok(Self(folder)),
            Ok(output) => Err(format!(
                "no small disk can be mounted ({}); run the tests as root",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
            Err(error) => Err(format!("mount cannot be run ({error}); install it")),
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that there is.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.path().join("ballast")).expect("a file");
        let mut piece = 1 << 20;
        while piece > 0 {
            match std::io::Write::write_all(&mut ballast, &vec![7; piece]) {
                Ok(()) => {}
                Err(error) => {
                    let is_full = error.kind() == std::io::ErrorKind::StorageFull;
                    assert!(is_full, "{error}");
                    piece /= 2;
                }
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.path().join("ballast")).expect("the ballast");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What still has a file open keeps it; the rest goes.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

const PATIENCE: Duration = Duration::from_mins(1);
