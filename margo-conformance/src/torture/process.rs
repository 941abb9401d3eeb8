//! Real processes, killed by SIGKILL.
//!
//! A player tells on its standard output what it has acknowledged or found, one line each, and ends when its standard input
//! does. What it told before it was killed must still be so when it is played again.

mod parent;
mod player;

use std::path::PathBuf;

use margo_types::id::ClientId;
use url::Url;

use super::{Failure, Options, Outcome};

pub(super) use self::parent::sigkill;
pub use self::player::play;

/// What a process that is killed plays, as its arguments say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Role {
    /// The fleet manager of so many devices, with its files in this folder, that changes desired states by this seed.
    Manager {
        /// Its files.
        folder: PathBuf,
        /// What changes are drawn from.
        seed: u64,
        /// How many devices there are.
        devices: usize,
    },
    /// The agent of a device, with its files in this folder, that polls this fleet manager.
    Device {
        /// Its files.
        folder: PathBuf,
        /// The fleet manager.
        url: Url,
        /// The client it is.
        client: ClientId,
    },
}

impl Role {
    /// Reads arguments as they are given to `program` of [`sigkill`](super::sigkill), without `--play`.
    ///
    /// # Errors
    /// When they are others.
    pub fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match *words {
            ["manager", folder, seed, devices] => Ok(Self::Manager {
                folder: folder.into(),
                seed: seed.parse()?,
                devices: devices.parse()?,
            }),
            ["device", folder, url, client] => Ok(Self::Device {
                folder: folder.into(),
                url: url.parse()?,
                client: ClientId::parse(client)?,
            }),
            _ => Err("no role has these arguments; only the torture runner gives them".into()),
        }
    }

    fn arguments(&self) -> Vec<String> {
        match self {
            Self::Manager {
                folder,
                seed,
                devices,
            } => vec![
                "manager".to_owned(),
                folder.display().to_string(),
                seed.to_string(),
                devices.to_string(),
            ],
            Self::Device {
                folder,
                url,
                client,
            } => vec![
                "device".to_owned(),
                folder.display().to_string(),
                url.to_string(),
                client.to_string(),
            ],
        }
    }
}

/// What a player tells.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// The fleet manager listens here.
    Address(String),
    /// The newest version of a client at the start of the fleet manager.
    Head(String, u64),
    /// A version was published for a client, and that was acknowledged.
    Published(String, u64),
    /// All devices are reported as desired; the newest versions of all clients together.
    Reported(u64),
    /// The version that a device holds at its start.
    Holds(u64),
    /// A device has accepted this version.
    Accepted(u64),
    /// A device runs all of this version, and nothing of it waits to be reported.
    Runs(u64),
    /// The player cannot go on.
    Failed(String),
}

impl Line {
    /// Whole lines end with a full stop; a kill may cut them.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix(" .")?;
        let (kind, rest) = text.split_once(' ')?;
        let number = || rest.parse().ok();
        let client = || {
            let (client, version) = rest.split_once(' ')?;
            Some((client.to_owned(), version.parse().ok()?))
        };
        Some(match kind {
            "address" => Self::Address(rest.to_owned()),
            "head" => client().map(|(client, version)| Self::Head(client, version))?,
            "published" => client().map(|(client, version)| Self::Published(client, version))?,
            "reported" => Self::Reported(number()?),
            "holds" => Self::Holds(number()?),
            "accepted" => Self::Accepted(number()?),
            "runs" => Self::Runs(number()?),
            "failed" => Self::Failed(rest.to_owned()),
            _ => return None,
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Address(address) => format!("address {address} ."),
            Self::Head(client, version) => format!("head {client} {version} ."),
            Self::Published(client, version) => format!("published {client} {version} ."),
            Self::Reported(sum) => format!("reported {sum} ."),
            Self::Holds(version) => format!("holds {version} ."),
            Self::Accepted(version) => format!("accepted {version} ."),
            Self::Runs(version) => format!("runs {version} ."),
            Self::Failed(why) => format!("failed {} .", why.replace('\n', " ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_is_none() {
        let line = Line::Published("device-1".to_owned(), 172);
        let text = line.text();
        assert_eq!(Line::parse(&text), Some(line));
        for end in 0..text.len() {
            assert_eq!(Line::parse(&text[..end]), None, "{end}");
        }
    }
}
