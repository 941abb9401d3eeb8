//! The listener for clients that sign their requests (rc.1).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use margo_server_traits::server::{CertificateFiles, CertificateWatch, Server, ServerOptions};
use margo_server_traits::signed::{PublicUrl, SignedOptions};
use margo_server_traits::{AcceptedIssuers, Fleet, FleetService, ServiceOptions, StoreFleet};
use margo_types::onboarding::Certificate;
use margo_types::signature::Policy;
use margo_types::svid::IdentityError;
use tokio::net::TcpListener;

use crate::config::SignedConfig;
use crate::failure::{Failure, Kind};
use crate::files;
use crate::wfm::{BETWEEN_LOOKS, listen};

/// A port, and everything that is needed to serve there.
pub(crate) struct SignedListener {
    listener: TcpListener,
    address: SocketAddr,
    public_urls: Vec<PublicUrl>,
    certificate: CertificateWatch,
    root_certificate: Option<Certificate>,
    issuers: Option<AcceptedIssuers>,
    config: SignedConfig,
    service: Option<FleetService>,
}

impl SignedListener {
    /// Reads the files and takes the port.
    pub(crate) async fn bind(config: &SignedConfig) -> Result<Self, Failure> {
        let certificate = CertificateFiles::new(&config.certificate, &config.key)
            .watch()
            .map_err(|error| Failure::of(Kind::Environment, &error))?;
        let root_certificate = config.root_certificate.as_deref().map(root).transpose()?;
        let issuers = config.accept_issuers.as_deref().map(issuers).transpose()?;
        let listener = listen(config.listen, "signed.listen").await?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::of(Kind::Environment, &error))?;
        let mut public_urls = config.public_urls.clone();
        if public_urls.is_empty() {
            let own = PublicUrl::parse(&format!("https://{address}"));
            public_urls.push(own.map_err(|error| Failure::of(Kind::Environment, &error))?);
        }
        Ok(Self {
            listener,
            address,
            public_urls,
            certificate,
            root_certificate,
            issuers,
            config: config.clone(),
            service: None,
        })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn public_urls(&self) -> impl Iterator<Item = String> {
        self.public_urls.iter().map(ToString::to_string)
    }

    /// The fleet, with what the configuration says about enrolment.
    pub(crate) fn configure(&mut self, mut fleet: StoreFleet) -> StoreFleet {
        if let Some(limit) = self.config.max_pending {
            fleet = fleet.max_pending(limit);
        }
        if let Some(certificate) = self.root_certificate.take() {
            fleet = fleet.root_certificate(certificate);
        }
        if self.config.renew_by_subject {
            fleet = fleet.renew_by_subject();
        }
        match self.issuers.take() {
            Some(issuers) => fleet.enrolment_policy(issuers),
            None => fleet,
        }
    }

    /// The same, serving this fleet.
    pub(crate) fn serving(mut self, enrolment: Arc<StoreFleet>, fleet: Fleet) -> Self {
        let mut policy = Policy::default();
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        if let Some(age) = self.config.max_age_seconds {
            policy.max_age = seconds(age);
        }
        if let Some(skew) = self.config.max_skew_seconds {
            policy.max_skew = seconds(skew);
        }
        policy.tolerances = self.config.tolerances.iter().copied().collect();
        let mut options = SignedOptions::default();
        options.policy = policy;
        options.public_urls.clone_from(&self.public_urls);
        let service = ServiceOptions::default();
        self.service = Some(FleetService::signed(enrolment, fleet, service, options));
        self
    }

    /// Serves until `shutdown`.
    pub(crate) async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), IdentityError> {
        let Some(service) = self.service else {
            return Ok(());
        };
        let certificate = self.certificate.certificate().clone();
        let watching = tokio::spawn(self.certificate.run(BETWEEN_LOOKS));
        let server = Server::server_only(certificate, service, ServerOptions::default());
        let ended = server.serve(self.listener, shutdown).await;
        watching.abort();
        ended
    }
}

/// The root certificate in a file; of several the first.
fn root(file: &Path) -> Result<Certificate, Failure> {
    let unusable =
        |error: &dyn std::error::Error| Failure::of(Kind::Environment, error).about(file.display());
    let text = files::read_text(file, LONGEST).map_err(|error| Failure::file(file, &error))?;
    let der = Certificate::from_text(text).der();
    let der = der.map_err(|error| unusable(&error))?;
    Certificate::from_der(&der).map_err(|error| unusable(&error))
}

fn issuers(file: &Path) -> Result<AcceptedIssuers, Failure> {
    let pem = files::read(file, LONGEST).map_err(|error| Failure::file(file, &error))?;
    AcceptedIssuers::from_pem(&pem)
        .map_err(|error| Failure::of(Kind::Environment, &error).about(file.display()))
}

/// A MiB holds hundreds of certificates.
const LONGEST: u64 = 1 << 20;
