//! The arguments of the program.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::log::LogFormat;

/// A Margo agent: runs what its fleet manager assigns to this device.
///
/// Exit codes: 0 done; 1 no agent runs; 2 the command makes no sense; 69 the state, the engine, the identity service or the
/// fleet manager cannot be used now; 78 the configuration, a certificate or the capabilities are wrong.
#[derive(Debug, Parser)]
#[command(name = "margo-agent", version)]
pub(crate) struct Arguments {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "/etc/margo-agent/margo-agent.toml"
    )]
    pub(crate) config: PathBuf,

    /// How to write the log; what to log is told by RUST_LOG, such as `info,margo_client=debug`.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub(crate) log: LogFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
    /// Tell the fleet manager that this device is gone. The agent must not run; once it does, it reports the device again.
    Decommission,
    /// Rename a state that cannot be used, so that the agent starts with an empty one.
    ///
    /// The device forgets what it runs and which manifests it has seen: containers that nobody assigns any more have to be
    /// removed by hand.
    SetAsideState,
}
