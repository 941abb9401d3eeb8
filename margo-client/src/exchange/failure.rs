//! What a failed connection means, and what to do about it.

use std::error::Error as StdError;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use crate::error::{Error, ErrorKind};

/// The peer said nothing for too long.
pub(super) fn silence(peer: &str, idle: Duration) -> Error {
    let message =
        format!("{peer} was silent for {idle:?}; check the network and whether it is overloaded");
    Error::new(ErrorKind::Unreachable, message)
}

/// The peer said something all the time, but did not come to an end.
pub(super) fn too_slow(peer: &str, total: Duration) -> Error {
    let message = format!(
        "{peer} did not finish its answer within {total:?}; check the network, or allow more time"
    );
    Error::new(ErrorKind::Unreachable, message)
}

pub(super) fn too_long(peer: &str, limit: usize) -> Error {
    super::misbehaved(
        peer,
        format!(
            "sends more than the {limit} bytes that are allowed; raise the limit if that much is expected"
        ),
    )
}

/// A request that brought no answer, or a body that broke off.
pub(super) fn connection(error: reqwest::Error, peer: &str) -> Error {
    let error = error.without_url();
    if let Some(refusal) = tls_error(&error) {
        return refused_handshake(refusal, peer);
    }
    if error.is_builder() {
        let message = format!("no request to {peer} can be made; check its URL");
        return Error::new(ErrorKind::Setup, message).because(error);
    }
    let message = if error.is_timeout() {
        format!("{peer} cannot be reached in time; check the network")
    } else if error.is_connect() {
        format!("{peer} cannot be reached; check the URL, the network and whether it runs")
    } else {
        format!("the connection to {peer} broke")
    };
    Error::new(ErrorKind::Unreachable, message).because(error)
}

/// The error of TLS behind an error of HTTP.
///
/// `io::Error` hides its content from `source()`, so it is opened by hand.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn refused_handshake(error: &rustls::Error, peer: &str) -> Error {
    match error {
        rustls::Error::InvalidCertificate(reason) => {
            let fault = certificate_fault(reason);
            let message = format!("{peer} is not trusted: {fault}");
            let refusal = Error::of_refused_certificate(message);
            match reason {
                CertificateError::Other(other) => refusal.because(Shared(other.0.clone())),
                _ => refusal,
            }
        }
        rustls::Error::NoCertificatesPresented => {
            let message = format!(
                "{peer} is not trusted: it presents no certificate; it has to present its SVID"
            );
            Error::new(ErrorKind::Untrusted, message)
        }
        rustls::Error::AlertReceived(alert) => {
            let message = format!("{peer} refuses the connection: {}", alert_reason(*alert));
            Error::new(ErrorKind::Untrusted, message).because(error.clone())
        }
        rustls::Error::PeerIncompatible(_) => {
            let message =
                format!("{peer} does not speak TLS 1.3 as it is required; ask its operator");
            Error::new(ErrorKind::Misbehaved, message).because(error.clone())
        }
        _ => {
            let message = format!(
                "{peer} does not speak TLS as it should; check the port, and whether something inspects the traffic"
            );
            Error::new(ErrorKind::Misbehaved, message).because(error.clone())
        }
    }
}

fn certificate_fault(reason: &CertificateError) -> &'static str {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; it has to be renewed there, unless the clock of this device is wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; check the clock of this device"
        }
        // The wrong signature is that of another authority with the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is of an authority that is not trusted here; check the URL and the trust bundle"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name; check the URL"
        }
        _ => {
            "its certificate does not prove the expected identity; check the URL, and whom this device is set up to trust"
        }
    }
}

fn alert_reason(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateExpired => {
            "it says that the SVID of this device has expired; renew it, or check the clocks on both sides"
        }
        // Likewise, an authority with the same name is known there.
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "it does not know the authority of this device's SVID; both must be of one trust domain with one trust bundle"
        }
        AlertDescription::CertificateRequired => {
            "it saw no SVID of this device; check what stands between here and there"
        }
        AlertDescription::AccessDenied | AlertDescription::CertificateRevoked => {
            "it does not admit this device; ask its operator"
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => {
            "it does not take the SVID of this device; check that it was issued for a client of this fleet manager"
        }
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
            "it does not speak TLS 1.3 as it is required; ask its operator"
        }
        _ => "the TLS handshake failed; ask its operator for the reason in its log",
    }
}

/// The reason of a verifier, which TLS keeps behind an `Arc`.
#[derive(Clone, Debug)]
struct Shared(std::sync::Arc<dyn StdError + Send + Sync>);

impl std::fmt::Display for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl StdError for Shared {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
