//! How the objects of a release fare.

use futures_util::{StreamExt, TryStreamExt, stream};
use margo_package::chart::{RenderedError, read_rendered};
use serde_json::Value;

use super::Installer;
use super::history::{Content, Revision};
use crate::error::with_causes;
use crate::helm::cluster::trouble_with;
use crate::helm::delivery::Health;
use crate::helm::diagnosis::diagnose;
use crate::helm::drift::drift;
use crate::helm::json::text;
use crate::helm::names::Release;
use crate::helm::readiness::{Readiness, goes_when_done};
use crate::{ProviderError, Trouble};

impl Installer {
    /// How the workloads of a revision fare, and whether all its objects are as the chart has them.
    pub(super) async fn health(
        &self,
        release: &Release,
        revision: &Revision,
    ) -> Result<Health, ProviderError> {
        let objects = objects(&self.packed(revision).await?.content()?)?;
        let looks: Vec<_> = objects
            .iter()
            .map(|object| self.health_of(release, object))
            .collect();
        let found: Vec<Health> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        let mut coming = None;
        for health in found {
            match health {
                Health::Failed(_) => return Ok(health),
                Health::Coming(_) => coming = coming.or(Some(health)),
                Health::Ready | Health::Absent => {}
            }
        }
        Ok(coming.unwrap_or(Health::Ready))
    }

    async fn health_of(&self, release: &Release, object: &Value) -> Result<Health, ProviderError> {
        let shown = shown(object);
        let Some(live) = self.live(release, object).await? else {
            if goes_when_done(object) {
                return Ok(Health::Ready);
            }
            return Ok(Health::Failed(format!("the {shown} is missing")));
        };
        if let Some(difference) = drift(object, &live) {
            return Ok(Health::Failed(format!(
                "the {shown} was changed by somebody else: {difference}"
            )));
        }
        Ok(match diagnose(&self.cluster, &live).await {
            Readiness::Ready => Health::Ready,
            Readiness::Coming(why) => Health::Coming(format!("the {shown} {why}")),
            Readiness::Failed(why) => Health::Failed(format!("the {shown} {why}")),
        })
    }

    /// The object as it is on the cluster; without its kind there is none.
    pub(super) async fn live(
        &self,
        release: &Release,
        object: &Value,
    ) -> Result<Option<Value>, ProviderError> {
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let Some(kind) = self.cluster.find_kind(version, kind).await? else {
            return Ok(None);
        };
        let namespace = namespace(release, object);
        let found = self
            .cluster
            .get(&kind, Some(namespace), text(object, "/metadata/name"))
            .await;
        found.map_err(|error| trouble_with(error, &format!("the {}", shown(object))))
    }
}

/// The objects of a revision, without its hooks.
pub(super) fn objects(content: &Content) -> Result<Vec<Value>, ProviderError> {
    read(content.manifest.as_bytes())
}

/// The objects of a revision and of its hooks.
pub(super) fn with_hooks(content: &Content) -> Result<Vec<Value>, ProviderError> {
    let mut all = objects(content)?;
    for hook in &content.hooks {
        all.extend(read(hook.manifest.as_bytes())?);
    }
    Ok(all)
}

/// The objects of YAML documents that Helm wrote.
pub(super) fn read(manifest: &[u8]) -> Result<Vec<Value>, ProviderError> {
    let rendered = read_rendered(manifest).map_err(|error| unreadable(&error))?;
    Ok(rendered
        .objects
        .into_iter()
        .map(|rendered| rendered.object)
        .collect())
}

/// The error of what a chart renders to.
pub(super) fn unreadable(error: &RenderedError) -> ProviderError {
    let message = format!(
        "what the chart renders to cannot be read: {}",
        with_causes(error)
    );
    ProviderError::new(Trouble::Deployment, message)
}

/// The namespace of an object of a release. Helm has objects that name none in that of the release.
pub(super) fn namespace<'a>(release: &'a Release, object: &'a Value) -> &'a str {
    match text(object, "/metadata/namespace") {
        "" => &release.namespace,
        namespace => namespace,
    }
}

/// An object for messages, such as `Deployment web`.
pub(super) fn shown(object: &Value) -> String {
    format!(
        "{} {}",
        text(object, "/kind"),
        text(object, "/metadata/name")
    )
}

/// Requests at the same time.
const AT_ONCE: usize = 16;
