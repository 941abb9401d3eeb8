//! Files behind plain URLs, outside of any registry and without credentials.

use std::io::SeekFrom;
use std::path::Path;

use margo_types::Digest;
use reqwest::{Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use url::Url;

use super::Client;
use super::body::Pieces;
use super::transport::{MAX_REDIRECTS, astray, location};
use crate::oci::error::{Misbehaviour, OciError, Place};
use crate::oci::transfer::{publish, temporary_beside, writer};

impl Client {
    /// Downloads what is at a URL, at most `limit` bytes, into a file that appears when it is complete. Says digest and size.
    pub(crate) async fn download(
        &self,
        url: Url,
        limit: u64,
        expected: Option<Digest>,
        path: &Path,
    ) -> Result<(Digest, u64), OciError> {
        let name = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let place = Place::new(name, "web server");
        self.may_visit(&url, "download", &place)?;
        let failed = |error| OciError::file(&place, path.display(), error);
        let temporary = temporary_beside(path).map_err(failed)?;
        let mut file = writer(&temporary).map_err(failed)?;

        let mut attempts = self.shared.retry.start();
        let (digest, size) = loop {
            let outcome = self.attempt(&url, limit, &mut file, &place).await;
            let asked = match &outcome {
                Err(error) if error.is_retryable() => error.retry_after(),
                _ => break outcome?,
            };
            if !attempts.again(asked).await {
                break outcome.map_err(|error| error.after(attempts.made()))?;
            }
            file.set_len(0).await.map_err(failed)?;
            file.seek(SeekFrom::Start(0)).await.map_err(failed)?;
        };
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            let fault = Misbehaviour::Digest {
                expected,
                found: digest,
            };
            return Err(OciError::misbehaved(&place, fault));
        }
        file.sync_all().await.map_err(failed)?;
        publish(temporary, path).map_err(failed)?;
        Ok((digest, size))
    }

    async fn attempt(
        &self,
        url: &Url,
        limit: u64,
        file: &mut File,
        place: &Place,
    ) -> Result<(Digest, u64), OciError> {
        let failed = |error| OciError::file(place, "the temporary file", error);
        let mut response = self.visit(url.clone(), place).await?;
        let too_large = || {
            let what = "file";
            OciError::misbehaved(place, Misbehaviour::TooLarge { what, limit })
        };
        if response
            .content_length()
            .is_some_and(|length| length > limit)
        {
            return Err(too_large());
        }
        let mut pieces = Pieces::new(self.shared.timeouts.idle);
        let (mut hasher, mut size) = (Sha256::new(), 0);
        while let Some(chunk) = pieces.next(&mut response, place).await? {
            size += chunk.len() as u64;
            if size > limit {
                return Err(too_large());
            }
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        Ok((Digest::from_bytes(hasher.finalize().into()), size))
    }

    /// Gets a URL and follows redirects to where we may go.
    async fn visit(&self, mut url: Url, place: &Place) -> Result<Response, OciError> {
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.shared.http.get(url.clone()).send();
            let response = self.patiently(answer, place).await?;
            let status = response.status();
            if status == StatusCode::OK {
                return Ok(response);
            }
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return Err(self.unexpected(response, place).await);
            }
            let mut next = location(&response, &url, "redirect", place)?;
            self.may_visit(&next, "redirect", place)?;
            // Credentials in an address would be sent.
            if next.set_username("").is_err() || next.set_password(None).is_err() {
                let why = "it has no host";
                return Err(astray("redirect", &next, why, place));
            }
            url = next;
        }
        let why = "the chain is too long; ask the server's operator";
        Err(astray("redirect", &url, why, place))
    }
}
