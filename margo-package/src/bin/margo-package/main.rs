//! The command line `margo-package`: init, validate, lint, build, push, pull, versions, inspect, deploy, verify, sign.
//!
//! Every command is one file below `commands/` with its arguments and a function that gives an
//! [`outcome::Outcome`]. Only this file prints: results on the standard output, as text or as one JSON object, and
//! failures on the standard error. So nothing is printed by a command that fails half-way.

mod arguments;
mod check;
mod commands;
mod connection;
mod failure;
mod outcome;
mod problems;
mod progress;
mod staging;
mod subject;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use serde_json::{Value, json};

use self::arguments::{Cli, Command};
use self::failure::{Failure, Kind};
use self::outcome::Outcome;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let name = cli.command.name();
    let (text, document, code) = match run(cli.command) {
        Ok(outcome) => (outcome.text, outcome.document, outcome.code),
        Err(failure) => {
            if !cli.json {
                let _ = write!(anstream::stderr(), "{}", failure.to_text());
            }
            let document = json!({ "ok": false, "error": failure.to_json() });
            (String::new(), document, failure.kind.code())
        }
    };
    let printed = if cli.json {
        print_json(name, document)
    } else {
        anstream::stdout()
            .write_all(text.as_bytes())
            .and_then(|()| anstream::stdout().flush())
    };
    match printed {
        Ok(()) => ExitCode::from(code),
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(
                anstream::stderr(),
                "error: the standard output cannot be written: {error}"
            );
            ExitCode::from(Kind::Environment.code())
        }
    }
}

fn run(command: Command) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::caused(Kind::Environment, "the program cannot be set up", error)
        })?;
    let outcome = runtime.block_on(until_interrupted(command));
    // Whoever waits for input would hold up the end.
    runtime.shutdown_background();
    outcome
}

/// Runs the command. An interrupt drops it, and with it everything that is half-written.
async fn until_interrupted(command: Command) -> Result<Outcome, Failure> {
    let mut running = tokio::spawn(command.run());
    let ended = tokio::select! {
        ended = &mut running => ended,
        Ok(()) = tokio::signal::ctrl_c() => {
            running.abort();
            // Work between two waits is brought to its end, unless that takes too long.
            let _ = tokio::time::timeout(GRACE, running).await;
            return Err(Failure::new(Kind::Interrupted, "interrupted"));
        }
    };
    ended.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(Failure::new(Kind::Interrupted, "interrupted")),
    })
}

/// Says why the arguments make no sense, or gives the help that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|argument| argument == OsStr::new("--json"));
    let printed = if error.use_stderr() && wants_json {
        let text = error.to_string();
        let message = text.trim().trim_start_matches("error: ");
        let failure = Failure::new(Kind::Usage, message);
        print_json(
            "margo-package",
            json!({ "ok": false, "error": failure.to_json() }),
        )
    } else {
        error.print()
    };
    // The code tells what happened, also when nobody reads the text.
    drop(printed);
    ExitCode::from(if error.use_stderr() {
        Kind::Usage.code()
    } else {
        0
    })
}

fn print_json(command: &str, mut document: Value) -> io::Result<()> {
    if let Value::Object(members) = &mut document {
        members.insert("command".to_owned(), command.into());
    }
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &document).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// How long an interrupted command may clean up.
const GRACE: Duration = Duration::from_secs(5);
