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

pub(super) use self::parent::{open_files, sigkill};
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

/// What a player tells. Contents are told by their digests.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// The fleet manager has told what it kept, and listens here.
    Address(String),
    /// The newest manifest of a client at the start of the fleet manager: client, version, manifest.
    Head(String, u64, String),
    /// A manifest was published for a client, and that was acknowledged.
    Published(String, u64, String),
    /// The fleet manager is about to store a report: what it is about, report.
    Taking(String, String),
    /// It has stored it.
    Took(String, String),
    /// It has this report at its start.
    Kept(String, String),
    /// Everything that a client is to run is reported as installed: client, version, deployments.
    Wants(String, u64, String),
    /// The manifest that a device holds at its start: version, manifest, everything it remembers.
    Holds(u64, String, String),
    /// A device is about to write this state.
    Writing(String),
    /// It has written it.
    Wrote(String),
    /// A device has accepted a manifest.
    Accepted(u64, String),
    /// A device runs all of a manifest, and nothing of it waits to be reported: version, deployments.
    Runs(u64, String),
    /// The player cannot go on.
    Failed(String),
}

impl Line {
    /// Whole lines end with a full stop; a kill may cut them.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix(" .")?;
        let (kind, rest) = text.split_once(' ')?;
        if kind == "failed" {
            return Some(Self::Failed(rest.to_owned()));
        }
        let words: Vec<&str> = rest.split(' ').collect();
        let own = |word: &str| word.to_owned();
        let number = |word: &str| word.parse().ok();
        Some(match (kind, &*words) {
            ("address", [address]) => Self::Address(own(address)),
            ("head", [client, version, it]) => Self::Head(own(client), number(version)?, own(it)),
            ("published", [client, version, it]) => {
                Self::Published(own(client), number(version)?, own(it))
            }
            ("taking", [about, report]) => Self::Taking(own(about), own(report)),
            ("took", [about, report]) => Self::Took(own(about), own(report)),
            ("kept", [about, report]) => Self::Kept(own(about), own(report)),
            ("wants", [client, version, it]) => Self::Wants(own(client), number(version)?, own(it)),
            ("holds", [version, it, state]) => Self::Holds(number(version)?, own(it), own(state)),
            ("writing", [state]) => Self::Writing(own(state)),
            ("wrote", [state]) => Self::Wrote(own(state)),
            ("accepted", [version, it]) => Self::Accepted(number(version)?, own(it)),
            ("runs", [version, it]) => Self::Runs(number(version)?, own(it)),
            _ => return None,
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Address(address) => format!("address {address} ."),
            Self::Head(client, version, it) => format!("head {client} {version} {it} ."),
            Self::Published(client, version, it) => format!("published {client} {version} {it} ."),
            Self::Taking(about, report) => format!("taking {about} {report} ."),
            Self::Took(about, report) => format!("took {about} {report} ."),
            Self::Kept(about, report) => format!("kept {about} {report} ."),
            Self::Wants(client, version, it) => format!("wants {client} {version} {it} ."),
            Self::Holds(version, it, state) => format!("holds {version} {it} {state} ."),
            Self::Writing(state) => format!("writing {state} ."),
            Self::Wrote(state) => format!("wrote {state} ."),
            Self::Accepted(version, it) => format!("accepted {version} {it} ."),
            Self::Runs(version, it) => format!("runs {version} {it} ."),
            Self::Failed(why) => format!("failed {} .", why.replace('\n', " ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_is_none() {
        let line = Line::Published("device-1".to_owned(), 172, "sha256:0a".to_owned());
        let text = line.text();
        assert_eq!(Line::parse(&text), Some(line));
        for end in 0..text.len() {
            assert_eq!(Line::parse(&text[..end]), None, "{end}");
        }
    }
}
