//! Registries and layouts: honest ones, broken ones and hostile ones.

mod auth;
mod credentials;
pub(crate) mod fake;
mod fetch;
mod layouts;
pub(crate) mod memory;
mod proxy_and_redirects;
mod pull;
mod push;
mod reference;
mod registries;
mod retries;
mod signatures;
mod tags;

use std::time::Duration;

use margo_package::oci::{Client, ClientBuilder, Manifest, Reference, RetryPolicy, Timeouts};
use margo_types::Digest;
use margo_types::media_type::{OCI_EMPTY, OCI_MANIFEST};
use margo_types::oci::Descriptor;
use serde_json::json;

/// A client for fakes on loopback: plain HTTP to each, few and quick attempts, nothing from the environment.
fn client_for<const N: usize>(fakes: [&fake::Fake; N]) -> ClientBuilder {
    let patience = Duration::from_secs(20);
    waiting(fakes, patience, patience)
}

/// A client that does not wait long for its peers.
fn impatient_client_for<const N: usize>(fakes: [&fake::Fake; N]) -> ClientBuilder {
    waiting(
        fakes,
        Duration::from_millis(400),
        Duration::from_millis(1200),
    )
}

fn waiting<const N: usize>(
    fakes: [&fake::Fake; N],
    idle: Duration,
    document: Duration,
) -> ClientBuilder {
    let mut retry = RetryPolicy::default();
    retry.attempts = 3;
    retry.first_wait = Duration::from_millis(5);
    retry.longest_wait = Duration::from_secs(2);
    let mut timeouts = Timeouts::default();
    timeouts.connect = idle;
    timeouts.idle = idle;
    timeouts.document = document;
    let builder = Client::builder()
        .no_proxy()
        .only_these_certificates()
        .retry(retry)
        .timeouts(timeouts);
    fakes
        .iter()
        .fold(builder, |builder, fake| builder.plain_http(&fake.host()))
}

fn reference(fake: &fake::Fake, rest: &str) -> Reference {
    format!("{}/{rest}", fake.host())
        .parse()
        .expect("a reference")
}

/// A manifest with one layer of these bytes.
fn manifest_of(layer: &[u8]) -> Manifest {
    let document = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.margo.app.v1+json",
        "config": Descriptor::empty(),
        "layers": [Descriptor::of("application/octet-stream", layer)],
    });
    Manifest::read(document.to_string().as_bytes(), None).expect("a manifest")
}

fn empty_config() -> Descriptor {
    Descriptor::of(OCI_EMPTY, b"{}")
}

fn blob_of(bytes: &[u8]) -> Descriptor {
    Descriptor::of("application/octet-stream", bytes)
}

fn some_bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|position| u8::try_from(position * 31 % 251).expect("below 251"))
        .collect()
}

fn other_digest() -> Digest {
    Digest::of(b"other bytes")
}
