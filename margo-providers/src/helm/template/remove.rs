//! Removing objects, and seeing that they are gone.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;
use tokio::time::Instant;

use super::Applier;
use super::inventory::{Entry, Inventory};
use super::object::{ObjectId, is_kept};
use super::order::{COUNT, wave};
use super::plan::{WIDTH, selector_of};
use crate::helm::cluster::{Kind, is_not_found, trouble_with};
use crate::helm::json::text;
use crate::helm::names::{Owned, labels};
use crate::{ProviderError, Trouble};

impl Applier {
    /// Removes all of a component, the volumes of its stateful sets too, and last what is remembered of it.
    pub(super) async fn remove_all(&self, owned: &Owned) -> Result<(), ProviderError> {
        let Some(inventory) = Inventory::load(&self.cluster, &owned.release).await? else {
            return Ok(());
        };
        self.delete(owned, &inventory.entries, self.patience)
            .await?;
        self.delete_claims(owned).await?;
        Inventory::forget(&self.cluster, &owned.release).await
    }

    /// Removes those of these objects that are there and ours, in the reverse order of applying, each wave after the last
    /// is gone.
    ///
    /// Objects whose author wants them kept (`helm.sh/resource-policy: keep`) stay, as they do with Helm.
    ///
    /// # Errors
    /// [`Trouble::Timeout`] names what is held back, and by which finalizers.
    pub(super) async fn delete(
        &self,
        owned: &Owned,
        entries: &[Entry],
        time: Duration,
    ) -> Result<(), ProviderError> {
        let end = Instant::now() + time;
        for number in (0..COUNT).rev() {
            let wave: Vec<Entry> = entries
                .iter()
                .filter(|entry| wave(&entry.id.kind) == number)
                .cloned()
                .collect();
            if wave.is_empty() {
                continue;
            }
            let live = self.live(owned, &wave).await?;
            let gone = live.into_values().filter(|object| !is_kept(object));
            self.delete_objects(gone.collect(), end).await?;
        }
        Ok(())
    }

    async fn delete_claims(&self, owned: &Owned) -> Result<(), ProviderError> {
        let selector = selector_of(&labels(&self.owner, &owned.deployment, &owned.component));
        let kind = Kind::volume_claim();
        let listed = self
            .cluster
            .list(&kind, Some(&owned.release.namespace), &selector)
            .await;
        let claims = listed.map_err(|error| trouble_with(error, "the list of volume claims"))?;
        let claims = claims.objects.into_iter().filter(|claim| !is_kept(claim));
        self.delete_objects(claims.collect(), Instant::now() + self.patience)
            .await
    }

    /// Removes objects and waits until they are gone.
    async fn delete_objects(&self, objects: Vec<Value>, end: Instant) -> Result<(), ProviderError> {
        let mut deletions = Vec::new();
        for object in objects {
            let id = ObjectId::of(&object);
            let kind = self
                .cluster
                .kind(text(&object, "/apiVersion"), &id.kind)
                .await?;
            deletions.push(self.delete_object(kind, id, object, end));
        }
        let done: Vec<()> = stream::iter(deletions)
            .buffer_unordered(WIDTH)
            .try_collect()
            .await?;
        drop(done);
        Ok(())
    }

    async fn delete_object(
        &self,
        kind: Kind,
        id: ObjectId,
        object: Value,
        end: Instant,
    ) -> Result<(), ProviderError> {
        let (namespace, uid) = (id.namespace.as_deref(), text(&object, "/metadata/uid"));
        let trouble = |error| trouble_with(error, &id.to_string());
        if text(&object, "/metadata/deletionTimestamp").is_empty() {
            let deleted = self.cluster.delete(&kind, namespace, &id.name, uid).await;
            deleted.map_err(trouble)?;
        }
        let mut pause = FIRST_LOOK;
        loop {
            let live = match self.cluster.get(&kind, namespace, &id.name).await {
                Ok(Some(live)) if text(&live, "/metadata/uid") == uid => live,
                Ok(_) => return Ok(()),
                Err(error) if is_not_found(&error) => return Ok(()),
                Err(error) => return Err(trouble(error)),
            };
            if Instant::now() >= end {
                return Err(held_back(&id, &live));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_LOOK);
        }
    }
}

fn held_back(id: &ObjectId, live: &Value) -> ProviderError {
    let finalizers = live
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array);
    let finalizers: Vec<&str> = finalizers
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let message = if finalizers.is_empty() {
        format!(
            "{id} is still there; look why the cluster does not remove it, then remove the deployment again"
        )
    } else {
        format!(
            "{id} is still there: it is held by {}; whoever put that there has to let it go",
            finalizers.join(", ")
        )
    };
    ProviderError::new(Trouble::Timeout, message)
}

const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_secs(1);
