//! Documents as rc.1 has them: the generation with signed requests (rc1-and-pre-draft.md part I).

pub(super) mod capabilities;
pub(super) mod manifest;
pub(super) mod onboarding;
pub(super) mod problem;
pub(super) mod status;
