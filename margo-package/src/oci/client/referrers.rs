//! Referrers: `GET /v2/<name>/referrers/<digest>`, or the list under a tag where a registry lacks that
//! (OCI distribution 1.1, "Unavailable Referrers API").

use std::collections::BTreeSet;

use margo_types::Digest;
use margo_types::oci::Descriptor;
use reqwest::StatusCode;

use super::tags::next_page;
use super::transport::Call;
use super::{Client, place_of};
use crate::oci::error::{Misbehaviour, OciError};
use crate::oci::index::{Entry, Index};
use crate::oci::manifest::{MAX_MANIFEST, Manifest, OCI_INDEX};
use crate::oci::reference::Reference;

impl Client {
    pub(super) async fn list_referrers(
        &self,
        reference: &Reference,
        subject: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, OciError> {
        let entries = match self.ask_referrers(reference, subject).await? {
            Some(entries) => entries,
            None => self.fallback_index(reference, subject).await?.manifests,
        };
        // A registry may or may not have filtered, so the filter is ours. Entries may also come twice.
        let mut seen = BTreeSet::new();
        let wanted = |entry: &Entry| {
            artifact_type.is_none_or(|wanted| entry.artifact_type.as_deref() == Some(wanted))
        };
        let entries = entries.iter().filter(|entry| wanted(entry));
        Ok(entries
            .filter_map(Entry::descriptor)
            .filter(|descriptor| seen.insert(descriptor.digest))
            .collect())
    }

    /// What the registry lists; `None` when it does not know how.
    async fn ask_referrers(
        &self,
        reference: &Reference,
        subject: Digest,
    ) -> Result<Option<Vec<Entry>>, OciError> {
        let place = place_of(reference);
        let list = self.url(reference, &format!("referrers/{subject}"))?;
        let mut url = list.clone();
        let mut entries = Vec::new();
        for _ in 0..MAX_PAGES {
            let response = self.send(&Call::get(url.clone(), reference)).await?;
            match response.status() {
                StatusCode::OK => {}
                status if is_unsupported(status) => return Ok(None),
                _ => return Err(self.unexpected(response, &place).await),
            }
            let next = next_page(response.headers(), &url, &list, &place)?;
            let body = self
                .document(response, "list of referrers", MAX_MANIFEST, &place)
                .await?;
            let index = Index::read(&body)
                .map_err(|why| OciError::malformed(&place, "list of referrers", why))?;
            entries.extend(index.manifests);
            if entries.len() > MAX_REFERRERS {
                break;
            }
            match next {
                Some(next) => url = next,
                None => return Ok(Some(entries)),
            }
        }
        let fault = Misbehaviour::TooMany {
            what: "referrers",
            limit: MAX_REFERRERS,
        };
        Err(OciError::misbehaved(&place, fault))
    }

    /// The list that clients keep themselves under the tag `sha256-<hex>`.
    async fn fallback_index(
        &self,
        reference: &Reference,
        subject: Digest,
    ) -> Result<Index, OciError> {
        let place = place_of(reference);
        let tagged = fallback_tag(reference, subject)?;
        match self.get_manifest_bytes(&tagged).await {
            Ok((bytes, _)) => Index::read(&bytes)
                .map_err(|why| OciError::malformed(&place, "list of referrers", why)),
            Err(error) if error.is_not_found() => Ok(Index::default()),
            Err(error) => Err(error),
        }
    }

    /// Adds a manifest to the list under the tag. Two clients that do so at once may lose one entry:
    /// the protocol has no way to prevent that.
    pub(super) async fn add_referrer(
        &self,
        reference: &Reference,
        subject: Digest,
        manifest: &Manifest,
    ) -> Result<(), OciError> {
        let mut index = self.fallback_index(reference, subject).await?;
        if index.has(manifest.digest()) {
            return Ok(());
        }
        let mut entry = Entry::of(manifest);
        entry
            .annotations
            .clone_from(&manifest.content().annotations);
        index.manifests.push(entry);

        let place = place_of(reference);
        let body = index
            .write()
            .map_err(|why| OciError::malformed(&place, "list of referrers", why))?;
        let tagged = fallback_tag(reference, subject)?;
        let tag = tagged.tag().unwrap_or_default();
        self.put_document(&tagged, tag, OCI_INDEX, body)
            .await
            .map(drop)
    }
}

fn fallback_tag(reference: &Reference, subject: Digest) -> Result<Reference, OciError> {
    let tag = format!("sha256-{}", subject.to_hex());
    reference
        .with_tag(&tag)
        .map_err(|error| OciError::misused(&place_of(reference), error.to_string(), "report this"))
}

/// 404 is what the specification says; older registries also answer otherwise to an unknown path.
fn is_unsupported(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 404 | 405 | 501)
}

const MAX_PAGES: usize = 100;
const MAX_REFERRERS: usize = 1000;
