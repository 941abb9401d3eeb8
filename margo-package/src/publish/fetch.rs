//! Compose components behind URLs, as rc.1 has them (rc1-and-pre-draft.md sections 10.1 and 18.2).

use std::io::Read;
use std::path::Path;

use margo_types::Digest;

use super::{PublishError, blocking};
use crate::compose::ComposeSource;
use crate::oci::Client;

/// What may be fetched from a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchOptions {
    /// The most bytes: 256 MiB.
    pub max_bytes: u64,
    /// The digest that the bytes must have, where it is known.
    pub digest: Option<Digest>,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            digest: None,
        }
    }
}

/// What was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// What the bytes are.
    pub source: ComposeSource,
    /// Their digest.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}

/// Fetches the archive or bare compose file at an `http` or `https` URL, the `packageLocation` of rc.1, into the file `to`.
///
/// The client gives the certificates, the proxy, the patience and the hosts that plain HTTP is allowed to; no credentials are
/// ever sent, also not to where redirects lead. The file appears when it is complete; an existing one is replaced.
/// [`ComposeArchive::open`](crate::compose::ComposeArchive::open) reads either form.
///
/// # Errors
/// [`PublishError::Reference`] when this is no such URL, and [`PublishError::Transfer`].
pub async fn fetch_archive(
    client: &Client,
    url: &str,
    options: &FetchOptions,
    to: &Path,
) -> Result<Fetched, PublishError> {
    let unusable = |why: String| PublishError::Reference {
        artefact: without_secrets(url),
        why,
    };
    let parsed =
        url::Url::parse(url).map_err(|error| unusable(format!("it is no URL ({error})")))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(unusable("its scheme is neither http nor https".to_owned()));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(unusable(
            "it holds credentials, which everybody can read there; remove them".to_owned(),
        ));
    }
    let downloaded = client
        .download(parsed, options.max_bytes, options.digest, to)
        .await;
    let (digest, size) = downloaded.map_err(|source| PublishError::Transfer {
        artefact: without_secrets(url),
        source,
    })?;
    let path = to.to_owned();
    let source = blocking(move || {
        let failed = |source| PublishError::file(&path, source);
        let mut head = Vec::new();
        let file = std::fs::File::open(&path).map_err(failed)?;
        file.take(HEAD).read_to_end(&mut head).map_err(failed)?;
        Ok(ComposeSource::detect(&head))
    });
    Ok(Fetched {
        source: source.await?,
        digest,
        size,
    })
}

/// A URL for messages: without the query, which may hold a signature, and without credentials.
fn without_secrets(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            let secrets = host.rfind('@').map_or(0, |position| position + 1);
            format!("{scheme}://{}", rest.get(secrets..).unwrap_or_default())
        }
        None => plain.to_owned(),
    }
}

/// What tells an archive.
const HEAD: u64 = 512;
