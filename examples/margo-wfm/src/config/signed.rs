//! How clients of the signed generation are served.

use std::net::SocketAddr;
use std::path::PathBuf;

use margo_server_traits::signed::PublicUrl;
use margo_types::signature::Tolerance;
use serde::Deserialize;

use super::read;

/// A second listener, for clients that sign their requests instead of showing an SVID (rc.1).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SignedConfig {
    /// Where these clients connect; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Under which URLs they do, letter by letter as they have them in their settings: what they sign begins with one of
    /// them. `https://` and the address that it listens on when left out.
    ///
    /// Also the place for the outer URL when a proxy stands in front, with the prefix that it takes off the path.
    #[serde(default, deserialize_with = "read::public_urls")]
    pub public_urls: Vec<PublicUrl>,
    /// The certificate that is shown to them: PEM, the leaf first. It is read again when it changes.
    pub certificate: PathBuf,
    /// Its private key: PEM.
    pub key: PathBuf,
    /// The root certificate that is given to who asks for it: PEM. None when left out.
    #[serde(default)]
    pub root_certificate: Option<PathBuf>,
    /// What is let pass of known clients, by name; nothing when left out.
    #[serde(default, deserialize_with = "read::tolerances")]
    pub tolerances: Vec<Tolerance>,
    /// How old a signature may be, in seconds; 300 when left out.
    #[serde(default)]
    pub max_age_seconds: Option<u32>,
    /// How far the clock of a client may be ahead, in seconds; 60 when left out.
    #[serde(default)]
    pub max_skew_seconds: Option<u32>,
    /// Authorities whose certificates are accepted without an operator: PEM. None when left out.
    #[serde(default)]
    pub accept_issuers: Option<PathBuf>,
    /// Whether such a certificate is the renewal of the one with the same subject. Only right where every device has a subject
    /// of its own; the operator is asked otherwise.
    #[serde(default)]
    pub renew_by_subject: bool,
    /// How many certificates may wait for the operator; 256 when left out.
    #[serde(default)]
    pub max_pending: Option<usize>,
}

impl SignedConfig {
    /// What has to be said; the rest has defaults. Paths are used as they are.
    pub fn new(
        listen: SocketAddr,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        Self {
            listen,
            public_urls: Vec::new(),
            certificate: certificate.into(),
            key: key.into(),
            root_certificate: None,
            tolerances: Vec::new(),
            max_age_seconds: None,
            max_skew_seconds: None,
            accept_issuers: None,
            renew_by_subject: false,
            max_pending: None,
        }
    }

    /// All paths.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let optional = [&mut self.root_certificate, &mut self.accept_issuers];
        let required = [&mut self.certificate, &mut self.key];
        required.into_iter().chain(optional.into_iter().flatten())
    }
}
