//! Who the device is to its fleet manager, in the generation that is configured.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use margo_client::FleetApi;
use margo_client::api::{Dialect, Rc1Api, Rc3Api};
use margo_client::identity::{IdentityFiles, SigningFiles, SigningWatch};
use margo_client::onboarding::{self, Enrolment, EnrolmentSettings};
use margo_client::state::Owner;
use margo_client::trust::{ServerTrust, SpkiPin};
use margo_types::svid::Svid;

use crate::config::{Config, Generation};
use crate::failure::{Failure, Kind};
use crate::setup::{self, of_client};

/// Who the device is.
pub(crate) enum Client {
    /// A holder of an SVID.
    Svid {
        /// Where it is.
        files: IdentityFiles,
        /// What it was when the program started.
        svid: Box<Svid>,
    },
    /// A holder of a key that signs.
    Signing {
        /// The key and certificate.
        watch: SigningWatch,
        /// What the fleet manager makes of them.
        enrolment: Enrolment,
    },
}

/// The way to the fleet manager.
pub(crate) struct Connection {
    /// The fleet manager.
    pub api: Arc<dyn FleetApi>,
    /// What the device is to it, in the signed generation.
    pub enrolment: Option<Enrolment>,
    /// What keeps the identity up to date while the agent runs.
    pub upkeep: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Client {
    /// Reads the files of the identity.
    pub(crate) async fn load(config: &Config) -> Result<Self, Failure> {
        match config.fleet_manager.generation {
            Generation::Rc3 => {
                let files = svid_files(config)?;
                let svid = files.load_svid().map_err(|error| of_client(&error))?;
                Ok(Self::Svid {
                    files,
                    svid: Box::new(svid),
                })
            }
            Generation::Rc1 => {
                let files = signing_files(config).await?;
                let watch = files.watch().map_err(|error| of_client(&error))?;
                let settings = enrolment_settings(config)?;
                let enrolment = Enrolment::open(settings, watch.identity().clone()).await;
                let enrolment = enrolment.map_err(|error| of_client(&error))?;
                Ok(Self::Signing { watch, enrolment })
            }
        }
    }

    /// Whose the state is.
    pub(crate) fn owner(&self) -> Owner {
        match self {
            Self::Svid { svid, .. } => Owner::from(svid.id()),
            Self::Signing { enrolment, .. } => enrolment.owner(),
        }
    }

    /// The way to the fleet manager.
    pub(crate) async fn connect(self, config: &Config) -> Result<Connection, Failure> {
        match self {
            Self::Svid { files, svid } => {
                let keeper = match &config.identity_service {
                    Some(service) => Some(setup::trust_keeper(config, service, svid.id()).await?),
                    None => None,
                };
                let watch = files.watch().map_err(|error| of_client(&error))?;
                let identity = watch.identity().clone();
                let api = Rc3Api::new(config.fleet_manager.url.clone(), identity.clone())
                    .map_err(|error| config.wrong("[fleet_manager] url", &error))?;
                let mut connection = Connection::new(Arc::new(api));
                if let Some(keeper) = keeper {
                    let keeping = keeper.run(identity, config.schedule.clone());
                    connection.upkeep.push(Box::pin(keeping));
                }
                connection.upkeep.push(Box::pin(watch.run(BETWEEN_LOOKS)));
                Ok(connection)
            }
            Self::Signing { watch, enrolment } => {
                let mut connection = Connection::new(Arc::new(Rc1Api::new(enrolment.clone())));
                connection.enrolment = Some(enrolment);
                connection.upkeep.push(Box::pin(watch.run(BETWEEN_LOOKS)));
                Ok(connection)
            }
        }
    }
}

impl Connection {
    fn new(api: Arc<dyn FleetApi>) -> Self {
        Self {
            api,
            enrolment: None,
            upkeep: Vec::new(),
        }
    }
}

fn svid_files(config: &Config) -> Result<IdentityFiles, Failure> {
    let (identity, manager) = (&config.identity, &config.fleet_manager);
    refuse(
        config,
        RC1,
        &[
            ("[identity] certificate", identity.certificate.is_some()),
            ("[fleet_manager] profile", manager.profile.is_some()),
            ("[fleet_manager] client_id", manager.client_id.is_some()),
            (
                "[fleet_manager] ca_certificates",
                manager.ca_certificates.is_some(),
            ),
            ("[fleet_manager] pins", !manager.pins.is_empty()),
        ],
    )?;
    Ok(IdentityFiles::new(
        config.path(needed(config, "svid", identity.svid.as_deref())?),
        config.path(&identity.key),
        config.path(needed(
            config,
            "trust_bundle",
            identity.trust_bundle.as_deref(),
        )?),
    ))
}

/// The files of a client that signs. The root certificate is fetched where it is missing, from the fleet manager that has a
/// pinned key.
async fn signing_files(config: &Config) -> Result<SigningFiles, Failure> {
    let (identity, manager) = (&config.identity, &config.fleet_manager);
    refuse(
        config,
        RC3,
        &[
            ("[identity] svid", identity.svid.is_some()),
            ("[identity] trust_bundle", identity.trust_bundle.is_some()),
            ("[identity_service]", config.identity_service.is_some()),
        ],
    )?;
    let certificate = needed(config, "certificate", identity.certificate.as_deref())?;
    let mut files = SigningFiles::new(config.path(&identity.key), config.path(certificate));
    for pin in &manager.pins {
        let pin = SpkiPin::parse(pin);
        let pin = pin.map_err(|error| config.wrong("[fleet_manager] pins", &error))?;
        files.pins.push(pin);
    }
    let ca_certificates = manager.ca_certificates.as_deref();
    files.ca_certificates = ca_certificates.map(|path| config.path(path));
    if files.ca_certificates.is_none() && files.pins.is_empty() {
        let message = format!(
            "{}, [fleet_manager] does not say how the fleet manager is recognised; write ca_certificates, pins, or both",
            config.file.display()
        );
        return Err(Failure::new(Kind::Configuration, message));
    }
    if let Some(path) = files.ca_certificates.as_deref()
        && !path.exists()
        && !files.pins.is_empty()
    {
        let trust = ServerTrust::pins(files.pins.iter().copied());
        let fetched = onboarding::keep_root(manager.url.clone(), &trust, path).await;
        fetched.map_err(|error| of_client(&error))?;
        tracing::info!(file = %path.display(), "the fleet manager gave its root certificate");
    }
    Ok(files)
}

fn enrolment_settings(config: &Config) -> Result<EnrolmentSettings, Failure> {
    let manager = &config.fleet_manager;
    let mut settings = EnrolmentSettings::new(manager.url.clone(), config.state(ENROLMENT));
    if let Some(profile) = &manager.profile {
        settings.dialect = Dialect::named(profile).ok_or_else(|| {
            let known = Dialect::ALL.map(|dialect| format!("{:?}", dialect.name()));
            let message = format!(
                "{}, [fleet_manager] profile: {profile:?} is not known; write {}",
                config.file.display(),
                known.join(" or ")
            );
            Failure::new(Kind::Configuration, message)
        })?;
    }
    settings.client_id.clone_from(&manager.client_id);
    Ok(settings)
}

fn refuse(config: &Config, generation: &str, settings: &[(&str, bool)]) -> Result<(), Failure> {
    config.refuse(
        settings,
        &format!("a fleet manager of generation {generation}"),
        &format!("generation = {generation} in [fleet_manager]"),
    )
}

fn needed<'a>(config: &Config, name: &str, path: Option<&'a Path>) -> Result<&'a Path, Failure> {
    path.ok_or_else(|| {
        let message = format!(
            "{}, [identity] has no {name}; write for example: {name} = \"{name}.pem\"",
            config.file.display()
        );
        Failure::new(Kind::Configuration, message)
    })
}

const RC1: &str = "\"rc1\"";
const RC3: &str = "\"rc3\"";
/// The file in the state directory with the client id.
const ENROLMENT: &str = "enrolment.json";
/// How long a renewed certificate or a changed file may go unnoticed.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
