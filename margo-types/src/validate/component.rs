//! Rules of components, the same in descriptions and deployments (rc3.md sections 1.3 and 1.4).

use super::members;
use super::place::{Place, repeated};
use super::rule::rule_table;
use crate::application::{Component, ComponentProperties, DeploymentType};
use crate::text::shorten;

/// The technology of a profile.
pub(super) fn deployment_type(at: &Place<'_>, deployment_type: &DeploymentType) {
    if !deployment_type.is_known() {
        at.report(
            &PROFILE_TYPE,
            format!(
                "{:?} is no deployment type",
                shorten(deployment_type.as_str())
            ),
            "write helm, compose or custom",
        );
    }
}

/// The components of one profile.
pub(super) fn list(at: &Place<'_>, components: &[Component]) {
    if components.is_empty() {
        at.report(
            &COMPONENTS,
            "there is no component, so nothing would be installed",
            "write at least one component",
        );
    }
    at.each(components, |at, component| {
        properties(&at.key("properties"), &component.properties);
        members::closed(at, &component.extra);
    });
    // Two profiles may share a name (rc3.md ambiguity 59).
    for (position, name) in repeated(components.iter().map(|component| &component.name)) {
        at.index(position).key("name").report(
            &NAME,
            format!("another component of the profile is called {name} too"),
            "give every component of the profile a name of its own",
        );
    }
}

fn properties(at: &Place<'_>, properties: &ComponentProperties) {
    if at.switches().oci_artefacts {
        artefact(at, properties);
    } else if properties.repository.is_none() && properties.package_location.is_none() {
        at.report(
            &LOCATION,
            "nothing says where the component is",
            "write the repository of a chart or the packageLocation of an archive",
        );
    }
    if at.switches().semver_revisions
        && let Some(revision) = &properties.revision
        && !revision.is_conformant()
    {
        at.key("revision").report(
            &REVISION,
            format!("{:?} is not SemVer 2.0 as a tag", revision.as_str()),
            "write a version such as 1.0.9, without a leading v, and _ in place of +",
        );
    }
    if at.switches().minutes_and_seconds
        && let Some(timeout) = &properties.timeout
        && !timeout.is_conformant()
    {
        at.key("timeout").report(
            &TIMEOUT,
            "the time-out is not written in minutes and seconds",
            format!("write {timeout}"),
        );
    }
    members::open(at, &properties.extra);
}

fn artefact(at: &Place<'_>, properties: &ComponentProperties) {
    match &properties.repository {
        None => at.key("repository").report(
            &REPOSITORY,
            "`repository` is missing",
            "write the OCI repository, such as oci://registry.example/charts/web",
        ),
        Some(repository) if !repository.is_conformant() => at.key("repository").report(
            &REPOSITORY,
            format!(
                "{:?} is not in an OCI registry",
                shorten(repository.as_str())
            ),
            "push the artefact to an OCI registry and write oci:// and its repository",
        ),
        Some(_) => {}
    }
    if properties.revision.is_none() {
        at.key("revision").report(
            &REVISION,
            "`revision` is missing",
            "write the tag of the artefact, such as 1.0.9",
        );
    }
    let older = [
        ("packageLocation", &properties.package_location),
        ("keyLocation", &properties.key_location),
    ];
    for (key, _) in older.into_iter().filter(|(_, url)| url.is_some()) {
        at.key(key).report(
            &PACKAGE_LOCATION,
            format!("`{key}` belongs to generations before rc.2"),
            "push the archive to an OCI registry and write repository and revision",
        );
    }
}

rule_table! {
    PROFILE_TYPE: Error in schema, "profile.type", "rc3.md 1.3, 2",
        "the type of a profile is helm, compose or custom";
    COMPONENTS: Warning, "profile.components", "rc3.md 1.3",
        "a profile has at least one component";
    NAME: Error, "component.name", "rc3.md 1.4",
        "the names of the components of a profile differ";
    REPOSITORY: Error in schema, "component.repository", "rc3.md 1.4, P4, W34",
        "a component names its repository, which starts with oci://";
    REVISION: Error in schema, "component.revision", "rc3.md 1.4, P4, W34",
        "a component names its revision: SemVer 2.0 without leading v, with _ in place of +";
    TIMEOUT: Error in schema, "component.timeout", "rc3.md 1.4",
        "a time-out is written in minutes and seconds, such as 8m30s";
    PACKAGE_LOCATION: Error, "component.package-location", "rc3.md 0.1, 1.4",
        "artefacts are in an OCI registry, not behind packageLocation and keyLocation";
    LOCATION: Error, "component.location", "rc1-and-pre-draft.md 10, 18",
        "in generations before rc.2, a component has a repository or a packageLocation";
}
