//! Uploads that are not complete.

use std::collections::BTreeMap;

use bytes::Bytes;
use margo_types::Digest;

use super::answer::Refusal;

/// The open uploads of all repositories.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    /// By id: repository and what has come.
    open: BTreeMap<String, (String, Vec<u8>)>,
    begun: u64,
}

impl Uploads {
    /// Begins one and gives its id.
    pub(super) fn begin(&mut self, name: &str) -> String {
        self.begun += 1;
        let id = self.begun.to_string();
        self.open.insert(id.clone(), (name.to_owned(), Vec::new()));
        id
    }

    /// How many bytes have come.
    pub(super) fn length(&mut self, name: &str, id: &str) -> Result<usize, Refusal> {
        Ok(self.find(name, id)?.len())
    }

    /// Adds a chunk and gives the number of bytes so far. `range` is its `Content-Range`, `first-last`.
    pub(super) fn append(
        &mut self,
        name: &str,
        id: &str,
        range: Option<&str>,
        chunk: &[u8],
    ) -> Result<usize, Refusal> {
        let bytes = self.find(name, id)?;
        if let Some(range) = range {
            let expected = format!(
                "{}-{}",
                bytes.len(),
                (bytes.len() + chunk.len()).saturating_sub(1)
            );
            if range != expected {
                let why = format!("the range of this chunk is {expected}");
                return Err(Refusal::new(416, "BLOB_UPLOAD_INVALID", why));
            }
        }
        bytes.extend_from_slice(chunk);
        Ok(bytes.len())
    }

    /// Ends one, whose content must have this digest.
    pub(super) fn complete(
        &mut self,
        name: &str,
        id: &str,
        digest: Digest,
    ) -> Result<Bytes, Refusal> {
        check(digest, self.find(name, id)?)?;
        let (_, bytes) = self.open.remove(id).unwrap_or_default();
        Ok(bytes.into())
    }

    /// Forgets one.
    pub(super) fn cancel(&mut self, name: &str, id: &str) -> Result<(), Refusal> {
        self.find(name, id)?;
        self.open.remove(id);
        Ok(())
    }

    fn find(&mut self, name: &str, id: &str) -> Result<&mut Vec<u8>, Refusal> {
        match self.open.get_mut(id) {
            Some((own, bytes)) if own == name => Ok(bytes),
            _ => Err(Refusal::new(
                404,
                "BLOB_UPLOAD_UNKNOWN",
                "there is no such upload; begin another",
            )),
        }
    }
}

/// Content must have the digest it is pushed under.
pub(super) fn check(digest: Digest, bytes: &[u8]) -> Result<(), Refusal> {
    let found = Digest::of(bytes);
    if found == digest {
        return Ok(());
    }
    let why = format!("the content has the digest {found}");
    Err(Refusal::new(400, "DIGEST_INVALID", why))
}
