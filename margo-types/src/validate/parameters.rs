//! Rules of parameters and their targets, in descriptions and deployments (rc3.md section 1.6, P5).

use std::collections::{BTreeMap, BTreeSet};

use super::members;
use super::place::Place;
use super::rule::{Rule, rule_table};
use crate::application::{ApplicationDescription, Component, DeploymentType, Target};
use crate::deployment::DeploymentSpec;
use crate::id::ComponentName;
use crate::text::shorten;

/// The parameters of a description, which is at this place.
pub(super) fn of_description(at: &Place<'_>, description: &ApplicationDescription) {
    let mut components = Components::default();
    for profile in &description.deployment_profiles {
        components.add(&profile.deployment_type, &profile.components);
    }
    let sections = description.configuration.iter().flat_map(|it| &it.sections);
    let settings = sections.flat_map(|section| &section.settings);
    let set: BTreeSet<_> = settings.map(|setting| &setting.parameter).collect();
    let parameters = at.key("parameters");
    for (name, parameter) in &description.parameters {
        let at = parameters.key(name);
        if parameter.value.is_none() && !set.contains(name) {
            at.report(
                &NO_VALUE,
                "the parameter has neither a value nor a setting, so it never gets a value",
                "write a value, or a setting in the configuration",
            );
        }
        names_and_targets(
            &at,
            name,
            &parameter.targets,
            &components,
            &TARGET_COMPONENT,
        );
        members::open(&at, &parameter.extra);
    }
}

/// The parameters of the specification of a deployment, which is at this place.
pub(super) fn of_deployment(at: &Place<'_>, spec: &DeploymentSpec) {
    let mut components = Components::default();
    let profile = &spec.deployment_profile;
    components.add(&profile.deployment_type, &profile.components);
    let parameters = at.key("parameters");
    for (name, parameter) in &spec.parameters {
        let at = parameters.key(name);
        let unknown = &DEPLOYMENT_TARGET_COMPONENT;
        names_and_targets(&at, name, &parameter.targets, &components, unknown);
        members::open(&at, &parameter.extra);
    }
}

fn names_and_targets(
    at: &Place<'_>,
    name: &str,
    targets: &[Target],
    components: &Components<'_>,
    unknown: &'static Rule,
) {
    if name.trim() != name || name.is_empty() {
        at.report(
            &NAME,
            format!("{:?} is hardly the name of a parameter", shorten(name)),
            "write a name without blanks around it",
        );
    }
    if targets.is_empty() {
        at.key("targets").report(
            &NO_TARGETS,
            "the value of the parameter goes nowhere",
            "write at least one target, or remove the parameter",
        );
    }
    at.key("targets").each(targets, |at, target| {
        self::target(at, target, components, unknown);
    });
}

fn target(at: &Place<'_>, target: &Target, components: &Components<'_>, unknown: &'static Rule) {
    if target.pointer.is_empty() {
        at.key("pointer").report(
            &POINTER,
            "the pointer is empty",
            "write a path into the values of the chart, or the name of an environment variable",
        );
    } else if components.are_compose(&target.components) {
        compose_pointer(&at.key("pointer"), &target.pointer);
    }
    if target.components.is_empty() {
        at.key("components").report(
            &NO_COMPONENTS,
            "the target names no component, so it is never written",
            "write the names of the components it is for",
        );
    }
    at.key("components").each(&target.components, |at, name| {
        if !components.0.contains_key(name) {
            at.report(
                unknown,
                format!("there is no component {name}"),
                "write the name of a component of a deployment profile",
            );
        }
    });
    members::open(at, &target.extra);
}

/// A pointer that is for Compose components only.
fn compose_pointer(at: &Place<'_>, pointer: &str) {
    let name = match pointer.strip_prefix("ENV.") {
        Some(name) => {
            if at.switches().bare_environment_names {
                at.report(
                    &ENV_PREFIX,
                    "ENV. belongs to generations before rc.2; the pointer is the bare name",
                    format!("write {}", shorten(name)),
                );
            }
            name
        }
        None => pointer,
    };
    if pointer.starts_with("PORTS.") {
        at.report(
            &PORTS,
            "a parameter cannot set the ports of a Compose component, only environment variables",
            "use an environment variable in the ports of compose.yaml, and write its name",
        );
    } else if !is_environment_name(name) {
        at.report(
            &ENVIRONMENT_NAME,
            format!("{:?} is no name of an environment variable", shorten(name)),
            "write letters, digits and underscores, such as POLL_FREQUENCY",
        );
    }
}

/// POSIX, XBD 8.1, in either case.
fn is_environment_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    bytes.next().is_some_and(is_letter)
        && bytes.all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

/// The components that targets may name, and whether only Compose profiles have them.
#[derive(Default)]
struct Components<'a>(BTreeMap<&'a ComponentName, bool>);

impl<'a> Components<'a> {
    fn add(&mut self, deployment_type: &DeploymentType, components: &'a [Component]) {
        let is_compose = *deployment_type == DeploymentType::Compose;
        for component in components {
            let compose_only = self.0.entry(&component.name).or_insert(true);
            *compose_only &= is_compose;
        }
    }

    /// Whether a pointer to these is the name of an environment variable for certain. Where profiles of
    /// several types share a name, it may be a path too (rc3.md ambiguity 59).
    fn are_compose(&self, names: &[ComponentName]) -> bool {
        let mut known = names.iter().filter_map(|name| self.0.get(name)).peekable();
        known.peek().is_some() && known.all(|compose_only| *compose_only)
    }
}

rule_table! {
    NAME: Warning, "parameter.name", "rc3.md 1.6",
        "the name of a parameter is not empty and has no blanks around it";
    NO_VALUE: Warning, "parameter.no-value", "rc3.md 1.6, ambiguity 56",
        "a parameter has a value or a setting";
    NO_TARGETS: Warning, "parameter.no-targets", "rc3.md 1.6",
        "a parameter has a target";
    NO_COMPONENTS: Warning, "parameter.no-components", "rc3.md 1.6",
        "a target names a component";
    TARGET_COMPONENT: Error, "application.target-component", "rc3.md 1.6, P5",
        "a target names components of the deployment profiles";
    // Targets of other profiles may have been copied along; they are not used (rc3.md section 1.6).
    DEPLOYMENT_TARGET_COMPONENT: Warning, "deployment.target-component", "rc3.md 1.6, 2",
        "a target names components of the chosen profile";
    POINTER: Error, "parameter.pointer", "rc3.md 1.6",
        "the pointer of a target is not empty";
    ENV_PREFIX: Warning, "parameter.env-prefix", "rc3.md 0.1, 1.6",
        "the pointer for a Compose component has no ENV. before the name";
    PORTS: Error, "parameter.ports", "rc3.md 1.6; direction.md issue 167",
        "the pointer for a Compose component does not name ports";
    ENVIRONMENT_NAME: Error, "parameter.environment-name", "rc3.md 1.6",
        "the pointer for a Compose component is the name of an environment variable";
}
