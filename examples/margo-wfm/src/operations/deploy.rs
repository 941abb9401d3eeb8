//! Deploying an application for the first time.

use std::fmt;
use std::str::FromStr;

use margo_package::instantiate::Instantiation;
use margo_server_traits::store::Store as _;
use margo_types::SpecVersion;
use margo_types::id::{ApplicationId, ClientId, DeploymentId, DeviceTarget};
use margo_types::manifest::ManifestVersion;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Operation, Settings};
use crate::failure::{Failure, Kind};
use crate::journal::Action;
use crate::library::Wanted;
use crate::manager::Manager;
use crate::origin::Origin;
use crate::placement::{KnownFleet, Placement};
use crate::policy;

/// Deploys an application to one device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Deploy {
    /// `APPLICATION`, for the package that was imported last, or `APPLICATION:VERSION`.
    pub package: String,
    /// The deployment profile; the first that fits the device when `None`.
    pub profile: Option<String>,
    /// The device; the first that fits when `None`.
    pub destination: Option<Destination>,
    /// The values of its parameters.
    pub settings: Settings,
    /// Also to a client or device that has not reported yet, or is not accepted.
    pub force: bool,
}

impl Deploy {
    /// Deploys this package wherever it fits, with its default values.
    pub fn new(package: impl Into<String>) -> Self {
        Self {
            package: package.into(),
            profile: None,
            destination: None,
            settings: Settings::default(),
            force: false,
        }
    }

    /// To this device.
    #[must_use]
    pub fn to(mut self, destination: Destination) -> Self {
        self.destination = Some(destination);
        self
    }

    /// With these values.
    #[must_use]
    pub fn with(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
}

/// A device of a client, or any behind a gateway: `CLIENT/DEVICE`, `CLIENT/GATEWAY/CHILD` or `CLIENT/GATEWAY/*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[allow(clippy::exhaustive_structs, reason = "a client and a device")]
pub struct Destination {
    /// The client.
    pub client: ClientId,
    /// The device among those of the client.
    pub target: DeviceTarget,
}

/// Where a new deployment goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Deployed {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its name.
    pub name: String,
    /// The application.
    pub application: ApplicationId,
    /// Its version.
    pub version: String,
    /// The deployment profile.
    pub profile: String,
    /// The client that gets it.
    pub client: ClientId,
    /// The device.
    pub target: DeviceTarget,
    /// The first manifest that has it.
    pub manifest: ManifestVersion,
    /// Why it may not get there, one line each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl Operation for Deploy {
    const NAME: &'static str = "deploy";
    type Output = Deployed;

    async fn run(self, manager: &Manager) -> Result<Deployed, Failure> {
        let entry = manager
            .library()
            .find(Wanted::from(self.package.as_str()))?;
        let description = entry.package.description().value();
        let fleet = manager.fleet().await?;
        let placement = Placement::find(
            &fleet,
            description,
            self.profile.as_deref(),
            self.destination.as_ref(),
            self.force,
        )?;

        let origin = Origin::new(entry.package.version(), &placement.profile);
        let id = DeploymentId::from_uuid_bytes(Uuid::new_v4().into_bytes());
        let name = name(&description.id, &id);
        let answers = self.settings.to_answers(description)?;
        let destination = placement.destination;
        let target = destination.target.clone();
        let mut deployment = Instantiation::new(description, &origin.profile)?
            .install(id, &name, &name, target, &answers)?;
        origin.write_to(&mut deployment, fleet.generation(&destination.client));

        if !fleet.knows(&destination.client) {
            // It is listed, so that somebody decides about it, and found again after a crash.
            let record = policy::waiting(&destination.client);
            manager.store().replace_client(None, &record).await?;
        }
        let changed = manager
            .change(&destination.client, Action::Deployed, id, |deployments| {
                deployments.insert(id, deployment.clone());
                Ok(())
            })
            .await?;
        let warnings = warnings(&fleet, &destination.client);
        Ok(Deployed {
            deployment: id,
            name,
            application: description.id.clone(),
            version: origin.version,
            profile: origin.profile,
            client: destination.client,
            target: destination.target,
            manifest: changed.manifest,
            warnings,
        })
    }
}

/// Why what was deployed by force may not get there.
fn warnings(fleet: &KnownFleet, client: &ClientId) -> Vec<String> {
    let accept = format!("`margo-wfm client accept {client}`");
    if fleet.serves(client) {
        Vec::new()
    } else if fleet.knows(client) {
        vec![format!(
            "client {client} is not accepted, and gets nothing before {accept}"
        )]
    } else {
        let generation = SpecVersion::NEWEST;
        vec![format!(
            "client {client} is not known, and gets nothing before {accept}; it is taken for one of {generation}"
        )]
    }
}

/// A Kubernetes name that no other deployment has; also its namespace, so that no two deployments share one.
fn name(application: &ApplicationId, id: &DeploymentId) -> String {
    let readable: String = application.as_str().chars().take(NAME_LENGTH).collect();
    let readable = readable.trim_matches('-');
    let unique: String = id.to_string().chars().take(8).collect();
    // A Kubernetes label may begin with a digit but not with a dash.
    match readable {
        "" => format!("app-{unique}"),
        readable => format!("{readable}-{unique}"),
    }
}

impl FromStr for Destination {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let invalid = |error: &dyn std::error::Error| {
            let message = format!(
                "{text:?} is no device; write CLIENT/DEVICE, as `margo-wfm device list` does"
            );
            Failure::caused(Kind::Usage, message, error)
        };
        let (client, device) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self {
            client: ClientId::parse(client).map_err(|error| invalid(&error))?,
            target: DeviceTarget::parse(device).map_err(|error| invalid(&error))?,
        })
    }
}

impl TryFrom<String> for Destination {
    type Error = Failure;

    fn try_from(text: String) -> Result<Self, Failure> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.to_string()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}/{}", self.client, self.target)
    }
}

const NAME_LENGTH: usize = 40;
