//! Changing enrolments, inside a transaction.

use margo_types::id::ClientId;
use margo_types::onboarding::Certificate;
use sqlx::SqliteTransaction;

use super::SqliteStore;
use super::rows::{FromRow, count, microseconds};
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
            max_pending,
        } = change;
        if let Some((before, client)) = client
            && self.read_client(transaction, &client.id).await? != *before
        {
            return Ok(EnrolmentPut::Outrun);
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
