//! What of a component is on the cluster, remembered on the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use margo_types::Digest;
use margo_types::id::DeploymentId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::object::ObjectId;
use crate::files::blocking;
use crate::helm::cluster::{Cluster, Kind, Write, namespace_missing, trouble_with};
use crate::helm::json::text;
use crate::helm::names::{Owned, Release, labels, selector};
use crate::helm::telemetry::base64;
use crate::{ProviderError, Trouble};

/// The inventory of a component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Inventory {
    /// All objects there may be.
    pub(super) entries: Vec<Entry>,
    /// Whether these are exactly those of `complete`, as they were applied.
    pub(super) is_settled: bool,
    /// What was last complete.
    pub(super) complete: Option<Complete>,
}

/// An object that may be on the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub(super) id: ObjectId,
    /// With which version of its API it was applied.
    pub(super) api_version: String,
    /// What tells it from another of its name; `None` before it was applied.
    pub(super) uid: Option<String>,
    /// The digest of what was applied.
    pub(super) applied: Digest,
    /// The digest over the fields that were ours afterwards.
    pub(super) fields: Option<Digest>,
}

/// A revision that was complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Complete {
    pub(super) mark: String,
    pub(super) objects: Vec<Value>,
}

impl Entry {
    /// An object that is about to be applied for the first time.
    pub(super) fn new(object: &Value, applied: Digest) -> Self {
        Self {
            id: ObjectId::of(object),
            api_version: text(object, "/apiVersion").to_owned(),
            uid: None,
            applied,
            fields: None,
        }
    }
}

impl Entry {
    /// An object as it will be remembered, as far as can be known before it is applied: what the cluster gives it is as long, and
    /// as little alike.
    pub(super) fn expected(object: &Value, applied: Digest) -> Self {
        let id = Digest::of(applied.to_hex().as_bytes());
        Self {
            uid: Some(id.to_hex().chars().take(UID).collect()),
            fields: Some(id),
            ..Self::new(object, applied)
        }
    }
}

impl Inventory {
    /// The inventory of a release; `None` when it has none.
    pub(super) async fn load(
        cluster: &Cluster,
        release: &Release,
    ) -> Result<Option<Self>, ProviderError> {
        match secret_of(cluster, release).await? {
            Some(secret) => blocking(move || unpack(&secret)).await.map(Some),
            None => Ok(None),
        }
    }

    /// The inventory of a release of this owner, and whose release it is.
    pub(super) async fn find(
        cluster: &Cluster,
        owner: &str,
        release: &Release,
    ) -> Result<Option<(Owned, Self)>, ProviderError> {
        let Some(secret) = secret_of(cluster, release).await? else {
            return Ok(None);
        };
        let Some(whose) = owned_of(owner, &secret) else {
            return Ok(None);
        };
        let inventory = blocking(move || unpack(&secret)).await?;
        Ok(Some((whose, inventory)))
    }

    /// Remembers it in place of what was remembered.
    pub(super) async fn store(
        &self,
        cluster: &Cluster,
        owner: &str,
        of: &Owned,
    ) -> Result<(), ProviderError> {
        let inventory = self.clone();
        let data = blocking(move || pack(&inventory)).await?;
        let release = &of.release;
        let mut labels = labels(owner, &of.deployment, &of.component);
        labels.insert(INVENTORY_LABEL.to_owned(), release.name.clone());
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": INVENTORY_TYPE,
            "metadata": {"name": name_of(release), "namespace": release.namespace, "labels": labels},
            "data": {DATA: base64(data)},
        });
        let kind = Kind::secret();
        let stored = cluster
            .apply(&kind, Some(&release.namespace), &secret, owner, Write::Own)
            .await;
        stored.map(|_| ()).map_err(|error| match &error {
            kube::Error::Api(status) if status.code == 404 => namespace_missing(&release.namespace),
            _ => trouble_with(error, WHAT),
        })
    }

    /// Refuses one that the cluster would not take, before anything is applied.
    ///
    /// # Errors
    /// [`Trouble::Deployment`] says how large it is, and of how many objects.
    pub(super) async fn refuse_too_large(self) -> Result<(), ProviderError> {
        let count = self.entries.len();
        let size = blocking(move || Ok(pack(&self)?.len())).await?;
        if size <= MOST - SPARE {
            return Ok(());
        }
        let message = format!(
            "its {count} objects cannot be remembered on the cluster: packed they have {} KiB, and a secret holds {}; make several components of the chart",
            size >> 10,
            MOST >> 10
        );
        Err(ProviderError::new(Trouble::Deployment, message))
    }

    /// Forgets it.
    pub(super) async fn forget(cluster: &Cluster, release: &Release) -> Result<(), ProviderError> {
        let Some(found) = secret_of(cluster, release).await? else {
            return Ok(());
        };
        let (kind, name) = (Kind::secret(), name_of(release));
        let namespace = Some(release.namespace.as_str());
        let deleted = cluster.delete(&kind, namespace, &name, text(&found, "/metadata/uid"));
        deleted.await.map_err(|error| trouble_with(error, WHAT))
    }

    /// Whose inventories there are, of an owner or one of its deployments.
    pub(super) async fn all(
        cluster: &Cluster,
        owner: &str,
        deployment: Option<&DeploymentId>,
    ) -> Result<Vec<Owned>, ProviderError> {
        let selector = format!("{},{INVENTORY_LABEL}", selector(owner, deployment));
        let secrets = Kind::secret();
        let listed = cluster.list_metadata(&secrets, None, &selector).await;
        let listed = listed.map_err(|error| trouble_with(error, "the inventories"))?;
        let secrets = listed.objects.iter();
        Ok(secrets
            .filter_map(|secret| owned_of(owner, secret))
            .collect())
    }

    /// An object as it was applied when all was last complete.
    pub(super) fn applied(&self, id: &ObjectId) -> Option<&Value> {
        let objects = &self.complete.as_ref()?.objects;
        objects.iter().find(|object| ObjectId::of(object) == *id)
    }

    /// All objects there may be: those of what was last complete, and of what else was applied since the names.
    pub(super) fn into_objects(self) -> Vec<Value> {
        let mut objects = self
            .complete
            .map(|complete| complete.objects)
            .unwrap_or_default();
        let known: BTreeSet<ObjectId> = objects.iter().map(ObjectId::of).collect();
        let others = self
            .entries
            .into_iter()
            .filter(|entry| !known.contains(&entry.id));
        objects.extend(others.map(
            |Entry {
                 id, api_version, ..
             }| {
                let metadata = json!({"name": id.name, "namespace": id.namespace});
                json!({"apiVersion": api_version, "kind": id.kind, "metadata": metadata})
            },
        ));
        objects
    }

    /// The entry of an object.
    pub(super) fn entry(&self, id: &ObjectId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == *id)
    }
}

async fn secret_of(cluster: &Cluster, release: &Release) -> Result<Option<Value>, ProviderError> {
    let namespace = Some(release.namespace.as_str());
    let found = cluster
        .get(&Kind::secret(), namespace, &name_of(release))
        .await;
    found.map_err(|error| trouble_with(error, WHAT))
}

fn owned_of(owner: &str, secret: &Value) -> Option<Owned> {
    let labels = secret.pointer("/metadata/labels")?.clone();
    let labels: BTreeMap<String, String> = serde_json::from_value(labels).ok()?;
    let namespace = text(secret, "/metadata/namespace");
    let release = Release::remembered(labels.get(INVENTORY_LABEL)?, namespace)?;
    Owned::of_labels(owner, &labels, release)
}

fn name_of(release: &Release) -> String {
    format!("margo.release.{}", release.name)
}

fn pack(inventory: &Inventory) -> Result<Vec<u8>, ProviderError> {
    let packed = serde_json::to_vec(inventory).map_err(std::io::Error::from);
    let packed = packed.and_then(|bytes| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&bytes)?;
        encoder.finish()
    });
    packed.map_err(crate::files::device_trouble)
}

fn unpack(secret: &Value) -> Result<Inventory, ProviderError> {
    let data = secret.get("data").and_then(|data| data.get(DATA)).cloned();
    let read = || -> Result<Inventory, Box<dyn std::error::Error + Send + Sync>> {
        let packed: ByteString = serde_json::from_value(data.unwrap_or_default())?;
        let mut bytes = Vec::new();
        let decoder = GzDecoder::new(packed.0.as_slice());
        decoder.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    };
    read().map_err(|error| {
        let message = format!(
            "the inventory in the secret {} is damaged; restore it, or remove it with the objects that carry the same labels",
            text(secret, "/metadata/name")
        );
        ProviderError::new(Trouble::Device, message).because(error)
    })
}

/// The characters of a UID.
const UID: usize = 36;
/// What a secret holds.
const MOST: usize = 1 << 20;
/// What identifiers that are not known yet may take more than those in their place.
const SPARE: usize = 16 << 10;
const WHAT: &str = "the secret with the inventory";
const DATA: &str = "inventory";
const INVENTORY_TYPE: &str = "margo.org/inventory";
const INVENTORY_LABEL: &str = "margo.inventory";
/// A secret of a mebibyte may stand for more than anybody wrote.
const LONGEST: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// An inventory of so many objects, each with a text of its own of so many digests.
    fn inventory(count: usize, digests: usize) -> Inventory {
        let object = |number: usize| {
            let digests =
                (0..digests).map(|part| Digest::of(format!("{number} {part}").as_bytes()).to_hex());
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": format!("web-5d1e0c7a3f-{number}"), "namespace": "apps", "labels": {"margo.owner": "margo"}},
                "data": {"text": digests.collect::<String>()},
            })
        };
        let objects: Vec<Value> = (0..count).map(object).collect();
        let entry = |object| {
            Entry::expected(
                object,
                Digest::of(text(object, "/metadata/name").as_bytes()),
            )
        };
        Inventory {
            entries: objects.iter().map(entry).collect(),
            is_settled: true,
            complete: Some(Complete {
                mark: "m".to_owned(),
                objects,
            }),
        }
    }

    /// As many objects as a chart may render to fit when they are small: about 90 bytes for each. Large contents may not.
    #[tokio::test]
    async fn what_a_secret_does_not_hold_is_refused() {
        inventory(10_000, 0).refuse_too_large().await.unwrap();
        inventory(10, 1_000).refuse_too_large().await.unwrap();
        let error = inventory(10, 4_000).refuse_too_large().await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Deployment);
        let expected = "its 10 objects cannot be remembered on the cluster: packed they have 1";
        assert!(error.message.starts_with(expected), "{error}");
    }

    #[test]
    fn inventories_survive_packing_and_large_ones_are_small() {
        let objects: Vec<Value> = (0..1000)
            .map(|number| {
                json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{number}"), "namespace": "n"},
                    "data": {"text": "a line of some length, as configurations have them\n".repeat(20)},
                })
            })
            .collect();
        let entries = objects
            .iter()
            .map(|object| Entry::new(object, Digest::of(b"x")));
        let inventory = Inventory {
            entries: entries.collect(),
            is_settled: true,
            complete: Some(Complete {
                mark: "m".to_owned(),
                objects,
            }),
        };
        let packed = pack(&inventory).unwrap();
        assert!(packed.len() < 500_000, "{}", packed.len());
        let secret = json!({"data": {DATA: base64(packed)}});
        assert_eq!(unpack(&secret).unwrap(), inventory);
        assert!(unpack(&json!({"data": {DATA: "eA=="}})).is_err());
        assert!(unpack(&json!({})).is_err());
    }
}
