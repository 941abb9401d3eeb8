//! Between rows and values.

use std::path::Path;

use bytes::Bytes;
use jiff::Timestamp;
use margo_types::id::{ClientId, DeploymentId, DeviceId};
use margo_types::manifest::ManifestVersion;
use margo_types::onboarding::Certificate;
use margo_types::status::DeploymentState;
use margo_types::{Digest, SpecVersion};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::file::damaged;
use crate::store::{
    ClientRecord, ContentKey, DeviceRecord, EnrolmentRecord, EnrolmentState, Head,
    PublishedDocument, StatusRecord, StoreError,
};

/// The error of a store whose database failed.
pub(super) fn failed(path: &Path, error: sqlx::Error) -> StoreError {
    let is_damage = match &error {
        sqlx::Error::Database(error) => error
            .code()
            .and_then(|code| code.parse::<u32>().ok())
            .is_some_and(|code| matches!(code & 0xff, SQLITE_CORRUPT | SQLITE_NOTADB)),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        _ => false,
    };
    if is_damage {
        damaged(path, &error.to_string())
    } else {
        StoreError::Unavailable(error.into())
    }
}

/// A value as a row of the database has it.
pub(super) trait FromRow: Sized {
    /// Reads the columns of its table.
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error>;
}

impl FromRow for ClientRecord {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: client(row, "id")?,
            accepted: row.try_get("accepted")?,
            note: row.try_get("note")?,
            generation: generation(row)?,
        })
    }
}

impl FromRow for ClientId {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        client(row, "client")
    }
}

impl FromRow for EnrolmentRecord {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let optional = |column| {
            let bytes: Option<&[u8]> = row.try_get(column)?;
            bytes.map(digest_of).transpose()
        };
        let owner: Option<&str> = row.try_get("client")?;
        let certificate: Option<String> = row.try_get("certificate")?;
        let state = EnrolmentState::parse(row.try_get("state")?);
        Ok(Self {
            fingerprint: digest(row, "fingerprint")?,
            key: optional("key")?,
            names: optional("names")?,
            certificate: certificate.map(Certificate::from_text),
            client: owner.map(|_| client(row, "client")).transpose()?,
            state: state.ok_or_else(|| sqlx::Error::Decode("an enrolment in no state".into()))?,
            asked_at: time(row, "asked_at")?,
            note: row.try_get("note")?,
        })
    }
}

impl FromRow for DeviceRecord {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            client: client(row, "client")?,
            device: parse(row, "device", DeviceId::parse)?,
            capabilities: bytes(row, "capabilities")?,
            findings: findings(row)?,
            reported_at: time(row, "reported_at")?,
        })
    }
}

impl FromRow for StatusRecord {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let device: &str = row.try_get("device")?;
        let state: &str = row.try_get("state")?;
        Ok(Self {
            client: client(row, "client")?,
            deployment: deployment(row)?,
            device: match device {
                "" => None,
                _ => Some(parse(row, "device", DeviceId::parse)?),
            },
            state: DeploymentState::from(state),
            status: bytes(row, "status")?,
            findings: findings(row)?,
            reported_at: time(row, "reported_at")?,
        })
    }
}

impl FromRow for Head {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let version = ManifestVersion::from_row(row)?;
        Ok(Self::new(version, digest(row, "digest")?, generation(row)?))
    }
}

impl FromRow for (ClientId, Head) {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok((client(row, "client")?, Head::from_row(row)?))
    }
}

impl FromRow for ManifestVersion {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let number = row.try_get::<i64, _>("version")?.cast_unsigned();
        Self::new(number).ok_or_else(|| sqlx::Error::Decode("a version is 0".into()))
    }
}

impl FromRow for ContentKey {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(match row.try_get("deployment")? {
            "" => Self::Bundle(digest(row, "digest")?),
            _ => Self::Deployment(deployment(row)?, digest(row, "digest")?),
        })
    }
}

impl FromRow for Bytes {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        bytes(row, "bytes")
    }
}

impl FromRow for (DeploymentId, Bytes) {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok((deployment(row)?, bytes(row, "bytes")?))
    }
}

impl FromRow for PublishedDocument {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let assigned = row.try_get("assigned")?;
        Ok(Self::new(
            digest(row, "digest")?,
            bytes(row, "bytes")?,
            assigned,
        ))
    }
}

/// The columns `deployment` and `digest` of a content.
pub(super) fn columns(key: &ContentKey) -> (String, &[u8]) {
    match key {
        ContentKey::Bundle(digest) => (String::new(), digest.as_bytes()),
        ContentKey::Deployment(id, digest) => (id.to_string(), digest.as_bytes()),
    }
}

/// Microseconds since 1970.
pub(super) fn microseconds(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A number of rows.
pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A JSON list.
pub(super) fn list(lines: &[String]) -> String {
    serde_json::Value::from(lines).to_string()
}

fn bytes(row: &SqliteRow, column: &str) -> Result<Bytes, sqlx::Error> {
    Ok(Bytes::from(row.try_get::<Vec<u8>, _>(column)?))
}

fn client(row: &SqliteRow, column: &str) -> Result<ClientId, sqlx::Error> {
    parse(row, column, ClientId::parse)
}

fn deployment(row: &SqliteRow) -> Result<DeploymentId, sqlx::Error> {
    parse(row, "deployment", DeploymentId::parse)
}

fn digest(row: &SqliteRow, column: &str) -> Result<Digest, sqlx::Error> {
    digest_of(row.try_get(column)?)
}

fn digest_of(bytes: &[u8]) -> Result<Digest, sqlx::Error> {
    let bytes = bytes.try_into();
    let bytes = bytes.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Digest::from_bytes(bytes))
}

fn findings(row: &SqliteRow) -> Result<Vec<String>, sqlx::Error> {
    let text: &str = row.try_get("findings")?;
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn generation(row: &SqliteRow) -> Result<SpecVersion, sqlx::Error> {
    parse(row, "generation", SpecVersion::parse)
}

fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    let time = Timestamp::from_microsecond(row.try_get(column)?);
    time.map_err(|error| sqlx::Error::Decode(error.into()))
}

fn parse<T, E>(
    row: &SqliteRow,
    column: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, sqlx::Error>
where
    E: std::error::Error + Send + Sync + 'static,
{
    parse(row.try_get(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;
