//! Files that are cut, and stores that are set back.

use jiff::Timestamp;
use margo_client::state::{FileStore, StateStore as _};
use margo_client::{Error, ErrorKind};

use super::super::Failure;
use super::World;

impl World {
    /// A state file that is cut short must be refused and left as it is, or, where nothing of it was lost, say the same.
    pub(super) async fn cut_state(&mut self, index: usize, share: u64) -> Result<(), Failure> {
        let copy = self.folder.join("cut.redb");
        let device = &mut self.devices[index];
        self.security_events += device.snapshot().map_or(0, |it| it.security_events);
        device.kill().await;
        self.counts.add("kills of agents");
        self.counts.add("cut state files");
        let (path, owner) = (device.state_file(), device.identity.id());
        let mut bytes = std::fs::read(&path)?;
        let length = u64::try_from(bytes.len())?.saturating_mul(share) / 1000;
        bytes.truncate(usize::try_from(length)?);
        std::fs::write(&copy, &bytes)?;
        let whole = FileStore::open(path, owner).await?.load().await?;
        let found = async { FileStore::open(&copy, owner).await?.load().await };
        let found: Result<_, Error> = found.await;
        let fault = match found {
            Ok(state) if state == whole => None,
            Ok(_) => Some("taken for another state".to_owned()),
            Err(error) if error.kind() != ErrorKind::State => Some(format!("refused as {error:?}")),
            Err(_) if std::fs::read(&copy)? != bytes => Some("refused, and changed".to_owned()),
            Err(_) => None,
        };
        std::fs::remove_file(&copy)?;
        if let Some(fault) = fault {
            let client = &device.client;
            self.witness.violation(format_args!(
                "the state file of {client}, cut at byte {length}, was {fault}"
            ));
        }
        device.start().await
    }

    /// Kills the fleet manager and puts its last backup in place of its store. Its operator then deploys everything that is
    /// desired anew.
    pub(super) async fn restore(&mut self) -> Result<(), Failure> {
        if !self.manager.has_backup() {
            return Ok(());
        }
        self.manager.kill().await;
        self.counts.add("kills of fleet managers");
        self.manager.restore()?;
        self.counts.add("restored backups");
        self.restored_at = Some(Timestamp::now());
        for wishes in &mut self.wishes {
            wishes.renew();
        }
        self.restart_manager().await
    }
}
