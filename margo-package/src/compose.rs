//! Compose archives: what the blob of a Compose component holds (rc3.md sections 8 and 11.3).
//!
//! An archive is a `tar.gz` with exactly one directory at its root, `compose.yaml` in it, and every file the compose file
//! needs beside it. [`pack`] builds one, [`ComposeArchive::open`] validates one and is the only way to unpack it: nothing
//! is written before everything is known to be right.
//!
//! | rule | checked |
//! |---|---|
//! | one top-level directory; `compose.yaml`, no other spelling | yes, and the spelling found is named |
//! | the compose file | well-formed YAML, a mapping with `services`; shapes of what refers to files |
//! | `env_file`, file `configs` (and `label_file`, `include`, `extends`) | relative, inside, packed |
//! | files of `secrets`, sources of bind mounts | not packed |
//! | links, absolute paths, `..`, permissions | by [`crate::archive`] |
//!
//! Files named by `include` and `extends` are checked like the compose file itself. A path with a variable is taken with
//! the variable's default; one without a default cannot be known, so it is refused where a file must be packed.
//!
//! Older generations load a bare compose file or an archive from a URL (rc1-and-pre-draft.md sections 10.1 and 18.2): both
//! are opened here, told apart by their content.

mod archive;
mod check;
mod error;
pub(crate) mod interpolate;
mod pack;
mod references;
mod source;
pub(crate) mod yaml;

pub use self::archive::ComposeArchive;
pub use self::error::{ComposeError, ComposeFault, Role};
pub use self::pack::{pack, validate};
pub use self::source::ComposeSource;
pub use self::yaml::YamlError;

/// The name of the compose file; others are not valid.
pub const COMPOSE_FILE: &str = "compose.yaml";

/// Whether this is the media type of a compose archive, in either root that the specification uses (rc3.md ambiguity 61).
///
/// Written is [`margo_types::media_type::COMPOSE_ARCHIVE`].
pub fn is_archive_media_type(media_type: &str) -> bool {
    matches!(
        media_type,
        margo_types::media_type::COMPOSE_ARCHIVE
            | "application/vnd.margo.component.compose.tar+gzip"
    )
}

/// Whether this is the artifact type of a Compose component, in either root that the specification uses
/// (rc3.md ambiguity 61).
///
/// Written is [`margo_types::media_type::COMPOSE_COMPONENT`].
pub fn is_component_artifact_type(artifact_type: &str) -> bool {
    matches!(
        artifact_type,
        margo_types::media_type::COMPOSE_COMPONENT | "application/vnd.margo.component.compose+json"
    )
}
