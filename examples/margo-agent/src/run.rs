//! Running the agent.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use margo_client::api::Rc3Api;
use margo_client::identity::{IdentityFiles, IdentityWatch};
use margo_client::state::FileStore;
use margo_client::trust::{KeeperOptions, Mis, ServerTrust, SpkiPin, TrustKeeper};
use margo_client::{Agent, AgentHandle, Error, ErrorKind};
use margo_providers::compose::{ComposeProvider, Options};
use margo_providers::simulated::SimulatedProvider;
use margo_providers::{Provider, Telemetry};
use margo_types::Digest;
use tokio::signal::unix::{SignalKind, signal};

use crate::capabilities::CapabilitiesFile;
use crate::config::{Config, IdentityService, ProviderKind};
use crate::failure::{Failure, Kind};
use crate::status::StatusServer;

/// Runs the agent until it is told to stop.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let capabilities = CapabilitiesFile::read(config)?;
    make_state_directory(&config.state(""))?;
    let keeper = match &config.identity_service {
        Some(service) => Some(trust_keeper(config, service).await?),
        None => None,
    };
    let identity = identity_files(config).watch().map_err(of_client)?;
    let agent = agent(config, &identity, &capabilities, provider(config).await?).await?;
    let status = StatusServer::bind(&config.status_socket(), agent.handle())?;

    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::of(Kind::Unavailable, &error))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| Failure::of(Kind::Unavailable, &error))?;
    tracing::info!(device = %config.device.id, id = %identity.identity().id(), fleet_manager = %config.fleet_manager.url, "running");
    if let Some(keeper) = keeper {
        tokio::spawn(keeper.run(identity.identity().clone(), config.schedule.clone()));
    }
    tokio::spawn(identity.run(BETWEEN_LOOKS));
    let watching = watch_capabilities(config, agent.handle(), capabilities.digest);
    tokio::select! {
        () = agent.run(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping; workloads go on");
        }) => {}
        () = status.serve() => {}
        () = watching => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// Tells the fleet manager that the device is gone.
pub(crate) async fn decommission(config: &Config) -> Result<(), Failure> {
    let capabilities = CapabilitiesFile::read(config)?;
    let identity = identity_files(config).watch().map_err(of_client)?;
    let agent = agent(config, &identity, &capabilities, Vec::new()).await?;
    agent.decommission().await.map_err(of_client)?;
    println!(
        "the fleet manager was told that {} is gone",
        config.device.id
    );
    Ok(())
}

/// Renames the state.
pub(crate) fn set_aside_state(config: &Config) -> Result<(), Failure> {
    let aside = FileStore::set_aside(&config.state(STATE)).map_err(of_client)?;
    println!(
        "the state is now {}; the agent starts with an empty one",
        aside.display()
    );
    Ok(())
}

async fn agent(
    config: &Config,
    identity: &IdentityWatch,
    capabilities: &CapabilitiesFile,
    providers: Vec<Arc<dyn Provider>>,
) -> Result<Agent, Failure> {
    let identity = identity.identity();
    let state = FileStore::open(config.state(STATE), identity.id())
        .await
        .map_err(of_client)?;
    let api = Rc3Api::new(config.fleet_manager.url.clone(), identity.clone()).map_err(of_client)?;
    Agent::builder(Arc::new(api), Arc::new(state))
        .device(capabilities.capabilities.clone(), providers)
        .schedule(config.schedule.clone())
        .build()
        .await
        .map_err(of_client)
}

async fn provider(config: &Config) -> Result<Vec<Arc<dyn Provider>>, Failure> {
    let settings = &config.provider;
    let provider: Arc<dyn Provider> = match settings.kind {
        ProviderKind::Simulated => Arc::new(SimulatedProvider::new()),
        ProviderKind::Compose => {
            let registry = config
                .registries
                .client(&config.folder)
                .map_err(|error| Failure::of(Kind::Configuration, &error))?;
            let mut options = Options::new(config.state("workloads"), registry);
            options.command.clone_from(&settings.command);
            options.docker_host.clone_from(&settings.docker_host);
            options.telemetry = config.telemetry.as_ref().map(|telemetry| {
                let mut collector = Telemetry::new(&telemetry.http_endpoint);
                collector.grpc_endpoint.clone_from(&telemetry.grpc_endpoint);
                collector.certificate.clone_from(&telemetry.certificate);
                collector.protocol.clone_from(&telemetry.protocol);
                collector
            });
            let found = ComposeProvider::detect(options)
                .await
                .map_err(|error| Failure::of(Kind::Unavailable, &error))?;
            tracing::info!(engine = %found.found(), "workloads run with");
            Arc::new(found)
        }
    };
    Ok(vec![provider])
}

fn identity_files(config: &Config) -> IdentityFiles {
    let files = &config.identity;
    IdentityFiles::new(
        config.path(&files.svid),
        config.path(&files.key),
        config.path(&files.trust_bundle),
    )
}

/// What keeps the trust bundle up to date. Where there is none yet, one is fetched first: without any, nobody is trusted.
async fn trust_keeper(config: &Config, service: &IdentityService) -> Result<TrustKeeper, Failure> {
    let svid = identity_files(config).load_svid().map_err(of_client)?;
    let mut trust = match &service.ca_certificates {
        Some(path) => {
            let path = config.path(path);
            let pem = fs::read(&path).map_err(|error| {
                let doing = format!(
                    "{} cannot be read; correct identity_service.ca_certificates",
                    path.display()
                );
                Failure::of(Kind::Configuration, &error).while_doing(doing)
            })?;
            ServerTrust::anchors(&pem).map_err(of_client)?
        }
        None => ServerTrust::default(),
    };
    for pin in &service.pins {
        trust = trust.and_pins([SpkiPin::parse(pin).map_err(of_client)?]);
    }
    let mut mis = Mis::new(svid.id().trust_domain(), &trust).map_err(of_client)?;
    if let Some(url) = &service.discovery {
        mis = mis.with_discovery(url.clone()).map_err(of_client)?;
    }
    if let Some(url) = &service.bundle {
        mis = mis.with_bundle_uri(url.clone()).map_err(of_client)?;
    }
    let bundle = config.path(&config.identity.trust_bundle);
    let mut keeper = TrustKeeper::open(mis, bundle, KeeperOptions::default()).map_err(of_client)?;
    if keeper.bundle().is_err() {
        keeper.refresh().await.map_err(of_client)?;
    }
    Ok(keeper)
}

/// Reports the capabilities again when their file changes. A file that cannot be used is logged once, and changes nothing.
async fn watch_capabilities(config: &Config, agent: AgentHandle, mut reported: Digest) {
    let mut last_fault = None;
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let fault = match CapabilitiesFile::read(config) {
            Ok(file) if file.digest == reported => None,
            Ok(file) => {
                reported = file.digest;
                let outcome = agent.set_capabilities(file.capabilities);
                outcome.err().map(|error| of_client(error).to_string())
            }
            Err(failure) => Some(failure.to_string()),
        };
        if let Some(fault) = fault
            .as_ref()
            .filter(|fault| last_fault.as_ref() != Some(*fault))
        {
            tracing::warn!("the capabilities stay as they were: {fault}");
        }
        last_fault = fault;
    }
}

fn make_state_directory(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|error| {
        let doing = format!(
            "the state directory {} cannot be made; correct state_directory",
            path.display()
        );
        Failure::of(Kind::Unavailable, &error).while_doing(doing)
    })
}

fn of_client(error: Error) -> Failure {
    let kind = match error.kind() {
        ErrorKind::Setup => Kind::Configuration,
        _ => Kind::Unavailable,
    };
    Failure::of(kind, &error)
}

const STATE: &str = "state.redb";
/// How long a renewed certificate or a changed file may go unnoticed.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
