//! `margo-wfm run`.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use margo_wfm::{Config, Failure, Kind, Wfm};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::output::Output;

/// Serves until interrupted or terminated.
///
/// When it is ready it says so in one line on the standard output; its log goes to the standard error.
pub(crate) async fn run(config: &Path, output: Output) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
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

/// What is logged unless `RUST_LOG` says otherwise.
const FILTER: &str = "info,sqlx=warn";
