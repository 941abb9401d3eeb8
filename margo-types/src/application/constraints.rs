//! What a device must offer to host a deployment (rc3.md section 1.5).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::extra::Extra;
use crate::open_enum::open_enum;
use crate::scalar::Quantity;

/// Capacity and eligibility requirements of a profile; copied unchanged into every deployment of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct DeviceConstraints {
    /// Minimum capacity; all of it must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_requirements: Option<CapacityRequirements>,
    /// Rules of which at least one must hold; absent means no rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility_rules: Option<Vec<EligibilityRule>>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

/// Minimum capacity of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct CapacityRequirements {
    /// Processor cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuRequirement>,
    /// Memory, in `Ki`, `Mi` or `Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = "^[0-9]+(Mi|Gi|Ki)$")))]
    pub memory: Option<Quantity>,
    /// Storage, in `Ki` to `Ei`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Quantity>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

/// Processor cores that one entry of a device's `cpus` must offer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct CpuRequirement {
    /// Cores; fractions are allowed.
    #[cfg_attr(feature = "schema", schemars(range(min = 0.0)))]
    pub cores: f64,
    /// Acceptable architectures; absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architectures: Option<Vec<Architecture>>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl CpuRequirement {
    /// So many cores of any architecture.
    pub fn new(cores: f64) -> Self {
        Self {
            cores,
            ..Self::default()
        }
    }
}

open_enum! {
    /// A processor architecture.
    ///
    /// `riscv64` and `other` may be required but never reported, so such a requirement never matches
    /// (rc3.md ambiguity 5); strict validation says so.
    pub enum Architecture {
        /// x86 with 64 bits.
        Amd64 = "amd64",
        /// Arm with 64 bits.
        Arm64 = "arm64",
        /// Arm with 32 bits.
        Arm = "arm",
        /// RISC-V with 64 bits; in requirements only.
        Riscv64 = "riscv64",
        /// Any other; in requirements only.
        Other = "other",
    }
}

/// A rule that holds when both its selectors hold; an omitted selector holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct EligibilityRule {
    /// Selects by the device's `properties`; keys are JSON Pointers (RFC 6901).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property_selector: Option<Selector>,
    /// Selects by the device's `labels`; keys are label keys, compared exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<Selector>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

/// Expressions that must all hold; inside an item selector of `ContainsAny`, at least one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct Selector {
    /// The expressions.
    pub match_expressions: Vec<MatchExpression>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl Selector {
    /// A selector of these expressions.
    pub fn new(match_expressions: Vec<MatchExpression>) -> Self {
        Self {
            match_expressions,
            extra: Extra::default(),
        }
    }
}

/// One condition on one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[non_exhaustive]
pub struct MatchExpression {
    /// A JSON Pointer in property and item selectors, a label key in label selectors.
    pub key: String,
    /// The condition.
    pub operator: Operator,
    /// The operands of `In`, `NotIn`, `Gt` and `Lt`; absent for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Operands>"))]
    pub values: Option<Vec<Value>>,
    /// The conditions on one element, for `ContainsAll` and `ContainsAny`; absent for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_selector: Option<Box<Selector>>,
    /// Unknown members; the schema is open.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub extra: Extra,
}

impl MatchExpression {
    /// A condition without operands.
    pub fn new(key: impl Into<String>, operator: Operator) -> Self {
        Self {
            key: key.into(),
            operator,
            values: None,
            item_selector: None,
            extra: Extra::default(),
        }
    }

    /// The same condition with these operands.
    #[must_use]
    pub fn with_values(mut self, values: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.values = Some(values.into_iter().map(Into::into).collect());
        self
    }

    /// The same condition with these conditions on an element.
    #[must_use]
    pub fn with_items(mut self, expressions: Vec<MatchExpression>) -> Self {
        self.item_selector = Some(Box::new(Selector::new(expressions)));
        self
    }
}

open_enum! {
    /// The condition of a match expression.
    pub enum Operator {
        /// The value, or an element of the array, is one of the operands.
        In = "In",
        /// The key is present and neither the value nor an element is one of the operands.
        NotIn = "NotIn",
        /// The key is present.
        Exists = "Exists",
        /// The key is absent.
        DoesNotExist = "DoesNotExist",
        /// The number is greater than the one operand.
        Gt = "Gt",
        /// The number is less than the one operand.
        Lt = "Lt",
        /// Some element of an array of objects meets all conditions of the item selector.
        ContainsAll = "ContainsAll",
        /// Some element of an array of objects meets any condition of the item selector. Also read as
        /// `ContainersAny`, the misspelling in the specification's tables (rc3.md ambiguity 9).
        ContainsAny = "ContainsAny" or "ContainersAny",
    }
}
