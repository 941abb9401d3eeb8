//! An agent of the signed generation, as a profile has it, to be pointed at a fleet manager (rc1-and-pre-draft.md part I;
//! peers.md 4a and 4c).
//!
//! It is the other side of [`FakeWfm::start_signed`](crate::wfm::FakeWfm::start_signed), an independent reading with nothing
//! of margo-client in it. Requests are [made](FakeAgent::requests) apart from being [sent](FakeAgent::send), byte for byte, so
//! that a test can look at them, spoil them, or send those of a file.
//!
//! ```no_run
//! # async fn test(
//! #     authority: &margo_conformance::authority::Authority,
//! #     key: &str,
//! #     certificate: &str,
//! # ) {
//! use margo_conformance::agent::FakeAgent;
//! use margo_conformance::interop::Profile;
//!
//! let url = "https://127.0.0.1:8443";
//! let mut agent = FakeAgent::new(Profile::SYMPHONY_2025_12, url, authority, key, certificate);
//! agent.enrol().await.expect("the fleet manager accepts everybody");
//! agent.report_capabilities().await;
//! agent.sync().await;
//! # }
//! ```

mod connection;
mod requests;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, DeploymentId};
use margo_types::manifest::StateManifest;
use margo_types::status::DeploymentState;
use margo_types::{Digest, read};
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

pub use self::connection::RawAnswer;
pub use self::requests::Requests;
use crate::authority::Authority;
use crate::interop::Profile;

/// An agent that has neither a schedule nor workloads: it does one thing at a time, when it is told to.
#[derive(Clone, Debug)]
pub struct FakeAgent {
    address: String,
    tls: Arc<ClientConfig>,
    requests: Requests,
    /// The tag of the manifest that it has followed.
    tag: Option<String>,
    installed: BTreeMap<DeploymentId, (Digest, ApplicationDeployment)>,
}

impl FakeAgent {
    /// One for the fleet manager at this URL, whose certificate has to be of the authority.
    ///
    /// # Panics
    /// When the URL is not `https://HOST:PORT` with or without a path, or the PEM is not that of a key and its
    /// certificate.
    pub fn new(
        profile: Profile,
        url: &str,
        authority: &Authority,
        key: &str,
        certificate: &str,
    ) -> Self {
        let rest = url.strip_prefix("https://").expect("the URL is https");
        let (host, prefix) = rest
            .find('/')
            .map_or((rest, ""), |slash| rest.split_at(slash));
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .expect("the certificate is PEM")
            .to_vec();
        Self {
            address: host.to_owned(),
            tls: connection::config(authority),
            requests: Requests::new(profile.agent, host, prefix, key, certificate),
            tag: None,
            installed: BTreeMap::new(),
        }
    }

    /// The same with this host in its settings, which it still reaches at the same address.
    #[must_use]
    pub fn known_as(mut self, host: &str) -> Self {
        self.requests.set_host(host);
        self
    }

    /// The same with a clock that stands still.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Self {
        self.requests.stop_clock(time);
        self
    }

    /// The same, enrolled under this id.
    #[must_use]
    pub fn enrolled_as(mut self, client: &ClientId) -> Self {
        self.requests.set_client(client);
        self
    }

    /// What it sends.
    pub const fn requests(&self) -> &Requests {
        &self.requests
    }

    /// What it has installed.
    pub fn installed(&self) -> impl Iterator<Item = &ApplicationDeployment> {
        self.installed.values().map(|(_, deployment)| deployment)
    }

    /// Sends these bytes on a connection of their own, and gives what came back.
    ///
    /// # Panics
    /// When nothing or no HTTP comes back.
    pub async fn send(&self, request: &[u8]) -> RawAnswer {
        let answer = self.try_send(request).await;
        answer.expect("the fleet manager answers")
    }

    /// The same, where the connection may be cut instead.
    ///
    /// # Errors
    /// When it was.
    ///
    /// # Panics
    /// When what comes back is no HTTP.
    pub async fn try_send(&self, request: &[u8]) -> io::Result<RawAnswer> {
        connection::exchange(&self.address, &self.tls, request).await
    }

    /// Enrols, and keeps the id; otherwise gives the answer.
    ///
    /// # Errors
    /// The answer, when it is another than 201 with an id.
    pub async fn enrol(&mut self) -> Result<ClientId, RawAnswer> {
        let answer = self.send(&self.requests.onboarding()).await;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let id = ["clientId", "client_id"]
            .into_iter()
            .find_map(|name| body[name].as_str())
            .and_then(|id| ClientId::parse(id).ok());
        match id {
            Some(id) if answer.status == 201 => {
                self.requests.set_client(&id);
                Ok(id)
            }
            _ => Err(answer),
        }
    }

    /// Says what it is.
    pub async fn report_capabilities(&self) -> RawAnswer {
        self.send(&self.requests.capabilities()).await
    }

    /// Polls once and does what the manifest says: "installs" what is new or changed, removes what is gone, and reports
    /// each. Gives the answers to its reports; none when nothing has changed.
    ///
    /// # Panics
    /// When the fleet manager answers otherwise than by 200 or 304, or with content that is not as promised.
    pub async fn sync(&mut self) -> Vec<RawAnswer> {
        let poll = self.requests.manifest(self.tag.as_deref());
        let answer = self.send(&poll).await;
        if answer.status == 304 {
            return Vec::new();
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let manifest = read::<StateManifest>(&answer.body).expect("it is a manifest");
        let manifest = manifest.into_value();
        let mut answers = Vec::new();
        for (id, digest, document) in self.fetch(&manifest).await {
            let is_known = self.installed.get(&id).is_some_and(|(it, _)| *it == digest);
            if is_known {
                continue;
            }
            let deployment = read::<ApplicationDeployment>(&document);
            let deployment = deployment.expect("it is a deployment").into_value();
            assert_eq!(deployment.id, id, "the document is of another deployment");
            for state in [DeploymentState::Installing, DeploymentState::Installed] {
                answers.push(self.report(&deployment, &state).await);
            }
            self.installed.insert(id, (digest, deployment));
        }
        let is_gone = |id: &DeploymentId| manifest.deployment(id).is_none();
        let gone: Vec<_> = self.installed.keys().copied().filter(is_gone).collect();
        for id in gone {
            let Some((_, deployment)) = self.installed.remove(&id) else {
                continue;
            };
            for state in [DeploymentState::Removing, DeploymentState::Removed] {
                answers.push(self.report(&deployment, &state).await);
            }
        }
        self.tag = answer.header("etag");
        answers
    }

    async fn report(
        &self,
        deployment: &ApplicationDeployment,
        state: &DeploymentState,
    ) -> RawAnswer {
        self.send(&self.requests.status(deployment, state)).await
    }

    /// Everything that the manifest refers to, in its order, from the bundle or one by one.
    async fn fetch(&self, manifest: &StateManifest) -> Vec<(DeploymentId, Digest, Vec<u8>)> {
        let mut members = match &manifest.bundle {
            Some(bundle) if self.requests.prefers_bundle() => {
                let archive = self.fetch_one(&self.requests.bundle(&bundle.digest)).await;
                assert_eq!(Digest::of(&archive), bundle.digest, "the bundle differs");
                Some(connection::members(&archive))
            }
            _ => None,
        };
        let mut fetched = Vec::new();
        for reference in &manifest.deployments {
            let (id, digest) = (reference.deployment_id, reference.digest);
            let document = match &mut members {
                Some(members) => members
                    .remove(&format!("{id}.yaml"))
                    .expect("the bundle has every deployment under its id"),
                None => self.fetch_one(&self.requests.document(&id, &digest)).await,
            };
            assert_eq!(Digest::of(&document), digest, "the document differs");
            fetched.push((id, digest, document));
        }
        fetched
    }

    async fn fetch_one(&self, request: &[u8]) -> Vec<u8> {
        let answer = self.send(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
}
