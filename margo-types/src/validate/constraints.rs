//! Rules of capacity requirements and eligibility rules (rc3.md section 1.5).

use super::place::Place;
use super::rule::rule_table;
use super::{members, selectors};
use crate::application::{
    Architecture, CapacityRequirements, CpuRequirement, DeviceConstraints, EligibilityRule,
};
use crate::scalar::Quantity;
use crate::text::shorten;

/// What a device must offer.
pub(super) fn check(at: &Place<'_>, constraints: &DeviceConstraints) {
    if let Some(capacity) = &constraints.capacity_requirements {
        capacity_requirements(&at.key("capacityRequirements"), capacity);
    }
    if let Some(rules) = &constraints.eligibility_rules {
        let at = at.key("eligibilityRules");
        if rules.is_empty() {
            at.report(
                &NO_RULES,
                "the list of rules is empty: it may be read as \"no device\" or as \"any device\"",
                "write a rule, or remove the list to accept any device",
            );
        }
        at.each(rules, eligibility_rule);
        if let Some(capacity) = &constraints.capacity_requirements {
            at.each(rules, |at, rule| doubled_capacity(at, rule, capacity));
        }
    }
    members::open(at, &constraints.extra);
}

fn capacity_requirements(at: &Place<'_>, capacity: &CapacityRequirements) {
    if let Some(requirement) = &capacity.cpu {
        cpu(&at.key("cpu"), requirement);
    }
    if let Some(memory) = &capacity.memory
        && !(memory.is_conformant() && is_memory_unit(memory))
    {
        at.key("memory").report(
            &MEMORY,
            format!("{memory} is written with a blank or a fraction, or not in Ki, Mi or Gi"),
            "write a whole number and Ki, Mi or Gi without a blank, such as 1024Mi",
        );
    }
    if let Some(storage) = &capacity.storage
        && !storage.is_conformant()
    {
        at.key("storage").report(
            &STORAGE,
            format!("{storage} is written with a blank or a fraction"),
            "write a whole number and Ki to Ei without a blank, such as 10Gi",
        );
    }
    members::open(at, &capacity.extra);
}

/// Whether memory may be given in the unit of this quantity.
pub(super) fn is_memory_unit(quantity: &Quantity) -> bool {
    matches!(quantity.unit(), "Ki" | "Mi" | "Gi")
}

fn cpu(at: &Place<'_>, cpu: &CpuRequirement) {
    if !(cpu.cores.is_finite() && cpu.cores >= 0.0) {
        at.key("cores").report(
            &CORES,
            format!("a device cannot have {} cores", cpu.cores),
            "write 0 or a positive number, such as 0.5",
        );
    }
    let architectures = cpu.architectures.iter().flatten();
    at.key("architectures")
        .each(architectures, |at, architecture| match architecture {
            Architecture::Riscv64 | Architecture::Other => at.report(
                &UNREPORTED_ARCHITECTURE,
                format!("no device can report {architecture}, so it never matches"),
                "write amd64, arm64 or arm, or select by a label",
            ),
            Architecture::_Unknown(unknown) => at.report(
                &ARCHITECTURE,
                format!("{:?} is no architecture", shorten(unknown.as_str())),
                "write amd64, arm64 or arm",
            ),
            _ => {}
        });
    members::open(at, &cpu.extra);
}

fn eligibility_rule(at: &Place<'_>, rule: &EligibilityRule) {
    if rule.property_selector.is_none() && rule.label_selector.is_none() {
        at.report(
            &NO_SELECTOR,
            "the rule has no selector, so it holds for every device",
            "write a propertySelector or a labelSelector",
        );
    }
    if let Some(selector) = &rule.property_selector {
        selectors::by_property(&at.key("propertySelector"), selector);
    }
    if let Some(selector) = &rule.label_selector {
        selectors::by_label(&at.key("labelSelector"), selector);
    }
    members::open(at, &rule.extra);
}

fn doubled_capacity(at: &Place<'_>, rule: &EligibilityRule, capacity: &CapacityRequirements) {
    let required = [
        ("/cpus", capacity.cpu.is_some()),
        ("/memory", capacity.memory.is_some()),
        ("/storage", capacity.storage.is_some()),
    ];
    let is_required = |key: &str| {
        required.iter().any(|(pointer, is_required)| {
            let rest = key.strip_prefix(pointer);
            *is_required && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let Some(selector) = &rule.property_selector else {
        return;
    };
    at.key("propertySelector").key("matchExpressions").each(
        &selector.match_expressions,
        |at, expression| {
            if is_required(&expression.key) {
                at.key("key").report(
                    &DOUBLED_CAPACITY,
                    format!(
                        "capacityRequirements, too, say something about {}",
                        shorten(&expression.key)
                    ),
                    "say it in one of the two places: capacityRequirements",
                );
            }
        },
    );
}

rule_table! {
    CORES: Error in schema, "capacity.cores", "rc3.md 1.5",
        "the required cores are 0 or a positive number";
    ARCHITECTURE: Error in schema, "capacity.architecture", "rc3.md 1.5",
        "a required architecture is one the specification knows";
    UNREPORTED_ARCHITECTURE: Warning, "capacity.architecture-unreported", "rc3.md 1.5, ambiguity 5",
        "a required architecture is one that a device can report";
    MEMORY: Error in schema, "capacity.memory", "rc3.md 1.5",
        "the required memory is a whole number and Ki, Mi or Gi, without a blank";
    STORAGE: Error in schema, "capacity.storage", "rc3.md 1.5",
        "the required storage is a whole number and Ki to Ei, without a blank";
    DOUBLED_CAPACITY: Warning, "capacity.doubled", "rc3.md 1.5, P7",
        "capacity is required in capacityRequirements or by a property selector, not both";
    NO_RULES: Warning, "eligibility.no-rules", "rc3.md 1.5, ambiguity 43",
        "a list of eligibility rules is not empty";
    NO_SELECTOR: Warning, "eligibility.no-selector", "rc3.md 1.5, ambiguity 43",
        "an eligibility rule has a selector";
}
