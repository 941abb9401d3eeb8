//! The file of an SQLite store: who may have it, how it begins, whether it is sound.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use super::rows::failed;
use crate::store::StoreError;

/// A store's file, which nobody else opens as long as this lives.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    /// Locked; the lock goes with the process, however that ends.
    lock: File,
}

impl StoreFile {
    /// Takes the file, makes it if it is not there, and brings it to the newest schema.
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = resolve(path)?;
        let file = Self {
            lock: lock(&path)?,
            path,
        };
        match fs::metadata(&file.path) {
            Ok(metadata) if metadata.len() == 0 => Err(unopened(
                &file.path,
                "it is empty; restore a backup, or remove it to begin with an empty store",
            )),
            Ok(_) => {
                file.check().await?;
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                file.create().await?;
                Ok(file)
            }
            Err(error) => Err(unopened(&file.path, error.to_string())),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Connections that write (one, for there is one writer at a time) or read.
    pub(super) async fn pool(&self, mode: Mode) -> Result<SqlitePool, StoreError> {
        let options = options(&self.path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let (options, connections) = match mode {
            Mode::Write => (options, 1),
            Mode::Read => (options.pragma("query_only", "ON"), READERS),
        };
        SqlitePoolOptions::new()
            .max_connections(connections)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(|error| sqlite_failed(&self.path, error))
    }

    /// Makes the file aside and puts it in place when it is whole.
    async fn create(&self) -> Result<(), StoreError> {
        let failed_io = |error: io::Error| unopened(&self.path, error.to_string());
        let new = beside(&self.path, ".new");
        for stale in [&new, &beside(&new, "-journal")] {
            match fs::remove_file(stale) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed_io(error));
                }
                _ => {}
            }
        }
        private(OpenOptions::new().write(true).create_new(true))
            .open(&new)
            .map_err(failed_io)?;
        let mut connection = connect(&new, SqliteJournalMode::Delete).await?;
        migrate(&mut connection, 0, &new).await?;
        close(connection, &new).await?;
        fs::rename(&new, &self.path).map_err(failed_io)?;
        // Elsewhere a directory cannot be opened as a file.
        #[cfg(unix)]
        if let Some(directory) = self.path.parent() {
            File::open(directory)
                .and_then(|directory| directory.sync_all())
                .map_err(failed_io)?;
        }
        Ok(())
    }

    /// Refuses a file that is damaged or not ours, before anything is written to it.
    async fn check(&self) -> Result<(), StoreError> {
        let failed = |error| sqlite_failed(&self.path, error);
        let mut connection = options(&self.path).connect().await.map_err(failed)?;
        let id: i64 = sqlx::query_scalar("PRAGMA application_id")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        if id != APPLICATION_ID {
            return Err(unopened(
                &self.path,
                "it is an SQLite database of another program; name another file",
            ));
        }
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        let newest = MIGRATIONS.len();
        let known = usize::try_from(version).ok().filter(|it| *it <= newest);
        let Some(version) = known else {
            return Err(unopened(
                &self.path,
                format!(
                    "its schema is version {version}, and this program knows versions up to {newest}; use the program \
                     that wrote it, or a newer one"
                ),
            ));
        };
        let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        if verdict != "ok" {
            return Err(damaged(&self.path, &verdict));
        }
        migrate(&mut connection, version, &self.path).await?;
        close(connection, &self.path).await
    }
}

impl Drop for StoreFile {
    /// Closing the file is not enough: a program that another thread is just starting has it open, too, until it runs.
    fn drop(&mut self) {
        // When this fails, the lock goes with the last who has the file open.
        let _ = self.lock.unlock();
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    Write,
    Read,
}

pub(super) fn damaged(path: &Path, why: &str) -> StoreError {
    let path = path.display();
    StoreError::Damaged(format!("{path} is damaged ({why}); restore a backup"))
}

/// The same path for the same file, through links as well, so that its lock is one too.
fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    if let Ok(path) = path.canonicalize() {
        return Ok(path);
    }
    let name = path
        .file_name()
        .ok_or_else(|| unopened(path, "it names no file; name one"))?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match directory.canonicalize() {
        Ok(directory) => Ok(directory.join(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = directory.display();
            let why = format!("there is no directory {directory}; make it, or name another file");
            Err(unopened(path, why))
        }
        Err(error) => Err(unopened(path, error.to_string())),
    }
}

/// Heads are cached, so a second process would not see what the first publishes.
fn lock(path: &Path) -> Result<File, StoreError> {
    let name = beside(path, ".lock");
    let file = private(OpenOptions::new().write(true).create(true).truncate(false))
        .open(&name)
        .map_err(|error| unopened(&name, error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(unopened(
            path,
            "another fleet manager has it open; stop that one, or name another file",
        )),
        Err(TryLockError::Error(error)) => Err(unopened(&name, error.to_string())),
    }
}

/// Only the owner reads it: deployments carry parameters, and those may be secret.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
}

async fn connect(path: &Path, mode: SqliteJournalMode) -> Result<SqliteConnection, StoreError> {
    let options = options(path)
        .journal_mode(mode)
        .synchronous(SqliteSynchronous::Full);
    options
        .connect()
        .await
        .map_err(|error| sqlite_failed(path, error))
}

async fn close(connection: SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let closed = connection.close().await;
    closed.map_err(|error| sqlite_failed(path, error))
}

/// Applies the migrations after this version, each whole or not at all.
async fn migrate(
    connection: &mut SqliteConnection,
    version: usize,
    path: &Path,
) -> Result<(), StoreError> {
    for migration in MIGRATIONS.iter().skip(version) {
        let failed = |error| sqlite_failed(path, error);
        let mut transaction = connection.begin().await.map_err(failed)?;
        sqlx::raw_sql(*migration)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
    }
    Ok(())
}

/// What fails while a store is opened is not expected to be better soon.
fn sqlite_failed(path: &Path, error: sqlx::Error) -> StoreError {
    match failed(path, error) {
        StoreError::Unavailable(error) => unopened(path, error.to_string()),
        error => error,
    }
}

fn unopened(path: &Path, why: impl Into<String>) -> StoreError {
    StoreError::Unopened {
        path: path.to_owned(),
        why: why.into(),
    }
}

/// Each ends with its number as `user_version`.
const MIGRATIONS: &[&str] = &[
    include_str!("0001_initial.sql"),
    include_str!("0002_enrolments.sql"),
];

/// "marg"
const APPLICATION_ID: i64 = 0x6d61_7267;

/// How long to wait for a program that copies or inspects the file.
const BUSY: Duration = Duration::from_secs(5);

const READERS: u32 = 4;
