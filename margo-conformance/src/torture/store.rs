//! The store of the fleet manager, watched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use margo_server_traits::store::{
    ClientRecord, ContentKey, DevicePut, DeviceRecord, EnrolmentChange, EnrolmentPut,
    EnrolmentRecord, Head, Publication, PublishedDocument, StatusRecord, Store, StoreError,
};
use margo_types::Digest;
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::status::DeploymentStatus;

use super::power::{Dead, Power};
use super::witness::Witness;
use crate::server::lock;

/// What is to be in the store, over all lives of the fleet manager.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    heads: BTreeMap<ClientId, Head>,
    tried: BTreeMap<ClientId, Head>,
    reports: BTreeMap<ReportKey, Bytes>,
    /// Reports that were being stored, by the moment of a kill.
    tried_reports: BTreeMap<ReportKey, Bytes>,
    /// Whether a backup was restored: what is in it counts.
    is_restored: bool,
}

type ReportKey = (ClientId, DeploymentId, Option<DeviceId>);

impl Ledger {
    /// What a backup holds that takes the place of everything.
    pub(super) fn restored() -> Self {
        Self {
            is_restored: true,
            ..Self::default()
        }
    }
}

/// A store that judges what is put into it, fails while the disk is full, and dies with the power.
#[derive(Debug)]
pub(super) struct WatchedStore {
    pub(super) inner: Arc<dyn Store>,
    pub(super) power: Arc<Power>,
    pub(super) witness: Arc<Witness>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) disk_full: Arc<AtomicBool>,
    /// Told which report is being stored, and once more when it is.
    pub(super) tell: fn(&StatusRecord, bool),
    /// Broken on purpose: acknowledges reports that it drops.
    pub(super) drops_reports: bool,
}

impl WatchedStore {
    /// Compares what the store has after a kill with what it had acknowledged.
    pub(super) async fn look_back(&self, clients: &[ClientId]) -> Result<(), StoreError> {
        for client in clients {
            let found = self.inner.head(client).await?;
            let mut ledger = lock(&self.ledger);
            let acknowledged = ledger.heads.get(client).copied();
            let tried = ledger.tried.remove(client);
            if !ledger.is_restored {
                self.witness.finds(client, found, acknowledged, tried);
            }
            if let Some(found) = found {
                ledger.heads.insert(client.clone(), found);
            }
        }
        let found = self.inner.statuses(None).await?;
        let found: BTreeMap<ReportKey, Bytes> = found
            .into_iter()
            .map(|it| ((it.client, it.deployment, it.device), it.status))
            .collect();
        let mut ledger = lock(&self.ledger);
        for (key, bytes) in &ledger.reports {
            let now = found.get(key);
            if now != Some(bytes) && (now.is_none() || now != ledger.tried_reports.get(key)) {
                let (client, deployment, _) = key;
                self.witness.violation(format_args!(
                    "the fleet manager lost an acknowledged report of {client} on {deployment}"
                ));
            }
        }
        ledger.reports = found;
        ledger.tried_reports.clear();
        ledger.is_restored = false;
        Ok(())
    }

    /// Of these reports only those may be gone that are on what no client has any more.
    async fn judge_pruning(&self, known: BTreeMap<ReportKey, Bytes>) -> Result<(), StoreError> {
        let kept = self.inner.statuses(None).await?;
        let kept: BTreeSet<ReportKey> = kept.into_iter().map(key_of).collect();
        for (key, bytes) in known {
            if kept.contains(&key) {
                continue;
            }
            let (client, deployment, _) = &key;
            let assigned = self.inner.assigned(client).await?;
            if assigned.iter().any(|(id, _)| id == deployment) {
                self.witness.violation(format_args!(
                    "pruning took the report of {client} on {deployment}, which is assigned to it"
                ));
            }
            let mut ledger = lock(&self.ledger);
            if ledger.reports.get(&key) == Some(&bytes) {
                ledger.reports.remove(&key);
            }
        }
        Ok(())
    }

    fn room(&self) -> Result<(), StoreError> {
        if self.disk_full.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable(
                "the disk is full, says the torture runner; make room".into(),
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for WatchedStore {
    async fn put_client(&self, client: &ClientRecord) -> Result<(), StoreError> {
        self.inner.put_client(client).await
    }

    async fn client(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError> {
        self.power.point("admission").await?;
        self.inner.client(id).await
    }

    async fn clients(&self) -> Result<Vec<ClientRecord>, StoreError> {
        self.inner.clients().await
    }

    async fn replace_client(
        &self,
        before: Option<&ClientRecord>,
        client: &ClientRecord,
    ) -> Result<bool, StoreError> {
        self.inner.replace_client(before, client).await
    }

    async fn change_enrolment(&self, change: &EnrolmentChange) -> Result<EnrolmentPut, StoreError> {
        self.inner.change_enrolment(change).await
    }

    async fn enrolments(
        &self,
        client: Option<&ClientId>,
    ) -> Result<Vec<EnrolmentRecord>, StoreError> {
        self.inner.enrolments(client).await
    }

    async fn enrolments_by(&self, digests: &[Digest]) -> Result<Vec<EnrolmentRecord>, StoreError> {
        self.inner.enrolments_by(digests).await
    }

    async fn put_device(
        &self,
        device: &DeviceRecord,
        limit: usize,
    ) -> Result<DevicePut, StoreError> {
        self.power.point("before capabilities").await?;
        self.room()?;
        let put = self.inner.put_device(device, limit).await?;
        self.power.point("after capabilities").await?;
        Ok(put)
    }

    async fn device(
        &self,
        client: &ClientId,
        device: &DeviceId,
    ) -> Result<Option<DeviceRecord>, StoreError> {
        self.inner.device(client, device).await
    }

    async fn devices(&self, client: Option<&ClientId>) -> Result<Vec<DeviceRecord>, StoreError> {
        self.power.point("devices").await?;
        self.inner.devices(client).await
    }

    async fn remove_device(
        &self,
        client: &ClientId,
        device: &DeviceId,
    ) -> Result<bool, StoreError> {
        self.power.point("before removal").await?;
        self.room()?;
        let removed = self.inner.remove_device(client, device).await?;
        self.power.point("after removal").await?;
        Ok(removed)
    }

    async fn head(&self, client: &ClientId) -> Result<Option<Head>, StoreError> {
        self.power.point("head").await?;
        self.inner.head(client).await
    }

    async fn manifest(&self, client: &ClientId) -> Result<Option<Bytes>, StoreError> {
        self.power.point("manifest").await?;
        self.inner.manifest(client).await
    }

    async fn assigned(&self, client: &ClientId) -> Result<Vec<(DeploymentId, Bytes)>, StoreError> {
        self.power.point("assigned").await?;
        self.inner.assigned(client).await
    }

    async fn document(
        &self,
        client: &ClientId,
        deployment: &DeploymentId,
    ) -> Result<Option<PublishedDocument>, StoreError> {
        self.power.point("document of a report").await?;
        self.inner.document(client, deployment).await
    }

    async fn version_of(
        &self,
        client: &ClientId,
        manifest: &Digest,
    ) -> Result<Option<ManifestVersion>, StoreError> {
        self.power.point("version of a manifest").await?;
        self.inner.version_of(client, manifest).await
    }

    async fn content(
        &self,
        client: &ClientId,
        key: &ContentKey,
    ) -> Result<Option<Bytes>, StoreError> {
        self.power.point("content").await?;
        self.inner.content(client, key).await
    }

    async fn publish(
        &self,
        client: &ClientId,
        expected: Option<ManifestVersion>,
        publication: &Publication,
    ) -> Result<(), StoreError> {
        self.power.point("before publish").await?;
        self.room()?;
        self.witness.publishes(client, publication);
        let head = publication.head();
        lock(&self.ledger).tried.insert(client.clone(), head);
        self.inner.publish(client, expected, publication).await?;
        lock(&self.ledger).heads.insert(client.clone(), head);
        self.witness.has_published(client, head);
        self.power.point("after publish").await?;
        Ok(())
    }

    async fn put_status(&self, status: &StatusRecord) -> Result<bool, StoreError> {
        self.power.point("before report").await?;
        self.room()?;
        if self.drops_reports {
            return Ok(true);
        }
        if let Ok(document) = margo_types::read::<DeploymentStatus>(&status.status) {
            self.witness.receives(&status.client, document.value());
        }
        let (client, device) = (status.client.clone(), status.device.clone());
        let key = (client, status.deployment, device);
        lock(&self.ledger)
            .tried_reports
            .insert(key.clone(), status.status.clone());
        (self.tell)(status, false);
        let is_first = self.inner.put_status(status).await?;
        (self.tell)(status, true);
        {
            let mut ledger = lock(&self.ledger);
            ledger.tried_reports.remove(&key);
            ledger.reports.insert(key, status.status.clone());
        }
        self.power.point("after report").await?;
        Ok(is_first)
    }

    async fn statuses(&self, client: Option<&ClientId>) -> Result<Vec<StatusRecord>, StoreError> {
        self.inner.statuses(client).await
    }

    async fn history(
        &self,
        client: &ClientId,
        deployment: &DeploymentId,
        limit: usize,
    ) -> Result<Vec<StatusRecord>, StoreError> {
        self.inner.history(client, deployment, limit).await
    }

    async fn prune(&self, superseded_before: Timestamp) -> Result<u64, StoreError> {
        self.room()?;
        let known = lock(&self.ledger).reports.clone();
        let dropped = self.inner.prune(superseded_before).await?;
        self.judge_pruning(known).await?;
        Ok(dropped)
    }
}

fn key_of(record: StatusRecord) -> ReportKey {
    (record.client, record.deployment, record.device)
}

impl From<Dead> for StoreError {
    fn from(dead: Dead) -> Self {
        Self::Unavailable(Box::new(dead))
    }
}

#[cfg(test)]
mod tests {
    use margo_server_traits::publish::Publisher;
    use margo_server_traits::store::MemoryStore;
    use margo_types::status::DeploymentState;

    use super::super::progress::Progress;
    use super::super::wishes::{deployment, deployment_id};
    use super::*;

    #[tokio::test]
    async fn a_report_that_pruning_may_not_take_is_missed() {
        let (client, id) = (ClientId::parse("device-0").unwrap(), deployment_id(0, 0));
        let witness = Witness::new(false, Progress::default());
        let ledger = Arc::default();
        let watched = |inner| WatchedStore {
            inner,
            power: Power::on(),
            witness: Arc::clone(&witness),
            ledger: Arc::clone(&ledger),
            disk_full: Arc::default(),
            tell: |_, _| {},
            drops_reports: false,
        };
        let publish = async |inner: &Arc<MemoryStore>| {
            let wanted = deployment(&"device-0".parse().unwrap(), id, 1, 0).unwrap();
            let publisher = Publisher::new(inner.clone());
            publisher.publish(&client, &[wanted]).await.unwrap();
        };

        let sound = Arc::new(MemoryStore::new());
        publish(&sound).await;
        let store = watched(sound);
        let (state, text) = (DeploymentState::Installed, Bytes::from_static(b"{}"));
        let report = StatusRecord::new(client.clone(), id, state, text, Timestamp::UNIX_EPOCH);
        store.put_status(&report).await.unwrap();
        store.prune(Timestamp::now()).await.unwrap();
        assert!(!witness.is_violated(), "{:?}", witness.testimony());

        let forgetful = Arc::new(MemoryStore::new());
        publish(&forgetful).await;
        watched(forgetful).prune(Timestamp::now()).await.unwrap();
        let (violations, _) = witness.testimony();
        assert!(violations[0].contains("pruning took"), "{violations:?}");
    }
}
