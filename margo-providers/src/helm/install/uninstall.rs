//! Uninstalling, with what Helm leaves behind.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::history::{History, Packed};
use super::lock::Lock;
use super::objects::{self, namespace, shown};
use super::{GRACE, Installer, seconds};
use crate::helm::cluster::{Kind, trouble_with};
use crate::helm::json::text;
use crate::helm::names::Release;
use crate::{ProviderError, Trouble};

impl Installer {
    /// Uninstalls a release and verifies that nothing of it is left: none of its objects, neither what its hooks made nor the
    /// volumes that its stateful sets claimed. What a chart wants kept (`helm.sh/resource-policy`) stays, and custom
    /// resource definitions do, for they may be in use by others.
    pub(super) async fn uninstall(
        &self,
        release: &Release,
        history: &History,
        lock: &Lock,
        time: Duration,
    ) -> Result<(), ProviderError> {
        let deadline = Instant::now() + time;
        let mut leftovers = match history.latest() {
            // What cannot be read here Helm may well uninstall: it must not stay for ever.
            Some(latest) => leftovers(release, &self.packed(latest).await?).unwrap_or_else(|error| {
                tracing::warn!(%release, %error, "what it consists of cannot be looked at; helm alone says whether it is gone");
                Vec::new()
            }),
            None => Vec::new(),
        };
        // They go when no pod uses them any more; asked for now, they also do if this process is killed after the next step.
        let claims = self.claims(release, &leftovers).await?;
        for claim in &claims {
            self.delete(release, claim).await?;
        }
        let time_out = seconds(time);
        let mut words = vec![
            "uninstall",
            &release.name,
            "--namespace",
            &release.namespace,
        ];
        words.extend(["--ignore-not-found", "--wait", "--timeout", &time_out]);
        let command = self.helm.command(words).time(time + GRACE);
        let what = format!("helm did not uninstall {release}");
        self.helm
            .succeed(&command.input(lock.file()), &what)
            .await?;
        leftovers.extend(claims);
        loop {
            leftovers = self.still_there(release, leftovers).await?;
            let Some(first) = leftovers.first() else {
                break;
            };
            if Instant::now() >= deadline {
                let message = format!("the {} is left; look who holds it", shown(first));
                return Err(ProviderError::new(Trouble::Workload, message));
            }
            tokio::time::sleep(PAUSE).await;
        }
        if self
            .history(release)
            .await?
            .latest()
            .is_some_and(|latest| !latest.is_gone())
        {
            let message = format!("helm still remembers the release {release}; uninstall it again");
            return Err(ProviderError::new(Trouble::Workload, message));
        }
        Ok(())
    }

    /// Those that are there, after they were told to go.
    async fn still_there(
        &self,
        release: &Release,
        objects: Vec<Value>,
    ) -> Result<Vec<Value>, ProviderError> {
        let mut there = Vec::new();
        for object in objects {
            if self.delete(release, &object).await? {
                there.push(object);
            }
        }
        Ok(there)
    }

    /// Has an object deleted; gives whether it was there.
    async fn delete(&self, release: &Release, object: &Value) -> Result<bool, ProviderError> {
        let Some(live) = self.live(release, object).await? else {
            return Ok(false);
        };
        if live.pointer("/metadata/deletionTimestamp").is_some() {
            return Ok(true);
        }
        let kind = self
            .cluster
            .kind(text(object, "/apiVersion"), text(object, "/kind"))
            .await?;
        let (name, uid) = (text(&live, "/metadata/name"), text(&live, "/metadata/uid"));
        let deleted = self
            .cluster
            .delete(&kind, Some(namespace(release, object)), name, uid)
            .await;
        deleted.map_err(|error| trouble_with(error, &format!("the {}", shown(object))))?;
        Ok(true)
    }

    /// The volume claims that the stateful sets among the objects made: `<claim>-<set>-<number>`.
    async fn claims(
        &self,
        release: &Release,
        objects: &[Value],
    ) -> Result<Vec<Value>, ProviderError> {
        let mut found = Vec::new();
        for set in objects
            .iter()
            .filter(|object| text(object, "/kind") == "StatefulSet")
        {
            let templates = set
                .pointer("/spec/volumeClaimTemplates")
                .and_then(Value::as_array);
            let templates = templates.map(Vec::as_slice).unwrap_or_default();
            if templates.is_empty() {
                continue;
            }
            let namespace = namespace(release, set);
            let listed = self
                .cluster
                .list(&Kind::volume_claim(), Some(namespace), "")
                .await;
            let listed = listed.map_err(|error| trouble_with(error, "the volume claims"))?;
            let name = text(set, "/metadata/name");
            let of_set = |claim: &Value| {
                templates.iter().any(|template| {
                    let start = format!("{}-{name}-", text(template, "/metadata/name"));
                    let number = text(claim, "/metadata/name").strip_prefix(&start);
                    number.is_some_and(|number| number.parse::<u32>().is_ok())
                })
            };
            found.extend(listed.objects.into_iter().filter(of_set));
        }
        Ok(found)
    }
}

/// What must be gone after the release is: what its last revision made.
fn leftovers(release: &Release, latest: &Packed) -> Result<Vec<Value>, ProviderError> {
    let mut all = objects::with_hooks(&latest.content()?)?;
    for object in &all {
        if is_kept(object) {
            tracing::warn!(%release, object = shown(object), "the chart wants it kept; it stays on the cluster");
        }
    }
    all.retain(|object| !is_kept(object));
    Ok(all)
}

fn is_kept(object: &Value) -> bool {
    let policy = object
        .pointer("/metadata/annotations")
        .and_then(|annotations| annotations.get("helm.sh/resource-policy"));
    policy
        .and_then(Value::as_str)
        .is_some_and(|policy| policy.trim() == "keep")
}

const PAUSE: Duration = Duration::from_millis(200);
