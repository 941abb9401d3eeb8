//! From the configuration to the parts of an agent.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use margo_client::state::{FileStore, Owner};
use margo_client::trust::{KeeperOptions, Mis, ServerTrust, SpkiPin, TrustKeeper};
use margo_client::{Agent, Error, ErrorKind, FleetApi};
use margo_providers::Provider;
use margo_types::id::SpiffeId;

use crate::capabilities::CapabilitiesFile;
use crate::config::{Config, IdentityService};
use crate::failure::{Failure, Kind};
use crate::files;

/// Makes the directory for what must not be lost.
pub(crate) fn state_directory(config: &Config) -> Result<(), Failure> {
    let directory = config.path(&config.state_directory);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .map_err(|error| {
            let doing = format!(
                "the state directory {} cannot be made; correct state_directory in {}",
                directory.display(),
                config.file.display()
            );
            Failure::of(Kind::Unavailable, &error).while_doing(doing)
        })
}

/// Takes the state of this client: nobody else has it until it is dropped.
pub(crate) async fn take_state(config: &Config, owner: Owner) -> Result<FileStore, Failure> {
    let state = FileStore::open(config.state(STATE), owner).await;
    state.map_err(|error| of_client(&error))
}

/// The agent, with the state that was taken.
pub(crate) async fn agent(
    config: &Config,
    state: FileStore,
    api: Arc<dyn FleetApi>,
    capabilities: &CapabilitiesFile,
    providers: Vec<Arc<dyn Provider>>,
) -> Result<Agent, Failure> {
    Agent::builder(api, Arc::new(state))
        .device(capabilities.capabilities.clone(), providers)
        .schedule(config.schedule.clone())
        .build()
        .await
        .map_err(|error| of_client(&error))
}

/// What keeps the trust bundle up to date. Where there is none yet, one is fetched first: without any, nobody is trusted.
pub(crate) async fn trust_keeper(
    config: &Config,
    service: &IdentityService,
    client: &SpiffeId,
) -> Result<TrustKeeper, Failure> {
    if service.discovery.is_none() && service.bundle.is_none() {
        let message = format!(
            "{}, [identity_service] has no URL; write discovery or bundle",
            config.file.display()
        );
        return Err(Failure::new(Kind::Configuration, message));
    }
    let wrong = |error: Error| config.wrong("[identity_service]", &error);
    let mut trust = match &service.ca_certificates {
        Some(path) => {
            let path = config.path(path);
            let setting = format!("[identity_service] ca_certificates, {}", path.display());
            let pem = files::read(&path).map_err(|error| config.wrong(&setting, &error))?;
            ServerTrust::anchors(&pem).map_err(|error| config.wrong(&setting, &error))?
        }
        None => ServerTrust::default(),
    };
    for pin in &service.pins {
        trust = trust.and_pins([SpkiPin::parse(pin).map_err(wrong)?]);
    }
    let mut mis = Mis::new(client.trust_domain(), &trust).map_err(wrong)?;
    if let Some(url) = &service.discovery {
        mis = mis.with_discovery(url.clone()).map_err(wrong)?;
    }
    if let Some(url) = &service.bundle {
        mis = mis.with_bundle_uri(url.clone()).map_err(wrong)?;
    }
    let bundle = config
        .identity
        .trust_bundle
        .as_deref()
        .unwrap_or(Path::new(""));
    let bundle = config.path(bundle);
    let options = KeeperOptions::default();
    let mut keeper = TrustKeeper::open(mis, bundle, options).map_err(|error| of_client(&error))?;
    if keeper.bundle().is_err() {
        keeper.refresh().await.map_err(|error| of_client(&error))?;
    }
    Ok(keeper)
}

/// What is to be said of an error of the library.
pub(crate) fn of_client(error: &Error) -> Failure {
    let kind = match error.kind() {
        ErrorKind::Setup => Kind::Configuration,
        _ => Kind::Unavailable,
    };
    Failure::of(kind, error)
}

/// The file in the state directory with what the agent remembers.
pub(crate) const STATE: &str = "state.redb";
