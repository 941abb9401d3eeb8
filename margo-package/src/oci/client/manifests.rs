//! Manifests: `GET`, `HEAD` and `PUT /v2/<name>/manifests/<reference>`.

use bytes::Bytes;
use margo_types::Digest;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};

use super::transport::{Access, Call};
use super::{Client, place_of};
use crate::oci::error::{Misbehaviour, OciError, Place};
use crate::oci::manifest::{ACCEPTED, MAX_MANIFEST, Manifest, ManifestError};
use crate::oci::reference::Reference;

impl Client {
    pub(super) async fn get_manifest(&self, reference: &Reference) -> Result<Manifest, OciError> {
        let place = place_of(reference);
        let (bytes, headers) = self.get_manifest_bytes(reference).await?;
        let media_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        Manifest::read(&bytes, media_type).map_err(|error| error.at(&place))
    }

    /// The bytes under a tag or digest, with the digest that was asked for or announced.
    pub(super) async fn get_manifest_bytes(
        &self,
        reference: &Reference,
    ) -> Result<(Vec<u8>, HeaderMap), OciError> {
        let place = place_of(reference);
        let version = version(reference, &place)?;
        let url = self.url(reference, &format!("manifests/{version}"))?;
        let call = Call::get(url, reference).header(ACCEPT, HeaderValue::from_static(ACCEPTED));
        let response = self.send(&call).await?;
        if response.status() != StatusCode::OK {
            return Err(self.unexpected(response, &place).await);
        }
        let headers = response.headers().clone();
        let bytes = self
            .document(response, "manifest", MAX_MANIFEST, &place)
            .await?;
        let found = Digest::of(&bytes);
        let expected = reference.digest().or_else(|| announced_digest(&headers));
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(OciError::misbehaved(
                &place,
                Misbehaviour::Digest { expected, found },
            ));
        }
        Ok((bytes, headers))
    }

    pub(super) async fn put_manifest(
        &self,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<(), OciError> {
        let place = place_of(reference);
        if reference
            .digest()
            .is_some_and(|digest| digest != manifest.digest())
        {
            let problem = format!("the manifest has the digest {}", manifest.digest());
            return Err(OciError::misused(
                &place,
                problem,
                "push it under a tag or its own digest",
            ));
        }
        // A tag is what others look for, so it goes first when both are there.
        let version = reference
            .tag()
            .map_or_else(|| version(reference, &place), |tag| Ok(tag.to_owned()))?;
        let body = manifest.bytes().to_vec();
        let headers = self
            .put_document(reference, &version, manifest.media_type(), body)
            .await?;
        match manifest.subject() {
            // A registry that knows referrers says so; for others we keep the list (OCI
            // distribution 1.1, "Pushing Manifests with Subject").
            Some(subject) if !headers.contains_key("oci-subject") => {
                self.add_referrer(reference, subject, manifest).await
            }
            _ => Ok(()),
        }
    }

    /// Puts any manifest or index under a tag or digest.
    pub(super) async fn put_document(
        &self,
        reference: &Reference,
        version: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<HeaderMap, OciError> {
        let place = place_of(reference);
        let content_type = HeaderValue::from_str(media_type).map_err(|_| {
            let problem = format!("{media_type:?} is no media type");
            OciError::misused(&place, problem, "correct the manifest")
        })?;
        let expected = Digest::of(&body);
        let url = self.url(reference, &format!("manifests/{version}"))?;
        let call = Call::new(Method::PUT, url, reference, Access::Push)
            .header(CONTENT_TYPE, content_type)
            .body(Bytes::from(body));
        let response = self.send(&call).await?;
        if !matches!(response.status(), StatusCode::CREATED | StatusCode::OK) {
            return Err(self.unexpected(response, &place).await);
        }
        match announced_digest(response.headers()) {
            Some(found) if found != expected => Err(OciError::misbehaved(
                &place,
                Misbehaviour::Digest { expected, found },
            )),
            _ => Ok(response.headers().clone()),
        }
    }
}

impl ManifestError {
    pub(crate) fn at(self, place: &Place) -> OciError {
        match self {
            Self::TooLarge => {
                let fault = Misbehaviour::TooLarge {
                    what: "manifest",
                    limit: MAX_MANIFEST,
                };
                OciError::misbehaved(place, fault)
            }
            Self::Index { media_type } => {
                OciError::misbehaved(place, Misbehaviour::Index { media_type })
            }
            Self::Malformed(why) => OciError::malformed(place, "manifest", why),
        }
    }
}

fn version(reference: &Reference, place: &Place) -> Result<String, OciError> {
    reference.version().ok_or_else(|| {
        OciError::misused(
            place,
            "there is neither a tag nor a digest",
            "add one, such as :1.0.0",
        )
    })
}

/// A digest of an algorithm that we do not know cannot be checked and says nothing.
fn announced_digest(headers: &HeaderMap) -> Option<Digest> {
    Digest::parse(headers.get("docker-content-digest")?.to_str().ok()?).ok()
}
