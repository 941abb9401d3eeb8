//! How much an exchange with a fleet manager may take.

use std::time::Duration;

/// Limits of an [`Rc3Api`](super::Rc3Api) or [`Rc1Api`](super::Rc1Api).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiOptions {
    /// For a TCP connection with its TLS handshake: 10 s.
    pub connect: Duration,
    /// For the head of an answer, and for every next piece of its body: 30 s.
    pub idle: Duration,
    /// For any whole exchange but that of a bundle: 60 s.
    pub exchange: Duration,
    /// For the whole transfer of a bundle: 15 min.
    pub bundle: Duration,
    /// The longest state manifest: 8 MiB.
    pub max_manifest: usize,
    /// The longest deployment document: 1 MiB.
    pub max_deployment: usize,
    /// The longest bundle: 64 MiB.
    pub max_bundle: usize,
    /// How long connections are used, from their handshake: 10 min (D71, C14).
    pub connection_age: Duration,
    /// What the client calls itself; `margo-client/` and the version.
    pub user_agent: String,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            exchange: Duration::from_mins(1),
            bundle: Duration::from_mins(15),
            max_manifest: 8 << 20,
            max_deployment: 1 << 20,
            max_bundle: 64 << 20,
            connection_age: Duration::from_mins(10),
            user_agent: concat!("margo-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
