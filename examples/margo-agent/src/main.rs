//! A Margo agent for Linux devices: Compose applications or Helm charts, one configuration file.
//!
//! Everything it does is in `margo-client` and `margo-providers`; what is here is what a device maker adds: where files
//! are, which engine is used, what the machine offers, how it is started and looked at.

mod arguments;
mod capabilities;
mod client;
mod config;
mod detect;
mod failure;
mod files;
mod log;
mod output;
mod provider;
mod run;
mod setup;
mod status;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::config::Config;
use crate::failure::Failure;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match execute(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure);
            ExitCode::from(failure.code())
        }
    }
}

async fn execute(arguments: Arguments) -> Result<(), Failure> {
    log::start(arguments.log)?;
    let config = Config::read(&arguments.config)?;
    match arguments.command {
        Command::Run => run::run(&config).await,
        Command::Status { json } => status::show(&config, json).await,
        Command::Capabilities { write: true, .. } => capabilities::write_draft(&config),
        Command::Capabilities { detect: true, .. } => capabilities::show_draft(&config),
        Command::Capabilities { .. } => capabilities::show(&config),
        Command::Decommission => run::decommission(&config).await,
        Command::SetAsideState => run::set_aside_state(&config),
    }
}
