//! Running the agent, and ending what it has with its fleet manager.

use margo_client::state::{FileStore, StateStore as _};
use margo_client::{AgentHandle, ErrorKind, FleetApi};
use margo_types::Digest;
use margo_types::capabilities::DeviceCapabilities;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::capabilities::CapabilitiesFile;
use crate::client::{BETWEEN_LOOKS, Client, Connection};
use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::output;
use crate::provider;
use crate::setup::{self, of_client};
use crate::status::StatusServer;

/// Runs the agent until it is told to stop.
pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let capabilities = CapabilitiesFile::read(config)?;
    setup::state_directory(config)?;
    let client = Client::load(config).await?;
    // Before anything else is touched: another agent may have it.
    let owner = client.owner();
    let state = setup::take_state(config, owner.clone()).await?;
    let Connection {
        api,
        enrolment,
        upkeep,
    } = client.connect(config).await?;
    let remembered = state.load().await.map_err(|error| of_client(&error))?;
    if remembered.accepted.is_none() && remembered.current.is_empty() {
        first_contact(
            config,
            &*api,
            enrolment.is_some(),
            &capabilities.capabilities,
        )
        .await?;
    }
    let providers = vec![provider::provider(config).await?];
    let agent = setup::agent(config, state, api, &capabilities, providers).await?;
    let status = StatusServer::bind(&config.status_socket(), agent.handle(), enrolment)?;
    let (mut terminate, mut interrupt) =
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);

    tracing::info!(device = %config.device.id, client = %owner, fleet_manager = %config.fleet_manager.url, "running");
    for task in upkeep {
        tokio::spawn(task);
    }
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
/// setting it up. Later the agent stays and says what is wrong, and so it does where an operator has not admitted a device that
/// enrols.
async fn first_contact(
    config: &Config,
    api: &dyn FleetApi,
    enrols: bool,
    capabilities: &DeviceCapabilities,
) -> Result<(), Failure> {
    match api.report_capabilities(capabilities).await {
        Err(error)
            if matches!(error.kind(), ErrorKind::Untrusted | ErrorKind::Setup)
                && !(enrols && error.problem().is_some()) =>
        {
            let files = &config.identity;
            let own = match (&files.svid, &files.certificate) {
                (Some(svid), _) => format!("the SVID {}", config.path(svid).display()),
                (_, Some(own)) => format!("the certificate {}", config.path(own).display()),
                _ => "the identity of this device".to_owned(),
            };
            let doing = format!(
                "{own} and the fleet manager at {} do not go together",
                config.fleet_manager.url
            );
            // Not the configuration: a clock may yet be set, or a certificate be renewed, and systemd tries again.
            Err(Failure::of(Kind::Unavailable, &error).while_doing(doing))
        }
        // Whatever else there is may pass; the agent sees to it.
        _ => Ok(()),
    }
}

/// Tells the fleet manager that the device is gone.
pub(crate) async fn decommission(config: &Config) -> Result<(), Failure> {
    let capabilities = CapabilitiesFile::read(config)?;
    setup::state_directory(config)?;
    let client = Client::load(config).await?;
    let state = setup::take_state(config, client.owner()).await?;
    let remembered = state.load().await.map_err(|error| of_client(&error))?;
    let device = &config.device.id;
    if remembered.capabilities.is_empty() {
        return output::print(&format!(
            "nothing to do: the fleet manager knows nothing of {device} from this agent"
        ));
    }
    let api = client.connect(config).await?.api;
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
