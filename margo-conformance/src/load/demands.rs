//! What a device demands of an answer.

use margo_types::deployment::ApplicationDeployment;
use margo_types::etag::EntityTag;
use margo_types::manifest::StateManifest;
use margo_types::{Digest, SpecVersion, media_type};

use super::connection::Answer;
use super::fault::{Fault, FaultKind};
use super::tally::Operation;

/// Checks that an answer is one that the device could have hoped for.
///
/// `held` is the entity tag that was sent along.
pub(super) fn check(
    operation: Operation,
    held: Option<&str>,
    generation: SpecVersion,
    answer: &Answer,
) -> Result<(), Fault> {
    match (operation, answer.status) {
        (Operation::Poll, 304) if held.is_none() => {
            let text = "there is nothing that could be unchanged: no entity tag was sent";
            return Err(Fault::new(FaultKind::Status(304), &text));
        }
        (Operation::Poll, 304) | (Operation::Capabilities | Operation::Status, 200 | 201) => {}
        (Operation::Poll, 200) => manifest(generation, answer)?,
        (Operation::Document, 200) => _ = read::<ApplicationDeployment>(&answer.body)?,
        (_, status) => {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(Fault::new(FaultKind::Status(status), &body));
        }
    }
    Ok(())
}

pub(super) fn read<T: margo_types::Document>(bytes: &[u8]) -> Result<T, Fault> {
    let document = margo_types::read::<T>(bytes).map(margo_types::Exact::into_value);
    document.map_err(|error| Fault::malformed(&error.to_string()))
}

/// W12 and W22 of rc3.md; rc1-and-pre-draft.md sections 6.4 and 7.3. In the signed generation the digest may be another's: fleet
/// managers in the field have that of the bundle.
fn manifest(generation: SpecVersion, answer: &Answer) -> Result<(), Fault> {
    let found = answer.media_type.as_deref().unwrap_or("none");
    let essence = found.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(media_type::MANIFEST) {
        let text = format!("{found} instead of {}", media_type::MANIFEST);
        return Err(Fault::new(FaultKind::ContentType, &text));
    }
    read::<StateManifest>(&answer.body)?;
    let found = answer.tag.as_deref().unwrap_or("none");
    let tag = EntityTag::parse(found).ok().and_then(|tag| tag.digest());
    let own = Digest::of(&answer.body);
    if tag.is_none_or(|tag| tag != own && generation == SpecVersion::Rc3) {
        let text = format!("{found} instead of {}", own.to_etag());
        return Err(Fault::new(FaultKind::EntityTag, &text));
    }
    Ok(())
}
