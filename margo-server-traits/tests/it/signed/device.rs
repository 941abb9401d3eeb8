//! A device that signs, and what it sends.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use margo_conformance::authority::rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm,
};
use margo_types::auth::RequestParts;
use margo_types::onboarding::Certificate;
use margo_types::signature::{Profile, Signing, SigningKey};
use serde_json::Value;

/// A key and its certificate.
pub(crate) struct Device {
    pub(crate) key: SigningKey,
    pub(crate) certificate: Certificate,
}

impl Device {
    pub(crate) fn new() -> Self {
        Self::of(&PKCS_ECDSA_P256_SHA256, -HOUR, HOUR)
    }

    pub(crate) fn with_ed25519() -> Self {
        Self::of(&PKCS_ED25519, -HOUR, HOUR)
    }

    /// One whose certificate is valid from and until so long after now.
    pub(crate) fn valid_between(from: SignedDuration, until: SignedDuration) -> Self {
        Self::of(&PKCS_ECDSA_P256_SHA256, from, until)
    }

    fn of(
        algorithm: &'static SignatureAlgorithm,
        from: SignedDuration,
        until: SignedDuration,
    ) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::default();
        params.not_before = SystemTime::from(in_time(from)).into();
        params.not_after = SystemTime::from(in_time(until)).into();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            key: SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap(),
            certificate: Certificate::from_der(certificate.der()).unwrap(),
        }
    }
}

/// A request on its way.
#[derive(Clone)]
pub(crate) struct Sent {
    method: &'static str,
    /// What it is sent to, as the client writes it.
    base: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Sent {
    pub(crate) fn new(method: &'static str, path: &str) -> Self {
        Self {
            method,
            base: "https://wfm.example:8443",
            path: path.to_owned(),
            headers: vec![("host", "wfm.example:8443".to_owned())],
            body: Bytes::new(),
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.with("content-type", "application/json")
            .body(body.to_string())
    }

    pub(crate) fn body(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { body, ..self }
    }

    /// Sent to another base URL than `https://wfm.example:8443`; what goes over the wire stays.
    pub(crate) fn to(self, base: &'static str) -> Self {
        Self { base, ..self }
    }

    pub(crate) fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub(crate) fn path(self, path: &str) -> Self {
        let path = path.to_owned();
        Self { path, ..self }
    }

    /// Replaces a header.
    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// Adds a line to a header.
    pub(crate) fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.headers.iter().filter(|(known, _)| *known == name);
        lines.next().map_or("", |(_, value)| value)
    }

    pub(crate) fn signed(self, device: &Device) -> Self {
        self.signed_at(device, Timestamp::now())
    }

    pub(crate) fn signed_at(self, device: &Device, created: Timestamp) -> Self {
        self.signed_by(&Signing::new(&device.key, created))
    }

    /// Signed in another way than ours.
    pub(crate) fn signed_as(self, device: &Device, profile: Profile) -> Self {
        self.signed_by(&Signing::new(&device.key, Timestamp::now()).profile(profile))
    }

    fn signed_by(self, signing: &Signing<'_>) -> Self {
        let target = format!("{}{}", self.base, self.path);
        let headers = {
            let lines = |name: &str| {
                let lines = self.headers.iter().filter(|(known, _)| *known == name);
                lines.map(|(_, value)| value.as_bytes()).collect()
            };
            let parts = RequestParts::new(self.method, &target, lines);
            signing.sign(&parts, &self.body).unwrap()
        };
        let mut sent = self;
        for (name, value) in headers.iter() {
            sent = sent.with(name, value);
        }
        sent
    }

    /// The bytes of the request.
    pub(crate) fn to_wire(&self) -> String {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        if !self.body.is_empty() {
            let length = self.body.len().to_string();
            text.extend(["content-length: ", &length, "\r\n"]);
        }
        text.push_str("\r\n");
        text.push_str(std::str::from_utf8(&self.body).unwrap());
        text
    }

    pub(crate) fn into_request(self) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Full::new(self.body)).unwrap()
    }
}

pub(crate) fn in_time(duration: SignedDuration) -> Timestamp {
    Timestamp::now() + duration
}

pub(crate) const HOUR: SignedDuration = SignedDuration::from_hours(1);
