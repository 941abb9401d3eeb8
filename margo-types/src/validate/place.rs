//! Where validation is in a document, and what it has found there.

use std::cell::{Cell, RefCell};

use super::rule::Rule;
use super::switches::Switches;
use crate::finding::{Finding, Report};
use crate::path::Trail;
use crate::version::SpecVersion;

/// A place in the document that is being checked.
///
/// Going on to a member or an element costs nothing; only a finding allocates.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    trail: Trail<'p>,
    check: &'p Check,
}

impl Place<'_> {
    /// The member `key` of what is here.
    pub(super) fn key<'c>(&'c self, key: &'c str) -> Place<'c> {
        Place {
            trail: Trail::Key(&self.trail, key),
            check: self.check,
        }
    }

    /// The element at `index` of what is here.
    pub(super) fn index(&self, index: usize) -> Place<'_> {
        Place {
            trail: Trail::Index(&self.trail, index),
            check: self.check,
        }
    }

    /// Checks every element of the list that is here.
    pub(super) fn each<T>(
        &self,
        elements: impl IntoIterator<Item = T>,
        mut check: impl FnMut(&Place<'_>, T),
    ) {
        for (index, element) in elements.into_iter().enumerate() {
            check(&self.index(index), element);
        }
    }

    /// Notes that what is here breaks a rule: what is wrong, and what to write instead.
    pub(super) fn report(
        &self,
        rule: &'static Rule,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let path = self.trail.to_path().into();
        self.check.note(Finding::new(rule, path, message, fix));
    }

    /// What the generation of the document demands.
    pub(super) fn switches(&self) -> &'static Switches {
        self.check.switches
    }
}

/// One pass over a document.
pub(crate) struct Check {
    switches: &'static Switches,
    findings: RefCell<Vec<Finding>>,
    omitted: Cell<usize>,
}

impl Check {
    /// Checks a document by the rules of a generation, starting at its root.
    pub(super) fn run(generation: SpecVersion, check: impl FnOnce(&Place<'_>)) -> Report {
        let this = Self {
            switches: Switches::of(generation),
            findings: RefCell::default(),
            omitted: Cell::new(0),
        };
        check(&Place {
            trail: Trail::Root,
            check: &this,
        });
        Report::new(this.findings.into_inner()).omitting(this.omitted.get())
    }

    /// Errors and warnings are counted apart, so that many warnings cannot hide an error.
    fn note(&self, finding: Finding) {
        let mut findings = self.findings.borrow_mut();
        let is_like = |other: &&Finding| other.severity == finding.severity;
        if findings.len() < MAX_FINDINGS || findings.iter().filter(is_like).count() < MAX_FINDINGS {
            findings.push(finding);
        } else {
            self.omitted.set(self.omitted.get() + 1);
        }
    }
}

/// The most errors and the most warnings in one report: a hostile document must not become a huge report.
const MAX_FINDINGS: usize = 100;

/// The positions of the elements that repeat an earlier one.
pub(super) fn repeated<T: Ord>(elements: impl IntoIterator<Item = T>) -> Vec<(usize, T)> {
    let mut seen = std::collections::BTreeSet::new();
    let mut repeated = Vec::new();
    for (position, element) in elements.into_iter().enumerate() {
        if seen.contains(&element) {
            repeated.push((position, element));
        } else {
            seen.insert(element);
        }
    }
    repeated
}
