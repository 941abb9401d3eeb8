//! Changing enrolments, inside a transaction.

use margo_types::Digest;
use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use sqlx::SqliteTransaction;

use super::rows::{FromRow, count, microseconds};
use super::{SqliteStore, StaticQuery};
use crate::store::{EnrolmentChange, EnrolmentPut, EnrolmentRecord, StoreError};

impl SqliteStore {
    /// Makes a change, if what it changes is still as it was read.
    pub(super) async fn write_enrolment(
        &self,
        transaction: &mut SqliteTransaction<'_>,
        change: &EnrolmentChange,
    ) -> Result<EnrolmentPut, StoreError> {
        let EnrolmentChange {
            before,
            after,
            client,
            readings,
            max_pending,
        } = change;
        if let Some((before, client)) = client
            && self.read_client(transaction, &client.id).await? != *before
        {
            return Ok(EnrolmentPut::Outrun);
        }
        for reading in readings {
            if self.find(transaction, &reading.digests).await? != reading.found {
                return Ok(EnrolmentPut::Outrun);
            }
        }
        if let Some(after) = after {
            let digests: Vec<_> = after.digests().collect();
            let alike = self.find(transaction, &digests).await?;
            if alike.iter().any(|it| after.takes_from(it)) {
                return Ok(EnrolmentPut::Outrun);
            }
        }
        if let Some(before) = before {
            if self.enrolment(transaction, before).await?.as_ref() != Some(before) {
                return Ok(EnrolmentPut::Outrun);
            }
            let remove = sqlx::query("DELETE FROM enrolments WHERE fingerprint = ?");
            let remove = remove.bind(&before.fingerprint.as_bytes()[..]);
            self.execute(transaction, remove).await?;
        }
        if let Some(after) = after
            && self.enrolment(transaction, after).await?.is_some()
        {
            return Ok(EnrolmentPut::Outrun);
        }
        // The one that is there when there are too many.
        let last = sqlx::query("SELECT 1 FROM enrolments WHERE state = 'pending' LIMIT 1 OFFSET ?")
            .bind(count(max_pending.saturating_sub(1)));
        if change.adds_pending() && (*max_pending == 0 || self.exists(transaction, last).await?) {
            return Ok(EnrolmentPut::TooMany);
        }
        if let Some(after) = after {
            self.insert_enrolment(transaction, after).await?;
        }
        if let Some((_, client)) = client {
            self.write_client(transaction, client).await?;
        }
        Ok(EnrolmentPut::Done)
    }

    /// The enrolment with the fingerprint of this one.
    async fn enrolment(
        &self,
        transaction: &mut SqliteTransaction<'_>,
        like: &EnrolmentRecord,
    ) -> Result<Option<EnrolmentRecord>, StoreError> {
        let query = sqlx::query("SELECT * FROM enrolments WHERE fingerprint = ?");
        let query = query.bind(&like.fingerprint.as_bytes()[..]);
        let row = query.fetch_optional(&mut **transaction).await;
        let record = row.and_then(|row| row.as_ref().map(EnrolmentRecord::from_row).transpose());
        record.map_err(|error| self.failed(error))
    }

    /// The same as [`Store::enrolments_by`](crate::store::Store::enrolments_by).
    async fn find(
        &self,
        transaction: &mut SqliteTransaction<'_>,
        digests: &[Digest],
    ) -> Result<Vec<EnrolmentRecord>, StoreError> {
        let mut found = Vec::new();
        for digest in digests {
            let of_digest = self.all_by(&mut **transaction, of_digest(digest));
            found.extend(of_digest.await?);
        }
        Ok(by_time(found))
    }

    async fn insert_enrolment(
        &self,
        transaction: &mut SqliteTransaction<'_>,
        record: &EnrolmentRecord,
    ) -> Result<(), StoreError> {
        let insert = sqlx::query(
            "INSERT INTO enrolments (fingerprint, key, names, certificate, client, state, asked_at, note)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&record.fingerprint.as_bytes()[..])
        .bind(record.key.as_ref().map(|it| &it.as_bytes()[..]))
        .bind(record.names.as_ref().map(|it| &it.as_bytes()[..]))
        .bind(record.certificate.as_ref().map(Certificate::as_str))
        .bind(record.client.as_ref().map(ClientId::as_str))
        .bind(record.state.as_str())
        .bind(microseconds(record.asked_at))
        .bind(&record.note);
        self.execute(transaction, insert).await.map(drop)
    }
}

/// The enrolments of a client, by time.
pub(super) fn of_client(client: &ClientId) -> StaticQuery<'_> {
    let query = "SELECT * FROM enrolments WHERE client = ? ORDER BY asked_at, fingerprint";
    sqlx::query(query).bind(client.as_str())
}

/// The enrolments that have this as their fingerprint, key or names.
pub(super) fn of_digest(digest: &Digest) -> StaticQuery<'_> {
    let query = "SELECT * FROM enrolments WHERE fingerprint = ?1 OR key = ?1 OR names = ?1";
    sqlx::query(query).bind(&digest.as_bytes()[..])
}

/// What was found by several digests, each once.
pub(super) fn by_time(mut found: Vec<EnrolmentRecord>) -> Vec<EnrolmentRecord> {
    found.sort_by_key(|it| (it.asked_at, it.fingerprint));
    found.dedup_by_key(|it| it.fingerprint);
    found
}
