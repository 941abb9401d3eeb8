//! The state in one file: an embedded database whose commits are atomic and durable.

mod held;

use std::fs::{self, File, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use margo_types::Digest;
use margo_types::id::{DeploymentId, DeviceId};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::de::DeserializeOwned;

use self::held::HeldFile;
use super::{Change, Owner, State, StateStore};
use crate::{Error, ErrorKind};

/// The state of a WFM client in one file, which is open in one process.
///
/// A file that is damaged, cut short, empty, or made by a newer version is refused, and so is one of another client or
/// fleet manager: a device is managed by exactly one (rc3.md D2), and manifest versions are counted for each client. The
/// file stays as it is. What to do is the operator's decision: [`set_aside`](Self::set_aside) keeps it for diagnosis and
/// lets the device start anew.
///
/// Damage in the newest commit alone, such as a flipped bit in the header, may bring back the commit before it as a whole,
/// unnoticed. That is harmless: what it does not know is fetched, applied or reported once more.
#[derive(Debug)]
pub struct FileStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    owner: Owner,
    /// `None` after a failed write: the database is opened again, and so brought in order, before it is used.
    database: Mutex<Option<Database>>,
}

impl FileStore {
    /// Opens the state of this WFM client, or makes an empty one where there is no file. The folder must exist.
    ///
    /// # Errors
    /// [`ErrorKind::State`], with what to do: the file is damaged, of a newer version, of another client, open in another
    /// process, or cannot be written.
    pub async fn open(path: impl Into<PathBuf>, owner: impl Into<Owner>) -> Result<Self, Error> {
        let (path, owner) = (path.into(), owner.into());
        blocking(move || {
            let exists = path.try_exists().map_err(|error| no_access(&path, error))?;
            if !exists {
                create(&path, &owner)?;
            }
            let database = open(&path, &owner)?;
            Ok(Self(Arc::new(Inner {
                path,
                owner,
                database: Mutex::new(Some(database)),
            })))
        })
        .await
    }

    /// Renames a state that cannot be used, so that the next [`open`](Self::open) starts with an empty one, and says where
    /// it is now. Only a person decides this: the device forgets what it runs and which manifest versions it has seen.
    ///
    /// # Errors
    /// [`ErrorKind::State`] when there is no such file, it is open in another process, or it cannot be renamed.
    pub fn set_aside(path: &Path) -> Result<PathBuf, Error> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".set-aside-{}", Timestamp::now().as_second()));
        let aside = PathBuf::from(name);
        let file = File::open(path).map_err(|error| no_access(path, error))?;
        // As the database does while it is open.
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(in_use(path));
        }
        fs::rename(path, &aside).map_err(|error| no_access(path, error))?;
        Ok(aside)
    }
}

#[async_trait]
impl StateStore for FileStore {
    async fn load(&self) -> Result<State, Error> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.with(read_all)).await
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        let changes = changes.to_vec();
        blocking(move || inner.with(|database| write(database, &changes))).await
    }
}

impl Inner {
    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Error> {
        let mut slot = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match slot.take() {
            Some(database) => database,
            None => open(&self.path, &self.owner)?,
        };
        match guarded(|| work(&database)) {
            Ok(value) => {
                *slot = Some(database);
                Ok(value)
            }
            Err(error) => Err(trouble(&self.path, error)),
        }
    }
}

const FORMAT: u64 = 1;

const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
const TEXTS: TableDefinition<'_, &str, &str> = TableDefinition::new("texts");
const DOCUMENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("documents");
const CURRENT: TableDefinition<'_, &str, &str> = TableDefinition::new("current");
const OUTBOX: TableDefinition<'_, u64, &str> = TableDefinition::new("outbox");
const LAST: TableDefinition<'_, &str, &str> = TableDefinition::new("last");
const CAPABILITIES: TableDefinition<'_, &str, &str> = TableDefinition::new("capabilities");

/// Makes an empty state under another name first: a power cut leaves the whole file or none.
fn create(path: &Path, owner: &Owner) -> Result<(), Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(no_access(&fresh, error));
        }
        _ => {}
    }
    private(&fresh).map_err(|error| no_access(&fresh, error))?;
    let made = || -> Result<(), redb::Error> {
        let database = Database::create(&fresh)?;
        let transaction = database.begin_write()?;
        transaction.open_table(NUMBERS)?.insert("format", FORMAT)?;
        transaction
            .open_table(TEXTS)?
            .insert("owner", owner.as_str())?;
        transaction.open_table(DOCUMENTS)?;
        transaction.open_table(CURRENT)?;
        transaction.open_table(OUTBOX)?;
        transaction.open_table(LAST)?;
        transaction.open_table(CAPABILITIES)?;
        transaction.commit()?;
        Ok(())
    };
    made().map_err(|error| trouble(&fresh, error))?;
    let put = || -> std::io::Result<()> {
        fs::rename(&fresh, path)?;
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    put().map_err(|error| no_access(path, error))
}

/// Makes an empty file that only its owner may read: parameters of deployments may be secret.
fn private(path: &Path) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn open(path: &Path, owner: &Owner) -> Result<Database, Error> {
    let (database, file) = guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        builder.set_check_integrity_on_open(true);
        let file = HeldFile::open(path)?;
        Ok((builder.create_with_backend(file.clone())?, file))
    })
    .map_err(|error| trouble(path, error))?;
    let (format, found) = guarded(|| identity(&database)).map_err(|error| trouble(path, error))?;
    let accept = |database| match file.let_through() {
        Ok(()) => Ok(database),
        Err(error) => Err(no_access(path, error)),
    };
    let refuse = |why: String| Err(Error::new(ErrorKind::State, why));
    let name = path.display();
    match format {
        Some(FORMAT) => {}
        Some(newer) => {
            return refuse(format!(
                "the state {name} has format {newer}, newer than {FORMAT}; use the version of the agent that wrote it"
            ));
        }
        None => {
            return refuse(format!(
                "{name} is not the state of an agent; name another file"
            ));
        }
    }
    match found {
        Some(found) if found == owner.as_str() => accept(database),
        found => refuse(format!(
            "the state {name} belongs to the WFM client {}, not to {owner}; give back the identity of that client, or \
             decommission the device there, set the state aside, and start again",
            found.as_deref().unwrap_or("(none)")
        )),
    }
}

fn identity(database: &Database) -> Result<(Option<u64>, Option<String>), redb::Error> {
    let transaction = database.begin_read()?;
    let format = transaction.open_table(NUMBERS)?.get("format")?;
    let owner = transaction.open_table(TEXTS)?.get("owner")?;
    Ok((
        format.map(|it| it.value()),
        owner.map(|it| it.value().to_owned()),
    ))
}

fn read_all(database: &Database) -> Result<State, redb::Error> {
    let transaction = database.begin_read()?;
    let mut state = State::default();
    let texts = transaction.open_table(TEXTS)?;
    if let Some(accepted) = texts.get("accepted")? {
        state.accepted = Some(parsed(accepted.value())?);
    }
    for entry in transaction.open_table(DOCUMENTS)?.iter()? {
        let (digest, bytes) = entry?;
        let digest = <[u8; 32]>::try_from(digest.value()).map_err(damaged)?;
        state
            .documents
            .insert(Digest::from_bytes(digest), bytes.value().into());
    }
    for entry in transaction.open_table(CURRENT)?.iter()? {
        let (id, current) = entry?;
        let id = DeploymentId::parse(id.value()).map_err(damaged)?;
        state.current.insert(id, parsed(current.value())?);
    }
    for entry in transaction.open_table(OUTBOX)?.iter()? {
        let (number, report) = entry?;
        state.outbox.insert(number.value(), parsed(report.value())?);
    }
    for entry in transaction.open_table(LAST)?.iter()? {
        let (id, status) = entry?;
        let id = DeploymentId::parse(id.value()).map_err(damaged)?;
        state.last.insert(id, parsed(status.value())?);
    }
    for entry in transaction.open_table(CAPABILITIES)?.iter()? {
        let (device, digest) = entry?;
        let device = DeviceId::parse(device.value()).map_err(damaged)?;
        let digest = Digest::parse(digest.value()).map_err(damaged)?;
        state.capabilities.insert(device, digest);
    }
    Ok(state)
}

fn write(database: &Database, changes: &[Change]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut texts = transaction.open_table(TEXTS)?;
        let mut documents = transaction.open_table(DOCUMENTS)?;
        let mut current = transaction.open_table(CURRENT)?;
        let mut outbox = transaction.open_table(OUTBOX)?;
        let mut last = transaction.open_table(LAST)?;
        let mut capabilities = transaction.open_table(CAPABILITIES)?;
        for change in changes {
            match change {
                Change::Store(digest, bytes) => {
                    documents.insert(digest.as_bytes().as_slice(), &**bytes)?;
                }
                Change::Discard(digest) => {
                    documents.remove(digest.as_bytes().as_slice())?;
                }
                Change::Accept(accepted) => {
                    texts.insert("accepted", written(accepted)?.as_str())?;
                }
                Change::Current(id, it) => {
                    current.insert(id.to_string().as_str(), written(it)?.as_str())?;
                }
                Change::Forget(id) => {
                    current.remove(id.to_string().as_str())?;
                }
                Change::Report(number, report) => {
                    let id = report.status.deployment_id.to_string();
                    if report.is_last() {
                        last.remove(id.as_str())?;
                    } else {
                        last.insert(id.as_str(), written(&report.status)?.as_str())?;
                    }
                    outbox.insert(number, written(report)?.as_str())?;
                }
                Change::Settle(number) => {
                    outbox.remove(number)?;
                }
                Change::Reported(device, digest) => {
                    capabilities.insert(device.as_str(), digest.to_string().as_str())?;
                }
                Change::Unreported(device) => {
                    capabilities.remove(device.as_str())?;
                }
            }
        }
    }
    // The default durability: synced to the disk before this returns.
    transaction.commit()?;
    Ok(())
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, redb::Error> {
    serde_json::from_str(text).map_err(damaged)
}

fn written<T: serde::Serialize>(value: &T) -> Result<String, redb::Error> {
    serde_json::to_string(value).map_err(damaged)
}

fn damaged(why: impl std::fmt::Display) -> redb::Error {
    redb::Error::Corrupted(why.to_string())
}

/// A database that was tampered with must not bring the agent down.
fn guarded<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(damaged("the database could not make sense of the file")))
}

fn trouble(path: &Path, error: redb::Error) -> Error {
    let message = match &error {
        redb::Error::DatabaseAlreadyOpen => return in_use(path).because(error),
        redb::Error::Io(io) if io.kind() != std::io::ErrorKind::InvalidData && !is_short(io) => {
            format!(
                "the state {} cannot be read or written; check the disk and the permissions",
                path.display()
            )
        }
        _ => format!(
            "the state {} is damaged; nothing was changed: keep the file for diagnosis by setting it aside, and let the \
             device fetch everything again",
            path.display()
        ),
    };
    Error::new(ErrorKind::State, message).because(error)
}

fn in_use(path: &Path) -> Error {
    let message = format!(
        "the state {} is in use by another process; stop that agent first",
        path.display()
    );
    Error::new(ErrorKind::State, message)
}

fn is_short(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::UnexpectedEof
}

fn no_access(path: &Path, error: std::io::Error) -> Error {
    let message = format!(
        "the state {} cannot be read or written; check that its folder exists, the disk and the permissions",
        path.display()
    );
    Error::new(ErrorKind::State, message).because(error)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|ended| {
            let message = "the state was not read or written, because the program ends";
            Err(Error::new(ErrorKind::State, message).because(ended))
        })
}

/// A state is small; the whole of it is in memory anyway.
const CACHE_BYTES: usize = 4 << 20;
