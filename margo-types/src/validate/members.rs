//! Members that the specification does not define, and required texts (rc3.md section 9).

use super::place::Place;
use super::rule::rule_table;
use crate::extra::Extra;
use crate::text::shorten;

/// An object with an open schema and no place for extensions.
pub(super) fn open(at: &Place<'_>, extra: &Extra) {
    open_except(at, extra, &[]);
}

/// The same, where some members are tolerated though no text defines them.
pub(super) fn open_except(at: &Place<'_>, extra: &Extra, tolerated: &[&str]) {
    for (name, _) in extra.extensions() {
        at.key(&name.to_key()).report(
            &EXTENSION_PLACE,
            "an extension is not read here",
            "move it to the root of the description or capabilities, to the spec of the deployment, or to a profile or component",
        );
    }
    for (key, _) in extra.unknown() {
        if !tolerated.contains(&key) {
            unknown(at, key);
        }
    }
}

/// An object with an open schema that may carry extensions.
pub(super) fn extensible(at: &Place<'_>, extra: &Extra) {
    extension_values(at, extra);
    for (key, _) in extra.unknown() {
        if resembles_extension(key) {
            at.key(key).report(
                &EXTENSION_NAME,
                format!("{:?} is not the key of an extension", shorten(key)),
                EXTENSION_FIX,
            );
        } else {
            unknown(at, key);
        }
    }
}

/// An object that may carry extensions and has no other members than the specified ones.
pub(super) fn closed(at: &Place<'_>, extra: &Extra) {
    if !at.switches().closed_objects {
        return extensible(at, extra);
    }
    extension_values(at, extra);
    for (key, _) in extra.unknown() {
        let fix = if resembles_extension(key) {
            EXTENSION_FIX
        } else {
            "remove it, or move it into an extension such as x-acme-extensions"
        };
        at.key(key).report(
            &FORBIDDEN,
            format!(
                "{:?} is not allowed here: the object has only the specified members",
                shorten(key)
            ),
            fix,
        );
    }
}

/// A text that a person or program is to make something of.
pub(super) fn text(at: &Place<'_>, text: &str) {
    if text.trim().is_empty() {
        at.report(
            &EMPTY_TEXT,
            "the text is empty",
            "write what it is, or remove what it belongs to",
        );
    }
}

fn unknown(at: &Place<'_>, key: &str) {
    at.key(key).report(
        &UNKNOWN,
        format!(
            "{:?} is not a member that the specification defines",
            shorten(key)
        ),
        "check the spelling, or remove it",
    );
}

fn extension_values(at: &Place<'_>, extra: &Extra) {
    for (name, value) in extra.extensions() {
        if !value.is_object() {
            at.key(&name.to_key()).report(
                &EXTENSION_VALUE,
                "the value of the extension is not an object",
                "write an object, even for a single value",
            );
        }
    }
}

/// Whether a key was probably meant to be that of an extension, and is not.
fn resembles_extension(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let is_marked = key.starts_with("x-") || key.starts_with("x_");
    is_marked && key.contains("extension")
}

const EXTENSION_FIX: &str =
    "write x-<name>-extensions, the name of lower-case letters, digits and dashes";

rule_table! {
    UNKNOWN: Warning, "member.unknown", "rc3.md 1 to 5",
        "an object has no members but those the specification defines";
    FORBIDDEN: Error in schema, "member.forbidden", "rc3.md 2, 4",
        "a closed object has no members but those the specification defines and extensions";
    EXTENSION_NAME: Error, "extension.name", "rc3.md 9, P10",
        "the key of an extension matches ^x-[a-z][a-z0-9-]*-extensions$";
    EXTENSION_VALUE: Error in schema, "extension.value", "rc3.md 9, P10",
        "the value of an extension is an object";
    EXTENSION_PLACE: Error, "extension.place", "rc3.md 9, P9, W32, D24",
        "an extension stands only where the specification has a place for it";
    EMPTY_TEXT: Warning, "text.empty", "rc3.md 1.2, 1.3, 1.7, 4, 6",
        "a required text is not empty";
}
