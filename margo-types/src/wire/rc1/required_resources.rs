//! `requiredResources`, what a device must offer (rc1-and-pre-draft.md section 10.2), and the constraints
//! of the model that say the same.
//!
//! Capacity stays capacity. Each peripheral becomes one `ContainsAll` on `/peripherals` whose conditions all
//! hold for one element, each interface one on `/interfaces`; all of them are in the property selector of
//! the only eligibility rule, so all must hold. Constraints of exactly this form can be written back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::application::{
    Architecture, CapacityRequirements, CpuRequirement, DeviceConstraints, EligibilityRule,
    MatchExpression, Operator, Selector,
};
use crate::extra::Extra;
use crate::path::DocumentPath;
use crate::scalar::Quantity;
use crate::wire::convert::{Place, Rejected};
use crate::write::Unrepresentable;

/// What a device must offer.
#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct RequiredResources {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::older::RequiredCpu>")
    )]
    cpu: Option<CpuRequirement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = "^[0-9]+(Mi|Gi|Ki)$")))]
    memory: Option<Quantity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage: Option<Quantity>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    peripherals: Vec<Peripheral>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<Interface>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Peripheral {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manufacturer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Interface {
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    extra: Extra,
}

/// The constraints of a profile that has one of the two forms. Intermediate snapshots have the newer one
/// already; a profile with both could contradict itself.
pub(crate) fn constraints_of(
    required: Option<RequiredResources>,
    constraints: Option<DeviceConstraints>,
    profile: &DocumentPath,
) -> Result<Option<DeviceConstraints>, Rejected> {
    match (required, constraints) {
        (Some(_), Some(_)) => Err(Rejected {
            path: profile.key("requiredResources"),
            why: "the profile has deviceConstraints, too; keep one of the two".to_owned(),
        }),
        (required, constraints) => Ok(required.map(RequiredResources::into_model).or(constraints)),
    }
}

impl RequiredResources {
    fn into_model(self) -> DeviceConstraints {
        let mut capacity = CapacityRequirements {
            cpu: self.cpu,
            memory: self.memory,
            storage: self.storage,
            extra: Extra::default(),
        };
        let cpu = capacity.cpu.as_mut();
        for architecture in cpu
            .and_then(|cpu| cpu.architectures.as_mut())
            .into_iter()
            .flatten()
        {
            // rc1-and-pre-draft.md ambiguity 28: a second name of the same architecture.
            if architecture.as_str() == "x86_64" {
                *architecture = Architecture::Amd64;
            }
        }
        let peripherals = self.peripherals.into_iter().map(Peripheral::into_model);
        let interfaces = self.interfaces.into_iter().map(Interface::into_model);
        let expressions: Vec<_> = peripherals.chain(interfaces).collect();
        let rule = |expressions| EligibilityRule {
            property_selector: Some(Selector::new(expressions)),
            ..EligibilityRule::default()
        };
        DeviceConstraints {
            capacity_requirements: (capacity != CapacityRequirements::default())
                .then_some(capacity),
            eligibility_rules: (!expressions.is_empty()).then(|| vec![rule(expressions)]),
            extra: self.extra,
        }
    }

    /// The resources that say what the constraints at `place` say.
    pub(crate) fn from_model(
        constraints: &DeviceConstraints,
        place: &Place,
    ) -> Result<Self, Unrepresentable> {
        const TAKEN: &[&str] = &["cpu", "memory", "storage", "peripherals", "interfaces"];
        let mut required = Self {
            extra: place.pass_on(&constraints.extra, TAKEN)?,
            ..Self::default()
        };
        if let Some(capacity) = &constraints.capacity_requirements {
            required.require_capacity(capacity, &place.key("capacityRequirements"))?;
        }
        if let Some(rules) = &constraints.eligibility_rules {
            required.require_rules(rules, &place.key("eligibilityRules"))?;
        }
        Ok(required)
    }

    fn require_capacity(
        &mut self,
        capacity: &CapacityRequirements,
        place: &Place,
    ) -> Result<(), Unrepresentable> {
        if *capacity == CapacityRequirements::default() {
            return Err(place.refuse("it requires nothing; remove it"));
        }
        if let Some(key) = capacity.extra.0.keys().next() {
            return Err(place
                .key(key)
                .refuse("only cpu, memory and storage can be required; remove the member"));
        }
        self.cpu.clone_from(&capacity.cpu);
        self.memory.clone_from(&capacity.memory);
        self.storage.clone_from(&capacity.storage);
        Ok(())
    }

    fn require_rules(
        &mut self,
        rules: &[EligibilityRule],
        place: &Place,
    ) -> Result<(), Unrepresentable> {
        let [rule] = rules else {
            return Err(place.refuse("there are no alternatives; write exactly one rule or none"));
        };
        let place = place.index(0);
        if rule.label_selector.is_some() {
            return Err(place
                .key("labelSelector")
                .refuse("devices have no labels; select by properties"));
        }
        if let Some(key) = rule.extra.0.keys().next() {
            return Err(place.key(key).refuse(ONLY_THIS));
        }
        let place = place.key("propertySelector");
        let Some(selector) = &rule.property_selector else {
            return Err(place.refuse(ONLY_THIS));
        };
        let place = if let Some(key) = selector.extra.0.keys().next() {
            return Err(place.key(key).refuse(ONLY_THIS));
        } else {
            place.key("matchExpressions")
        };
        if selector.match_expressions.is_empty() {
            return Err(place.refuse(ONLY_THIS));
        }
        for (index, expression) in selector.match_expressions.iter().enumerate() {
            self.require_element(expression, &place.index(index))?;
        }
        Ok(())
    }

    fn require_element(
        &mut self,
        expression: &MatchExpression,
        place: &Place,
    ) -> Result<(), Unrepresentable> {
        if expression.operator != Operator::ContainsAll {
            return Err(place.key("operator").refuse(ONLY_THIS));
        }
        if expression.values.is_some() {
            return Err(place.key("values").refuse(ONLY_THIS));
        }
        match expression.key.as_str() {
            PERIPHERALS if self.interfaces.is_empty() => {
                let items = items(expression, &["/type", "/manufacturer", "/model"], place)?;
                let taken = &["type", "manufacturer", "model"];
                let extra = place.pass_on(&expression.extra, taken)?;
                let [Some(kind), manufacturer, model] = items else {
                    return Err(place.key("itemSelector").refuse(ONLY_THIS));
                };
                self.peripherals.push(Peripheral {
                    kind,
                    manufacturer,
                    model,
                    extra,
                });
            }
            INTERFACES => {
                let items = items(expression, &["/type"], place)?;
                let extra = place.pass_on(&expression.extra, &["type"])?;
                let [Some(kind)] = items else {
                    return Err(place.key("itemSelector").refuse(ONLY_THIS));
                };
                self.interfaces.push(Interface { kind, extra });
            }
            _ => return Err(place.key("key").refuse(ONLY_THIS)),
        }
        Ok(())
    }
}

impl Peripheral {
    fn into_model(self) -> MatchExpression {
        let optional = [("/manufacturer", self.manufacturer), ("/model", self.model)];
        let mut items = vec![is("/type", self.kind)];
        items.extend(
            optional
                .into_iter()
                .filter_map(|(key, value)| Some(is(key, value?))),
        );
        element_of(PERIPHERALS, items, self.extra)
    }
}

impl Interface {
    fn into_model(self) -> MatchExpression {
        element_of(INTERFACES, vec![is("/type", self.kind)], self.extra)
    }
}

/// Some element of the list meets all these conditions. Unknown members stay with it.
fn element_of(key: &str, items: Vec<MatchExpression>, extra: Extra) -> MatchExpression {
    let mut expression = MatchExpression::new(key, Operator::ContainsAll).with_items(items);
    expression.extra = extra;
    expression
}

fn is(key: &str, value: String) -> MatchExpression {
    MatchExpression::new(key, Operator::In).with_values([value])
}

/// The texts that an element must have under these keys, which come in this order.
fn items<const N: usize>(
    expression: &MatchExpression,
    keys: &[&str; N],
    place: &Place,
) -> Result<[Option<String>; N], Unrepresentable> {
    let place = place.key("itemSelector");
    let selector = expression
        .item_selector
        .as_deref()
        .filter(|selector| selector.extra.is_empty())
        .ok_or_else(|| place.refuse(ONLY_THIS))?;
    let place = place.key("matchExpressions");
    let mut found = [const { None }; N];
    let mut next = 0;
    for (index, item) in selector.match_expressions.iter().enumerate() {
        let position = keys
            .iter()
            .position(|key| *key == item.key)
            .filter(|position| *position >= next);
        let slot = position.and_then(|position| found.get_mut(position));
        match (slot, position, required_text(item)) {
            (Some(slot), Some(position), Some(text)) => {
                *slot = Some(text.to_owned());
                next = position + 1;
            }
            _ => return Err(place.index(index).refuse(ONLY_THIS)),
        }
    }
    Ok(found)
}

/// The one text that the condition requires.
fn required_text(item: &MatchExpression) -> Option<&str> {
    let is_plain =
        item.operator == Operator::In && item.item_selector.is_none() && item.extra.is_empty();
    match item.values.as_deref() {
        Some([Value::String(text)]) if is_plain => Some(text),
        _ => None,
    }
}

const PERIPHERALS: &str = "/peripherals";
const INTERFACES: &str = "/interfaces";
const ONLY_THIS: &str = "only peripherals (by /type, /manufacturer, /model) and then interfaces (by /type) can be \
    required, each as one ContainsAll with one text per In; rewrite or remove the rule";
