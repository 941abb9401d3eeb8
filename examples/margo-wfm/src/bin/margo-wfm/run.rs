//! `margo-wfm run`.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use margo_wfm::{Config, Failure, Kind, Wfm};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::output::Output;

/// Serves until interrupted or terminated.
///
/// When it is ready it says so in one line on the standard output; its log goes to the standard error.
pub(crate) async fn run(config: &Path, output: Output) -> Result<(), Failure> {
    start_log();
    let failed = |error: io::Error| Failure::of(Kind::Environment, &error);
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;

    let wfm = Wfm::open(&Config::load(config)?).await?;
    let ready = json!({
        "id": wfm.id(),
        "address": wfm.address(),
        "publicUrl": wfm.public_url().as_str(),
        "adminSocket": wfm.admin_socket(),
        "signedAddress": wfm.signed_address(),
        "signedUrls": wfm.signed_urls(),
    });
    let mut text = format!(
        "ready: {} serves devices at {} (listening on {}) and commands at {}",
        wfm.id(),
        wfm.public_url(),
        wfm.address(),
        wfm.admin_socket().display()
    );
    if let Some(address) = wfm.signed_address() {
        let urls = wfm.signed_urls().join(", ");
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\nclients that sign connect to {urls} (listening on {address})"
        );
    }
    output.result(&ready, &text)?;
    wfm.serve(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        tracing::info!("stopping");
    })
    .await
}

/// Logs what `RUST_LOG` says, to the standard error.
fn start_log() {
    let wanted = std::env::var("RUST_LOG").ok();
    let wanted = wanted.and_then(|wanted| wanted.parse::<Targets>().ok());
    let usual = || {
        Targets::new()
            .with_default(Level::INFO)
            .with_target("sqlx", Level::WARN)
    };
    let filter = wanted.unwrap_or_else(usual);
    let log = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_filter(filter);
    registry().with(log).init();
}
