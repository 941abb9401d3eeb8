//! The command `margo-conformance`.

mod line;
mod load;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tools for those who build Margo fleet managers and devices.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Load(load::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Load(arguments) => load::run(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        let mut source = error.source();
        while let Some(error) = source {
            eprintln!("  because: {error}");
            source = error.source();
        }
        ExitCode::from(FAILED)
    })
}

/// The command could not do what it was asked; another number is what came of it.
const FAILED: u8 = 2;
