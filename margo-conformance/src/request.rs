//! What a fake was asked.

use bytes::Bytes;
use http::{HeaderMap, Method};

/// A request as it came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// The path, as it was written.
    pub path: String,
    /// What is behind the question mark, as it was written.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The leaf that the client presented, in DER; only where mutual TLS is spoken.
    pub client_certificate: Option<Vec<u8>>,
}

impl RecordedRequest {
    /// `METHOD path?query`.
    pub fn line(&self) -> String {
        match &self.query {
            Some(query) => format!("{} {}?{query}", self.method, self.path),
            None => format!("{} {}", self.method, self.path),
        }
    }

    /// The whole as text: the request line, the headers with lower-case names in the order they came, an empty line, the
    /// body.
    pub fn to_text(&self) -> String {
        let mut text = format!("{} HTTP/1.1\n", self.line());
        for (name, value) in &self.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            text.extend([name.as_str(), ": ", &value, "\n"]);
        }
        text.push('\n');
        text + &String::from_utf8_lossy(&self.body)
    }

    /// The value of a header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
