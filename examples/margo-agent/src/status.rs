//! Showing how the running agent fares, over a socket in its state directory.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use comfy_table::{Table, presets};
use jiff::{SignedDuration, Timestamp};
use margo_client::AgentHandle;
use margo_client::agent::Snapshot;
use margo_client::onboarding::{Enrolment, Standing};
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::config::Config;
use crate::failure::{Failure, Kind};
use crate::output;

/// Tells whoever connects how the agent fares, as one JSON object.
pub(crate) struct StatusServer {
    listener: UnixListener,
    agent: AgentHandle,
    enrolment: Option<Enrolment>,
}

impl StatusServer {
    /// Takes the socket. The caller holds the state, so an old socket is nobody's any more.
    pub(crate) fn bind(
        path: &Path,
        agent: AgentHandle,
        enrolment: Option<Enrolment>,
    ) -> Result<Self, Failure> {
        let unusable = |error: io::Error| {
            let doing = format!(
                "the status socket {} cannot be made; choose a state_directory with a short name, at most 95 letters, on a \
                 file system that has sockets",
                path.display()
            );
            Failure::of(Kind::Unavailable, &error).while_doing(doing)
        };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unusable(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(unusable)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(unusable)?;
        Ok(Self {
            listener,
            agent,
            enrolment,
        })
    }

    fn snapshot(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Status {
            agent: self.agent.snapshot(),
            enrolment: self.enrolment.as_ref().map(Enrolment::standing),
        })
    }

    /// Serves for ever.
    pub(crate) async fn serve(self) {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else {
                // Out of file descriptors, for example: somebody will close some.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let Ok(snapshot) = self.snapshot() else {
                continue;
            };
            let answer = stream.write_all(&snapshot);
            // Whoever asks and does not read is left.
            let _ = tokio::time::timeout(PATIENCE, answer).await;
        }
    }
}

/// What the agent says of itself, and what the device is to a fleet manager of the signed generation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(flatten)]
    agent: Snapshot,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolment: Option<Standing>,
}

/// Prints how the running agent fares.
pub(crate) async fn show(config: &Config, json: bool) -> Result<(), Failure> {
    let path = config.status_socket();
    let not_running = |error: io::Error| {
        let message = format!(
            "no agent answers at {}; start it with `margo-agent run`, and ask as the same user",
            path.display()
        );
        Failure::of(Kind::NotRunning, &error).while_doing(message)
    };
    let answer = ask(&path).await.map_err(not_running)?;
    let snapshot: Value = serde_json::from_slice(&answer).map_err(|error| {
        let doing = format!("the agent at {} was cut short", path.display());
        Failure::of(Kind::NotRunning, &error).while_doing(doing)
    })?;
    if json {
        output::print(&format!("{snapshot:#}"))
    } else {
        output::print(&text(config, &snapshot, Timestamp::now()))
    }
}

/// What is answered, whole.
async fn ask(path: &Path) -> io::Result<Vec<u8>> {
    let stream = UnixStream::connect(path).await?;
    let mut stream = stream.take(LONGEST_ANSWER + 1);
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE_OF_THE_ASKER, reading).await??;
    if answer.len() as u64 > LONGEST_ANSWER {
        let why = format!("the answer has more than {LONGEST_ANSWER} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(answer)
}

fn text(config: &Config, snapshot: &Value, now: Timestamp) -> String {
    let word = |name: &str| snapshot[name].as_str().unwrap_or("-");
    let number = |name: &str| snapshot[name].as_u64().unwrap_or_default();
    let mut lines = vec![
        ("device", config.device.id.to_string()),
        ("fleet manager", config.fleet_manager.url.to_string()),
    ];
    if let Some(client) = client(&snapshot["enrolment"]) {
        lines.push(("client", client));
    }
    let mut contact = word("contact").to_owned();
    let _ = match number("consecutiveFailures") {
        0 => Ok(()),
        1 => write!(contact, ", 1 poll failed"),
        failures => write!(contact, ", {failures} polls failed"),
    };
    let _ = match time(snapshot, "lastContact") {
        Some(last) => write!(
            contact,
            "; last answer {} ago",
            length(now.duration_since(last))
        ),
        None => write!(contact, "; no answer since the start"),
    };
    if let Some(next) = time(snapshot, "nextPoll") {
        let _ = write!(
            contact,
            "; next poll in {}",
            length(next.duration_since(now))
        );
    }
    lines.push(("contact", contact));
    let manifest = match &snapshot["manifest"] {
        Value::Null => "none yet".to_owned(),
        version => version.to_string().trim_matches('"').to_owned(),
    };
    lines.push(("manifest", manifest));
    if number("outbox") > 0 {
        lines.push(("reports", format!("{} to be delivered", number("outbox"))));
    }
    for (title, name) in [
        ("last error", "lastError"),
        ("capabilities", "capabilitiesError"),
        ("state", "stateError"),
        ("security", "lastSecurityEvent"),
        ("refused", "lastRefusedReport"),
    ] {
        if let Some(value) = snapshot[name].as_str() {
            lines.push((title, value.to_owned()));
        }
    }
    let mut text = String::new();
    for (title, value) in lines {
        let _ = writeln!(text, "{title:<13}  {value}");
    }
    text + &deployments(snapshot)
}

/// What the device is to a fleet manager of the signed generation.
fn client(enrolment: &Value) -> Option<String> {
    Some(match enrolment["state"].as_str()? {
        "enrolled" => {
            let id = enrolment["clientId"].as_str().unwrap_or("-");
            match enrolment["renewal"].as_str() {
                Some(why) => format!("{id}; its new certificate is not taken yet: {why}"),
                None => id.to_owned(),
            }
        }
        "pending" => "waits for the operator of the fleet manager to approve it".to_owned(),
        "refused" => {
            let why = enrolment["why"].as_str().unwrap_or("-");
            format!("refused: {why}")
        }
        _ => "not enrolled yet".to_owned(),
    })
}

fn deployments(snapshot: &Value) -> String {
    let all = snapshot["deployments"].as_object();
    let Some(all) = all.filter(|all| !all.is_empty()) else {
        return "\nno deployments".to_owned();
    };
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["DEPLOYMENT", "STATE", "DETAILS"]);
    for deployment in all.values() {
        let cell = |name: &str| deployment[name].as_str().unwrap_or("-").to_owned();
        let error = deployment["lastError"]["message"].as_str();
        let postponed = deployment["postponed"].as_str();
        let details = error.or(postponed).unwrap_or_default().to_owned();
        table.add_row([cell("name"), cell("state"), details]);
    }
    format!("\n{}", table.trim_fmt())
}

fn time(snapshot: &Value, name: &str) -> Option<Timestamp> {
    snapshot[name].as_str()?.parse().ok()
}

/// A length of time as people say it: its largest unit.
fn length(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
/// Others may be answered first, and some of them do not read.
const PATIENCE_OF_THE_ASKER: Duration = Duration::from_secs(30);
/// Thousands of deployments, each with its last error.
const LONGEST_ANSWER: u64 = 64 << 20;
