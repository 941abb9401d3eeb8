//! What things are called on the cluster.

use std::collections::BTreeMap;

use margo_types::Digest;
use margo_types::id::{ComponentName, DeploymentId};
use serde::{Deserialize, Serialize};

use super::options::Options;
use crate::{ProviderError, Trouble};

/// The release of one component of one deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(super) struct Release {
    pub(super) name: String,
    pub(super) namespace: String,
}

/// A release as it is remembered, on the device or the cluster.
#[derive(Deserialize)]
struct Unchecked {
    name: String,
    namespace: String,
}

/// A release, or the objects of one, that carry our labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owned {
    pub(super) deployment: DeploymentId,
    pub(super) component: ComponentName,
    pub(super) release: Release,
}

impl Release {
    /// The release of a component that has none yet, such as `web-5d1e0c7a3f`.
    ///
    /// The digits are of a digest over the owner and the deployment: the IDs themselves may differ in their last digits only.
    ///
    /// # Errors
    /// [`Trouble::Deployment`] when the component's name is too long, or the namespace is none.
    pub(super) fn new(
        options: &Options,
        deployment: &DeploymentId,
        namespace: Option<&str>,
        component: &ComponentName,
    ) -> Result<Self, ProviderError> {
        let invalid = |message| Err(ProviderError::new(Trouble::Deployment, message).of(component));
        let digest = Digest::of(format!("{} {deployment}", options.owner).as_bytes()).to_hex();
        let digits = digest.get(..DIGITS).unwrap_or_default();
        let name = format!("{component}-{digits}");
        if name.len() > LONGEST_NAME {
            return invalid(format!(
                "its name has {} characters, and the release {name} would have more than the {LONGEST_NAME} that Helm allows; shorten the name to {}",
                component.as_str().len(),
                LONGEST_NAME - DIGITS - 1
            ));
        }
        if name.starts_with('-') {
            return invalid(
                "its name begins with a dash, which no release can; begin it with a letter"
                    .to_owned(),
            );
        }
        let namespace = namespace.unwrap_or(&options.default_namespace);
        if !is_namespace(namespace) {
            return invalid(format!(
                "the namespace {namespace:?} of the deployment is none of Kubernetes; write at most 63 lower-case letters, digits and dashes"
            ));
        }
        Ok(Self {
            name,
            namespace: namespace.to_owned(),
        })
    }

    /// A release that somebody remembers; `None` when none can have this name, which may be an option of `helm` or a path.
    pub(super) fn remembered(name: &str, namespace: &str) -> Option<Self> {
        let is_inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
        let is_name = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(is_inner)
            && !name.starts_with(['-', '.']);
        (is_name && is_namespace(namespace)).then(|| Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        })
    }
}

impl TryFrom<Unchecked> for Release {
    type Error = String;

    fn try_from(found: Unchecked) -> Result<Self, String> {
        let Unchecked { name, namespace } = found;
        Self::remembered(&name, &namespace)
            .ok_or_else(|| format!("there is no release {name:?} in {namespace:?}"))
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(formatter, "{} in {}", self.name, self.namespace)
    }
}

impl Owned {
    /// Whose it is, by the labels that [`labels`] gives; `None` when it is not of this owner.
    pub(super) fn of_labels(
        owner: &str,
        labels: &BTreeMap<String, String>,
        release: Release,
    ) -> Option<Self> {
        if labels.get(OWNER_LABEL)? != owner {
            return None;
        }
        Some(Self {
            deployment: DeploymentId::parse(labels.get(DEPLOYMENT_LABEL)?).ok()?,
            component: ComponentName::parse(labels.get(COMPONENT_LABEL)?).ok()?,
            release,
        })
    }
}

/// The labels of everything of a component.
pub(super) fn labels(
    owner: &str,
    deployment: &DeploymentId,
    component: &ComponentName,
) -> BTreeMap<String, String> {
    let labels = [
        (OWNER_LABEL, owner.to_owned()),
        (DEPLOYMENT_LABEL, deployment.to_string()),
        (COMPONENT_LABEL, component.to_string()),
    ];
    labels
        .into_iter()
        .map(|(label, value)| (label.to_owned(), value))
        .collect()
}

/// Selects everything of an owner, or of one of its deployments.
pub(super) fn selector(owner: &str, deployment: Option<&DeploymentId>) -> String {
    match deployment {
        Some(deployment) => format!("{OWNER_LABEL}={owner},{DEPLOYMENT_LABEL}={deployment}"),
        None => format!("{OWNER_LABEL}={owner}"),
    }
}

/// A label of DNS (RFC 1123).
fn is_namespace(text: &str) -> bool {
    let is_inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=63).contains(&text.len())
        && text.bytes().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

pub(super) const OWNER_LABEL: &str = "margo.owner";
pub(super) const DEPLOYMENT_LABEL: &str = "margo.deployment";
pub(super) const COMPONENT_LABEL: &str = "margo.component";
/// The digest of what was delivered, shortened to what a label can hold; see `Wanted::mark`.
pub(super) const MARK_LABEL: &str = "margo.inputs";
/// Helm's own limit.
const LONGEST_NAME: usize = 53;
const DIGITS: usize = 10;

#[cfg(test)]
mod tests {
    use margo_package::oci::Client;

    use super::*;

    const ID: &str = "ad9b614e-8912-45f4-a523-372358765def";

    fn release(id: &str, namespace: Option<&str>, component: &str) -> Result<Release, String> {
        let client = Client::builder().no_proxy().build().unwrap();
        let options = Options::new("state", client);
        let id = DeploymentId::parse(id).unwrap();
        let component = ComponentName::parse(component).unwrap();
        let release = Release::new(&options, &id, namespace, &component);
        release.map_err(|error| error.to_string())
    }

    #[test]
    fn releases_are_called_after_their_component_and_stay_apart() {
        let web = release(ID, Some("shop"), "web").unwrap();
        assert!(
            web.name.starts_with("web-") && web.name.len() == 14,
            "{web}"
        );
        assert_eq!(web.namespace, "shop");
        let other = ID.replace("def", "dee");
        let other = release(&other, None, "web").unwrap();
        assert_ne!(web.name, other.name);
        assert_eq!(other.namespace, "default");
    }

    #[test]
    fn names_that_no_release_can_have_are_refused() {
        assert_eq!(release(ID, None, &"a".repeat(42)).unwrap().name.len(), 53);
        let error = release(ID, None, &"a".repeat(43)).unwrap_err();
        assert!(error.contains("shorten the name to 42"), "{error}");
        let error = release(ID, Some("My_Shop"), "web").unwrap_err();
        assert!(error.contains("My_Shop"), "{error}");
    }

    #[test]
    fn labels_lead_back_to_the_deployment() {
        let (id, component) = (
            DeploymentId::parse(ID).unwrap(),
            ComponentName::parse("web").unwrap(),
        );
        let labels = labels("margo", &id, &component);
        let release = release(ID, None, "web").unwrap();
        let owned = Owned::of_labels("margo", &labels, release.clone()).unwrap();
        assert_eq!((owned.deployment, owned.component), (id, component));
        assert_eq!(Owned::of_labels("other", &labels, release), None);
    }
}
