//! Running the agent, and ending what it has with its fleet manager.

use std::time::Duration;

use margo_client::api::Rc3Api;
use margo_client::state::{FileStore, StateStore as _};
use margo_client::{AgentHandle, ErrorKind, FleetApi as _};
use margo_types::Digest;
use margo_types::capabilities::DeviceCapabilities;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::capabilities::CapabilitiesFile;
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::output;
use crate::setup::{self, of_client};
use crate::status::StatusServer;

/// Runs the agent until it is told to stop.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let capabilities = CapabilitiesFile::read(config)?;
    let files = setup::identity_files(config);
    let svid = files.load_svid().map_err(|error| of_client(&error))?;
    // Before anything else is touched: another agent may have it.
    let state = setup::take_state(config, svid.id()).await?;
    let keeper = match &config.identity_service {
        Some(service) => Some(setup::trust_keeper(config, service, svid.id()).await?),
        None => None,
    };
    let watch = files.watch().map_err(|error| of_client(&error))?;
    let identity = watch.identity().clone();
    let api = setup::fleet_manager(config, &identity)?;
    let remembered = state.load().await.map_err(|error| of_client(&error))?;
    if remembered.accepted.is_none() && remembered.current.is_empty() {
        first_contact(config, &api, &capabilities.capabilities).await?;
    }
    let providers = vec![setup::provider(config).await?];
    let agent = setup::agent(config, state, api, &capabilities, providers).await?;
    let status = StatusServer::bind(&config.status_socket(), agent.handle())?;
    let (mut terminate, mut interrupt) =
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);

    tracing::info!(device = %config.device.id, id = %identity.id(), fleet_manager = %config.fleet_manager.url, "running");
    if let Some(keeper) = keeper {
        tokio::spawn(keeper.run(identity, config.schedule.clone()));
    }
    tokio::spawn(watch.run(BETWEEN_LOOKS));
    let told_to_stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; workloads go on");
    };
    tokio::select! {
        () = agent.run(told_to_stop) => {}
        () = status.serve() => {}
        () = watch_capabilities(config, agent.handle(), capabilities.digest) => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// Reports what a device is that has never had a manifest.
///
/// Such a device has nothing to keep running, so what is wrong with the identity of either side ends it: somebody is still
/// setting it up. Later the agent stays and says what is wrong.
async fn first_contact(
    config: &Config,
    api: &Rc3Api,
    capabilities: &DeviceCapabilities,
) -> Result<(), Failure> {
    match api.report_capabilities(capabilities).await {
        Err(error) if matches!(error.kind(), ErrorKind::Untrusted | ErrorKind::Setup) => {
            let doing = format!(
                "the SVID {} and the fleet manager at {} do not go together",
                config.path(&config.identity.svid).display(),
                config.fleet_manager.url
            );
            // Not the configuration: a clock may yet be set, or the SVID be renewed, and systemd tries again.
            Err(Failure::of(Kind::Unavailable, &error).while_doing(doing))
        }
        // Whatever else there is may pass; the agent sees to it.
        _ => Ok(()),
    }
}

/// Tells the fleet manager that the device is gone.
pub(crate) async fn decommission(config: &Config) -> Result<(), Failure> {
    let capabilities = CapabilitiesFile::read(config)?;
    let files = setup::identity_files(config);
    let identity = files.load().map_err(|error| of_client(&error))?;
    let state = setup::take_state(config, identity.id()).await?;
    let remembered = state.load().await.map_err(|error| of_client(&error))?;
    let device = &config.device.id;
    if remembered.capabilities.is_empty() {
        return output::print(&format!(
            "nothing to do: the fleet manager knows nothing of {device} from this agent"
        ));
    }
    let api = setup::fleet_manager(config, &identity)?;
    let agent = setup::agent(config, state, api, &capabilities, Vec::new()).await?;
    agent
        .decommission()
        .await
        .map_err(|error| of_client(&error))?;
    output::print(&format!("the fleet manager was told that {device} is gone"))
}

/// Renames the state.
pub(crate) fn set_aside_state(config: &Config) -> Result<(), Failure> {
    let aside = FileStore::set_aside(&config.state(setup::STATE));
    let aside = aside.map_err(|error| of_client(&error))?;
    output::print(&format!(
        "the state is now {}; the agent starts with an empty one",
        aside.display()
    ))
}

/// Reports the capabilities again when their file changes. A file that cannot be used is logged once, and changes nothing.
async fn watch_capabilities(config: &Config, agent: AgentHandle, mut reported: Digest) {
    let mut last_fault = None;
    loop {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        if CapabilitiesFile::is_still(config, reported) {
            last_fault = None;
            continue;
        }
        let taken = match CapabilitiesFile::read(config) {
            Ok(file) => agent
                .set_capabilities(file.capabilities)
                .map(|()| {
                    tracing::info!("the capabilities changed; the fleet manager is told");
                    reported = file.digest;
                })
                .map_err(|error| of_client(&error)),
            Err(failure) => Err(failure),
        };
        let fault = taken.err().map(|failure| failure.in_one_line());
        if let Some(fault) = fault.as_ref().filter(|_| fault != last_fault) {
            tracing::warn!(error = fault, "the capabilities stay as they were");
        }
        last_fault = fault;
    }
}

fn on(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| {
        Failure::of(Kind::Unavailable, &error).while_doing("signals cannot be received")
    })
}

/// How long a renewed certificate or a changed file may go unnoticed.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
