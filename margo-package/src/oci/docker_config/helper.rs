//! Credential helpers: programs called `docker-credential-*` that guard a user's secrets.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::line::in_a_line;
use crate::oci::credentials::Credentials;
use crate::oci::error::{Failure, OciError, Place};
use crate::oci::secret::Secret;

/// Asks the helper called `name` for the credentials of `server`; `None` when it has none.
pub(super) async fn run(
    name: &str,
    server: &str,
    timeout: Duration,
    place: &Place,
) -> Result<Option<Credentials>, OciError> {
    let program = format!("docker-credential-{name}");
    let failed = |why: String| OciError::Environment {
        place: place.clone(),
        failure: Failure::CredentialHelper {
            program: in_a_line(&program, 200),
            why,
        },
        source: None,
    };
    // The name comes from a file: it must not lead out of the search path.
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.bytes().all(harmless) {
        return Err(failed(
            "its name is not plain letters, digits, '-', '_' and '.'".to_owned(),
        ));
    }

    let conversation = converse(&program, server);
    let output = tokio::time::timeout(timeout, conversation)
        .await
        .map_err(|_| {
            failed(format!(
                "it did not answer within {} s",
                timeout.as_secs_f32()
            ))
        })?
        .map_err(|error| failed(format!("it could not be run ({})", error.kind())))?;

    if !output.success {
        let text = String::from_utf8_lossy(&output.stdout);
        if text.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed("it ended with an error".to_owned()));
    }
    if output.stdout.len() as u64 > MAX_ANSWER {
        return Err(failed("its answer is larger than 64 KiB".to_owned()));
    }
    let read = read_answer(&output.stdout);
    read.map(Some).map_err(|why| failed(why.to_owned()))
}

/// The credentials that a helper printed. Its words are never quoted: they could be a secret.
fn read_answer(printed: &[u8]) -> Result<Credentials, &'static str> {
    let answer: Answer =
        serde_json::from_slice(printed).map_err(|_| "its answer is not the expected JSON")?;
    Ok(match answer.username.as_str() {
        "<token>" => Credentials::RefreshToken(answer.secret),
        _ => Credentials::Password {
            user: answer.username,
            password: answer.secret,
        },
    })
}

struct Output {
    success: bool,
    stdout: Vec<u8>,
}

async fn converse(program: &str, server: &str) -> std::io::Result<Output> {
    let inherited = std::env::vars_os().filter(|(name, _)| {
        name.to_str()
            .is_some_and(|name| ENVIRONMENT.contains(&name))
    });
    let mut child = Command::new(program)
        .arg("get")
        .env_clear()
        .envs(inherited)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input fails below, with its exit code.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let mut stdout = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(MAX_ANSWER + 1).read_to_end(&mut stdout).await?;
    }
    let success = child.wait().await?.success();
    Ok(Output { success, stdout })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: Secret,
}

const MAX_ANSWER: u64 = 64 << 10;

/// What helpers need: to find programs, the user's files and the session's key ring.
const ENVIRONMENT: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "DOCKER_CONFIG",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "GNUPGHOME",
    "GPG_TTY",
    "PASSWORD_STORE_DIR",
    "APPDATA",
    "LOCALAPPDATA",
    "SYSTEMROOT",
    "USERPROFILE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown_whatever_a_helper_prints() {
        let printed =
            br#"{"ServerURL":"registry.example","Username":"operator","Secret":"swordfish"}"#;
        let read = read_answer(printed).unwrap();
        assert_eq!(read, Credentials::password("operator", "swordfish"));
        // Cut anywhere, and with every byte in the place of every other.
        for end in 0..printed.len() {
            check(&printed[..end]);
            for byte in 0..=u8::MAX {
                let mut changed = printed.to_vec();
                changed[end] = byte;
                check(&changed);
            }
        }
    }

    fn check(printed: &[u8]) {
        let shown = format!("{:?}", read_answer(printed));
        assert!(!shown.contains("swordfish"), "{shown}");
    }
}
