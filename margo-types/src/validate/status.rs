//! Rules of the deployment status (rc3.md section 5, requirements D51 to D60).

use super::place::{Place, repeated};
use super::rule::rule_table;
use super::{Validate, members};
use crate::id::DeviceId;
use crate::status::{DeploymentState, DeploymentStatus, StatusError, worst_of};
use crate::text::shorten;

impl Validate for DeploymentStatus {
    fn check(&self, at: &Place<'_>) {
        if self.adopted_manifest_version.is_none() && at.switches().adopted_manifest_version {
            at.key("adoptedManifestVersion").report(
                &ADOPTED,
                "`adoptedManifestVersion` is missing",
                "write the version of the newest manifest adopted for this deployment",
            );
        }
        overall(&at.key("status"), self);
        components(&at.key("components"), self);
        members::open(at, &self.extra);
    }
}

fn overall(at: &Place<'_>, report: &DeploymentStatus) {
    let overall = &report.status;
    state(&at.key("state"), &overall.state);
    if at.switches().worst_of_states {
        aggregation(&at.key("state"), report);
    }
    let is_failed = overall.state == DeploymentState::Failed;
    let is_explained = errors(report).next().is_some();
    if is_failed && !is_explained {
        at.key("error").report(
            &UNEXPLAINED,
            "the deployment has failed, and nothing says why",
            "write an error with code, source and message",
        );
    }
    if let Some(error) = &overall.error {
        self::error(&at.key("error"), error, report, None);
    }
    members::open(at, &overall.extra);
}

fn components(at: &Place<'_>, report: &DeploymentStatus) {
    if report.components.is_empty() {
        at.report(
            &NO_COMPONENTS,
            "no component is reported",
            "write one entry for every component of the deployment",
        );
    }
    at.each(&report.components, |at, component| {
        state(&at.key("state"), &component.state);
        if let Some(error) = &component.error {
            let name = component.name.as_str();
            self::error(&at.key("error"), error, report, Some(name));
        }
        members::open(at, &component.extra);
    });
    for (position, name) in repeated(report.components.iter().map(|it| &it.name)) {
        at.index(position).key("name").report(
            &REPEATED,
            format!("the component {name} is reported before"),
            "write one entry for every component",
        );
    }
}

/// Everything that went wrong. Objects of empty texts are no errors (rc3.md ambiguity 22).
fn errors(report: &DeploymentStatus) -> impl Iterator<Item = &StatusError> {
    let components = report.components.iter().map(|it| &it.error);
    std::iter::once(&report.status.error)
        .chain(components)
        .flatten()
        .filter(|error| !error.is_empty())
}

fn state(at: &Place<'_>, state: &DeploymentState) {
    if !state.is_known() {
        at.report(
            &STATE,
            format!("{:?} is no state", shorten(state.as_str())),
            "write pending, installing, installed, failed, removing or removed",
        );
    }
}

fn aggregation(at: &Place<'_>, report: &DeploymentStatus) {
    let overall = &report.status.state;
    let mut states = report
        .components
        .iter()
        .map(|it| &it.state)
        .chain([overall]);
    if !states.all(DeploymentState::is_known) {
        return;
    }
    let states = || report.components.iter().map(|it| &it.state);
    let Some(worst) = worst_of(states()) else {
        return;
    };
    // Whether `removed` is more or less severe than `installed` is unknown (rc3.md ambiguity 20).
    let is_either = |state: &DeploymentState| {
        matches!(state, DeploymentState::Installed | DeploymentState::Removed)
    };
    let is_open = is_either(&worst) && states().any(|state| state == overall);
    if *overall != worst && !is_open {
        at.report(
            &WORST,
            format!("the state is {overall}, but the most severe state of a component is {worst}"),
            format!("write {worst}"),
        );
    }
}

/// An error of the whole deployment, or of the component with this name.
fn error(at: &Place<'_>, error: &StatusError, report: &DeploymentStatus, component: Option<&str>) {
    members::open(at, &error.extra);
    if error.is_empty() || !at.switches().error_sources {
        return;
    }
    let members = [
        ("code", &error.code),
        ("source", &error.source),
        ("message", &error.message),
    ];
    for (key, text) in members {
        if text.is_empty() {
            at.key(key).report(
                &ERROR_MEMBERS,
                format!("`{key}` is missing or empty"),
                "write code, source and message, or remove the error",
            );
        }
    }
    if error.source.is_empty() {
        return;
    }
    let device = report.device_id.as_ref();
    let at = at.key("source");
    if error.reserved_code().is_some() {
        if !may_be_gateway(&error.source, device, component) {
            at.report(
                &RESERVED_CODE,
                format!("only a see-thru gateway may use the code {}", error.code),
                "write the device id of the gateway with its hierarchy, or another code",
            );
        }
    } else if let Some(name) = component
        && error.source != name
        && !is_gateway(&error.source, device)
    {
        at.report(
            &COMPONENT_SOURCE,
            format!("the error is neither of {name} nor of a gateway of the device"),
            format!("write {name}"),
        );
    }
}

/// Whether the device that is reported on sits behind the source.
pub(super) fn is_gateway(source: &str, device: Option<&DeviceId>) -> bool {
    let gateway = DeviceId::parse(source).ok();
    let pair = gateway.zip(device);
    pair.is_some_and(|(gateway, device)| device.is_behind(&gateway))
}

/// The same where the child may not be known: a gateway that cannot place a deployment reports its own id, or
/// none.
fn may_be_gateway(source: &str, device: Option<&DeviceId>, component: Option<&str>) -> bool {
    match device {
        Some(device) => device.as_str() == source || is_gateway(source, Some(device)),
        None => DeviceId::parse(source).is_ok() && component != Some(source),
    }
}

rule_table! {
    ADOPTED: Error in schema, "status.adopted-manifest-version", "rc3.md 5, 5.2, D59",
        "every report names the manifest that was adopted";
    STATE: Error in schema, "status.state", "rc3.md 5, D51",
        "a state is one of the six";
    WORST: Error, "status.worst-of", "rc3.md 5.1, D52, ambiguity 20",
        "the overall state is the most severe state of a component";
    NO_COMPONENTS: Warning, "status.no-components", "rc3.md 5, D53",
        "a report has an entry for every component";
    REPEATED: Error, "status.repeated-component", "rc3.md 5, D53",
        "a report has one entry for every component";
    ERROR_MEMBERS: Error, "status.error-members", "rc3.md 5, ambiguities 10, 22",
        "an error has a code, a source and a message";
    COMPONENT_SOURCE: Error, "status.component-source", "rc3.md 5.1, D55, D57",
        "the source of a component's error is the component, or a gateway of the device";
    RESERVED_CODE: Error, "status.reserved-code", "rc3.md 5.1, D58",
        "the codes 101 to 103 have the id of a gateway as source";
    UNEXPLAINED: Warning, "status.unexplained-failure", "rc3.md 5",
        "a failure comes with an error";
}
