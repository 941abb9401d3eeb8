//! The log, on the standard error.

use std::io::{IsTerminal as _, stderr};

use clap::ValueEnum;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::failure::{Failure, Kind};

/// How the log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line of text for each event.
    Text,
    /// A line of JSON for each event.
    Json,
}

/// Writes the log from now on.
pub(crate) fn start(format: LogFormat) -> Result<(), Failure> {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let wanted = match wanted.trim() {
        "" => "info",
        wanted => wanted,
    };
    let filter: Targets = wanted.parse().map_err(|error: ParseError| {
        let doing = format!(
            "RUST_LOG={wanted} says nothing; write for example RUST_LOG=info,margo_client=debug"
        );
        Failure::of(Kind::Configuration, &error).while_doing(doing)
    })?;
    let in_colour =
        stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = fmt::layer().with_ansi(in_colour).with_writer(stderr);
    let log = match format {
        LogFormat::Text => log.boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    registry().with(log.with_filter(filter)).init();
    Ok(())
}
