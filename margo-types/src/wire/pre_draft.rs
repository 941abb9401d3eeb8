//! Documents as the pre-draft of 2024 has them (rc1-and-pre-draft.md part III).

pub(super) mod capabilities;
mod gigabytes;
pub(super) mod status;
