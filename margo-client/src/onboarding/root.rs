//! The root certificate of a fleet manager (rc1-and-pre-draft.md section 6.1; contradictions 13 and 17).

use std::path::Path;
use std::time::Duration;

use margo_types::endpoint::{PathCaller, Route};
use margo_types::onboarding::CaCertificate;
use margo_types::trust::Anchor;
use margo_types::{Reader, SpecVersion};
use reqwest::StatusCode;
use url::Url;

use crate::api::ApiOptions;
use crate::error::{Error, ErrorKind};
use crate::exchange::{self, Bounds, Call, misbehaved};
use crate::files;
use crate::location::Location;
use crate::trust::{ServerTrust, pem_of};

/// Fetches the root certificate of the fleet manager at this URL, to be an anchor from now on.
///
/// Only from a fleet manager that `trust` recognises already, by a pinned key or another anchor: whom a device trusts is
/// never learnt from somebody it does not trust (contradiction 13). Base64 of DER, base64 of PEM and PEM are read.
///
/// # Errors
/// [`ErrorKind::Setup`] when the trust has neither anchors nor pins or the URL is not plain `https`,
/// [`ErrorKind::Untrusted`] when the fleet manager is not recognised, and [`ErrorKind::Misbehaved`] when what it sends is
/// no certificate of an authority that its own TLS certificate leads to.
pub async fn fetch_root(url: Url, trust: &ServerTrust) -> Result<Anchor, Error> {
    let location = Location::new(url)?;
    let (peer, asked) = (location.peer(), "the root certificate");
    let endpoint = Route::RootCertificate.endpoint(SpecVersion::Rc1);
    let path = Route::RootCertificate.path(SpecVersion::Rc1, &PathCaller::Unnamed);
    let unavailable = |error| {
        let message = "there is no request for the root certificate";
        Error::new(ErrorKind::Setup, message).because(error)
    };
    let options = ApiOptions::default();
    let call = Call {
        endpoint: endpoint.map_err(unavailable)?,
        url: location.of_path(&path.map_err(unavailable)?),
        asked,
        held: None,
        body: None,
        bounds: Bounds {
            idle: options.idle,
            total: options.exchange,
            bytes: LONGEST_ANSWER,
        },
        offer_gzip: true,
    };
    let ask = async |trust: &ServerTrust| {
        let http = exchange::client_builder(trust.client_config()?, CONNECT)
            .user_agent(options.user_agent.as_str())
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Setup, "HTTPS cannot be set up").because(error)
            })?;
        call.send(call.request(&http)?, peer).await
    };
    let answer = ask(trust).await?;
    if answer.status != StatusCode::OK {
        let hint = "configure the root certificate that its operator hands out";
        return Err(answer.refusal_hinting(peer, "the request for the root certificate", hint));
    }
    let body = answer.document(peer, asked)?;
    let unusable = || misbehaved(peer, "sends no usable root certificate");
    let document = Reader::new()
        .generation(SpecVersion::Rc1)
        .read::<CaCertificate>(body)
        .map_err(|error| unusable().because(error))?;
    let der = document.into_value().certificate.der();
    let anchor = Anchor::from_der(der.map_err(|error| unusable().because(error))?)
        .map_err(|error| unusable().because(error))?;
    // A root that does not lead to the fleet manager would lock the device out.
    ask(&ServerTrust::anchor(anchor.clone()))
        .await
        .map_err(|error| {
            let what = "sends a root certificate that its own TLS certificate does not lead to";
            misbehaved(peer, what).because(error)
        })?;
    Ok(anchor)
}

/// Fetches the root certificate, and keeps it in this file as PEM, where [`SigningFiles`](crate::identity::SigningFiles)
/// look for it.
///
/// # Errors
/// As for [`fetch_root`], and [`ErrorKind::State`] when the file cannot be written.
pub async fn keep_root(url: Url, trust: &ServerTrust, file: &Path) -> Result<Anchor, Error> {
    let anchor = fetch_root(url, trust).await?;
    files::write_durably(file, pem_of(anchor.as_der()).as_bytes()).map_err(|error| {
        let message = format!(
            "the root certificate cannot be written to {}; check that its folder exists, the disk and the permissions",
            file.display()
        );
        Error::new(ErrorKind::State, message).because(error)
    })?;
    Ok(anchor)
}

const CONNECT: Duration = Duration::from_secs(10);
const LONGEST_ANSWER: usize = 256 << 10;
