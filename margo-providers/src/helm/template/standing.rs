//! Looking how a component fares, and whether it is still what was applied.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Applier;
use super::inventory::{Entry, Inventory};
use super::object::{ObjectId, last_other, our_fields};
use crate::ProviderError;
use crate::helm::delivery::{Health, Standing};
use crate::helm::diagnosis::diagnose;
use crate::helm::json::text;
use crate::helm::names::{Owned, Release};
use crate::helm::readiness::{Readiness, goes_when_done};

impl Applier {
    /// How a release fares now.
    pub(super) async fn look(&self, release: &Release) -> Result<Standing, ProviderError> {
        let Some((owned, inventory)) = Inventory::find(&self.cluster, &self.owner, release).await?
        else {
            return Ok(Standing {
                mark: None,
                health: Health::Absent,
            });
        };
        let mark = inventory.complete.as_ref().filter(|_| inventory.is_settled);
        let mark = mark.map(|complete| complete.mark.clone());
        let live = self.live(&owned, &inventory.entries).await?;
        let mut health = self.health(&owned, &inventory, &live).await;
        if mark.is_none() && health == Health::Ready {
            health = Health::Coming("was begun and is not complete".to_owned());
        }
        Ok(Standing { mark, health })
    }

    /// The worst of what is there, or is not.
    async fn health(
        &self,
        owned: &Owned,
        inventory: &Inventory,
        live: &BTreeMap<ObjectId, Value>,
    ) -> Health {
        let mut coming = None;
        for entry in &inventory.entries {
            let found = live.get(&entry.id);
            if let Some(drift) = self.drift(owned, inventory, entry, found) {
                return Health::Failed(drift);
            }
            let Some(object) = found else { continue };
            match diagnose(&self.cluster, object).await {
                Readiness::Ready => {}
                Readiness::Coming(how) => coming = coming.or(Some(format!("{} {how}", entry.id))),
                Readiness::Failed(how) => return Health::Failed(format!("{} {how}", entry.id)),
            }
        }
        coming.map_or(Health::Ready, Health::Coming)
    }

    /// How an object differs from what was applied, by what somebody else did.
    fn drift(
        &self,
        owned: &Owned,
        inventory: &Inventory,
        entry: &Entry,
        live: Option<&Value>,
    ) -> Option<String> {
        let Some(live) = live.filter(|_| inventory.is_settled) else {
            let is_done = inventory.applied(&entry.id).is_some_and(goes_when_done);
            let is_missed = inventory.is_settled && live.is_none() && !is_done;
            return is_missed.then(|| format!("{} is missing: somebody removed it", entry.id));
        };
        if !text(live, "/metadata/deletionTimestamp").is_empty() {
            return Some(format!("{} is being removed by somebody", entry.id));
        }
        let manager = self.manager(owned);
        if our_fields(live, &manager) == entry.fields {
            return None;
        }
        let who = last_other(live, &manager).unwrap_or_else(|| "somebody".to_owned());
        Some(format!("{} was changed by {who}", entry.id))
    }
}
