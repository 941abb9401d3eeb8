//! Why a device fits, or does not.

use std::fmt;

use crate::path::{DocumentPath, Segment};

/// Whether a device fits, and everything that was looked at.
///
/// `Display` gives the answer in a sentence: `not placeable: no rule matches: rule 1: /vendor In ["ACME"] is
/// false: the device says "Other"`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct Verdict {
    /// Whether the device fits.
    pub placeable: bool,
    /// What was looked at, in the order of the constraints; met or not.
    pub reasons: Vec<Reason>,
    /// The first eligibility rule that matches, counted from 0; `None` when none does or there are none.
    pub rule: Option<usize>,
}

/// One requirement, and what the device says about it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reason {
    /// Where the requirement is in what was compiled, for example
    /// `deviceConstraints.eligibilityRules[0].propertySelector.matchExpressions[1]`; the root for a
    /// requirement that every document makes.
    pub path: DocumentPath,
    /// The requirement, such as `/vendor In ["ACME"]` or `memory >= 8Gi`.
    pub expression: String,
    /// What was found, such as `the device says "Other"`; values are shortened when long.
    pub found: String,
    /// Whether the requirement is met.
    pub outcome: Outcome,
}

/// How a requirement fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The device meets it.
    Met,
    /// The device does not meet it.
    Unmet,
    /// No device can meet it: the expression breaks a rule of the specification.
    Malformed,
}

impl Outcome {
    pub(super) fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::Unmet }
    }
}

impl Verdict {
    /// The requirements that are not met. Those of an eligibility rule count although another rule may match.
    pub fn unmet(&self) -> impl Iterator<Item = &Reason> {
        self.reasons
            .iter()
            .filter(|reason| reason.outcome != Outcome::Met)
    }
}

impl Reason {
    /// The eligibility rule that the requirement belongs to, counted from 0.
    pub fn rule(&self) -> Option<usize> {
        let mut segments = self.path.segments().iter();
        segments.find(|segment| **segment == Segment::Key("eligibilityRules".to_owned()))?;
        match segments.next() {
            Some(Segment::Index(rule)) => Some(*rule),
            _ => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        if self.placeable {
            formatter.write_str("placeable")?;
            return match self.rule {
                Some(rule) => write!(formatter, ": rule {} matches", rule + 1),
                None => Ok(()),
            };
        }
        formatter.write_str("not placeable: ")?;
        let mut separator = "";
        for reason in self.unmet().filter(|reason| reason.rule().is_none()) {
            write!(formatter, "{separator}{reason}")?;
            separator = "; ";
        }
        if self.rule.is_some() {
            return Ok(());
        }
        let mut current = None;
        for reason in self.unmet() {
            let Some(rule) = reason.rule() else { continue };
            if current.is_none() {
                write!(formatter, "{separator}no rule matches: ")?;
                separator = "";
            }
            formatter.write_str(separator)?;
            if current != Some(rule) {
                write!(formatter, "rule {}: ", rule + 1)?;
                current = Some(rule);
            }
            write!(formatter, "{reason}")?;
            separator = "; ";
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let answer = match self.outcome {
            Outcome::Met => "true",
            Outcome::Unmet | Outcome::Malformed => "false",
        };
        write!(formatter, "{} is {answer}: {}", self.expression, self.found)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.pad(match self {
            Self::Met => "met",
            Self::Unmet => "unmet",
            Self::Malformed => "malformed",
        })
    }
}
