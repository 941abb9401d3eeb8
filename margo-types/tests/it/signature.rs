//! Keys, signing and verifying of requests.

mod appendix;
mod keys;
mod profiles;
mod properties;
mod recorded;
mod refusals;

use jiff::{SignedDuration, Timestamp};
use margo_types::auth::RequestParts;
use margo_types::signature::{
    Policy, SignatureHeaders, Signer, Signing, SigningKey, VerifiedSignature, VerifyError,
    VerifyingKey, verify,
};

/// A request as it travels, to be tampered with.
#[derive(Clone)]
struct Request {
    method: String,
    target_uri: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    fn post() -> Self {
        Self {
            method: "POST".to_owned(),
            target_uri: "https://wfm.example.test/api/v1/clients/c-01/capabilities".to_owned(),
            headers: Vec::new(),
            body: BODY.to_vec(),
        }
    }

    fn get() -> Self {
        Self {
            method: "GET".to_owned(),
            target_uri: "https://wfm.example.test/api/v1/clients/c-01/deployments".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn signed(self, key: &dyn Signer) -> Self {
        self.signed_as(Signing::new(key, now()))
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better in the tests")]
    fn signed_as(self, signing: Signing<'_>) -> Self {
        let headers = self.headers_of(&signing);
        self.with_headers(&headers)
    }

    fn headers_of(&self, signing: &Signing<'_>) -> SignatureHeaders {
        let parts = RequestParts::new(&self.method, &self.target_uri, |name| self.lines(name));
        signing.sign(&parts, &self.body).unwrap()
    }

    fn with_headers(mut self, headers: &SignatureHeaders) -> Self {
        for (name, value) in headers.iter() {
            self = self.with(name, value);
        }
        self
    }

    /// Replaces a header.
    fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// Adds a line to a header.
    fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    fn header(&self, name: &str) -> String {
        String::from_utf8(self.lines(name).concat()).unwrap()
    }

    fn lines(&self, name: &str) -> Vec<&[u8]> {
        let lines = self.headers.iter().filter(|(known, _)| known == name);
        lines.map(|(_, value)| value.as_slice()).collect()
    }

    fn verify(&self, key: &VerifyingKey) -> Result<VerifiedSignature, VerifyError> {
        self.verify_with(key, &Policy::default(), now())
    }

    fn verify_with(
        &self,
        key: &VerifyingKey,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<VerifiedSignature, VerifyError> {
        let parts = RequestParts::new(&self.method, &self.target_uri, |name| self.lines(name));
        verify(&parts, &self.body, key, policy, now)
    }
}

const BODY: &[u8] = br#"{"hello": "margo"}"#;

fn now() -> Timestamp {
    Timestamp::from_second(1_735_689_600).unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn p256() -> SigningKey {
    SigningKey::from_pem(include_bytes!("signature/keys/p256.pem")).unwrap()
}

fn p384() -> SigningKey {
    SigningKey::from_pem(include_bytes!("signature/keys/p384.pem")).unwrap()
}

fn ed25519() -> SigningKey {
    SigningKey::from_pem(include_bytes!("signature/keys/ed25519.pem")).unwrap()
}

fn rsa() -> SigningKey {
    SigningKey::from_pem(include_bytes!("signature/keys/rsa.pem")).unwrap()
}
