//! What a request line means.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use url::form_urlencoded;

use super::failure::Failure;
use super::objects::{Key, Objects};
use super::resource::Resource;

/// What somebody wants to do with objects (the verbs of RBAC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// `get`
    Get,
    /// `list`
    List,
    /// `watch`
    Watch,
    /// `create`
    Create,
    /// `update`
    Update,
    /// `patch`, also by server-side apply
    Patch,
    /// `delete`
    Delete,
    /// `deletecollection`
    DeleteCollection,
}

impl Verb {
    /// All of them.
    pub(super) const ALL: [Self; 8] = [
        Self::Create,
        Self::Delete,
        Self::DeleteCollection,
        Self::Get,
        Self::List,
        Self::Patch,
        Self::Update,
        Self::Watch,
    ];

    /// Its name in a role.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    /// Whether it changes something.
    pub(super) const fn is_change(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// What a request about objects is about.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) verb: Verb,
    pub(super) resource: Arc<Resource>,
    /// `None` for all namespaces, and for what has none.
    pub(super) namespace: Option<String>,
    /// `None` for all of them.
    pub(super) name: Option<String>,
    /// `status`, or what else follows the name.
    pub(super) subresource: Option<String>,
}

impl Target {
    pub(super) fn parse(
        objects: &Objects,
        method: &Method,
        path: &str,
        query: &Query,
    ) -> Result<Self, Failure> {
        let segments: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Failure::no_such_path()),
        };
        let (namespace, rest) = match rest {
            // A namespace itself, or one of its subresources, is no object in a namespace.
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] => (Some((*namespace).to_owned()), rest),
            rest => (None, rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, None, None),
            [plural, name] => (*plural, Some((*name).to_owned()), None),
            [plural, name, subresource] => (
                *plural,
                Some((*name).to_owned()),
                Some((*subresource).to_owned()),
            ),
            _ => return Err(Failure::no_such_path()),
        };
        let resource = objects.resource(group, version, plural);
        let resource = resource.ok_or_else(Failure::no_such_path)?;
        let verb = match (method.as_str(), name.is_some()) {
            ("GET", _) if query.is("watch") => Verb::Watch,
            ("GET", true) => Verb::Get,
            ("GET", false) => Verb::List,
            ("POST", false) => Verb::Create,
            ("PUT", true) => Verb::Update,
            ("PATCH", true) => Verb::Patch,
            ("DELETE", true) => Verb::Delete,
            ("DELETE", false) => Verb::DeleteCollection,
            _ => return Err(Failure::method_not_allowed()),
        };
        Ok(Self {
            verb,
            resource: Arc::clone(resource),
            namespace,
            name,
            subresource,
        })
    }

    /// The name of the object; empty where all are meant.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// The key of the object with this name.
    pub(super) fn key(&self, name: &str) -> Key {
        Key::new(&self.resource, self.namespace.as_deref(), name)
    }
}

/// What is behind the question mark.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn parse(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// A value; `None` also when it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// A number, if it is one.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Whether a switch is on.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }
}

/// A segment of a path without its percent-encoding.
fn decode(segment: &str) -> String {
    let form = segment.replace('+', "%2B");
    let mut pairs = form_urlencoded::parse(form.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}
