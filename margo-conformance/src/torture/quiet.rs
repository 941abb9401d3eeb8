//! Quiet points: the faults stop, and everything must become as it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use margo_client::agent::Snapshot;
use margo_providers::Provider as _;
use margo_server_traits::store::StatusRecord;
use margo_types::Digest;
use margo_types::deployment::ApplicationDeployment;
use margo_types::id::{DeploymentId, DeviceId, DeviceTarget};
use margo_types::status::DeploymentState;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::Failure;
use super::device::Life;
use super::world::World;

impl World {
    /// Stops all faults and waits until every device is as desired and the fleet manager knows it.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        self.witness.note("quiet");
        self.calm_down().await?;
        self.publish_what_is_new().await?;
        for index in 0..self.devices.len() {
            let begun = Instant::now();
            let mut told = begun;
            loop {
                let Some(lag) = self.lag(index).await? else {
                    break;
                };
                if self.witness.is_violated() {
                    return Ok(());
                }
                if begun.elapsed() > self.patience {
                    let patience = self.patience;
                    let client = &self.devices[index].client;
                    let snapshot = self.devices[index].snapshot();
                    self.witness.note(format_args!("{snapshot:?}"));
                    self.witness.violation(format_args!(
                        "{client} does not become as desired within {patience:?} without faults: {lag}"
                    ));
                    return Ok(());
                }
                if told.elapsed() > BETWEEN_NOTES {
                    told = Instant::now();
                    self.witness.note(format_args!("waiting: {lag}"));
                }
                tokio::time::sleep(GLANCE).await;
            }
        }
        self.counts.add("quiet points, everything as desired");
        self.count_tasks();
        // As fleet managers do now and then: without it the store grows, and every start of it takes longer.
        self.manager.prune().await
    }

    /// What is not yet as it should be with a device.
    async fn lag(&self, index: usize) -> Result<Option<String>, Failure> {
        let (device, wishes) = (&self.devices[index], &self.wishes[index]);
        let (Some(life), Some(manager)) = (&device.life, &self.manager.life) else {
            return Ok(Some("something is dead".to_owned()));
        };
        let store = &manager.store.inner;
        let newest = store.head(&device.client).await?;
        let assigned = store.assigned(&device.client).await?;
        let wanted = wishes.deployments()?;
        let read = |bytes: &[u8]| margo_types::read::<ApplicationDeployment>(bytes);
        let found = assigned
            .iter()
            .map(|(_, bytes)| Ok(read(bytes)?.into_value()));
        let found: Vec<ApplicationDeployment> = found.collect::<Result<_, Failure>>()?;
        if found != wanted {
            return Ok(Some(
                "the fleet manager has other deployments assigned".to_owned(),
            ));
        }
        let ids: BTreeSet<DeploymentId> = assigned.iter().map(|(id, _)| *id).collect();
        let snapshot = life.handle.snapshot();
        let newest = newest.map(|head| head.version);
        if snapshot.manifest != newest {
            let held = snapshot.manifest;
            return Ok(Some(format!("it holds {held:?}, the newest is {newest:?}")));
        }
        if let Some(lag) = lag_of(&snapshot, &assigned) {
            return Ok(Some(lag));
        }
        if let Some(lag) = misplaced(life, &wanted).await? {
            return Ok(Some(lag));
        }
        let reports = latest(store.statuses(Some(&device.client)).await?);
        for id in &ids {
            let is_told = |it: &StatusRecord| it.state == DeploymentState::Installed;
            if !reports.get(id).is_some_and(is_told) {
                return Ok(Some(format!("{id} is not reported as installed")));
            }
        }
        for (id, report) in &reports {
            // What a backup brought back is not told again.
            let is_known = self
                .restored_at
                .is_none_or(|then| report.reported_at > then);
            if !ids.contains(id) && report.state != DeploymentState::Removed && is_known {
                let state = &report.state;
                return Ok(Some(format!("{id} is gone and reported as {state}")));
            }
        }
        Ok(None)
    }

    /// Whether there are more and more tasks.
    fn count_tasks(&mut self) {
        let now = Handle::current().metrics().num_alive_tasks();
        let before = *self.tasks.get_or_insert(now);
        let most = before + MORE_TASKS_PER_DEVICE * (self.devices.len() + 1);
        if now > most {
            self.witness.violation(format_args!(
                "tasks leak: {now} are alive at rest, {before} were at first"
            ));
        }
    }
}

/// What does not run on the device that it is for, or runs anywhere else.
async fn misplaced(
    life: &Life,
    wanted: &[ApplicationDeployment],
) -> Result<Option<String>, Failure> {
    let mut places: BTreeMap<DeploymentId, Vec<&DeviceId>> = BTreeMap::new();
    for (host, engine) in &life.engines {
        for id in engine.list().await? {
            places.entry(id).or_default().push(host);
        }
    }
    for deployment in wanted {
        let id = deployment.id;
        let place = places.remove(&id).unwrap_or_default();
        let [host] = *place else {
            return Ok(Some(format!("it runs {id} on {place:?}")));
        };
        let fits = match &deployment.metadata.device_id {
            Some(DeviceTarget::Device(target)) => host == target,
            Some(DeviceTarget::AnyBehind(gateway)) => host.is_behind(gateway),
            _ => false,
        };
        let is_installed = match life.engines.get(host) {
            Some(engine) => engine.observe(deployment).await?.is_installed(),
            None => false,
        };
        if !fits || !is_installed {
            return Ok(Some(format!("{id} does not run as desired on {host}")));
        }
    }
    let stray = places.first_key_value();
    Ok(stray.map(|(id, place)| format!("it runs {id} on {place:?}, and should not")))
}

/// The last report on each deployment, whatever device it is from: what moves is not reported as removed.
fn latest(reports: Vec<StatusRecord>) -> BTreeMap<DeploymentId, StatusRecord> {
    let mut latest: BTreeMap<DeploymentId, StatusRecord> = BTreeMap::new();
    for report in reports {
        let known = latest.get(&report.deployment);
        if known.is_none_or(|known| known.reported_at <= report.reported_at) {
            latest.insert(report.deployment, report);
        }
    }
    latest
}

fn lag_of(snapshot: &Snapshot, assigned: &[(DeploymentId, bytes::Bytes)]) -> Option<String> {
    if snapshot.outbox > 0 {
        return Some(format!("{} reports wait", snapshot.outbox));
    }
    if snapshot.deployments.len() != assigned.len() {
        let count = snapshot.deployments.len();
        return Some(format!(
            "it has {count} deployments, not {}",
            assigned.len()
        ));
    }
    assigned.iter().find_map(|(id, bytes)| {
        let digest = Some(Digest::of(bytes));
        let view = snapshot.deployments.get(id);
        let is_there = view.is_some_and(|view| {
            view.revision == digest
                && view.applied == digest
                && view.state == DeploymentState::Installed
        });
        (!is_there).then(|| format!("{id} is not as desired: {view:?}"))
    })
}

const GLANCE: Duration = Duration::from_millis(30);
const BETWEEN_NOTES: Duration = Duration::from_secs(5);
/// Connections come and go.
const MORE_TASKS_PER_DEVICE: usize = 30;
