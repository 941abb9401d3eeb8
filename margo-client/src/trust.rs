//! Where the trust bundle comes from, and how it stays current (rc3.md sections 7.4 and 7.5, C17 to C25).
//!
//! A [`Mis`] fetches the bundle from a Margo identity service; a [`TrustKeeper`] holds the last accepted one in a file
//! and refreshes it. Nothing is ever trusted because it came first: the service is authenticated by anchors of an
//! ordinary PKI, by pinned keys, or by both, and what it publishes never takes their place.

mod keeper;
mod mis;
mod server_trust;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use margo_types::read;
use margo_types::svid::check_bundle;
use margo_types::trust::{Anchor, TrustBundle};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::error::{Error, ErrorKind};

pub use self::keeper::{KeeperOptions, Refreshed, TrustKeeper};
pub use self::mis::{Fetched, FetchedBundle, HeldBundle, Mis};
pub use self::server_trust::{ServerTrust, SpkiPin};

/// Reads a trust bundle: a SPIFFE bundle in JSON, or PEM of the anchors.
///
/// # Errors
/// [`ErrorKind::Setup`] when it is neither, or has no anchors that could be used: nobody could be verified (C19).
pub fn read_bundle(bytes: &[u8]) -> Result<TrustBundle, Error> {
    let bundle = if is_pem(bytes) {
        let anchors = pem_anchors(bytes)?;
        TrustBundle::of_anchors(&anchors)
            .map_err(|error| setup("an anchor has a key that cannot be published").because(error))?
    } else {
        read::<TrustBundle>(bytes)
            .map_err(|error| {
                let message = "the text is neither a SPIFFE bundle in JSON nor PEM of certificates";
                setup(message).because(error)
            })?
            .into_value()
    };
    check_bundle(&bundle).map_err(|error| setup("the bundle is not acceptable").because(error))?;
    Ok(bundle)
}

/// Text may stand around PEM, but PEM begins with a line: a document may name it in a text of its own.
fn is_pem(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.any(|line| line.starts_with(PEM))
}

/// The certificates in a PEM text; at least one.
fn pem_anchors(pem: &[u8]) -> Result<Vec<Anchor>, Error> {
    let mut anchors = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| {
            setup("the text is not well-formed PEM; check that it was copied as a whole")
                .because(error)
        })?;
        let anchor = Anchor::from_der(certificate.to_vec())
            .map_err(|error| setup("a PEM block is not a certificate").because(error))?;
        anchors.push(anchor);
    }
    if anchors.is_empty() {
        return Err(setup(
            "there is no certificate; give the PEM of the anchors",
        ));
    }
    Ok(anchors)
}

/// The PEM of a certificate (RFC 7468), in lines of 64 characters.
pub(crate) fn pem_of(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for (position, character) in STANDARD.encode(der).chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + "\n-----END CERTIFICATE-----\n"
}

fn setup(message: &str) -> Error {
    Error::new(ErrorKind::Setup, message)
}

const PEM: &[u8] = b"-----BEGIN ";
