//! The store that forgets with the process: for tests and demonstrations.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::signature::ClientCertificate;
use margo_types::status::DeploymentState;

use super::{
    ClientRecord, ContentKey, DevicePut, DeviceRecord, EnrolmentChange, EnrolmentPut,
    EnrolmentRecord, EnrolmentState, HISTORY, Head, Publication, PublishedDocument, REPORTERS,
    StatusRecord, Store, StoreError, credentials,
};

/// A store in memory. Nothing survives the process.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("MemoryStore")
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn put_client(&self, client: &ClientRecord) -> Result<(), StoreError> {
        let mut state = self.state();
        state.clients.insert(client.id.clone(), client.clone());
        Ok(())
    }

    async fn client(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError> {
        Ok(self.state().clients.get(id).cloned())
    }

    async fn clients(&self) -> Result<Vec<ClientRecord>, StoreError> {
        Ok(self.state().clients.values().cloned().collect())
    }

    async fn replace_client(
        &self,
        before: Option<&ClientRecord>,
        client: &ClientRecord,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let is_same = state.clients.get(&client.id) == before;
        if is_same {
            state.clients.insert(client.id.clone(), client.clone());
        }
        Ok(is_same)
    }

    async fn change_enrolment(&self, change: &EnrolmentChange) -> Result<EnrolmentPut, StoreError> {
        self.state().change_enrolment(change)
    }

    async fn enrolments(
        &self,
        client: Option<&ClientId>,
    ) -> Result<Vec<EnrolmentRecord>, StoreError> {
        let wanted = |it: &EnrolmentRecord| client.is_none() || it.client.as_ref() == client;
        Ok(by_time(self.state().enrolments.values(), wanted))
    }

    async fn enrolments_by(&self, digests: &[Digest]) -> Result<Vec<EnrolmentRecord>, StoreError> {
        Ok(self.state().enrolments_by(digests))
    }

    async fn credentials(&self, client: &ClientId) -> Result<Arc<[ClientCertificate]>, StoreError> {
        let state = self.state();
        Ok(state.credentials.get(client).cloned().unwrap_or_default())
    }

    async fn put_device(
        &self,
        device: &DeviceRecord,
        limit: usize,
    ) -> Result<DevicePut, StoreError> {
        let DeviceRecord {
            client, device: id, ..
        } = device;
        let devices = &mut self.state().devices;
        if id.is_child() && !devices.contains_key(&(client.clone(), id.root())) {
            return Ok(DevicePut::NoGateway);
        }
        let key = (client.clone(), id.clone());
        let is_new = !devices.contains_key(&key);
        if is_new && devices.keys().filter(|(owner, _)| owner == client).count() >= limit {
            return Ok(DevicePut::TooMany);
        }
        devices.insert(key, device.clone());
        Ok(if is_new {
            DevicePut::Created
        } else {
            DevicePut::Updated
        })
    }

    async fn device(
        &self,
        client: &ClientId,
        device: &DeviceId,
    ) -> Result<Option<DeviceRecord>, StoreError> {
        let key = (client.clone(), device.clone());
        Ok(self.state().devices.get(&key).cloned())
    }

    async fn devices(&self, client: Option<&ClientId>) -> Result<Vec<DeviceRecord>, StoreError> {
        let state = self.state();
        let devices = state.devices.values();
        let wanted = |it: &&DeviceRecord| client.is_none_or(|client| it.client == *client);
        Ok(devices.filter(wanted).cloned().collect())
    }

    async fn remove_device(
        &self,
        client: &ClientId,
        device: &DeviceId,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let key = (client.clone(), device.clone());
        let found = state.devices.remove(&key).is_some();
        if found {
            state
                .devices
                .retain(|(owner, id), _| owner != client || !id.is_behind(device));
        }
        Ok(found)
    }

    async fn head(&self, client: &ClientId) -> Result<Option<Head>, StoreError> {
        let state = self.state();
        Ok(state.desired.get(client).map(|desired| desired.head))
    }

    async fn manifest(&self, client: &ClientId) -> Result<Option<Bytes>, StoreError> {
        let state = self.state();
        Ok(state
            .desired
            .get(client)
            .map(|desired| desired.manifest.clone()))
    }

    async fn assigned(&self, client: &ClientId) -> Result<Vec<(DeploymentId, Bytes)>, StoreError> {
        let state = self.state();
        let Some(desired) = state.desired.get(client) else {
            return Ok(Vec::new());
        };
        let known = desired.deployments.iter();
        Ok(known
            .filter(|(_, known)| known.taken_out_at.is_none())
            .map(|(id, known)| (*id, known.bytes.clone()))
            .collect())
    }

    async fn document(
        &self,
        client: &ClientId,
        deployment: &DeploymentId,
    ) -> Result<Option<PublishedDocument>, StoreError> {
        let state = self.state();
        let known = state
            .desired
            .get(client)
            .and_then(|desired| desired.deployments.get(deployment));
        Ok(known.map(|known| {
            let assigned = known.taken_out_at.is_none();
            PublishedDocument::new(known.digest, known.bytes.clone(), assigned)
        }))
    }

    async fn version_of(
        &self,
        client: &ClientId,
        manifest: &Digest,
    ) -> Result<Option<ManifestVersion>, StoreError> {
        let state = self.state();
        let desired = state.desired.get(client);
        Ok(desired.and_then(|desired| desired.versions.get(manifest).copied()))
    }

    async fn content(
        &self,
        client: &ClientId,
        key: &ContentKey,
    ) -> Result<Option<Bytes>, StoreError> {
        let state = self.state();
        let content = state
            .desired
            .get(client)
            .and_then(|desired| desired.contents.get(key));
        Ok(content.map(|content| content.bytes.clone()))
    }

    async fn publish(
        &self,
        client: &ClientId,
        expected: Option<ManifestVersion>,
        publication: &Publication,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let newest = state.desired.get(client).map(|it| it.head);
        let found = newest.map(|head| head.version);
        if found != expected || found.is_some_and(|found| publication.version <= found) {
            return Err(StoreError::Conflict { found });
        }
        if newest.is_some_and(|newest| newest.generation != publication.generation)
            && let Some(record) = state.clients.get_mut(client)
        {
            record.generation = publication.generation;
        }
        state
            .desired
            .entry(client.clone())
            .or_insert_with(|| Desired::empty(publication.head()))
            .replace(publication);
        Ok(())
    }

    async fn put_status(&self, status: &StatusRecord) -> Result<bool, StoreError> {
        let mut state = self.state();
        if status.state == DeploymentState::Removed
            && let Some(desired) = state.desired.get_mut(&status.client)
            && let Some(known) = desired.deployments.get_mut(&status.deployment)
        {
            known.removed = known.taken_out_at.is_some();
        }
        let key = (status.client.clone(), status.deployment);
        let reports = state.reports.entry(key).or_default();
        if reports.history.len() == HISTORY {
            reports.history.pop_back();
        }
        reports.history.push_front(status.clone());
        let count = reports.latest.len();
        reports.latest.retain(|it| it.device != status.device);
        let is_first = reports.latest.len() == count;
        if reports.latest.len() == REPORTERS {
            reports.latest.pop_front();
        }
        reports.latest.push_back(status.clone());
        Ok(is_first)
    }

    async fn statuses(&self, client: Option<&ClientId>) -> Result<Vec<StatusRecord>, StoreError> {
        let state = self.state();
        let reports = state.reports.iter();
        let wanted = reports.filter(|((owner, _), _)| client.is_none_or(|client| owner == client));
        Ok(wanted
            .flat_map(|(_, reports)| reports.by_device())
            .collect())
    }

    async fn history(
        &self,
        client: &ClientId,
        deployment: &DeploymentId,
        limit: usize,
    ) -> Result<Vec<StatusRecord>, StoreError> {
        let state = self.state();
        let reports = state.reports.get(&(client.clone(), *deployment));
        let history = reports.into_iter().flat_map(|reports| &reports.history);
        Ok(history.take(limit).cloned().collect())
    }

    async fn prune(&self, superseded_before: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.state();
        let State {
            desired, reports, ..
        } = &mut *state;
        let mut dropped = 0;
        for (client, desired) in desired {
            for id in desired.forget_removed(superseded_before) {
                reports.remove(&(client.clone(), id));
            }
            dropped += desired.drop_contents(superseded_before);
        }
        Ok(dropped)
    }
}

#[derive(Default)]
struct State {
    clients: BTreeMap<ClientId, ClientRecord>,
    enrolments: HashMap<Digest, EnrolmentRecord>,
    /// What clients sign with, of those that have anything accepted.
    credentials: HashMap<ClientId, Arc<[ClientCertificate]>>,
    devices: BTreeMap<(ClientId, DeviceId), DeviceRecord>,
    desired: BTreeMap<ClientId, Desired>,
    reports: BTreeMap<(ClientId, DeploymentId), Reports>,
}

impl State {
    fn enrolments_by(&self, digests: &[Digest]) -> Vec<EnrolmentRecord> {
        by_time(self.enrolments.values(), |it| {
            let of_it = [Some(it.fingerprint), it.key, it.names];
            of_it
                .iter()
                .flatten()
                .any(|digest| digests.contains(digest))
        })
    }

    fn change_enrolment(&mut self, change: &EnrolmentChange) -> Result<EnrolmentPut, StoreError> {
        let EnrolmentChange {
            before,
            after,
            client,
            readings,
            max_pending,
        } = change;
        let found = |record: &EnrolmentRecord| self.enrolments.get(&record.fingerprint);
        let is_taken = |after: &EnrolmentRecord| {
            let stays = before.as_ref().map(|it| it.fingerprint) == Some(after.fingerprint);
            !stays && found(after).is_some()
        };
        let takes = |after: &EnrolmentRecord| {
            let digests: Vec<_> = after.digests().collect();
            let alike = self.enrolments_by(&digests);
            alike.iter().any(|it| after.takes_from(it))
        };
        let is_same = before.as_ref().is_none_or(|it| found(it) == Some(it))
            && !after.as_ref().is_some_and(is_taken)
            && !after.as_ref().is_some_and(takes)
            && readings
                .iter()
                .all(|reading| self.enrolments_by(&reading.digests) == reading.found)
            && client
                .as_ref()
                .is_none_or(|(before, client)| self.clients.get(&client.id) == before.as_ref());
        if !is_same {
            return Ok(EnrolmentPut::Outrun);
        }
        let is_pending = |it: &&EnrolmentRecord| it.state == EnrolmentState::Pending;
        if change.adds_pending()
            && self.enrolments.values().filter(is_pending).count() >= *max_pending
        {
            return Ok(EnrolmentPut::TooMany);
        }
        // Whatever can fail, before anything is changed.
        let mut enrolments = self.enrolments.clone();
        if let Some(before) = before {
            enrolments.remove(&before.fingerprint);
        }
        if let Some(after) = after {
            enrolments.insert(after.fingerprint, after.clone());
        }
        let credentials = change.owners().map(|owner| {
            let of_owner = by_time(enrolments.values(), |it| it.client.as_ref() == Some(owner));
            Ok((owner.clone(), credentials(&of_owner)?))
        });
        let credentials: Vec<_> = credentials.collect::<Result<_, StoreError>>()?;
        self.credentials.extend(credentials);
        self.enrolments = enrolments;
        if let Some((_, client)) = client {
            self.clients.insert(client.id.clone(), client.clone());
        }
        Ok(EnrolmentPut::Done)
    }
}

fn by_time<'e>(
    enrolments: impl Iterator<Item = &'e EnrolmentRecord>,
    is_wanted: impl Fn(&EnrolmentRecord) -> bool,
) -> Vec<EnrolmentRecord> {
    let mut wanted: Vec<_> = enrolments.filter(|it| is_wanted(it)).cloned().collect();
    wanted.sort_by_key(|it| (it.asked_at, it.fingerprint));
    wanted
}

/// What was published for a client.
struct Desired {
    head: Head,
    manifest: Bytes,
    versions: BTreeMap<Digest, ManifestVersion>,
    contents: BTreeMap<ContentKey, Content>,
    deployments: BTreeMap<DeploymentId, Known>,
}

impl Desired {
    fn empty(head: Head) -> Self {
        Self {
            head,
            manifest: Bytes::new(),
            versions: BTreeMap::new(),
            contents: BTreeMap::new(),
            deployments: BTreeMap::new(),
        }
    }

    fn replace(&mut self, publication: &Publication) {
        let now = publication.published_at;
        self.head = publication.head();
        self.manifest = publication.manifest.clone();
        self.versions
            .insert(publication.digest, publication.version);
        for content in self.contents.values_mut() {
            content.superseded_at.get_or_insert(now);
        }
        for known in self.deployments.values_mut() {
            known.taken_out_at.get_or_insert(now);
        }
        for (key, bytes) in publication.contents() {
            let content = Content {
                bytes: bytes.clone(),
                superseded_at: None,
            };
            self.contents.insert(key, content);
        }
        for (id, digest, bytes) in &publication.deployments {
            let known = Known {
                digest: *digest,
                bytes: bytes.clone(),
                taken_out_at: None,
                removed: false,
            };
            self.deployments.insert(*id, known);
        }
    }

    fn forget_removed(&mut self, before: Timestamp) -> Vec<DeploymentId> {
        let is_over =
            |known: &Known| known.removed && known.taken_out_at.is_some_and(|at| at < before);
        let over: Vec<_> = self
            .deployments
            .iter()
            .filter(|(_, known)| is_over(known))
            .map(|(id, _)| *id)
            .collect();
        for id in &over {
            self.deployments.remove(id);
        }
        over
    }

    fn drop_contents(&mut self, before: Timestamp) -> u64 {
        let is_last = |key: &ContentKey| match key {
            ContentKey::Deployment(id, digest) => self
                .deployments
                .get(id)
                .is_some_and(|known| known.digest == *digest),
            ContentKey::Bundle(_) => false,
        };
        let count = self.contents.len();
        self.contents.retain(|key, content| {
            content.superseded_at.is_none_or(|at| at >= before) || is_last(key)
        });
        (count - self.contents.len()) as u64
    }
}

struct Content {
    bytes: Bytes,
    superseded_at: Option<Timestamp>,
}

/// The last document of a deployment.
struct Known {
    digest: Digest,
    bytes: Bytes,
    taken_out_at: Option<Timestamp>,
    /// Whether it was reported removed after it was taken out.
    removed: bool,
}

/// What was reported on a deployment.
#[derive(Default)]
struct Reports {
    /// One of each device, the newest last.
    latest: VecDeque<StatusRecord>,
    /// The newest first.
    history: VecDeque<StatusRecord>,
}

impl Reports {
    fn by_device(&self) -> Vec<StatusRecord> {
        let mut latest: Vec<_> = self.latest.iter().cloned().collect();
        latest.sort_by(|one, other| one.device.cmp(&other.device));
        latest
    }
}
