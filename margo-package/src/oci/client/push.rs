//! Uploads of blobs: `POST /v2/<name>/blobs/uploads/`, then one `PUT`, or several `PATCH` where a
//! registry or a proxy before it refuses so large a body.

mod upload;

use margo_types::oci::Descriptor;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Method, Response, StatusCode};
use url::Url;

use self::upload::Upload;
use super::transport::{Access, Call, location};
use super::{Client, place_of};
use crate::oci::blob::BlobSource;
use crate::oci::error::{OciError, Place, Refusal};
use crate::oci::reference::Reference;
use crate::oci::retry::{is_transient, retry_after};
use crate::oci::store::Pushed;

impl Client {
    pub(super) async fn put_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        source: &dyn BlobSource,
    ) -> Result<Pushed, OciError> {
        if self.has_blob(reference, blob).await? {
            return Ok(Pushed::Existed);
        }
        let place = place_of(reference);
        let mut attempts = self.shared.retry.start();
        let mut in_chunks = false;
        let mut logged_in_again = false;
        loop {
            let target = self.start_upload(reference).await?;
            let upload = Upload {
                client: self,
                reference,
                blob,
                source,
                place: &place,
            };
            let outcome = if in_chunks {
                upload.in_chunks(target).await
            } else {
                upload.in_one_go(target).await
            };
            match outcome {
                Ok(response) if response.status() == StatusCode::CREATED => {
                    return Ok(Pushed::Sent);
                }
                Ok(response) if is_transient(response.status()) => {
                    if !attempts.again(retry_after(response.headers())).await {
                        return Err(self.busy(response, attempts.made(), &place).await);
                    }
                }
                // The token ran out between the start of the upload and now.
                Ok(response)
                    if response.status() == StatusCode::UNAUTHORIZED && !logged_in_again =>
                {
                    logged_in_again = true;
                    self.forget_authorization(reference, Access::Push);
                }
                Ok(response) if !in_chunks && refuses_the_length(&response) => in_chunks = true,
                Ok(response) => return Err(self.unexpected(response, &place).await),
                Err(error) if error.is_retryable() => {
                    if !attempts.again(None).await {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn has_blob(&self, reference: &Reference, blob: &Descriptor) -> Result<bool, OciError> {
        let place = place_of(reference);
        let url = self.url(reference, &format!("blobs/{}", blob.digest))?;
        let call = Call::new(Method::HEAD, url, reference, Access::Push);
        let response = self.send(&call).await?;
        match response.status() {
            StatusCode::OK => {
                // Whoever has other bytes under this digest gets ours, and can then see the difference.
                let length = response
                    .headers()
                    .get(CONTENT_LENGTH)
                    .and_then(|v| v.to_str().ok());
                Ok(length.is_none_or(|text| text == blob.size.to_string()))
            }
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.unexpected(response, &place).await),
        }
    }

    /// Opens an upload and says where its bytes go.
    async fn start_upload(&self, reference: &Reference) -> Result<Url, OciError> {
        let place = place_of(reference);
        let url = self.url(reference, "blobs/uploads/")?;
        let call = Call::new(Method::POST, url.clone(), reference, Access::Push);
        let response = self.send(&call).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.unexpected(response, &place).await);
        }
        self.upload_location(&response, &url, &place)
    }

    fn upload_location(
        &self,
        response: &Response,
        base: &Url,
        place: &Place,
    ) -> Result<Url, OciError> {
        let target = location(response, base, "upload location", place)?;
        self.may_visit(&target, "upload location", place)?;
        Ok(target)
    }
}

/// Answers of registries, and of proxies before them, that do not take a blob in one request.
fn refuses_the_length(response: &Response) -> bool {
    matches!(response.status().as_u16(), 405 | 411 | 413 | 501)
}

fn rejected(place: &Place, detail: &str) -> OciError {
    OciError::refused(
        place,
        Refusal::Rejected {
            status: 413,
            detail: detail.to_owned(),
        },
    )
}
