//! What a store keeps.

use bytes::Bytes;
use jiff::Timestamp;
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::status::DeploymentState;
use margo_types::{Digest, SpecVersion};

/// An accepted client, or one that no longer is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientRecord {
    /// The client.
    pub id: ClientId,
    /// Whether it is served.
    pub accepted: bool,
    /// A note of the operator: where it is, or why it is refused.
    pub note: String,
    /// The generation it speaks, in which everything is published for it.
    pub generation: SpecVersion,
}

impl ClientRecord {
    /// A client of the newest generation that is served, or not, without a note.
    pub const fn new(id: ClientId, accepted: bool) -> Self {
        Self {
            id,
            accepted,
            note: String::new(),
            generation: SpecVersion::NEWEST,
        }
    }

    /// The same client, of this generation.
    #[must_use]
    pub fn speaking(self, generation: SpecVersion) -> Self {
        Self { generation, ..self }
    }

    /// What every poll asks for.
    pub const fn standing(&self) -> Standing {
        Standing {
            accepted: self.accepted,
            generation: self.generation,
        }
    }
}

/// How a client stands with the fleet manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Whether it is served.
    pub accepted: bool,
    /// The generation it speaks.
    pub generation: SpecVersion,
}

/// What a device said it is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeviceRecord {
    /// The client that reported it.
    pub client: ClientId,
    /// The device.
    pub device: DeviceId,
    /// The document as it was sent.
    pub capabilities: Bytes,
    /// What was found wrong with it, one line each.
    pub findings: Vec<String>,
    /// When it came.
    pub reported_at: Timestamp,
}

impl DeviceRecord {
    /// Capabilities without findings.
    pub const fn new(
        client: ClientId,
        device: DeviceId,
        capabilities: Bytes,
        reported_at: Timestamp,
    ) -> Self {
        Self {
            client,
            device,
            capabilities,
            findings: Vec::new(),
            reported_at,
        }
    }
}

/// What became of the capabilities of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DevicePut {
    /// They are those of a new device.
    Created,
    /// They replaced those that were known.
    Updated,
    /// They were not kept: the device is behind a gateway that the client has not reported.
    NoGateway,
    /// They were not kept: the client has as many devices as it may have.
    TooMany,
}

/// The newest publication of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// Its version.
    pub version: ManifestVersion,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The generation that it is written in.
    pub generation: SpecVersion,
}

impl Head {
    /// A version with the digest of its manifest, in this generation.
    pub const fn new(version: ManifestVersion, digest: Digest, generation: SpecVersion) -> Self {
        Self {
            version,
            digest,
            generation,
        }
    }
}

/// Everything that is published for a client at once.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Publication {
    /// Its version.
    pub version: ManifestVersion,
    /// The generation that it is written in.
    pub generation: SpecVersion,
    /// The manifest.
    pub manifest: Bytes,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The bundle and its digest; `None` without deployments.
    pub bundle: Option<(Digest, Bytes)>,
    /// The documents and their digests, by id; an id is there once.
    pub deployments: Vec<(DeploymentId, Digest, Bytes)>,
    /// When.
    pub published_at: Timestamp,
}

impl Publication {
    /// What [`Store::head`](super::Store::head) gives once this is published.
    pub const fn head(&self) -> Head {
        Head::new(self.version, self.digest, self.generation)
    }

    /// The keys and bytes of all contents.
    pub fn contents(&self) -> impl Iterator<Item = (ContentKey, &Bytes)> {
        let bundle = self.bundle.iter();
        let bundle = bundle.map(|(digest, bytes)| (ContentKey::Bundle(*digest), bytes));
        let documents = self.deployments.iter();
        let documents =
            documents.map(|(id, digest, bytes)| (ContentKey::Deployment(*id, *digest), bytes));
        bundle.chain(documents)
    }
}

/// The newest document of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishedDocument {
    /// The digest of the document.
    pub digest: Digest,
    /// The document.
    pub bytes: Bytes,
    /// Whether the newest publication has it; otherwise the deployment is to be removed, or has been.
    pub assigned: bool,
}

impl PublishedDocument {
    /// A document, and whether the newest publication has it.
    pub const fn new(digest: Digest, bytes: Bytes, assigned: bool) -> Self {
        Self {
            digest,
            bytes,
            assigned,
        }
    }
}

/// Names a content of a client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the specification has these two")]
pub enum ContentKey {
    /// A bundle.
    Bundle(Digest),
    /// The document of a deployment.
    Deployment(DeploymentId, Digest),
}

/// A report on a deployment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StatusRecord {
    /// The client that reported.
    pub client: ClientId,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The device behind the gateway, when the report names one.
    pub device: Option<DeviceId>,
    /// The state of the whole.
    pub state: DeploymentState,
    /// The document as it was sent.
    pub status: Bytes,
    /// What was found wrong with it, one line each.
    pub findings: Vec<String>,
    /// When it came.
    pub reported_at: Timestamp,
}

impl StatusRecord {
    /// A report without device and findings.
    pub const fn new(
        client: ClientId,
        deployment: DeploymentId,
        state: DeploymentState,
        status: Bytes,
        reported_at: Timestamp,
    ) -> Self {
        Self {
            client,
            deployment,
            device: None,
            state,
            status,
            findings: Vec::new(),
            reported_at,
        }
    }
}
