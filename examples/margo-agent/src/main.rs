//! A Margo agent for Linux devices: Compose applications, one configuration file.
//!
//! Everything it does is in `margo-client` and `margo-providers`; what is here is what a device maker adds: where files
//! are, which engine is used, what the machine offers, how it is started and looked at.

mod capabilities;
mod config;
mod detect;
mod failure;
mod run;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::failure::{Failure, Kind};

/// A Margo agent: runs what its fleet manager assigns to this device.
///
/// Exit codes: 0 success, 1 not running or not healthy, 2 wrong usage, 69 a file, the engine or the state cannot be used,
/// 78 the configuration is wrong.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        default_value = "/etc/margo-agent/margo-agent.toml"
    )]
    config: PathBuf,
    /// How to write the log; what to log is told by RUST_LOG, such as `margo_client=debug`.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run until SIGTERM or SIGINT; workloads go on without the agent.
    Run,
    /// Show how the running agent and its deployments fare.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the capabilities that are reported, or draft them from the machine.
    Capabilities {
        /// Draft them from the machine instead of reading the file.
        #[arg(long)]
        detect: bool,
        /// Write the draft to the file that the configuration names, unless it is there.
        #[arg(long)]
        write: bool,
    },
    /// Tell the fleet manager that this device is gone. The agent must not run.
    Decommission,
    /// Rename a state that cannot be used, so that the agent starts with an empty one.
    ///
    /// The device forgets what it runs and which manifests it has seen: containers that nobody assigns any more have to be
    /// removed by hand.
    SetAsideState,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(arguments.log);
    match execute(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            anstream::eprintln!("error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

async fn execute(arguments: Arguments) -> Result<(), Failure> {
    let config = Config::read(&arguments.config)
        .map_err(|error| Failure::of(Kind::Configuration, &error))?;
    match arguments.command {
        Command::Run => run::run(&config).await,
        Command::Status { json } => status::show(&config, json).await,
        Command::Capabilities { detect, write } => {
            capabilities::show(&config, detect || write, write)
        }
        Command::Decommission => run::decommission(&config).await,
        Command::SetAsideState => run::set_aside_state(&config),
    }
}

fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
