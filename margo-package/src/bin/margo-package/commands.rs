//! The commands, one per file: `Arguments`, `EXAMPLES` for the help, and `run`.

pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod deploy;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod lint;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod sign;
pub(crate) mod validate;
pub(crate) mod verify;
pub(crate) mod versions;
