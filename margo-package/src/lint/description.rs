//! Lint of application descriptions.

use std::collections::BTreeSet;

use margo_types::application::{ApplicationDescription, DeploymentProfile};
use margo_types::{DocumentPath, Finding, Rule};
use serde_json::Value;

use super::{Findings, rule};

pub(super) fn findings(description: &ApplicationDescription) -> Vec<Finding> {
    let mut findings = Findings::default();
    let root = DocumentPath::root();
    let profiles = root.key("deploymentProfiles");
    for (index, profile) in description.deployment_profiles.iter().enumerate() {
        lint_profile(profile, &profiles.index(index), &mut findings);
    }
    lint_parameters(description, &root.key("parameters"), &mut findings);
    lint_schemas(description, &root.key("configuration"), &mut findings);
    findings.0
}

fn lint_profile(profile: &DeploymentProfile, path: &DocumentPath, findings: &mut Findings) {
    if profile.device_constraints.is_none() {
        let message = format!(
            "the profile {:?} says nothing about the devices it needs",
            profile.id
        );
        let fix = "add deviceConstraints with the cores, memory and storage it needs, so that it is never placed \
                   where it cannot run";
        findings.add(&PROFILE_CONSTRAINTS, path.clone(), message, fix);
    }
    let components = path.key("components");
    for (index, component) in profile.components.iter().enumerate() {
        if component.properties.timeout.is_none() {
            let message = format!(
                "the component {} has no time-out, and the specification no default",
                component.name
            );
            let fix = "add a timeout such as 5m0s, so that a stuck installation fails everywhere after the same time";
            findings.add(
                &COMPONENT_TIMEOUT,
                components.index(index).key("properties"),
                message,
                fix,
            );
        }
    }
}

fn lint_parameters(
    description: &ApplicationDescription,
    path: &DocumentPath,
    findings: &mut Findings,
) {
    let configuration = description.configuration.as_ref();
    for (name, parameter) in &description.parameters {
        let path = path.key(name.as_str());
        let setting = configuration.and_then(|configuration| configuration.setting_for(name));
        let has_default = parameter
            .value
            .as_ref()
            .is_some_and(|value| !value.is_null());
        match setting {
            None if !has_default => {
                let message = format!(
                    "the parameter {name:?} has neither a setting nor a default, so it never has a value"
                );
                findings.add(
                    &PARAMETER_UNUSED,
                    path.clone(),
                    message,
                    "add a setting, a value, or remove it",
                );
            }
            None => {
                let message =
                    format!("the parameter {name:?} has no setting, so nobody can change it");
                findings.add(
                    &PARAMETER_FIXED,
                    path.clone(),
                    message,
                    "add a setting, or fix the value in the component",
                );
            }
            Some(setting) if !has_default => {
                let message = format!(
                    "the setting {:?} has no default, so every installation must answer it",
                    setting.name
                );
                findings.add(
                    &SETTING_DEFAULT,
                    path.clone(),
                    message,
                    "add a value that suits most installations, if there is one",
                );
            }
            Some(_) => {}
        }
        let pointers = parameter
            .targets
            .iter()
            .map(|target| target.pointer.as_str());
        let words = pointers
            .chain([name.as_str()])
            .chain(setting.map(|setting| setting.name.as_str()));
        let has_text = matches!(&parameter.value, Some(Value::String(text)) if !text.is_empty());
        if has_text && words.into_iter().any(names_a_secret) {
            let message =
                format!("the default of {name:?} looks like a secret, and a package is public");
            findings.add(
                &SECRET_DEFAULT,
                path.key("value"),
                message,
                "remove the value, so that every installation sets its own",
            );
        }
    }
}

fn lint_schemas(
    description: &ApplicationDescription,
    path: &DocumentPath,
    findings: &mut Findings,
) {
    let Some(configuration) = &description.configuration else {
        return;
    };
    let settings = configuration
        .sections
        .iter()
        .flat_map(|section| &section.settings);
    let used: BTreeSet<_> = settings.map(|setting| setting.schema.as_str()).collect();
    for (index, schema) in configuration.schema.iter().enumerate() {
        if !used.contains(schema.name.as_str()) {
            let message = format!("no setting uses the schema {:?}", schema.name);
            findings.add(
                &SCHEMA_UNUSED,
                path.key("schema").index(index),
                message,
                "use it or remove it",
            );
        }
    }
}

/// Whether a name has a word such as `password` or `apiKey` in it.
fn names_a_secret(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "apikey",
        "privatekey",
        "credential",
    ]
    .iter()
    .any(|word| plain.contains(word))
}

static PROFILE_CONSTRAINTS: Rule = rule(
    "lint.profile-constraints",
    "a profile says which devices it needs",
);
static COMPONENT_TIMEOUT: Rule = rule(
    "lint.component-timeout",
    "a component says how long its installation may take",
);
static PARAMETER_UNUSED: Rule = rule("lint.parameter-unused", "a parameter can have a value");
static PARAMETER_FIXED: Rule = rule("lint.parameter-fixed", "a parameter can be changed");
static SETTING_DEFAULT: Rule = rule("lint.setting-default", "a setting has a default");
static SECRET_DEFAULT: Rule = rule("lint.secret-default", "a default is no secret");
static SCHEMA_UNUSED: Rule = rule("lint.schema-unused", "a schema is used by a setting");

/// All rules of this file.
pub(super) const RULES: &[&Rule] = &[
    &PROFILE_CONSTRAINTS,
    &COMPONENT_TIMEOUT,
    &PARAMETER_UNUSED,
    &PARAMETER_FIXED,
    &SETTING_DEFAULT,
    &SECRET_DEFAULT,
    &SCHEMA_UNUSED,
];
