//! Which repositories must be signed, and by whom.

use std::collections::BTreeMap;

use super::verify::{Verdict, Verifier};
use crate::oci::{ArtifactStore, OciError, Reference};

/// What is asked of the artefacts in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// A trusted key must have signed it.
    Required,
    /// Signatures are looked at and the verdict tells what was found, but everything is allowed.
    Optional,
    /// Signatures are not looked at.
    Off,
}

/// Requirements by repository. The longest matching prefix decides.
///
/// ```
/// use margo_package::signature::{Requirement, SignaturePolicy, SigningKey, Verifier};
///
/// let supplier = SigningKey::generate()?.verifying_key()?;
/// let policy = SignaturePolicy::off()
///     .required("registry.example/apps", Verifier::new([supplier]))
///     .without("registry.example/apps/demo");
/// let requirement = |name: &str| policy.requirement(&name.parse().expect("a reference"));
/// assert_eq!(requirement("registry.example/apps/web:1"), Requirement::Required);
/// assert_eq!(requirement("registry.example/apps/demo:1"), Requirement::Off);
/// assert_eq!(requirement("registry.example/appstore:1"), Requirement::Off);
/// # Ok::<(), margo_package::signature::InvalidKey>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SignaturePolicy {
    rules: BTreeMap<String, Rule>,
    otherwise: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Required(Verifier),
    Optional(Verifier),
    Off,
}

impl SignaturePolicy {
    /// Asks for nothing, except where a rule is added.
    pub fn off() -> Self {
        Self {
            rules: BTreeMap::new(),
            otherwise: Rule::Off,
        }
    }

    /// Wants everything signed, except where a rule is added.
    pub fn required_everywhere(verifier: Verifier) -> Self {
        Self::everywhere(Requirement::Required, verifier)
    }

    /// Asks for this of everything, except where a rule is added.
    pub fn everywhere(requirement: Requirement, verifier: Verifier) -> Self {
        let otherwise = match requirement {
            Requirement::Required => Rule::Required(verifier),
            Requirement::Optional => Rule::Optional(verifier),
            Requirement::Off => Rule::Off,
        };
        Self {
            rules: BTreeMap::new(),
            otherwise,
        }
    }

    /// Below this registry, registry and path, or repository, signatures are required.
    pub fn required(self, prefix: &str, verifier: Verifier) -> Self {
        self.with(prefix, Rule::Required(verifier))
    }

    /// Below this prefix, signatures are looked at.
    pub fn optional(self, prefix: &str, verifier: Verifier) -> Self {
        self.with(prefix, Rule::Optional(verifier))
    }

    /// Below this prefix, signatures do not matter.
    pub fn without(self, prefix: &str) -> Self {
        self.with(prefix, Rule::Off)
    }

    fn with(mut self, prefix: &str, rule: Rule) -> Self {
        let prefix = prefix
            .strip_prefix("oci://")
            .unwrap_or(prefix)
            .trim_end_matches('/');
        // Hosts have no case; paths have no upper case.
        self.rules.insert(prefix.to_ascii_lowercase(), rule);
        self
    }

    /// What is asked of this artefact.
    pub fn requirement(&self, reference: &Reference) -> Requirement {
        match self.rule(reference) {
            Rule::Required(_) => Requirement::Required,
            Rule::Optional(_) => Requirement::Optional,
            Rule::Off => Requirement::Off,
        }
    }

    /// Finds out which manifest the reference names now, and whether it may be used.
    ///
    /// # Errors
    /// Only when that cannot be found out; a missing or wrong signature is a verdict.
    pub async fn check(
        &self,
        store: &dyn ArtifactStore,
        reference: &Reference,
    ) -> Result<Verdict, OciError> {
        let digest = store.resolve(reference).await?;
        let requirement = self.requirement(reference);
        let outcome = match self.rule(reference) {
            Rule::Off => None,
            Rule::Required(verifier) | Rule::Optional(verifier) => {
                Some(verifier.verify(store, reference, digest).await?)
            }
        };
        Ok(Verdict {
            digest,
            requirement,
            outcome,
        })
    }

    fn rule(&self, reference: &Reference) -> &Rule {
        let name = reference.name();
        let mut prefix = name.as_str();
        loop {
            if let Some(rule) = self.rules.get(prefix) {
                return rule;
            }
            match prefix.rsplit_once('/') {
                Some((shorter, _)) => prefix = shorter,
                None => return &self.otherwise,
            }
        }
    }
}
