//! Limits of a server.

use std::time::Duration;

/// Limits of a [`Server`](super::Server). The defaults suit some thousand devices that poll once a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerOptions {
    /// How many connections are open at most, handshakes among them; 10,000 by default. Each takes a file descriptor.
    pub max_connections: usize,
    /// How long a TLS handshake may take; 10 seconds by default.
    pub handshake_timeout: Duration,
    /// How long the head of a request may take from its first byte on; 15 seconds by default.
    pub header_timeout: Duration,
    /// How long a connection may be idle between requests; 3 minutes by default, longer than devices pause.
    pub idle_timeout: Duration,
    /// How old a connection may grow, counted from its handshake; an hour by default. Up to a tenth less is taken off
    /// at random. It ends with the SVID of the client at the latest (W62, C14).
    pub max_age: Duration,
    /// Within which time idle connections are closed after the SVID or the bundle was replaced, at random moments, so
    /// that devices do not all return at once; 30 seconds by default. Others end with their next response.
    pub renewal_spread: Duration,
    /// How long a connection that is to end may still work on a request; 30 seconds by default.
    pub drain: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(3 * 60),
            max_age: Duration::from_secs(60 * 60),
            renewal_spread: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}
