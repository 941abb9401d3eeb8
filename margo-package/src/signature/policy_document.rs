//! Policies written down: which repositories must be signed, and by whom.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::key::VerifyingKey;
use super::policy::{Requirement, SignaturePolicy};
use super::verify::{Identity, Verifier};
use crate::compose::yaml;
use crate::line::in_a_line;
use crate::oci::Reference;

/// A [`SignaturePolicy`] as YAML or JSON.
///
/// ```yaml
/// default: required              # required, optional or off; required when left out
/// keys: [acme.pub]               # for the default, and for repositories without keys of their own
/// repositories:                  # the longest prefix decides
///   registry.example/apps/demo: { require: off }
///   mirror.example/apps: { require: required, keys: [supplier.pub], signedAs: registry.example/apps/web }
/// ```
///
/// `signedAs` is the name that the signature must be for: a registry and repository, or `any`. Without it, that is the
/// repository that the artefact is pulled from.
///
/// ```
/// use margo_package::signature::{InvalidKey, PolicyDocument, Requirement, SigningKey};
///
/// let document = PolicyDocument::read(b"repositories: { registry.example/demo: { require: off } }")?;
/// let key = SigningKey::generate()?.verifying_key()?;
/// let policy = document.policy::<InvalidKey>(&[key], |name| unreachable!("{name} is not in the document"))?;
/// let demo = "registry.example/demo/web:1".parse()?;
/// assert_eq!(policy.requirement(&demo), Requirement::Off);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    #[serde(default)]
    default: Demand,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    repositories: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Entry {
    require: Demand,
    #[serde(default)]
    keys: Vec<String>,
    signed_as: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Demand {
    #[default]
    Required,
    Optional,
    Off,
}

impl PolicyDocument {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`InvalidPolicy`] when the text is no YAML, has other members or a `signedAs` that is no name, or is longer than 1 MiB.
    pub fn read(text: &[u8]) -> Result<Self, InvalidPolicy> {
        let value = yaml::parse(text).map_err(|error| InvalidPolicy(error.to_string()))?;
        let invalid = |why: String| InvalidPolicy(in_a_line(&why, 1000));
        let mut document: Self =
            serde_json::from_value(value).map_err(|error| invalid(error.to_string()))?;
        for entry in document.repositories.values_mut() {
            if let Some(name) = entry.signed_as.as_mut().filter(|name| *name != ANY) {
                let named = Reference::parse(name);
                *name = named
                    .map_err(|error| invalid(format!("signedAs: {error}")))?
                    .name();
            }
        }
        Ok(document)
    }

    /// The policy. `load` gives the key of a name in the document; `more_keys` count as if they were in its `keys`.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn policy<E>(
        &self,
        more_keys: &[VerifyingKey],
        mut load: impl FnMut(&str) -> Result<VerifyingKey, E>,
    ) -> Result<SignaturePolicy, E> {
        let mut keys = |names: &[String]| {
            let keys = names.iter().map(|name| load(name));
            keys.collect::<Result<Vec<_>, E>>()
        };
        let common = Verifier::new([keys(&self.keys)?.as_slice(), more_keys].concat());
        let mut policy = SignaturePolicy::everywhere(self.default.requirement(), common.clone());
        for (prefix, entry) in &self.repositories {
            let verifier = if entry.keys.is_empty() {
                common.clone()
            } else {
                Verifier::new(keys(&entry.keys)?)
            };
            let verifier = verifier.identity(match entry.signed_as.as_deref() {
                None => Identity::Same,
                Some(ANY) => Identity::Any,
                Some(name) => Identity::Named(name.to_owned()),
            });
            policy = match entry.require {
                Demand::Required => policy.required(prefix, verifier),
                Demand::Optional => policy.optional(prefix, verifier),
                Demand::Off => policy.without(prefix),
            };
        }
        Ok(policy)
    }
}

impl Demand {
    const fn requirement(self) -> Requirement {
        match self {
            Self::Required => Requirement::Required,
            Self::Optional => Requirement::Optional,
            Self::Off => Requirement::Off,
        }
    }
}

/// A text that is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a signature policy: {0}; write default, keys and repositories")]
pub struct InvalidPolicy(String);

/// Every name will do.
const ANY: &str = "any";
