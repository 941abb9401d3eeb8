//! The command line `margo-wfm`.
//!
//! `run` is the fleet manager; all other commands but `identity` ask the one that runs. Results go to the standard output, as
//! text or with `--json` as one JSON object; failures and the log to the standard error.

mod arguments;
mod commands;
mod output;
mod run;
mod table;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;
use margo_wfm::{Failure, Kind};

use self::arguments::{Cli, Command};
use self::output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output { json: cli.json };
    match execute(cli, output) {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

/// How a command ended that did not fail.
enum End {
    Done,
    Interrupted,
}

fn execute(cli: Cli, output: Output) -> Result<End, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::of(Kind::Environment, &error))?;
    runtime.block_on(async {
        match cli.command {
            Command::Run => run::run(&cli.config, output).await.map(|()| End::Done),
            command => {
                tokio::select! {
                    done = commands::run(command, &cli.config, output) => done.map(|()| End::Done),
                    Ok(()) = tokio::signal::ctrl_c() => Ok(End::Interrupted),
                }
            }
        }
    })
}

/// As a shell reports a program that the interrupt signal ended.
const INTERRUPTED: u8 = 130;
