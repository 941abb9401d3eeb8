//! A device: an agent with an identity, a state file and what runs its workloads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use margo_client::agent::Snapshot;
use margo_client::api::{Rc1Api, Rc3Api};
use margo_client::identity::{IdentityFiles, SigningFiles};
use margo_client::onboarding::{Enrolment, EnrolmentSettings};
use margo_client::schedule::{Schedule, ScheduleConfig};
use margo_client::state::{FileStore, Owner};
use margo_client::{Agent, AgentHandle, FleetApi};
use margo_providers::{Provider, Silent};
use margo_types::application::Architecture;
use margo_types::capabilities::{
    Cpu, DeviceCapabilities, DeviceProperties, Interface, InterfaceType, Runtime,
};
use margo_types::deployment::{
    ApplicationDeployment, DeployedProfile, DeploymentMetadata, DeploymentSpec,
};
use margo_types::id::{ApplicationId, DeploymentId, DeviceId};
use margo_types::scalar::Quantity;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use crate::Failure;

/// How a device is made, as often as it is switched on.
#[derive(Clone)]
pub(crate) struct Device {
    /// Where the fleet manager is.
    pub fleet_manager: Url,
    /// Who it is, and with that which generation it speaks.
    pub identity: DeviceIdentity,
    /// Where it keeps what it must not lose.
    pub folder: PathBuf,
    /// The device itself, and what runs its workloads.
    pub host: Host,
    /// The devices behind it.
    pub children: Vec<Host>,
}

/// Who a device is.
#[derive(Clone)]
pub(crate) enum DeviceIdentity {
    /// The holder of an SVID, in the newest generation.
    Svid(IdentityFiles),
    /// The holder of a key that signs its requests, in the generation before.
    Key(SigningFiles),
}

/// A device with what runs its workloads.
#[derive(Clone)]
pub(crate) struct Host {
    /// What it is and offers.
    pub capabilities: DeviceCapabilities,
    /// What runs its workloads; nothing on a gateway that only connects others.
    pub provider: Option<Arc<dyn Provider>>,
}

/// A device that is switched on.
pub(crate) struct Running {
    handle: AgentHandle,
    off: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Device {
    /// Switches the device on. It starts with what it remembers.
    ///
    /// # Errors
    /// When its files cannot be used.
    pub(crate) async fn switch_on(&self) -> Result<Running, Failure> {
        let (api, owner) = self.connect().await?;
        let state = FileStore::open(self.folder.join("state.redb"), owner).await?;
        let mut config = ScheduleConfig::default();
        config.period = POLLING_PERIOD;
        let mut builder = Agent::builder(api, Arc::new(state))
            .device(self.host.capabilities.clone(), self.host.provider.clone())
            .schedule(Schedule::new(&config)?);
        for child in &self.children {
            builder = builder.child(child.capabilities.clone(), child.provider.clone());
        }
        let agent = builder.build().await?;
        let handle = agent.handle();
        let (off, switched_off) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            agent
                .run(async {
                    // Dropping the switch turns the device off, too.
                    let _ = switched_off.await;
                })
                .await;
        });
        Ok(Running { handle, off, task })
    }

    /// The way to the fleet manager, and whose the state is.
    async fn connect(&self) -> Result<(Arc<dyn FleetApi>, Owner), Failure> {
        let url = self.fleet_manager.clone();
        match &self.identity {
            DeviceIdentity::Svid(files) => {
                let identity = files.load()?;
                let owner = Owner::from(identity.id());
                Ok((Arc::new(Rc3Api::new(url, identity)?), owner))
            }
            DeviceIdentity::Key(files) => {
                let settings = EnrolmentSettings::new(url, self.folder.join("enrolment.json"));
                let enrolment = Enrolment::open(settings, files.load()?).await?;
                let owner = enrolment.owner();
                Ok((Arc::new(Rc1Api::new(enrolment)), owner))
            }
        }
    }
}

impl Running {
    /// Waits until the device itself, not the fleet manager, says that it is so.
    ///
    /// # Errors
    /// When the device ended or it took too long.
    pub(crate) async fn until(
        &self,
        what: &str,
        is_so: impl Fn(&Snapshot) -> bool,
    ) -> Result<(), Failure> {
        let mut snapshots = self.handle.watch();
        let waiting = snapshots.wait_for(|snapshot| is_so(snapshot));
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(format!("the device ended before {what}").into()),
            Err(_) => Err(format!("the device took too long: {what}").into()),
        }
    }

    /// Switches the device off and waits until its agent has ended. Workloads stay as they are.
    pub(crate) async fn switch_off(mut self) {
        let _ = self.off.send(());
        if tokio::time::timeout(PATIENCE, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
        }
    }
}

impl Host {
    /// A host of the deployments that this provider runs.
    ///
    /// # Errors
    /// When the id is not one.
    pub(crate) fn new(id: &str, provider: Arc<dyn Provider>) -> Result<Self, Failure> {
        let mut capabilities = described(id)?;
        let properties = &mut capabilities.properties;
        let architecture = match std::env::consts::ARCH {
            "aarch64" => Architecture::Arm64,
            "arm" => Architecture::Arm,
            _ => Architecture::Amd64,
        };
        properties.cpus = Some(vec![Cpu::new(2.0, Some(architecture))]);
        properties.memory = Some(Quantity::parse("1Gi")?);
        properties.storage = Some(Quantity::parse("8Gi")?);
        properties.peripherals = Some(Vec::new());
        properties.interfaces = Some(vec![Interface::new(InterfaceType::Ethernet)]);
        properties.otel_collector = Some(true);
        properties.supported_runtimes = Some(vec![Runtime::Oci]);
        properties.supported_deployment_types = Some(vec![provider.deployment_type()]);
        Ok(Self {
            capabilities,
            provider: Some(provider),
        })
    }

    /// Removes what runs there, and says what it was.
    ///
    /// # Errors
    /// When the engine does not do it.
    pub(crate) async fn clear(&self) -> Result<Vec<DeploymentId>, Failure> {
        let Some(provider) = &self.provider else {
            return Ok(Vec::new());
        };
        let found = provider.list().await?;
        for id in &found {
            // The id alone is enough: what is there has labels.
            let profile = DeployedProfile::new(provider.deployment_type(), Vec::new());
            let spec = DeploymentSpec::new(ApplicationId::parse("com-example-greeter")?, profile);
            let deployment = ApplicationDeployment::new(*id, DeploymentMetadata::default(), spec);
            provider.remove(&deployment, &Silent).await?;
        }
        Ok(found)
    }

    /// A gateway that hosts nothing itself.
    ///
    /// # Errors
    /// When the id is not one.
    pub(crate) fn gateway(id: &str) -> Result<Self, Failure> {
        Ok(Self {
            capabilities: described(id)?,
            provider: None,
        })
    }
}

fn described(id: &str) -> Result<DeviceCapabilities, Failure> {
    let properties =
        DeviceProperties::new(DeviceId::parse(id)?, "Example Industries", "Edge 2", id);
    Ok(DeviceCapabilities::new(properties))
}

/// Devices in the field poll every minute or so; here nobody wants to wait.
const POLLING_PERIOD: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(1);
