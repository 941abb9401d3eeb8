//! What things are called on the engine.

use margo_types::Digest;
use margo_types::id::{ComponentName, DeploymentId};

/// The name of the Compose project of one component of one deployment, such as
/// `margo-ad9b614e891245f4a523372358765def-web`.
///
/// No two components of a device share one, so deployments never touch each other's containers, networks and volumes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Project(String);

impl Project {
    pub(super) fn new(prefix: &str, deployment: &DeploymentId, component: &ComponentName) -> Self {
        let deployment = start(prefix, deployment);
        Self(format!("{deployment}{}", shortened(component.as_str())))
    }

    /// The name, when it is one of this deployment.
    pub(super) fn of_deployment(
        prefix: &str,
        deployment: &DeploymentId,
        name: &str,
    ) -> Option<Self> {
        name.starts_with(&start(prefix, deployment))
            .then(|| Self(name.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The label that Compose puts on everything of the project, as a filter for exactly it.
    pub(super) fn filter(&self) -> String {
        format!("label={PROJECT_LABEL}={}", self.0)
    }
}

/// The deployment that a project of ours belongs to; `None` for somebody else's.
pub(super) fn deployment_of(prefix: &str, project: &str) -> Option<DeploymentId> {
    let rest = project.strip_prefix(prefix)?.strip_prefix('-')?;
    let (id, component) = rest.split_once('-')?;
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if id.len() != 32 || component.is_empty() || !id.bytes().all(is_hex) {
        return None;
    }
    let mut bytes = [0; 16];
    for (position, byte) in bytes.iter_mut().enumerate() {
        let digits = id.get(2 * position..2 * position + 2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(DeploymentId::from_uuid_bytes(bytes))
}

/// Whether project names can start with it and be taken apart again.
pub(super) fn is_prefix(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z');
    (1..=20).contains(&text.len()) && text.bytes().all(allowed)
}

fn start(prefix: &str, deployment: &DeploymentId) -> String {
    let id = deployment.to_string().replace('-', "");
    format!("{prefix}-{id}-")
}

/// A component's name within 40 characters. The underscore, which no component's name has, keeps what was shortened apart
/// from what was not.
fn shortened(component: &str) -> String {
    if component.len() <= LONGEST {
        return component.to_owned();
    }
    let digest = Digest::of(component.as_bytes()).to_hex();
    let kept = component.get(..LONGEST - HASH - 1).unwrap_or_default();
    format!("{kept}_{}", digest.get(..HASH).unwrap_or_default())
}

/// Names volumes and networks too, which are files and interfaces somewhere: long ones are trouble.
const LONGEST: usize = 40;
const HASH: usize = 16;
pub(super) const PROJECT_LABEL: &str = "com.docker.compose.project";
pub(super) const SERVICE_LABEL: &str = "com.docker.compose.service";
pub(super) const DEPLOYMENT_LABEL: &str = "margo.deployment";
pub(super) const COMPONENT_LABEL: &str = "margo.component";
pub(super) const REVISION_LABEL: &str = "margo.revision";

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> DeploymentId {
        DeploymentId::parse("ad9b614e-8912-45f4-a523-372358765def").unwrap()
    }

    fn project(component: &str) -> String {
        let component = ComponentName::parse(component).unwrap();
        Project::new("margo", &id(), &component).as_str().to_owned()
    }

    #[test]
    fn names_lead_back_to_the_deployment() {
        let name = project("web-1");
        assert_eq!(name, "margo-ad9b614e891245f4a523372358765def-web-1");
        assert_eq!(deployment_of("margo", &name), Some(id()));
        for other in [
            "margo-ad9b614e891245f4a523372358765def",
            "margo-ad9b614e891245f4a523372358765def-",
            "margo-ad9b614e891245f4a52337235876de-web",
            "margo-AD9B614E891245F4A523372358765DEF-web",
            "margo2-ad9b614e891245f4a523372358765def-web",
            "my-margo-ad9b614e891245f4a523372358765def-web",
            "margo-é9b614e891245f4a523372358765def-web",
        ] {
            assert_eq!(deployment_of("margo", other), None, "{other}");
        }
    }

    #[test]
    fn long_names_are_shortened_and_stay_apart() {
        let long = "a".repeat(60);
        let longer = "a".repeat(61);
        let names = [
            project(&long),
            project(&longer),
            project(long.get(..40).unwrap()),
        ];
        assert!(names.iter().all(|name| name.len() == 6 + 33 + 40));
        assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2]);
        let is_name = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
        assert!(names.iter().all(|name| name.chars().all(is_name)));
    }
}
