//! What a command came to.

use margo_package::oci::Reference;
use margo_package::publish::Pushed;
use margo_types::Digest;
use serde_json::{Value, json};

/// The result of a command that could do its work, also when what it looked at is not good.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// For people; ends in a line break unless it is empty.
    pub(crate) text: String,
    /// For programs: an object with `ok`.
    pub(crate) document: Value,
    /// The exit code.
    pub(crate) code: u8,
}

impl Outcome {
    /// Everything went well.
    pub(crate) fn good(text: impl Into<String>, document: Value) -> Self {
        Self::judged(true, text, document)
    }

    /// What was looked at is good or not; the document gets `ok`.
    pub(crate) fn judged(is_good: bool, text: impl Into<String>, mut document: Value) -> Self {
        if let Value::Object(members) = &mut document {
            members.insert("ok".to_owned(), is_good.into());
        }
        Self {
            text: text.into(),
            document,
            code: u8::from(!is_good),
        }
    }
}

/// An artefact that was written somewhere.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) reference: Reference,
    pub(crate) digest: Digest,
}

impl Part {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "reference": format!("oci://{}", self.reference),
            "digest": self.digest.to_string(),
        })
    }
}

impl From<Pushed> for Part {
    fn from(pushed: Pushed) -> Self {
        Self {
            reference: pushed.reference,
            digest: pushed.digest,
        }
    }
}
