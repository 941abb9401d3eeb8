//! Who takes the place of a client, and must get nothing.

use std::sync::Arc;
use std::time::Duration;

use margo_types::Digest;
use margo_types::id::{ClientId, DeploymentId, SpiffeId, TrustDomain};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Failure;
use super::log::Reason;
use super::random::Random;
use crate::authority::rcgen::{BasicConstraints, IsCa, SanType};
use crate::authority::{Authority, IssuedSvid, Lifetime};

/// What is wrong with the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Intrusion {
    OtherDomain,
    OtherManagersClient,
    TwoNames,
    AuthorityAsLeaf,
    Expired,
    NoCertificate,
    /// A good client, that asks for the deployment of another.
    OthersDeployment,
}

impl Intrusion {
    pub(super) fn draw(random: &mut Random) -> Self {
        random.pick(ALL)
    }

    /// Why the fleet manager must say that it refuses it.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::OtherDomain => Reason::OtherDomain,
            Self::OtherManagersClient => Reason::OtherManager,
            Self::TwoNames => Reason::SeveralNames,
            Self::AuthorityAsLeaf => Reason::Authority,
            Self::Expired => Reason::Expired,
            Self::NoCertificate => Reason::NoCertificate,
            Self::OthersDeployment => Reason::NotThere,
        }
    }
}

/// What came of an intrusion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// There was an answer, with this status line; none when the connection was only closed.
    Answered(Option<String>),
    /// The fleet manager was not reached, or did not answer in time.
    Nothing,
}

/// Makes one request like this.
pub(super) async fn intrude(
    intrusion: Intrusion,
    address: &str,
    authority: &Authority,
    client: &ClientId,
    of_another: Option<(DeploymentId, Digest)>,
) -> Result<Ending, Failure> {
    let certificate = certificate(intrusion, authority, client)?;
    let path = match (intrusion, of_another) {
        (Intrusion::OthersDeployment, Some((id, digest))) => {
            format!("/api/v1/deployments/{id}/{digest}")
        }
        (Intrusion::OthersDeployment, None) => return Ok(Ending::Nothing),
        _ => MANIFEST.to_owned(),
    };
    let exchange = exchange(config(certificate)?, address, &path);
    let answer = tokio::time::timeout(PATIENCE, exchange).await;
    Ok(match answer {
        Ok(Some(answer)) => Ending::Answered(answer.lines().next().map(ToOwned::to_owned)),
        _ => Ending::Nothing,
    })
}

fn certificate(
    intrusion: Intrusion,
    authority: &Authority,
    client: &ClientId,
) -> Result<Option<IssuedSvid>, Failure> {
    let domain = authority.domain();
    let own = SpiffeId::wfm_client(domain, "wfm-1", client)?;
    let name = own.as_str().to_owned();
    let uri = |text: &str| Ok::<_, Failure>(SanType::URI(text.try_into()?));
    Ok(Some(match intrusion {
        Intrusion::NoCertificate => return Ok(None),
        Intrusion::OthersDeployment => authority.issue(&own, Lifetime::default()),
        Intrusion::Expired => authority.issue(&own, Lifetime::expired()),
        Intrusion::OtherDomain => {
            let domain = TrustDomain::parse("elsewhere.example")?;
            let id = SpiffeId::wfm_client(&domain, "wfm-1", client)?;
            Authority::new(&domain).issue(&id, Lifetime::default())
        }
        Intrusion::OtherManagersClient => {
            let id = SpiffeId::wfm_client(domain, "wfm-2", client)?;
            authority.issue(&id, Lifetime::default())
        }
        Intrusion::TwoNames => {
            let names = vec![uri(&name)?, uri(&format!("{name}-too"))?];
            authority.issue_with(|params| params.subject_alt_names = names)
        }
        Intrusion::AuthorityAsLeaf => {
            let names = vec![uri(&name)?];
            authority.issue_with(|params| {
                params.subject_alt_names = names;
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            })
        }
    }))
}

/// The answer; nothing of it when the fleet manager closes the connection; `None` when it is not reached.
async fn exchange(config: ClientConfig, address: &str, path: &str) -> Option<String> {
    let stream = TcpStream::connect(address).await.ok()?;
    let name = ServerName::try_from("127.0.0.1").ok()?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut answer = Vec::new();
    // A refusal comes as an alert, of the handshake or instead of the answer.
    if let Ok(mut stream) = connector.connect(name, stream).await {
        let request = format!("GET {path} HTTP/1.1\r\nhost: wfm\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.read_to_end(&mut answer).await;
    }
    Some(String::from_utf8_lossy(&answer).into_owned())
}

fn config(certificate: Option<IssuedSvid>) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Careless(provider)));
    Ok(match certificate {
        None => builder.with_no_client_auth(),
        Some(svid) => builder.with_client_auth_cert(svid.certificates(), svid.private_key())?,
    })
}

/// Talks to whoever answers: intruders do not care.
#[derive(Debug)]
struct Careless(Arc<CryptoProvider>);

impl ServerCertVerifier for Careless {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
const MANIFEST: &str = "/api/v1/deployments";

const ALL: [Intrusion; 7] = [
    Intrusion::OtherDomain,
    Intrusion::OtherManagersClient,
    Intrusion::TwoNames,
    Intrusion::AuthorityAsLeaf,
    Intrusion::Expired,
    Intrusion::NoCertificate,
    Intrusion::OthersDeployment,
];
