//! Tags: `GET /v2/<name>/tags/list`, page by page.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;
use url::Url;

use super::transport::{Call, astray};
use super::{Client, place_of};
use crate::oci::error::{Misbehaviour, OciError, Place};
use crate::oci::reference::{Reference, is_tag};

impl Client {
    /// All tags, sorted. Registries differ: some ignore `n` and `last`, sort not at all or send a page again.
    pub(super) async fn list_tags(&self, reference: &Reference) -> Result<Vec<String>, OciError> {
        let place = place_of(reference);
        let base = self.url(reference, "tags/list")?;
        let mut url = with_query(&base, None);
        let mut tags = BTreeSet::new();
        for _ in 0..MAX_PAGES {
            let response = self.send(&Call::get(url.clone(), reference)).await?;
            if response.status() != StatusCode::OK {
                return Err(self.unexpected(response, &place).await);
            }
            let next = next_page(response.headers(), &url, &base, &place)?;
            let body = self
                .document(response, "list of tags", MAX_PAGE, &place)
                .await?;
            let page: Page = serde_json::from_slice(&body).map_err(|error| {
                OciError::malformed(
                    &place,
                    "list of tags",
                    format!("it is not a list ({error})"),
                )
            })?;

            let page = page.tags.unwrap_or_default();
            let (known, length, last) = (tags.len(), page.len(), page.last().cloned());
            // What is no tag cannot be asked for, so it does not help anybody.
            tags.extend(page.into_iter().filter(|tag| is_tag(tag)));
            if tags.len() > MAX_TAGS {
                let fault = Misbehaviour::TooMany {
                    what: "tags",
                    limit: MAX_TAGS,
                };
                return Err(OciError::misbehaved(&place, fault));
            }
            let is_new = tags.len() > known;
            url = match (next, last) {
                (Some(next), _) if is_new => next,
                // A full page without a link: the registry may want to be asked for the rest.
                (None, Some(last)) if is_new && length >= PAGE_LENGTH => {
                    with_query(&base, Some(&last))
                }
                _ => return Ok(tags.into_iter().collect()),
            };
        }
        let fault = Misbehaviour::TooMany {
            what: "pages of tags",
            limit: MAX_PAGES,
        };
        Err(OciError::misbehaved(&place, fault))
    }
}

#[derive(Deserialize)]
struct Page {
    /// `null` for a repository without tags, in some registries.
    tags: Option<Vec<String>>,
}

/// The next page of a list (RFC 8288), which must be a page of the same list.
pub(super) fn next_page(
    headers: &HeaderMap,
    page: &Url,
    list: &Url,
    place: &Place,
) -> Result<Option<Url>, OciError> {
    let mut targets = headers
        .get_all(LINK)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let Some(target) = targets.find_map(next_target) else {
        return Ok(None);
    };
    let next = page
        .join(target)
        .map_err(|_| OciError::malformed(place, "Link header", "its target is no address"))?;
    if next.origin() != list.origin() || next.path() != list.path() {
        let why = "it leads away from this list; ask the registry's operator";
        return Err(astray("link", &next, why, place));
    }
    Ok(Some(next))
}

/// The target of `<target>; rel="next"`.
fn next_target(header: &str) -> Option<&str> {
    let (target, parameters) = header.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').any(|parameter| {
        let parameter = parameter.split(',').next().unwrap_or_default();
        let value = parameter.trim().strip_prefix("rel=").unwrap_or_default();
        value.trim_matches('"').eq_ignore_ascii_case("next")
    });
    is_next.then_some(target)
}

fn with_query(list: &Url, after: Option<&str>) -> Url {
    let mut url = list.clone();
    url.query_pairs_mut()
        .append_pair("n", &PAGE_LENGTH.to_string());
    if let Some(tag) = after {
        url.query_pairs_mut().append_pair("last", tag);
    }
    url
}

const PAGE_LENGTH: usize = 1000;
const MAX_PAGE: u64 = 4 << 20;
const MAX_PAGES: usize = 1000;
const MAX_TAGS: usize = 100_000;
