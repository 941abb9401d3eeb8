//! The signed generation, 1.0.0-rc.1 and its late snapshots (rc1-and-pre-draft.md part I).
//!
//! Types are shared with the pre-draft where that differs in spelling only.

pub(super) mod capabilities;
pub(crate) mod component;
pub(crate) mod deployment;
pub(crate) mod description;
pub(super) mod manifest;
pub(super) mod onboarding;
pub(crate) mod pointer;
pub(super) mod problem;
pub(crate) mod required_resources;
pub(super) mod status;

pub(crate) use deployment::Deployment;
pub(crate) use description::Description;
