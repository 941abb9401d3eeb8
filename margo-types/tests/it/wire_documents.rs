//! Descriptions and deployments in every generation.

mod golden;
mod refused;
mod rejected;

use margo_types::{Document, Reader, SpecVersion, WriteError, read, write};
use proptest::prelude::*;

use crate::strategies;

fn read_as<T: Document>(bytes: &[u8], generation: SpecVersion) -> T {
    let document = Reader::new().generation(generation).read(bytes);
    let document = document.unwrap_or_else(|error| {
        panic!("{error}\n{}", String::from_utf8_lossy(bytes));
    });
    document.into_value()
}

/// Writes, reads back with and without being told the generation, and compares.
fn round_trip<T: Document + PartialEq + std::fmt::Debug>(
    model: &T,
    generation: SpecVersion,
) -> Result<(), WriteError> {
    let bytes = write(model, generation)?;
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(*model, read_as::<T>(&bytes, generation), "{text}");
    let detected = read::<T>(&bytes).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(*model, *detected.value(), "{text}");
    assert_eq!(bytes, write(detected.value(), generation).unwrap());
    Ok(())
}

fn round_trip_or_refusal<T: Document + PartialEq + std::fmt::Debug>(model: &T) {
    for &generation in &SpecVersion::ALL {
        match round_trip(model, generation) {
            Ok(()) => {}
            Err(WriteError::Unrepresentable(refusal)) => {
                assert_eq!(refusal.generation, generation);
                assert!(!refusal.field.is_empty() && refusal.field != "document");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_pre_draft_keeps_descriptions(model in strategies::description_of(SpecVersion::PreDraft)) {
        round_trip(&model, SpecVersion::PreDraft).unwrap();
    }

    #[test]
    fn rc1_keeps_descriptions(model in strategies::description_of(SpecVersion::Rc1)) {
        round_trip(&model, SpecVersion::Rc1).unwrap();
    }

    #[test]
    fn rc3_keeps_descriptions(model in strategies::description_of(SpecVersion::Rc3)) {
        round_trip(&model, SpecVersion::Rc3).unwrap();
    }

    #[test]
    fn the_pre_draft_keeps_deployments(model in strategies::deployment_of(SpecVersion::PreDraft)) {
        round_trip(&model, SpecVersion::PreDraft).unwrap();
    }

    #[test]
    fn rc1_keeps_deployments(model in strategies::deployment_of(SpecVersion::Rc1)) {
        round_trip(&model, SpecVersion::Rc1).unwrap();
    }

    #[test]
    fn rc3_keeps_deployments(model in strategies::deployment_of(SpecVersion::Rc3)) {
        round_trip(&model, SpecVersion::Rc3).unwrap();
    }

    #[test]
    fn any_description_survives_or_is_refused(model in strategies::description()) {
        round_trip_or_refusal(&model);
    }

    #[test]
    fn any_deployment_survives_or_is_refused(model in strategies::deployment()) {
        round_trip_or_refusal(&model);
    }
}
