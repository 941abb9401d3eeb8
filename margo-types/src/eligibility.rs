//! Eligibility and capacity: may this application run on that device, and why not (rc3.md section 1.5,
//! W37 to W50 and D40; pages AD-H, AD-J and DS-J).
//!
//! [`Constraints`] are compiled once and answer for many devices. [`Constraints::matches`] says yes or no
//! without allocating; [`Constraints::explain`] gives the same answer with everything it rests on.
//! [`choose_profile`] and [`Constraints::choose`] pick what fits, or say that nothing is placeable and why.
//!
//! ```
//! use margo_types::application::{DeviceConstraints, EligibilityRule, MatchExpression, Operator, Selector};
//! use margo_types::capabilities::{DeviceCapabilities, DeviceProperties, Runtime};
//! use margo_types::eligibility::Constraints;
//!
//! let acme = MatchExpression::new("/vendor", Operator::In).with_values(["ACME"]);
//! let mut rule = EligibilityRule::default();
//! rule.property_selector = Some(Selector::new(vec![acme]));
//! let mut constraints = DeviceConstraints::default();
//! constraints.eligibility_rules = Some(vec![rule]);
//!
//! let mut properties = DeviceProperties::new("edge-7".parse()?, "Other", "E7", "0001");
//! properties.supported_runtimes = Some(vec![Runtime::Oci]);
//! let verdict = Constraints::compile(&constraints).explain(&DeviceCapabilities::new(properties));
//! assert_eq!(
//!     verdict.to_string(),
//!     r#"not placeable: no rule matches: rule 1: /vendor In ["ACME"] is false: the device says "Other""#,
//! );
//! # Ok::<(), margo_types::InvalidText>(())
//! ```
//!
//! # What fits
//!
//! A device fits when it hosts workloads at all; the deployment's target admits it; it supports the
//! deployment type; it offers every stated minimum (cores and architecture in *one* `cpus` entry, never
//! added up); and at least one rule matches. A rule matches when both its selectors do, a selector when all
//! its expressions are true. An expression that breaks a rule of its operator is never true: it excludes
//! devices rather than admitting one that the supplier did not mean.
//!
//! # Decisions
//!
//! Where the specification is silent or contradicts itself (numbers of rc3.md section 12):
//!
//! | no. | question | decision | reason |
//! |---|---|---|---|
//! | 5 | `riscv64`, `other` required, but never reported | compared like any name; a device that reports one fits | no rule forbids the comparison; strict validation reports both |
//! | 6 | deployment types nobody has heard of | equal names fit, and a device's unknown type counts as `custom` (W56) | a new technology must not need a new fleet manager |
//! | 9 | `ContainersAny` | read as `ContainsAny` | the tables misspell it |
//! | 13 | a blank in a reported quantity | capacities compare bytes | only one side has a pattern |
//! | 38 | a device reports only some properties of a host | it hosts, and lacks what it does not report | absence never satisfies a minimum |
//! | 42 | `Exists` on a list of objects | false, as is `DoesNotExist` | the rule on lists of objects is the special one, and is a MUST (W48) |
//! | 43 | `eligibilityRules: []`, a rule without selectors, empty `matchExpressions` | no rule at all; true; true, but an empty item selector is never true | an empty list states no condition; item selectors need at least one expression |
//! | 44 | an empty list | `cpus`, `peripherals` and `interfaces` are always lists of objects; any other empty list is one of scalars: `Exists` and `NotIn` are true | otherwise `Exists` would hold for the device *without* peripherals only |
//! | 45 | numbers and numeric texts | never equal; `Gt` and `Lt` take an operand written as text, but compare numbers only | operands need only be "parsable as number"; texts compare exactly |
//! | 45 | `Gt`, `Lt` on lists and quantities | false | undefined; capacities are what compares quantities |
//! | 45 | texts and `/memory`, `/storage` | compared as spelled, number and unit, but for the blank, and for fractions, which are read in a smaller unit: `59Gi` and `59 Gi` are equal, `1Gi` and `1024Mi` are not | texts compare exactly (W49), and the model does not keep the blank |
//! | 46 | several truth values as operands | never true | "exactly one boolean" |
//! | 47 | item selectors in item selectors | evaluated, to 8 levels | the schema permits it; the bound keeps hostile documents cheap |
//! | 48 | `ContainsAll` | *one* element meets all expressions | the text, against the name |
//! | 49 | values outside the enumerations (`nic`) | compared like any text | enumerations are open |
//! | 50 | `NotIn` on an absent key, also in item selectors | false | the key must be present |
//! | 51 | capacity before eligibility, or after | capacity first | only explanations could show it, and they have both |
//! | 52 | reporting "not placeable" | [`NotPlaceable`], an error of the fleet manager | the status model has no such state |
//! | – | a value that no operator admits (null, an object, a mixed list) | every operator false, also `Exists` and `DoesNotExist` | "anything else makes the expression false" |
//! | – | an empty `architectures` | no condition | as for no. 43 |

mod capacity;
mod expression;
mod lookup;
mod placement;
mod pointer;
mod verdict;

pub use placement::{NotPlaceable, choose_profile, fitting_profiles};
pub use verdict::{Outcome, Reason, Verdict};

use self::expression::{Expression, Keys};
use self::lookup::Subject;
use crate::application::{
    CapacityRequirements, DeploymentProfile, DeploymentType, DeviceConstraints, EligibilityRule,
    MatchExpression, Selector,
};
use crate::capabilities::{DeviceCapabilities, DeviceProperties};
use crate::deployment::{ApplicationDeployment, DeployedProfile};
use crate::id::DeviceTarget;
use crate::path::DocumentPath;

/// What a device must be and offer, compiled for matching.
#[derive(Clone, Debug)]
pub struct Constraints {
    target: Option<DeviceTarget>,
    deployment_type: Option<DeploymentType>,
    capacity: Option<CapacityRequirements>,
    rules: Vec<Rule>,
    /// How many expressions there are, if that is more than anybody needs: then no device fits.
    excess: Option<usize>,
    paths: Paths,
}

impl Constraints {
    /// The most match expressions, over all rules and item selectors, with which a device can fit. The
    /// specification sets no bound; without one, a hostile document could keep a device busy for long.
    pub const MAX_EXPRESSIONS: usize = 1000;

    /// Compiles constraints. The deployment type is not looked at; see [`of_profile`](Self::of_profile).
    ///
    /// Never fails: an expression that cannot be understood is never true, and its [`Reason`] says why.
    pub fn compile(constraints: &DeviceConstraints) -> Self {
        Self::new(
            Some(constraints),
            None,
            Paths::of_constraints(DocumentPath::root()),
        )
    }

    /// Compiles the constraints of a profile, and its type.
    pub fn of_profile(profile: &DeploymentProfile) -> Self {
        Self::new(
            profile.device_constraints.as_ref(),
            Some(&profile.deployment_type),
            Paths::of_profile(&DocumentPath::root()),
        )
    }

    /// Compiles the constraints of a deployment's profile, and its type: what a device checks before it
    /// deploys (D40).
    pub fn of_deployed_profile(profile: &DeployedProfile) -> Self {
        Self::new(
            profile.device_constraints.as_ref(),
            Some(&profile.deployment_type),
            Paths::of_profile(&DocumentPath::root()),
        )
    }

    /// Compiles the constraints, the type and the target of a deployment: with which a gateway chooses a
    /// device behind it for `gateway-01/*`.
    pub fn of_deployment(deployment: &ApplicationDeployment) -> Self {
        let profile = &deployment.spec.deployment_profile;
        let path = DocumentPath::root().key("spec").key("deploymentProfile");
        Self {
            target: deployment.metadata.device_id.clone(),
            ..Self::new(
                profile.device_constraints.as_ref(),
                Some(&profile.deployment_type),
                Paths::of_profile(&path),
            )
        }
    }

    /// Whether the device fits. Allocates nothing.
    pub fn matches(&self, device: &DeviceCapabilities) -> bool {
        let properties = &device.properties;
        self.excess.is_none()
            && properties.hosts_workloads()
            && self.target_admits(properties)
            && self.type_is_supported(properties)
            && self
                .capacity
                .as_ref()
                .is_none_or(|required| capacity::is_met(required, properties))
            && (self.rules.is_empty() || self.matching_rule(device).is_some())
    }

    /// Whether the device fits, and everything that this rests on.
    pub fn explain(&self, device: &DeviceCapabilities) -> Verdict {
        let mut reasons = Vec::new();
        self.explain_the_whole(&device.properties, &mut reasons);
        if let Some(required) = &self.capacity {
            let path = &self.paths.capacity;
            capacity::explain(required, &device.properties, path, &mut reasons);
        }
        if let Some(count) = self.excess {
            let most = Self::MAX_EXPRESSIONS;
            reasons.push(Reason {
                path: self.paths.rules.clone(),
                expression: format!("{count} match expressions"),
                found: format!("more than {most} are not evaluated; write fewer"),
                outcome: Outcome::Malformed,
            });
        }
        for (index, rule) in self.rules.iter().enumerate() {
            rule.explain(device, &self.paths.rules.index(index), &mut reasons);
        }
        Verdict {
            placeable: self.matches(device),
            reasons,
            rule: self.matching_rule(device),
        }
    }

    fn new(
        constraints: Option<&DeviceConstraints>,
        deployment_type: Option<&DeploymentType>,
        paths: Paths,
    ) -> Self {
        let rules = constraints.and_then(|constraints| constraints.eligibility_rules.as_deref());
        let rules = rules.unwrap_or_default();
        let count = rules.iter().map(count_expressions).sum();
        let excess = (count > Self::MAX_EXPRESSIONS).then_some(count);
        Self {
            target: None,
            deployment_type: deployment_type.cloned(),
            capacity: constraints.and_then(|constraints| constraints.capacity_requirements.clone()),
            rules: match excess {
                None => rules.iter().map(Rule::compile).collect(),
                Some(_) => Vec::new(),
            },
            excess,
            paths,
        }
    }

    fn target_admits(&self, device: &DeviceProperties) -> bool {
        self.target
            .as_ref()
            .is_none_or(|target| target.admits(&device.id))
    }

    /// A type that a device reports but nobody knows counts as `custom` too (W56).
    fn type_is_supported(&self, device: &DeviceProperties) -> bool {
        let Some(required) = &self.deployment_type else {
            return true;
        };
        device
            .supported_deployment_types
            .iter()
            .flatten()
            .any(|offered| {
                offered == required || (*required == DeploymentType::Custom && !offered.is_known())
            })
    }

    fn matching_rule(&self, device: &DeviceCapabilities) -> Option<usize> {
        self.rules.iter().position(|rule| rule.matches(device))
    }

    /// What concerns the device as a whole.
    fn explain_the_whole(&self, device: &DeviceProperties, reasons: &mut Vec<Reason>) {
        let hosts = device.hosts_workloads();
        let found = if hosts {
            "the device reports properties of a host"
        } else {
            "the device reports none of the properties of a host"
        };
        reasons.push(Reason {
            path: DocumentPath::root(),
            expression: "hosts workloads".to_owned(),
            found: found.to_owned(),
            outcome: Outcome::of(hosts),
        });
        if let Some(target) = &self.target {
            reasons.push(Reason {
                path: DocumentPath::root().key("metadata").key("deviceId"),
                expression: format!("is {target}"),
                found: format!("the device is {}", device.id),
                outcome: Outcome::of(self.target_admits(device)),
            });
        }
        if let Some(required) = &self.deployment_type {
            let offered = device.supported_deployment_types.iter().flatten();
            let offered: Vec<&str> = offered.map(DeploymentType::as_str).collect();
            reasons.push(Reason {
                path: self.paths.deployment_type.clone(),
                expression: format!("supports deployment type {required}"),
                found: match offered.as_slice() {
                    [] => "the device supports none".to_owned(),
                    offered => format!("the device supports {}", offered.join(", ")),
                },
                outcome: Outcome::of(self.type_is_supported(device)),
            });
        }
    }
}

fn count_expressions(rule: &EligibilityRule) -> usize {
    fn of(selector: &Selector) -> usize {
        let items =
            |expression: &MatchExpression| expression.item_selector.as_deref().map_or(0, of);
        selector
            .match_expressions
            .iter()
            .map(|expression| 1 + items(expression))
            .sum()
    }
    rule.property_selector
        .iter()
        .chain(&rule.label_selector)
        .map(of)
        .sum::<usize>()
        .max(1)
}

/// An eligibility rule; an omitted selector has no expressions and so is true.
#[derive(Clone, Debug)]
struct Rule {
    properties: Vec<Expression>,
    labels: Vec<Expression>,
}

impl Rule {
    fn compile(rule: &EligibilityRule) -> Self {
        let compile = |selector: Option<&Selector>, keys| {
            let expressions = selector.map(|selector| selector.match_expressions.iter());
            let expressions = expressions.into_iter().flatten();
            expressions
                .map(|expression| Expression::compile(expression, keys))
                .collect()
        };
        Self {
            properties: compile(rule.property_selector.as_ref(), Keys::Pointers),
            labels: compile(rule.label_selector.as_ref(), Keys::Labels),
        }
    }

    fn matches(&self, device: &DeviceCapabilities) -> bool {
        let properties = Subject::Properties(&device.properties);
        let labels = Subject::Labels(&device.labels);
        self.properties.iter().all(|it| it.holds(properties))
            && self.labels.iter().all(|it| it.holds(labels))
    }

    fn explain(&self, device: &DeviceCapabilities, path: &DocumentPath, reasons: &mut Vec<Reason>) {
        let selectors = [
            (
                "propertySelector",
                &self.properties,
                Subject::Properties(&device.properties),
            ),
            (
                "labelSelector",
                &self.labels,
                Subject::Labels(&device.labels),
            ),
        ];
        for (name, expressions, subject) in selectors {
            let path = path.key(name).key("matchExpressions");
            for (index, expression) in expressions.iter().enumerate() {
                let (outcome, found) = expression.explain(subject);
                reasons.push(Reason {
                    path: path.index(index),
                    expression: expression.text.clone(),
                    found,
                    outcome,
                });
            }
        }
    }
}

/// Where the requirements are in what was compiled.
#[derive(Clone, Debug)]
struct Paths {
    deployment_type: DocumentPath,
    capacity: DocumentPath,
    rules: DocumentPath,
}

impl Paths {
    fn of_constraints(constraints: DocumentPath) -> Self {
        Self {
            capacity: constraints.key("capacityRequirements"),
            rules: constraints.key("eligibilityRules"),
            deployment_type: constraints,
        }
    }

    fn of_profile(profile: &DocumentPath) -> Self {
        Self {
            deployment_type: profile.key("type"),
            ..Self::of_constraints(profile.key("deviceConstraints"))
        }
    }
}
