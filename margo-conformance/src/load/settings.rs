//! What a run does.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use rustls_pki_types::ServerName;
use url::Url;

/// How devices behave. [`Settings::default`] is a fleet as the specification imagines it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How often each device polls: every minute, give or take a tenth, by default.
    pub pace: Pace,
    /// What becomes of a connection after a request: kept alive by default.
    pub connections: Connections,
    /// Whether each device reports its capabilities before its first poll.
    pub capabilities: bool,
    /// Whether each device reports every deployment of a new manifest as installed, having fetched its document.
    pub statuses: bool,
    /// How long it takes until all devices are connected. They come evenly, and nothing counts before the end of it. Where
    /// connections are kept alive it is prolonged for those who are late, until none has come for [`timeout`](Self::timeout).
    /// When this and [`settling`](Self::settling) are zero everything counts.
    pub warm_up: Duration,
    /// How long nothing counts after that either. By default it is zero, and first polls count, which find something new;
    /// with two periods or more what counts is a fleet as it is on most days.
    pub settling: Duration,
    /// How long it counts after that.
    pub duration: Duration,
    /// How long a device waits for a connection, and for an answer.
    pub timeout: Duration,
    /// On how many threads devices are simulated: at least one, and no more than there are processors, which one each keeps
    /// busy, or devices.
    pub threads: usize,
    /// From what the random numbers are made; the same seed gives the same times.
    pub seed: u64,
}

impl Settings {
    /// Whether everything counts, from the first connection on.
    pub(super) const fn counts_all(&self) -> bool {
        self.warm_up.is_zero() && self.settling.is_zero()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pace: Pace::Every {
                period: Duration::from_mins(1),
                jitter: 0.1,
            },
            connections: Connections::KeptAlive,
            capabilities: false,
            statuses: false,
            warm_up: Duration::from_secs(20),
            settling: Duration::ZERO,
            duration: Duration::from_mins(2),
            timeout: Duration::from_secs(30),
            threads: 1,
            seed: 0,
        }
    }
}

/// How often each device polls.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Pace {
    /// Again as soon as it has its answer: shows how much a fleet manager can take.
    Unpaced,
    /// At random times that are about this far from each other.
    Every {
        /// The mean.
        period: Duration,
        /// The part of the period by which two polls may be nearer or farther, from 0 to 1.
        jitter: f64,
    },
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connections {
    /// It stays open for the next.
    KeptAlive,
    /// It is closed; the next request begins with a full handshake.
    PerRequest,
}

/// A fleet manager, by its root URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) url: Url,
    /// `host:port` as requests name it.
    pub(super) host: String,
    /// What precedes every path.
    pub(super) prefix: String,
    pub(super) name: ServerName<'static>,
    pub(super) address: SocketAddr,
}

impl Target {
    /// The fleet manager at an `https` URL. Its name is resolved now, once for all devices.
    ///
    /// # Errors
    /// [`InvalidTarget`] when the URL is no such URL, or its name has no address.
    pub fn resolve(url: &Url) -> Result<Self, InvalidTarget> {
        let invalid = || InvalidTarget::Url(url.clone());
        let has_login = !url.username().is_empty() || url.password().is_some();
        let has_rest = url.query().is_some() || url.fragment().is_some();
        if url.scheme() != "https" || has_login || has_rest {
            return Err(invalid());
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(invalid());
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| invalid())?;
        let unresolved = |source| InvalidTarget::Unresolved {
            host: host.to_owned(),
            source,
        };
        let mut addresses = (bare, port)
            .to_socket_addrs()
            .map_err(|why| unresolved(Some(why)))?;
        Ok(Self {
            host: url
                .port()
                .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            prefix: url.path().trim_end_matches('/').to_owned(),
            name,
            address: addresses.next().ok_or_else(|| unresolved(None))?,
            url: url.clone(),
        })
    }
}

/// Why there is no fleet manager at a URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTarget {
    /// It is not the URL of a server over TLS.
    #[error("{0} is not the root URL of a fleet manager; write https://host:port")]
    Url(Url),
    /// Its name has no address.
    #[error("{host} has no address; check the name")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver says.
        #[source]
        source: Option<std::io::Error>,
    },
}
