//! Showing how the running agent fares, over a socket in its state directory.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use comfy_table::{Table, presets};
use margo_client::AgentHandle;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::config::Config;
use crate::failure::{Failure, Kind};

/// Tells whoever connects how the agent fares, as one JSON object.
pub(crate) struct StatusServer {
    listener: UnixListener,
    agent: AgentHandle,
}

impl StatusServer {
    /// Takes the socket. The caller holds the state, so an old socket is nobody's any more.
    pub(crate) fn bind(path: &Path, agent: AgentHandle) -> Result<Self, Failure> {
        let unusable = |error: std::io::Error| {
            let doing = format!("the status socket {} cannot be made", path.display());
            Failure::of(Kind::Unavailable, &error).while_doing(doing)
        };
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unusable(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(unusable)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(unusable)?;
        Ok(Self { listener, agent })
    }

    /// Serves for ever.
    pub(crate) async fn serve(self) {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else {
                // Out of file descriptors, for example: somebody will close some.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let Ok(snapshot) = serde_json::to_vec(&self.agent.snapshot()) else {
                continue;
            };
            let answer = stream.write_all(&snapshot);
            // Whoever asks and does not read is left.
            let _ = tokio::time::timeout(PATIENCE, answer).await;
        }
    }
}

/// Prints how the running agent fares.
pub(crate) async fn show(config: &Config, json: bool) -> Result<(), Failure> {
    let path = config.status_socket();
    let not_running = |error: std::io::Error| {
        let message = format!(
            "no agent answers at {}; start it with `margo-agent run`, and ask as the same user",
            path.display()
        );
        Failure::of(Kind::NotHealthy, &error).while_doing(message)
    };
    let mut stream = UnixStream::connect(&path).await.map_err(not_running)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(not_running)?;
    let snapshot: Value =
        serde_json::from_slice(&answer).map_err(|error| Failure::of(Kind::NotHealthy, &error))?;
    if json {
        println!("{snapshot:#}");
    } else {
        print(&snapshot);
    }
    Ok(())
}

fn print(snapshot: &Value) {
    let text = |name: &str| match &snapshot[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    println!(
        "fleet manager  {} (last contact {}, next poll {})",
        text("contact"),
        text("lastContact"),
        text("nextPoll")
    );
    println!("manifest       {}", text("manifest"));
    println!("outbox         {}", text("outbox"));
    for name in [
        "lastError",
        "capabilitiesError",
        "stateError",
        "lastSecurityEvent",
        "lastRefusedReport",
    ] {
        if !snapshot[name].is_null() {
            println!("{name:<14} {}", text(name));
        }
    }
    let Some(deployments) = snapshot["deployments"]
        .as_object()
        .filter(|all| !all.is_empty())
    else {
        println!("\nno deployments");
        return;
    };
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["DEPLOYMENT", "DEVICE", "STATE", "DETAILS"]);
    for deployment in deployments.values() {
        let cell = |name: &str| deployment[name].as_str().unwrap_or("-").to_owned();
        let error = deployment["lastError"]["message"].as_str();
        let postponed = deployment["postponed"].as_str();
        let details = error.or(postponed).unwrap_or_default().to_owned();
        table.add_row([cell("name"), cell("device"), cell("state"), details]);
    }
    println!("\n{table}");
}

const PATIENCE: Duration = Duration::from_secs(5);
