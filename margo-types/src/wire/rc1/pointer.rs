//! Pointers of parameters into Compose components (rc1-and-pre-draft.md sections 10.1 and 18.1).
//!
//! The pre-draft writes `ENV.NAME`, the newest generation `NAME`; the texts in between have both. Both are
//! read as `NAME`. Anything else with a dot, such as the `PORTS.80` once met at a plugfest, is kept as it is,
//! for strict validation and providers to refuse with an explanation.

use crate::application::Target;
use crate::wire::convert::Place;
use crate::write::Unrepresentable;

/// Reads a target of Compose components.
pub(crate) fn read(target: &mut Target) {
    if let Some(name) = target.pointer.strip_prefix(PREFIX) {
        target.pointer = name.to_owned();
    }
}

/// Checks that a target of Compose components is read back as it is.
pub(crate) fn check(target: &Target, place: &Place) -> Result<(), Unrepresentable> {
    if target.pointer.starts_with(PREFIX) {
        return Err(place.key("pointer").refuse(
            "a reader would take ENV. for a prefix; write the variable's name without it",
        ));
    }
    Ok(())
}

/// Writes a target of Compose components with the prefix of the pre-draft.
pub(crate) fn add_prefix(target: &mut Target) {
    if !target.pointer.contains('.') {
        target.pointer.insert_str(0, PREFIX);
    }
}

const PREFIX: &str = "ENV.";
