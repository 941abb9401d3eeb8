//! Requests, byte for byte, as the HTTP library of the reference writes them.

use std::fmt::Write as _;

use jiff::Timestamp;
use margo_types::auth::RequestParts;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{ClientId, DeploymentId};
use margo_types::signature::{Signing, SigningKey};
use margo_types::status::DeploymentState;
use margo_types::{Digest, media_type};
use serde_json::json;

use crate::interop::{AgentRules, CapabilitiesForm, OnboardingForm};

/// What an agent of these rules sends.
#[derive(Clone, Debug)]
pub struct Requests {
    rules: AgentRules,
    host: String,
    prefix: String,
    key: SigningKey,
    certificate: Vec<u8>,
    client: Option<ClientId>,
    stopped_at: Option<Timestamp>,
}

impl Requests {
    pub(super) fn new(
        rules: AgentRules,
        host: &str,
        prefix: &str,
        key: &str,
        certificate: Vec<u8>,
    ) -> Self {
        Self {
            rules,
            host: host.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            key: SigningKey::from_pem(key.as_bytes()).expect("the key is PEM of a kind that signs"),
            certificate,
            client: None,
            stopped_at: None,
        }
    }

    pub(super) fn set_host(&mut self, host: &str) {
        host.clone_into(&mut self.host);
    }

    pub(super) const fn stop_clock(&mut self, time: Timestamp) {
        self.stopped_at = Some(time);
    }

    pub(super) fn set_client(&mut self, client: &ClientId) {
        self.client = Some(client.clone());
    }

    pub(super) const fn prefers_bundle(&self) -> bool {
        self.rules.prefers_bundle
    }

    /// To be enrolled.
    pub fn onboarding(&self) -> Vec<u8> {
        let certificate = json!(self.rules.certificate.write(&self.certificate));
        let body = match self.rules.onboarding {
            OnboardingForm::Early => format!(r#"{{"public_certificate":{certificate}}}"#),
            OnboardingForm::Aligned => format!(
                r#"{{"apiVersion":"onboarding.margo.org/v1alpha1","kind":"OnboardingRequest","certificate":{certificate}}}"#
            ),
        };
        self.with_body("POST", "/api/v1/onboarding", &body)
    }

    /// What the device is.
    pub fn capabilities(&self) -> Vec<u8> {
        let id = match &self.client {
            Some(client) if self.rules.device_is_client => client.as_str(),
            _ => DEVICE,
        };
        let method = if self.rules.posts_capabilities {
            "POST"
        } else {
            "PUT"
        };
        let path = self.client_path("capabilities");
        self.with_body(method, &path, &capabilities(self.rules.capabilities, id))
    }

    /// For the manifest, unless it still has this entity tag.
    pub fn manifest(&self, tag: Option<&str>) -> Vec<u8> {
        let mut headers = vec![("Accept", media_type::MANIFEST)];
        headers.extend(tag.map(|tag| ("If-None-Match", tag)));
        self.request("GET", &self.client_path("deployments"), &headers, "")
    }

    /// For a bundle.
    pub fn bundle(&self, digest: &Digest) -> Vec<u8> {
        let path = self.client_path(&format!("bundles/{digest}"));
        self.request("GET", &path, &[("Accept", media_type::BUNDLE)], "")
    }

    /// For the document of a deployment.
    pub fn document(&self, deployment: &DeploymentId, digest: &Digest) -> Vec<u8> {
        let path = self.client_path(&format!("deployments/{deployment}/{digest}"));
        self.request("GET", &path, &[("Accept", media_type::YAML)], "")
    }

    /// How a deployment with all its components fares.
    pub fn status(&self, deployment: &ApplicationDeployment, state: &DeploymentState) -> Vec<u8> {
        let segment = if self.rules.singular_status {
            "deployment"
        } else {
            "deployments"
        };
        let path = self.client_path(&format!("{segment}/{}/status", deployment.id));
        let state = if self.rules.capital_states {
            capital(state.as_str())
        } else {
            state.as_str().to_owned()
        };
        let (api_version, kind) = self.rules.status;
        let components = &deployment.spec.deployment_profile.components;
        let components: Vec<_> = components
            .iter()
            .map(|it| format!(r#"{{"name":{},"state":"{state}"}}"#, json!(it.name)))
            .collect();
        let body = format!(
            r#"{{"apiVersion":"{api_version}","kind":"{kind}","deploymentId":"{}","status":{{"state":"{state}"}},"components":[{}]}}"#,
            deployment.id,
            components.join(","),
        );
        self.with_body("POST", &path, &body)
    }

    /// The path of something that belongs to its client, such as `deployments`.
    ///
    /// # Panics
    /// When it is not enrolled.
    pub fn client_path(&self, rest: &str) -> String {
        let client = self.client.as_ref().expect("the agent is enrolled");
        format!("/api/v1/clients/{client}/{rest}")
    }

    /// Any request, signed as all are.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Vec<u8> {
        let (host, prefix) = (&self.host, &self.prefix);
        let target = format!("https://{host}{prefix}{path}");
        let now = self.stopped_at.unwrap_or_else(Timestamp::now);
        let parts = RequestParts::new(method, &target, |_| Vec::new()).with_authority(host);
        let signed = Signing::new(&self.key, now)
            .profile(self.rules.signing)
            .sign(&parts, body.as_bytes())
            .expect("the key is in memory, and everything covered is there");

        let mut text = format!("{method} {prefix}{path} HTTP/1.1\r\nHost: {host}\r\n");
        let mut header = |name: &str, value: &str| {
            write!(text, "{name}: {value}\r\n").expect("a text takes everything");
        };
        header("User-Agent", "Go-http-client/1.1");
        if !body.is_empty() {
            header("Content-Length", &body.len().to_string());
        }
        let mut sorted = headers.to_vec();
        sorted.extend(signed.iter().map(|(name, value)| match name {
            "content-digest" => ("Content-Digest", value),
            "signature-input" => ("Signature-Input", value),
            _ => ("Signature", value),
        }));
        sorted.sort_unstable();
        for (name, value) in sorted {
            header(name, value);
        }
        header("Accept-Encoding", "gzip");
        (text + "\r\n" + body).into_bytes()
    }

    fn with_body(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        self.request(method, path, &[("Content-Type", media_type::JSON)], body)
    }
}

fn capabilities(form: CapabilitiesForm, id: &str) -> String {
    let (api_version, kind) = match form {
        CapabilitiesForm::Early => ("device.margo/v1", "DeviceCapabilities"),
        CapabilitiesForm::Aligned | CapabilitiesForm::Flat => {
            ("device.margo.org/v1alpha1", "DeviceCapabilitiesManifest")
        }
    };
    let offers = match form {
        CapabilitiesForm::Early => {
            r#""roles":["Standalone Device"],"resources":{"cpu":{"cores":4},"memory":"8Gi","storage":"64Gi"}"#
        }
        CapabilitiesForm::Aligned => {
            r#""roles":["Standalone Device"],"resources":{"cpu":{"cores":4,"architecture":"amd64"},"memory":"8Gi","storage":"64Gi","peripherals":[],"interfaces":[{"type":"ethernet"}]}"#
        }
        CapabilitiesForm::Flat => {
            r#""cpus":[{"cores":4,"architecture":"amd64"}],"memory":"8Gi","storage":"64Gi","peripherals":[],"interfaces":[{"type":"ethernet"}],"otelCollector":true,"supportedRuntimes":["oci"],"supportedDeploymentTypes":["compose"]"#
        }
    };
    format!(
        r#"{{"apiVersion":"{api_version}","kind":"{kind}","properties":{{"id":"{id}","vendor":"Example Machines","modelNumber":"EM-4200","serialNumber":"EM4200-00731",{offers}}}}}"#
    )
}

fn capital(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// The device id of an agent that tells it apart from its client id.
const DEVICE: &str = "press-line-7";
