//! How fleet managers of the signed generation differ, as data (rc1-and-pre-draft.md sections 0.1, 5, 8 and 9; part II,
//! contradictions 17, 20 to 23 and 25).

use margo_types::signature::Profile;

/// How a fleet manager of the signed generation wants to be spoken to. What it answers is read in every known form.
///
/// Change a copy of [`COMMON`](Self::COMMON) to speak in another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each switch is independent of the others"
)]
pub struct Dialect {
    /// What signatures cover and say; its name is that of the dialect.
    pub signature: Profile,
    /// The form of what is sent.
    pub documents: Documents,
    /// Whether reports of a status go to `…/deployment/…/status`, singular (contradiction 21).
    pub singular_status: bool,
    /// Whether the device id is in the path of capabilities, as in late copies: without it there are no devices behind a
    /// gateway, and a device cannot be taken back.
    pub device_in_path: bool,
    /// Whether capabilities are sent by `POST` instead of `PUT` (contradiction 23).
    pub capabilities_by_post: bool,
    /// Whether the client id takes the place of the device's own id.
    pub client_is_device: bool,
    /// Whether a 400 may mean that the signature or the client is not accepted, so that no report is given up for it.
    pub vague_refusals: bool,
}

/// The form of documents, by the published copy it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Documents {
    /// The first OpenAPI: `public_certificate`, kinds without `Manifest`, states such as `Installed`.
    First,
    /// The aligned copies, most likely rc.1: roles and `resources`, lower-case states.
    Aligned,
    /// The late copies: the device's properties as in the generation after it.
    Late,
}

impl Dialect {
    /// What the aligned copies say, and our own fleet manager.
    pub const COMMON: Self = Self {
        signature: Profile::COMMON,
        documents: Documents::Aligned,
        singular_status: false,
        device_in_path: false,
        capabilities_by_post: false,
        client_is_device: false,
        vague_refusals: false,
    };

    /// The fleet manager on Symphony, as of December 2025.
    pub const SYMPHONY_2025_12: Self = Self {
        signature: Profile::SYMPHONY_2025_12,
        documents: Documents::First,
        singular_status: true,
        device_in_path: false,
        capabilities_by_post: true,
        client_is_device: true,
        vague_refusals: true,
    };

    /// The sandbox of 2026, before it moved to mutual TLS.
    pub const SANDBOX_9421_2026: Self = Self {
        signature: Profile::SANDBOX_9421_2026,
        documents: Documents::Late,
        singular_status: false,
        device_in_path: false,
        capabilities_by_post: true,
        client_is_device: false,
        vague_refusals: false,
    };

    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::COMMON,
        Self::SYMPHONY_2025_12,
        Self::SANDBOX_9421_2026,
    ];

    /// Its name in settings: `common`, `symphony-2025-12` or `sandbox-9421-2026`.
    pub const fn name(&self) -> &'static str {
        self.signature.name
    }

    /// The dialect of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::COMMON
    }
}
