//! The catalogue of rules, and that every rule is broken by some test.

use std::collections::{BTreeMap, BTreeSet};

use margo_types::{Rule, Severity, rules};

use super::case::Case;
use super::{
    across, application, capabilities, configuration, constraints, deployment, generations,
    manifest, oci, onboarding, parameters, problem, status, trust,
};

const CASES: &[&[Case]] = &[
    application::CASES,
    constraints::CASES,
    parameters::CASES,
    configuration::CASES,
    deployment::CASES,
    manifest::CASES,
    capabilities::CASES,
    status::CASES,
    problem::CASES,
    trust::DISCOVERY,
    trust::BUNDLE,
    oci::PACKAGE,
    oci::COMPOSE,
    oci::TAGS,
];

#[test]
fn every_rule_is_broken_by_a_case_and_every_case_breaks_a_rule() {
    let tables = CASES.iter().copied().flatten().map(|case| case.rule);
    let lists = [across::RULES, generations::RULES, onboarding::RULES];
    let tested: BTreeSet<_> = tables.chain(lists.into_iter().flatten().copied()).collect();
    let known: BTreeSet<_> = rules().map(|rule| rule.name).collect();
    assert_eq!(tested, known);
}

#[test]
fn names_are_unique_and_every_rule_says_what_it_demands_and_why() {
    let mut seen = BTreeMap::new();
    for rule in rules() {
        let Rule {
            name,
            source,
            demand,
            ..
        } = rule;
        assert_eq!(seen.insert(name, rule), None, "{name} is there twice");
        let (document, what) = name.split_once('.').unwrap();
        let is_word = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(
            document.chars().all(is_word) && what.chars().all(is_word),
            "{name}"
        );
        assert!(
            source.starts_with("rc3.md ") || source.starts_with("rc1-and-pre-draft.md "),
            "{name}"
        );
        assert!(!demand.is_empty() && !demand.ends_with('.'), "{name}");
        assert!(
            rule.severity == Severity::Error || !rule.in_schema,
            "{name}"
        );
    }
    assert!(seen.len() > 100);
}

/// Each numbered requirement of rc3.md 11 that one of our documents alone can show is named by a rule.
#[test]
fn every_requirement_that_a_document_can_show_has_a_rule() {
    const REQUIREMENTS: &str = "\
        D4 D14 D15 D17 D21 D22 D23 D24 D51 D52 D53 D54 D55 D56 D57 D58 D59 \
        W8 W9 W10 W11 W15 W16 W19 W20 W32 W33 W34 W47 W52 \
        P1 P4 P5 P7 P8 P9 P10 P11 P13 P14 P15 P16 P17 P18 P22 C18 C19 I4";
    let sources: Vec<_> = rules().map(|rule| rule.source).collect();
    for requirement in REQUIREMENTS.split_whitespace() {
        let names = |source: &&str| {
            source
                .split([' ', ',', ';'])
                .any(|word| word == requirement)
        };
        assert!(sources.iter().any(names), "{requirement}");
    }
}
