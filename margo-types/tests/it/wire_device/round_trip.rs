//! Whatever a generation can express comes back unchanged; what it cannot is refused by name.

use std::fmt::Debug;

use margo_types::{Document, Exact, Reader, SpecVersion, WriteError, read, write};
use proptest::prelude::*;

use crate::strategies_device as strategies;

const GENERATIONS: [SpecVersion; 3] = [SpecVersion::PreDraft, SpecVersion::Rc1, SpecVersion::Rc3];

/// The document comes back, both when the generation is told and when it is found out.
fn round_trip<T: Document + PartialEq + Debug>(
    model: &T,
    generation: SpecVersion,
) -> Result<(), WriteError> {
    told_round_trip(model, generation)?;
    let bytes = write(model, generation)?;
    let detected: Exact<T> = read(&bytes).unwrap_or_else(|error| panic!("{error}"));
    let found = detected.generation();
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(detected.value(), model, "detected {found}: {text}");
    Ok(())
}

fn told_round_trip<T: Document + PartialEq + Debug>(
    model: &T,
    generation: SpecVersion,
) -> Result<(), WriteError> {
    let bytes = write(model, generation)?;
    let text = String::from_utf8_lossy(&bytes);
    let told: Exact<T> = Reader::new()
        .generation(generation)
        .read(&bytes)
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(told.value(), model, "{text}");
    assert_eq!(write(told.value(), generation).unwrap(), bytes);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn capabilities_of_the_pre_draft(model in strategies::capabilities_of(SpecVersion::PreDraft)) {
        for generation in GENERATIONS {
            round_trip(&model, generation).unwrap();
        }
    }

    #[test]
    fn capabilities_of_rc1(model in strategies::capabilities_of(SpecVersion::Rc1)) {
        for generation in [SpecVersion::Rc1, SpecVersion::Rc3] {
            round_trip(&model, generation).unwrap();
        }
    }

    #[test]
    fn capabilities_come_back_or_are_refused(model in strategies::any_capabilities()) {
        // Among them are documents of the newest generation that look like older ones.
        told_round_trip(&model, SpecVersion::Rc3).unwrap();
        for generation in [SpecVersion::PreDraft, SpecVersion::Rc1] {
            match round_trip(&model, generation) {
                Ok(()) => {}
                Err(WriteError::Unrepresentable(refusal)) => {
                    prop_assert_eq!(refusal.generation, generation);
                    prop_assert!(!refusal.field.is_empty());
                    prop_assert!(!refusal.why.is_empty());
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn statuses_of_the_pre_draft(model in strategies::status_of(SpecVersion::PreDraft)) {
        for generation in GENERATIONS {
            round_trip(&model, generation).unwrap();
        }
    }

    #[test]
    fn statuses_of_rc1(model in strategies::status_of(SpecVersion::Rc1)) {
        for generation in [SpecVersion::Rc1, SpecVersion::Rc3] {
            round_trip(&model, generation).unwrap();
        }
    }

    #[test]
    fn manifests(
        rc1 in strategies::manifest_of(SpecVersion::Rc1),
        rc3 in strategies::manifest_of(SpecVersion::Rc3),
    ) {
        round_trip(&rc1, SpecVersion::Rc1).unwrap();
        round_trip(&rc3, SpecVersion::Rc3).unwrap();
    }

    #[test]
    fn enrolment((request, response) in strategies::onboarding()) {
        round_trip(&request, SpecVersion::Rc1).unwrap();
        round_trip(&response, SpecVersion::Rc1).unwrap();
    }

    #[test]
    fn problems(model in strategies::problem()) {
        for generation in GENERATIONS {
            round_trip(&model, generation).unwrap();
        }
    }
}
