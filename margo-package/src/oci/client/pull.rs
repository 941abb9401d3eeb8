//! Blobs: `GET /v2/<name>/blobs/<digest>`, resumed where a connection broke.

use margo_types::oci::Descriptor;
use reqwest::header::{CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Response, StatusCode};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::body::Pieces;
use super::transport::Call;
use super::{Client, place_of};
use crate::oci::blob::Checked;
use crate::oci::error::{Failure, OciError, Place};
use crate::oci::reference::Reference;

impl Client {
    pub(super) async fn get_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<(), OciError> {
        let place = place_of(reference);
        let url = self.url(reference, &format!("blobs/{}", blob.digest))?;
        let mut checked = Checked::new(blob);
        let mut attempts = self.shared.retry.start();
        while checked.seen() < blob.size {
            let start = checked.seen();
            let mut call = Call::get(url.clone(), reference);
            if start > 0 {
                call = call.header(RANGE, range(start, blob.size, &place)?);
            }
            let response = self.send(&call).await?;
            let outcome = self.receive(response, &mut checked, sink, &place).await;
            match outcome {
                // Whoever ends the body early on purpose will not change its mind.
                Ok(()) => break,
                Err(error) if error.is_retryable() => {
                    // Whoever makes progress is not at the end of its attempts.
                    if checked.seen() >= start + WORTHWHILE {
                        attempts = self.shared.retry.start();
                    }
                    if !attempts.again(None).await {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        checked
            .finish()
            .map_err(|fault| OciError::misbehaved(&place, fault))?;
        sink.flush().await.map_err(|error| local(error, &place))
    }

    /// Takes the rest of the blob from one answer.
    async fn receive(
        &self,
        mut response: Response,
        checked: &mut Checked,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
        place: &Place,
    ) -> Result<(), OciError> {
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => range_start(&response).ok_or_else(|| {
                OciError::malformed(place, "answer", "there is no usable Content-Range")
            })?,
            _ => return Err(self.unexpected(response, place).await),
        };
        // A registry may ignore the range and start again; it may not leave something out.
        let Some(mut known) = checked.seen().checked_sub(start) else {
            let why = format!(
                "it starts at {start} where {} was asked for",
                checked.seen()
            );
            return Err(OciError::malformed(place, "answer", why));
        };
        if let Some(length) = response.content_length() {
            checked
                .announced(start + length)
                .map_err(|fault| OciError::misbehaved(place, fault))?;
        }
        let mut pieces = Pieces::new(self.shared.timeouts.idle);
        while let Some(mut chunk) = pieces.next(&mut response, place).await? {
            let skipped = usize::try_from(known)
                .unwrap_or(usize::MAX)
                .min(chunk.len());
            known -= skipped as u64;
            let new = chunk.split_off(skipped);
            checked
                .take(&new)
                .map_err(|fault| OciError::misbehaved(place, fault))?;
            sink.write_all(&new)
                .await
                .map_err(|error| local(error, place))?;
        }
        Ok(())
    }
}

fn range(start: u64, size: u64, place: &Place) -> Result<HeaderValue, OciError> {
    let text = format!("bytes={start}-{}", size.saturating_sub(1));
    HeaderValue::from_str(&text)
        .map_err(|error| OciError::misused(place, error.to_string(), "report this"))
}

/// The first position of `Content-Range: bytes 10-19/20`.
fn range_start(response: &Response) -> Option<u64> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn local(error: std::io::Error, place: &Place) -> OciError {
    OciError::environment(place, Failure::LocalEnd, error)
}

/// Bytes in one attempt that count as progress; so the attempts end with the blob at the latest.
const WORTHWHILE: u64 = 64 << 10;
