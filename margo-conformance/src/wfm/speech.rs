//! Which generation is spoken, and what follows from that before any endpoint.

use bytes::Bytes;
use margo_types::SpecVersion;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::SpiffeId;
use rustls::ServerConfig;

use super::{signed, tls};
use crate::authority::{Authority, IssuedSvid, Lifetime};
use crate::interop::FleetManagerRules;

/// A generation, with what the fleet manager is in it.
#[derive(Clone, Debug)]
pub(super) enum Speech {
    /// Mutual TLS, under this SPIFFE ID.
    Newest(SpiffeId),
    /// Signed requests, by these rules.
    Signed(Box<FleetManagerRules>),
}

impl Speech {
    pub(super) const fn generation(&self) -> SpecVersion {
        match self {
            Self::Newest(_) => SpecVersion::Rc3,
            Self::Signed(_) => SpecVersion::Rc1,
        }
    }

    /// What every path starts with.
    pub(super) const fn prefix(&self) -> &'static str {
        match self {
            Self::Newest(_) => "",
            Self::Signed(rules) => rules.prefix,
        }
    }

    /// The path as the specification has it; one that no endpoint has when it is not below the prefix.
    pub(super) fn path<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(self.prefix()).unwrap_or("/")
    }

    /// The document of a deployment.
    pub(super) fn document(&self, deployment: &ApplicationDeployment) -> Bytes {
        match self {
            Self::Newest(_) => margo_types::write(deployment, SpecVersion::NEWEST)
                .expect("the newest generation can express the deployment")
                .into(),
            Self::Signed(rules) => signed::document(rules.document, deployment),
        }
    }

    /// TLS with a new certificate of the authority.
    pub(super) fn tls(&self, authority: &Authority, lifetime: Lifetime) -> ServerConfig {
        let certificate = match self {
            Self::Newest(id) => authority.issue(id, lifetime),
            Self::Signed(_) => signed::server_certificate(authority, lifetime),
        };
        self.tls_with(authority, &certificate)
    }

    /// TLS with a certificate of any shape.
    pub(super) fn tls_with(&self, authority: &Authority, certificate: &IssuedSvid) -> ServerConfig {
        match self {
            Self::Newest(_) => tls::mutual(authority, certificate),
            Self::Signed(_) => tls::of_server(certificate),
        }
    }
}
