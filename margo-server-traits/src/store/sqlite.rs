//! The store in an SQLite file.

mod backup;
mod cache;
mod enrolment;
mod file;
mod publication;
mod rows;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::signature::ClientCertificate;
use margo_types::status::DeploymentState;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqlitePool};
use sqlx::{SqliteExecutor, SqliteTransaction};
use tokio::sync::Mutex;

use self::cache::{Cache, Cached};
use self::file::{Mode, StoreFile};
use self::rows::{FromRow, columns, count, failed, list, microseconds};
use super::{
    ClientRecord, ContentKey, DevicePut, DeviceRecord, EnrolmentChange, EnrolmentPut,
    EnrolmentRecord, HISTORY, Head, Publication, PublishedDocument, REPORTERS, Standing,
    StatusRecord, Store, StoreError, credentials,
};

/// A store in one SQLite file, for a fleet manager of one process.
///
/// The file is in WAL mode and synchronised with the disk before a change is acknowledged, so that it survives a crash and
/// a loss of power. Beside it are `<file>-wal` and `<file>-shm`, which belong to it, and `<file>.lock`, which keeps a second
/// process out. Files are readable by their owner only (0600).
///
/// To back it up while it is open use [`SqliteStore::backup`]; to restore a backup stop the fleet manager, remove
/// `<file>-wal` and `<file>-shm`, and put the copy in place. What happens then is said at
/// [`StoreFleet`](crate::StoreFleet).
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    /// In memory, so that an unchanged poll reads nothing. Nobody else has the file open.
    cache: Cache,
    /// Held from before a commit until the cache agrees with the file.
    changing: Mutex<()>,
    // The last, so that the file is free only when the connections are gone.
    file: StoreFile,
}

impl SqliteStore {
    /// Opens the store in this file, and makes it if it is not there. Its directory must be.
    ///
    /// All of it is read once to see that it is sound, which takes about half a second of processor time for each GiB:
    /// another reason to [prune](Store::prune) it.
    ///
    /// # Errors
    /// [`StoreError::Unopened`] when another process has it, or it is of another or a newer program;
    /// [`StoreError::Damaged`] when it is no SQLite database or a broken one.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let file = StoreFile::open(path.as_ref()).await?;
        let writer = file.pool(Mode::Write).await?;
        let readers = file.pool(Mode::Read).await?;
        let store = Self {
            writer,
            readers,
            cache: Cache::default(),
            changing: Mutex::default(),
            file,
        };
        for client in store.clients().await? {
            store.remember(&client);
        }
        let query = sqlx::query("SELECT client, version, digest, generation FROM heads");
        let heads: Vec<(ClientId, Head)> = store.all(query).await?;
        for (client, head) in heads {
            store
                .cache
                .set(&client, |known| known.head = Cached::Thing(head));
        }
        let query = "SELECT DISTINCT client FROM enrolments WHERE client IS NOT NULL";
        let enrolled: Vec<ClientId> = store.all(sqlx::query(query)).await?;
        for client in enrolled {
            store
                .cache
                .set(&client, |known| known.credentials = Cached::Unsure);
        }
        Ok(store)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Ends all connections; the file is whole by itself then, without `-wal`. Every later call fails
    /// that needs the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn all<T: FromRow>(&self, query: StaticQuery<'_>) -> Result<Vec<T>, StoreError> {
        self.all_by(&self.readers, query).await
    }

    /// The same, on a certain connection.
    async fn all_by<T: FromRow>(
        &self,
        executor: impl SqliteExecutor<'_>,
        query: StaticQuery<'_>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = query.fetch_all(executor).await;
        let values = rows.and_then(|rows| rows.iter().map(T::from_row).collect());
        values.map_err(|error| self.failed(error))
    }

    async fn one<T: FromRow>(&self, query: StaticQuery<'_>) -> Result<Option<T>, StoreError> {
        let row = query.fetch_optional(&self.readers).await;
        let value = row.and_then(|row| row.as_ref().map(T::from_row).transpose());
        value.map_err(|error| self.failed(error))
    }

    async fn begin(&self) -> Result<SqliteTransaction<'static>, StoreError> {
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await;
        transaction.map_err(|error| self.failed(error))
    }

    async fn commit(&self, transaction: SqliteTransaction<'_>) -> Result<(), StoreError> {
        let committed = transaction.commit().await;
        committed.map_err(|error| self.failed(error))
    }

    /// Executes a statement and says how many rows it concerned.
    async fn execute(
        &self,
        transaction: &mut SqliteTransaction<'_>,
        query: StaticQuery<'_>,
    ) -> Result<u64, StoreError> {
        let done = query.execute(&mut **transaction).await;
        let done = done.map_err(|error| self.failed(error))?;
        Ok(done.rows_affected())
    }

    async fn read_client(
        &self,
        transaction: &mut SqliteTransaction<'_>,
        id: &ClientId,
    ) -> Result<Option<ClientRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM clients WHERE id = ?").bind(id.as_str());
        let row = query.fetch_optional(&mut **transaction).await;
        let record = row.and_then(|row| row.as_ref().map(ClientRecord::from_row).transpose());
        record.map_err(|error| self.failed(error))
    }

    async fn write_client(
        &self,
        transaction: &mut SqliteTransaction<'_>,
        client: &ClientRecord,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT OR REPLACE INTO clients (id, accepted, note, generation) VALUES (?, ?, ?, ?)",
        )
        .bind(client.id.as_str())
        .bind(client.accepted)
        .bind(&client.note)
        .bind(client.generation.as_str());
        self.execute(transaction, query).await.map(drop)
    }

    /// Whether a query finds anything.
    async fn exists(
        &self,
        transaction: &mut SqliteTransaction<'_>,
        query: StaticQuery<'_>,
    ) -> Result<bool, StoreError> {
        let row = query.fetch_optional(&mut **transaction).await;
        let row = row.map_err(|error| self.failed(error))?;
        Ok(row.is_some())
    }

    /// Has the cache agree with the file, now that this was committed.
    fn remember(&self, client: &ClientRecord) {
        let standing = Cached::Thing(client.standing());
        self.cache
            .set(&client.id, |known| known.standing = standing);
    }

    fn cached_credentials(&self, client: &ClientId) -> Option<Arc<[ClientCertificate]>> {
        match self.cache.get(client, |known| &known.credentials) {
            Cached::Nothing => Some(Arc::default()),
            Cached::Thing(credentials) => Some(credentials),
            Cached::Unsure => None,
        }
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        failed(self.path(), error)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("SqliteStore")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn put_client(&self, client: &ClientRecord) -> Result<(), StoreError> {
        let _turn = self.changing.lock().await;
        let mut transaction = self.begin().await?;
        self.write_client(&mut transaction, client).await?;
        // Should this end here, or the commit fail, the file knows and the cache does not.
        self.cache
            .set(&client.id, |known| known.standing = Cached::Unsure);
        self.commit(transaction).await?;
        self.remember(client);
        Ok(())
    }

    async fn replace_client(
        &self,
        before: Option<&ClientRecord>,
        client: &ClientRecord,
    ) -> Result<bool, StoreError> {
        let _turn = self.changing.lock().await;
        let mut transaction = self.begin().await?;
        if self
            .read_client(&mut transaction, &client.id)
            .await?
            .as_ref()
            != before
        {
            return Ok(false);
        }
        self.write_client(&mut transaction, client).await?;
        self.cache
            .set(&client.id, |known| known.standing = Cached::Unsure);
        self.commit(transaction).await?;
        self.remember(client);
        Ok(true)
    }

    async fn client(&self, id: &ClientId) -> Result<Option<ClientRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM clients WHERE id = ?");
        self.one(query.bind(id.as_str())).await
    }

    async fn standing(&self, id: &ClientId) -> Result<Option<Standing>, StoreError> {
        match self.cache.get(id, |known| &known.standing) {
            Cached::Nothing => Ok(None),
            Cached::Thing(standing) => Ok(Some(standing)),
            Cached::Unsure => {
                let record = self.client(id).await?;
                Ok(record.as_ref().map(ClientRecord::standing))
            }
        }
    }

    async fn clients(&self) -> Result<Vec<ClientRecord>, StoreError> {
        self.all(sqlx::query("SELECT * FROM clients ORDER BY id"))
            .await
    }

    async fn change_enrolment(&self, change: &EnrolmentChange) -> Result<EnrolmentPut, StoreError> {
        let _turn = self.changing.lock().await;
        let mut transaction = self.begin().await?;
        let put = self.write_enrolment(&mut transaction, change).await?;
        if put != EnrolmentPut::Done {
            return Ok(put);
        }
        let client = change.client.as_ref().map(|(_, client)| client);
        if let Some(client) = client {
            self.cache
                .set(&client.id, |known| known.standing = Cached::Unsure);
        }
        for owner in change.owners() {
            self.cache
                .set(owner, |known| known.credentials = Cached::Unsure);
        }
        self.commit(transaction).await?;
        if let Some(client) = client {
            self.remember(client);
        }
        Ok(EnrolmentPut::Done)
    }

    async fn enrolments(
        &self,
        client: Option<&ClientId>,
    ) -> Result<Vec<EnrolmentRecord>, StoreError> {
        let query = match client {
            Some(client) => enrolment::of_client(client),
            None => sqlx::query("SELECT * FROM enrolments ORDER BY asked_at, fingerprint"),
        };
        self.all(query).await
    }

    async fn enrolments_by(&self, digests: &[Digest]) -> Result<Vec<EnrolmentRecord>, StoreError> {
        let mut found = Vec::new();
        for digest in digests {
            found.extend(self.all(enrolment::of_digest(digest)).await?);
        }
        Ok(enrolment::by_time(found))
    }

    async fn credentials(&self, client: &ClientId) -> Result<Arc<[ClientCertificate]>, StoreError> {
        if let Some(credentials) = self.cached_credentials(client) {
            return Ok(credentials);
        }
        // Nothing is changed between reading and remembering. A commit that its caller has left ends without a turn, but before
        // the connection that it is on reads anything.
        let _turn = self.changing.lock().await;
        if let Some(credentials) = self.cached_credentials(client) {
            return Ok(credentials);
        }
        let query = enrolment::of_client(client);
        let read = credentials(&self.all_by(&self.writer, query).await?)?;
        let thing = Cached::Thing(Arc::clone(&read));
        self.cache.set(client, |known| known.credentials = thing);
        Ok(read)
    }

    async fn put_device(
        &self,
        device: &DeviceRecord,
        limit: usize,
    ) -> Result<DevicePut, StoreError> {
        let (client, gateway) = (device.client.as_str(), device.device.root());
        let known = |id| {
            sqlx::query("SELECT 1 FROM devices WHERE client = ? AND device = ?")
                .bind(client)
                .bind(id)
        };
        // The one that is there when there are too many.
        let last = sqlx::query("SELECT 1 FROM devices WHERE client = ? LIMIT 1 OFFSET ?")
            .bind(client)
            .bind(count(limit.saturating_sub(1)));
        let put = sqlx::query(
            "INSERT OR REPLACE INTO devices (client, device, capabilities, findings, reported_at)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(device.client.as_str())
        .bind(device.device.as_str())
        .bind(&device.capabilities[..])
        .bind(list(&device.findings))
        .bind(microseconds(device.reported_at));
        let mut transaction = self.begin().await?;
        if device.device.is_child()
            && !self
                .exists(&mut transaction, known(gateway.as_str()))
                .await?
        {
            return Ok(DevicePut::NoGateway);
        }
        let itself = known(device.device.as_str());
        let done = if self.exists(&mut transaction, itself).await? {
            DevicePut::Updated
        } else if limit == 0 || self.exists(&mut transaction, last).await? {
            return Ok(DevicePut::TooMany);
        } else {
            DevicePut::Created
        };
        self.execute(&mut transaction, put).await?;
        self.commit(transaction).await?;
        Ok(done)
    }

    async fn device(
        &self,
        client: &ClientId,
        device: &DeviceId,
    ) -> Result<Option<DeviceRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM devices WHERE client = ? AND device = ?");
        self.one(query.bind(client.as_str()).bind(device.as_str()))
            .await
    }

    async fn devices(&self, client: Option<&ClientId>) -> Result<Vec<DeviceRecord>, StoreError> {
        let query = match client {
            Some(client) => sqlx::query("SELECT * FROM devices WHERE client = ? ORDER BY device")
                .bind(client.as_str()),
            None => sqlx::query("SELECT * FROM devices ORDER BY client, device"),
        };
        self.all(query).await
    }

    async fn remove_device(
        &self,
        client: &ClientId,
        device: &DeviceId,
    ) -> Result<bool, StoreError> {
        let (client, device) = (client.as_str(), device.as_str());
        let itself = sqlx::query("DELETE FROM devices WHERE client = ? AND device = ?");
        // Compared as text, not as a pattern: ids may contain what LIKE understands.
        let behind = sqlx::query(
            "DELETE FROM devices WHERE client = ?1 AND substr(device, 1, length(?2) + 1) = ?2 || '/'",
        );
        let mut transaction = self.begin().await?;
        let itself = itself.bind(client).bind(device);
        let found = self.execute(&mut transaction, itself).await? > 0;
        if found {
            let behind = behind.bind(client).bind(device);
            self.execute(&mut transaction, behind).await?;
        }
        self.commit(transaction).await?;
        Ok(found)
    }

    async fn head(&self, client: &ClientId) -> Result<Option<Head>, StoreError> {
        match self.cache.get(client, |known| &known.head) {
            Cached::Nothing => Ok(None),
            Cached::Thing(head) => Ok(Some(head)),
            Cached::Unsure => {
                let query =
                    sqlx::query("SELECT version, digest, generation FROM heads WHERE client = ?");
                self.one(query.bind(client.as_str())).await
            }
        }
    }

    async fn manifest(&self, client: &ClientId) -> Result<Option<Bytes>, StoreError> {
        let query = sqlx::query("SELECT manifest AS bytes FROM heads WHERE client = ?");
        self.one(query.bind(client.as_str())).await
    }

    async fn assigned(&self, client: &ClientId) -> Result<Vec<(DeploymentId, Bytes)>, StoreError> {
        let query = sqlx::query(
            "SELECT deployment, bytes FROM contents
             WHERE client = ? AND superseded_at IS NULL AND deployment <> '' ORDER BY deployment",
        );
        self.all(query.bind(client.as_str())).await
    }

    async fn document(
        &self,
        client: &ClientId,
        deployment: &DeploymentId,
    ) -> Result<Option<PublishedDocument>, StoreError> {
        let query = sqlx::query(
            "SELECT digest, bytes, taken_out_at IS NULL AS assigned
             FROM deployments JOIN contents USING (client, deployment, digest)
             WHERE client = ? AND deployment = ?",
        );
        let query = query.bind(client.as_str()).bind(deployment.to_string());
        self.one(query).await
    }

    async fn version_of(
        &self,
        client: &ClientId,
        manifest: &Digest,
    ) -> Result<Option<ManifestVersion>, StoreError> {
        let query = sqlx::query("SELECT version FROM versions WHERE client = ? AND digest = ?");
        let query = query.bind(client.as_str()).bind(&manifest.as_bytes()[..]);
        self.one(query).await
    }

    async fn content(
        &self,
        client: &ClientId,
        key: &ContentKey,
    ) -> Result<Option<Bytes>, StoreError> {
        let (deployment, digest) = columns(key);
        let query = sqlx::query(
            "SELECT bytes FROM contents WHERE client = ? AND deployment = ? AND digest = ?",
        );
        let query = query.bind(client.as_str()).bind(deployment).bind(digest);
        self.one(query).await
    }

    async fn publish(
        &self,
        client: &ClientId,
        expected: Option<ManifestVersion>,
        publication: &Publication,
    ) -> Result<(), StoreError> {
        let _turn = self.changing.lock().await;
        let mut transaction = self.begin().await?;
        let newest = publication::newest(&mut transaction, client)
            .await
            .map_err(|error| self.failed(error))?;
        let found = newest.map(|head| head.version);
        if found != expected || found.is_some_and(|found| publication.version <= found) {
            return Err(StoreError::Conflict { found });
        }
        publication::insert(&mut transaction, client, publication)
            .await
            .map_err(|error| self.failed(error))?;
        let generation = publication.generation;
        let mut converted = None;
        if newest.is_some_and(|newest| newest.generation != generation) {
            let record = self.read_client(&mut transaction, client).await?;
            converted = record.map(|record| record.speaking(generation));
        }
        if let Some(record) = &converted {
            self.write_client(&mut transaction, record).await?;
            self.cache
                .set(client, |known| known.standing = Cached::Unsure);
        }
        // Should this end here, or the commit fail, the file knows and the cache does not.
        self.cache.set(client, |known| known.head = Cached::Unsure);
        self.commit(transaction).await?;
        let head = Cached::Thing(publication.head());
        self.cache.set(client, |known| known.head = head);
        if let Some(record) = converted {
            self.remember(&record);
        }
        Ok(())
    }

    async fn put_status(&self, status: &StatusRecord) -> Result<bool, StoreError> {
        let (client, deployment) = (status.client.as_str(), status.deployment.to_string());
        let device = status.device.as_ref().map_or("", DeviceId::as_str);
        let known = sqlx::query(
            "SELECT 1 FROM statuses WHERE client = ? AND deployment = ? AND device = ?",
        );
        let known = known.bind(client).bind(&deployment).bind(device);
        let mut transaction = self.begin().await?;
        let is_known = self.exists(&mut transaction, known).await?;
        for insert in [
            "INSERT OR REPLACE INTO statuses (client, deployment, device, state, status, findings, reported_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            "INSERT INTO history (client, deployment, device, state, status, findings, reported_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        ] {
            let insert = sqlx::query(insert)
                .bind(client)
                .bind(&deployment)
                .bind(device)
                .bind(status.state.as_str())
                .bind(&status.status[..])
                .bind(list(&status.findings))
                .bind(microseconds(status.reported_at));
            self.execute(&mut transaction, insert).await?;
        }
        for (trim, kept) in [
            (
                "DELETE FROM statuses WHERE rowid IN (
                     SELECT rowid FROM statuses WHERE client = ? AND deployment = ?
                     ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
                REPORTERS,
            ),
            (
                "DELETE FROM history WHERE position IN (
                     SELECT position FROM history WHERE client = ? AND deployment = ?
                     ORDER BY position DESC LIMIT -1 OFFSET ?)",
                HISTORY,
            ),
        ] {
            let trim = sqlx::query(trim).bind(client).bind(&deployment);
            self.execute(&mut transaction, trim.bind(count(kept)))
                .await?;
        }
        if status.state == DeploymentState::Removed {
            let removed = sqlx::query(
                "UPDATE deployments SET removed = 1
                 WHERE client = ? AND deployment = ? AND taken_out_at IS NOT NULL",
            );
            let removed = removed.bind(client).bind(&deployment);
            self.execute(&mut transaction, removed).await?;
        }
        self.commit(transaction).await?;
        Ok(!is_known)
    }

    async fn statuses(&self, client: Option<&ClientId>) -> Result<Vec<StatusRecord>, StoreError> {
        let query = match client {
            Some(client) => {
                sqlx::query("SELECT * FROM statuses WHERE client = ? ORDER BY deployment, device")
                    .bind(client.as_str())
            }
            None => sqlx::query("SELECT * FROM statuses ORDER BY client, deployment, device"),
        };
        self.all(query).await
    }

    async fn history(
        &self,
        client: &ClientId,
        deployment: &DeploymentId,
        limit: usize,
    ) -> Result<Vec<StatusRecord>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM history WHERE client = ? AND deployment = ? ORDER BY position DESC LIMIT ?",
        );
        let query = query
            .bind(client.as_str())
            .bind(deployment.to_string())
            .bind(count(limit));
        self.all(query).await
    }

    async fn prune(&self, superseded_before: Timestamp) -> Result<u64, StoreError> {
        let before = microseconds(superseded_before);
        let mut transaction = self.begin().await?;
        for forget in [
            "DELETE FROM statuses WHERE (client, deployment) IN (
                 SELECT client, deployment FROM deployments WHERE removed AND taken_out_at < ?)",
            "DELETE FROM history WHERE (client, deployment) IN (
                 SELECT client, deployment FROM deployments WHERE removed AND taken_out_at < ?)",
            "DELETE FROM deployments WHERE removed AND taken_out_at < ?",
        ] {
            let forget = sqlx::query(forget).bind(before);
            self.execute(&mut transaction, forget).await?;
        }
        let contents = sqlx::query(
            "DELETE FROM contents WHERE superseded_at < ? AND (client, deployment, digest) NOT IN (
                 SELECT client, deployment, digest FROM deployments)",
        );
        let dropped = self
            .execute(&mut transaction, contents.bind(before))
            .await?;
        self.commit(transaction).await?;
        Ok(dropped)
    }
}

type StaticQuery<'q> = Query<'q, Sqlite, SqliteArguments>;
