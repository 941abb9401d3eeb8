//! Rules of the application description (rc3.md section 1, requirements P1 to P11).

use super::place::{Place, repeated};
use super::rule::rule_table;
use super::{Validate, component, configuration, constraints, defaults, members, parameters};
use crate::application::{
    ApplicationDescription, Catalog, DeploymentProfile, DeploymentType, Metadata,
};
use crate::pattern::Patterns;
use crate::text::shorten;

impl Validate for ApplicationDescription {
    fn check(&self, at: &Place<'_>) {
        if let Some(expected) = at.switches().api_version
            && self.api_version != expected
        {
            at.key("apiVersion").report(
                &API_VERSION,
                format!("{:?} is no apiVersion", shorten(&self.api_version)),
                format!("write {expected}"),
            );
        }
        metadata(&at.key("metadata"), &self.metadata);
        profiles(&at.key("deploymentProfiles"), &self.deployment_profiles);
        parameters::of_description(at, self);
        let mut patterns = Patterns::default();
        if let Some(configuration) = &self.configuration {
            let at = at.key("configuration");
            configuration::check(&at, configuration, &self.parameters, &mut patterns);
        }
        defaults::check(at, self, &mut patterns);
        members::extensible(at, &self.extra);
    }
}

fn metadata(at: &Place<'_>, metadata: &Metadata) {
    members::text(&at.key("name"), &metadata.name);
    if crate::scalar::Revision::parse(&metadata.version).is_err() {
        at.key("version").report(
            &VERSION_TAG,
            format!(
                "{:?} cannot be the tag of the package",
                shorten(&metadata.version)
            ),
            "write 1 to 128 letters, digits, '.', '_' and '-', such as 1.0.0",
        );
    }
    catalog(&at.key("catalog"), &metadata.catalog);
    members::open(at, &metadata.extra);
}

fn catalog(at: &Place<'_>, catalog: &Catalog) {
    if catalog.organization.is_empty() {
        at.key("organization").report(
            &ORGANIZATION,
            "no organization offers the application",
            "write at least one organization with its name",
        );
    }
    at.key("organization")
        .each(&catalog.organization, |at, organization| {
            members::text(&at.key("name"), &organization.name);
            members::open(at, &organization.extra);
        });
    at.key("author").each(&catalog.author, |at, author| {
        if author
            .email
            .as_ref()
            .is_some_and(|mail| !mail.contains('@'))
        {
            at.key("email").report(
                &AUTHOR_EMAIL,
                "this is no e-mail address: the @ is missing",
                "write an address such as support@example.com, or remove it",
            );
        }
        members::open(at, &author.extra);
    });
    if let Some(application) = &catalog.application {
        members::open(&at.key("application"), &application.extra);
    }
    members::open(at, &catalog.extra);
}

fn profiles(at: &Place<'_>, profiles: &[DeploymentProfile]) {
    if profiles.is_empty() {
        at.report(
            &PROFILES,
            "there is no deployment profile, so the application cannot be deployed",
            "write a profile for every technology the application is made for",
        );
    }
    at.each(profiles, profile);
    if at.switches().profile_ids {
        for (position, id) in repeated(profiles.iter().map(|profile| &profile.id)) {
            at.index(position).key("id").report(
                &PROFILE_ID,
                format!("another profile has the id {:?} too", shorten(id)),
                "give every profile an id of its own",
            );
        }
    }
}

fn profile(at: &Place<'_>, profile: &DeploymentProfile) {
    component::deployment_type(&at.key("type"), &profile.deployment_type);
    if at.switches().profile_ids {
        members::text(&at.key("id"), &profile.id);
    }
    component::list(&at.key("components"), &profile.components);
    if let Some(device_constraints) = &profile.device_constraints {
        constraints::check(&at.key("deviceConstraints"), device_constraints);
    }
    if profile.deployment_type == DeploymentType::Custom && !selects_by_label(profile) {
        at.key("deviceConstraints").report(
            &CUSTOM_LABELS,
            "nothing says which devices understand this custom profile",
            "write an eligibility rule with a labelSelector that names the agreed labels",
        );
    }
    members::extensible(at, &profile.extra);
}

fn selects_by_label(profile: &DeploymentProfile) -> bool {
    profile
        .device_constraints
        .iter()
        .filter_map(|constraints| constraints.eligibility_rules.as_ref())
        .flatten()
        .filter_map(|rule| rule.label_selector.as_ref())
        .any(|selector| !selector.match_expressions.is_empty())
}

rule_table! {
    API_VERSION: Error in schema, "application.api-version", "rc3.md 1.1, P1",
        "`apiVersion` is v1";
    VERSION_TAG: Warning, "application.version-tag", "rc3.md 1.2, 8, P15, ambiguity 64",
        "the version can be the OCI tag of the package";
    ORGANIZATION: Error, "application.organization", "rc3.md 1.2, 13",
        "at least one organization offers the application";
    AUTHOR_EMAIL: Error in schema, "application.author-email", "rc3.md 1.2",
        "the e-mail address of an author contains an @";
    PROFILES: Warning, "application.profiles", "rc3.md 1.1",
        "there is at least one deployment profile";
    PROFILE_ID: Error, "application.profile-id", "rc3.md 1.3",
        "the ids of the deployment profiles differ";
    CUSTOM_LABELS: Error, "application.custom-labels", "rc3.md 1.3, P8",
        "a custom profile selects its devices by labels";
}
