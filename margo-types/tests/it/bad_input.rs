//! What peers get wrong, and what they might try: every fault has a path and, where known, a line and a column.

mod identity;
mod limits;
mod numbers;
mod text;
mod yaml_features;

use std::fmt::Debug;

use margo_types::application::ApplicationDescription;
use margo_types::{Document, Limits, ReadError, Reader};

/// A description that is fine but for what `version` says.
fn description(version: &str) -> String {
    format!(
        "apiVersion: v1\nid: com-example-pump\nmetadata:\n  name: Pump\n  version: {version}\n  \
         catalog:\n    organization: [{{name: Example}}]\ndeploymentProfiles: []\n"
    )
}

/// The version that a reader finds in such a description.
fn version_of(version: &str) -> Result<String, String> {
    read::<ApplicationDescription>(&description(version))
        .map(|description| description.metadata.version)
        .map_err(|error| error.to_string())
}

fn read<T: Document>(text: &str) -> Result<T, ReadError> {
    Ok(margo_types::read::<T>(text.as_bytes())?.into_value())
}

/// Asserts that the text is refused, where, and that the message contains this.
#[track_caller]
fn refused<T: Document + Debug>(
    text: &str,
    path: &str,
    place: Option<(usize, usize)>,
    message: &str,
) {
    refused_within::<T>(Limits::default(), text.as_bytes(), path, place, message);
}

#[track_caller]
fn refused_within<T: Document + Debug>(
    limits: Limits,
    bytes: &[u8],
    path: &str,
    place: Option<(usize, usize)>,
    message: &str,
) {
    let error = match Reader::new().limits(limits).read::<T>(bytes) {
        Ok(document) => panic!("was read: {document:?}"),
        Err(error) => error,
    };
    let (found_path, found_place, found_message) = match &error {
        ReadError::Malformed {
            path,
            location,
            message,
            ..
        } => (path.to_string(), *location, message.clone()),
        ReadError::Unfit { faults, .. } => {
            let fault = &faults[0];
            (
                fault.path.to_string(),
                fault.location,
                fault.message.clone(),
            )
        }
        other => (String::new(), None, other.to_string()),
    };
    let found_place = found_place.map(|location| (location.line, location.column));
    assert_eq!((found_path.as_str(), found_place), (path, place), "{error}");
    assert!(
        found_message.contains(message),
        "{found_message:?} does not say {message:?}"
    );
}
