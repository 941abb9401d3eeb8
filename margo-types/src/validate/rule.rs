//! The rules of strict validation, as data.

use crate::finding::Severity;

/// A rule of the specification that a document can break.
///
/// The names are stable: programs may decide by them, and suites may list the ones they exempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Rule {
    /// A stable name, such as `application.target-component`.
    pub name: &'static str,
    /// Where the specification says so: a section, and the number in the list of requirements (`P5`).
    pub source: &'static str,
    /// How bad it is to break the rule. It is a warning where the specification recommends or is silent.
    pub severity: Severity,
    /// Whether the JSON Schema of the document, too, refuses every document that breaks the rule.
    pub in_schema: bool,
    /// What the rule demands, in one sentence.
    pub demand: &'static str,
}

impl Rule {
    /// A rule of one's own, for a [`Finding`](crate::Finding) that no JSON Schema knows.
    pub const fn new(
        name: &'static str,
        source: &'static str,
        severity: Severity,
        demand: &'static str,
    ) -> Self {
        Self {
            name,
            source,
            severity,
            in_schema: false,
            demand,
        }
    }
}

/// Every rule that strict validation knows, of all documents and generations.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    TABLES.iter().copied().flatten().copied()
}

const TABLES: &[&[&Rule]] = &[
    super::members::RULES,
    super::application::RULES,
    super::component::RULES,
    super::constraints::RULES,
    super::selectors::RULES,
    super::parameters::RULES,
    super::defaults::RULES,
    super::configuration::RULES,
    super::deployment::RULES,
    super::manifest::RULES,
    super::capabilities::RULES,
    super::status::RULES,
    super::problem::RULES,
    super::trust::RULES,
    super::oci::RULES,
    super::onboarding::RULES,
    super::across::RULES,
];

/// A table of rules, one per row: constant, severity (`in schema` if the JSON Schema has the rule too), name,
/// source and demand.
macro_rules! rule_table {
    ($(
        $rule:ident: $severity:ident $(in $schema:ident)?, $name:literal, $source:literal, $demand:literal;
    )*) => {
        $(
            pub(super) static $rule: $crate::validate::Rule = $crate::validate::Rule {
                name: $name,
                source: $source,
                severity: $crate::finding::Severity::$severity,
                in_schema: $crate::validate::rule::rule_table!(@in $($schema)?),
                demand: $demand,
            };
        )*

        /// All rules of this file.
        pub(super) const RULES: &[&$crate::validate::Rule] = &[$(&$rule),*];
    };
    (@in) => { false };
    (@in schema) => { true };
}
pub(super) use rule_table;
