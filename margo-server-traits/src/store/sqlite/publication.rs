//! Publishing, inside a transaction. Only what changes is written.

use std::collections::{BTreeMap, BTreeSet};

use margo_types::id::ClientId;
use sqlx::SqliteTransaction;

use super::rows::{FromRow, columns, microseconds};
use crate::store::{ContentKey, Head, Publication};

/// The newest publication of a client.
pub(super) async fn newest(
    transaction: &mut SqliteTransaction<'_>,
    client: &ClientId,
) -> Result<Option<Head>, sqlx::Error> {
    let query = sqlx::query("SELECT version, digest, generation FROM heads WHERE client = ?");
    let row = query
        .bind(client.as_str())
        .fetch_optional(&mut **transaction)
        .await?;
    row.as_ref().map(Head::from_row).transpose()
}

/// Replaces the newest publication of a client.
pub(super) async fn insert(
    transaction: &mut SqliteTransaction<'_>,
    client: &ClientId,
    publication: &Publication,
) -> Result<(), sqlx::Error> {
    head(transaction, client, publication).await?;
    let before = current(transaction, client).await?;
    let after: BTreeMap<_, _> = publication.contents().collect();
    let now = microseconds(publication.published_at);
    for key in before.iter().filter(|key| !after.contains_key(key)) {
        let (deployment, digest) = columns(key);
        sqlx::query(
            "UPDATE contents SET superseded_at = ? WHERE client = ? AND deployment = ? AND digest = ?",
        )
        .bind(now)
        .bind(client.as_str())
        .bind(deployment)
        .bind(digest)
        .execute(&mut **transaction)
        .await?;
    }
    for (key, bytes) in after.iter().filter(|(key, _)| !before.contains(key)) {
        let (deployment, digest) = columns(key);
        sqlx::query(
            "INSERT INTO contents (client, deployment, digest, bytes) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET superseded_at = NULL",
        )
        .bind(client.as_str())
        .bind(deployment)
        .bind(digest)
        .bind(&bytes[..])
        .execute(&mut **transaction)
        .await?;
    }
    deployments(
        transaction,
        client,
        &before,
        &after.into_keys().collect(),
        now,
    )
    .await
}

async fn head(
    transaction: &mut SqliteTransaction<'_>,
    client: &ClientId,
    publication: &Publication,
) -> Result<(), sqlx::Error> {
    let version = publication.version.get().cast_signed();
    let digest = &publication.digest.as_bytes()[..];
    sqlx::query(
        "INSERT OR REPLACE INTO heads (client, version, digest, manifest, generation) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(client.as_str())
    .bind(version)
    .bind(digest)
    .bind(&publication.manifest[..])
    .bind(publication.generation.as_str())
    .execute(&mut **transaction)
    .await?;
    sqlx::query("INSERT INTO versions (client, digest, version) VALUES (?, ?, ?)")
        .bind(client.as_str())
        .bind(digest)
        .bind(version)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// The contents that were current so far.
async fn current(
    transaction: &mut SqliteTransaction<'_>,
    client: &ClientId,
) -> Result<BTreeSet<ContentKey>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT deployment, digest FROM contents WHERE client = ? AND superseded_at IS NULL",
    )
    .bind(client.as_str())
    .fetch_all(&mut **transaction)
    .await?;
    rows.iter().map(ContentKey::from_row).collect()
}

/// Notes which deployments came, changed or went.
async fn deployments(
    transaction: &mut SqliteTransaction<'_>,
    client: &ClientId,
    before: &BTreeSet<ContentKey>,
    after: &BTreeSet<ContentKey>,
    now: i64,
) -> Result<(), sqlx::Error> {
    // A deployment that changed is taken out and put in again.
    for key in before.difference(after) {
        if let ContentKey::Deployment(id, _) = key {
            sqlx::query(
                "UPDATE deployments SET taken_out_at = ? WHERE client = ? AND deployment = ?",
            )
            .bind(now)
            .bind(client.as_str())
            .bind(id.to_string())
            .execute(&mut **transaction)
            .await?;
        }
    }
    for key in after.difference(before) {
        if let ContentKey::Deployment(id, digest) = key {
            sqlx::query(
                "INSERT OR REPLACE INTO deployments (client, deployment, digest, removed) VALUES (?, ?, ?, 0)",
            )
            .bind(client.as_str())
            .bind(id.to_string())
            .bind(&digest.as_bytes()[..])
            .execute(&mut **transaction)
            .await?;
        }
    }
    Ok(())
}
