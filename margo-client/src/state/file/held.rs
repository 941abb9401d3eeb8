//! A file that nothing is written to before it is known to be sound.

use std::fs::OpenOptions;
use std::io;
use std::ops::{Bound, Range};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// The file of a database, whose writes are kept in memory until they are let through.
///
/// Opening a database writes: that it is open, and what a kill left to be put in order. A file that turns out to be
/// damaged, or somebody else's, must stay as it is.
#[derive(Clone, Debug)]
pub(super) struct HeldFile(Arc<Held>);

#[derive(Debug)]
struct Held {
    file: FileBackend,
    /// What would have been done to the file, in this order; `None` once everything is let through.
    kept: RwLock<Option<Vec<Write>>>,
}

#[derive(Debug)]
enum Write {
    Bytes(u64, Vec<u8>),
    Length(u64),
    Sync,
}

impl HeldFile {
    /// Opens a file that has something in it: of an empty one the database would make a new database.
    pub(super) fn open(path: &Path) -> Result<Self, redb::Error> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() == 0 {
            return Err(super::damaged("the file is empty"));
        }
        Ok(Self(Arc::new(Held {
            file: FileBackend::new(file)?,
            kept: RwLock::new(Some(Vec::new())),
        })))
    }

    /// Does to the file what was kept, in the same order, and keeps nothing back from now on. When that fails, nothing
    /// more is ever done to it.
    pub(super) fn let_through(&self) -> io::Result<()> {
        let mut kept = self.kept_mut();
        for write in kept.replace(Vec::new()).unwrap_or_default() {
            self.0.make(&write)?;
        }
        *kept = None;
        Ok(())
    }

    fn write_or_keep(&self, write: impl Fn() -> Write) -> io::Result<()> {
        if self.kept().is_none() {
            return self.0.make(&write());
        }
        match self.kept_mut().as_mut() {
            Some(kept) => {
                kept.push(write());
                Ok(())
            }
            None => self.0.make(&write()),
        }
    }

    fn kept(&self) -> RwLockReadGuard<'_, Option<Vec<Write>>> {
        self.0.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept_mut(&self) -> RwLockWriteGuard<'_, Option<Vec<Write>>> {
        self.0.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn make(&self, write: &Write) -> io::Result<()> {
        match write {
            Write::Bytes(offset, bytes) => self.file.write(*offset, bytes),
            Write::Length(length) => self.file.set_len(*length),
            Write::Sync => self.file.sync_data(),
        }
    }

    /// How long the file would be.
    fn len(&self, kept: &[Write]) -> io::Result<u64> {
        let length = self.file.len()?;
        Ok(kept.iter().fold(length, |length, write| match write {
            Write::Bytes(offset, bytes) => length.max(end(*offset, bytes.len())),
            Write::Length(new) => *new,
            Write::Sync => length,
        }))
    }
}

impl StorageBackend for HeldFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len(self.kept().as_deref().unwrap_or_default())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let kept = self.kept();
        let Some(kept) = kept.as_deref() else {
            return self.0.file.read(offset, out);
        };
        if end(offset, out.len()) > self.0.len(kept)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.fill(0);
        if let Some((there, _)) = common(offset, out.len(), 0, self.0.file.len()?)
            && let Some(there) = out.get_mut(there)
        {
            self.0.file.read(offset, there)?;
        }
        for write in kept {
            write.show(offset, out);
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.write_or_keep(|| Write::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.write_or_keep(|| Write::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.kept().is_none() {
            return self.0.file.write(offset, data);
        }
        self.write_or_keep(|| Write::Bytes(offset, data.to_vec()))
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.file.query_lock_range(start, end)
    }
}

impl Write {
    /// Makes itself seen in a window of the file.
    fn show(&self, offset: u64, window: &mut [u8]) {
        match self {
            Self::Bytes(from, bytes) => {
                if let Some((to, of)) = common(offset, window.len(), *from, bytes.len() as u64)
                    && let (Some(to), Some(of)) = (window.get_mut(to), bytes.get(of))
                {
                    to.copy_from_slice(of);
                }
            }
            Self::Length(length) => {
                let beyond = usize::try_from(length.saturating_sub(offset));
                if let Some(beyond) = beyond.ok().and_then(|at| window.get_mut(at..)) {
                    beyond.fill(0);
                }
            }
            Self::Sync => {}
        }
    }
}

fn end(offset: u64, length: usize) -> u64 {
    offset.saturating_add(length as u64)
}

/// What so many bytes at `offset` have in common with others at `other`: its place in the first and in the others.
fn common(
    offset: u64,
    length: usize,
    other: u64,
    other_length: u64,
) -> Option<(Range<usize>, Range<usize>)> {
    let first = offset.max(other);
    let last = end(offset, length).min(other.saturating_add(other_length));
    let place = |start: u64| {
        let from = usize::try_from(first.checked_sub(start)?).ok()?;
        let to = usize::try_from(last.checked_sub(start)?).ok()?;
        (from < to).then_some(from..to)
    };
    Some((place(offset)?, place(other)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_and_reaches_the_file_only_when_let_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = HeldFile::open(&path).unwrap();
        let read = |from: u64, length: usize| {
            let mut out = vec![b'?'; length];
            file.read(from, &mut out).map(|()| out)
        };
        file.write(2, b"ab").unwrap();
        file.set_len(4).unwrap();
        file.set_len(6).unwrap();
        file.write(7, b"z").unwrap();
        file.sync_data().unwrap();
        let expected = b"01ab\0\0\0z";
        assert_eq!(file.len().unwrap(), 8);
        assert_eq!(read(0, 8).unwrap(), expected);
        assert_eq!(read(3, 3).unwrap(), b"b\0\0");
        read(5, 4).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"0123456789");

        file.let_through().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        assert_eq!(read(1, 3).unwrap(), b"1ab");
        file.write(0, b"!").unwrap();
        assert_eq!(std::fs::read(&path).unwrap()[0], b'!');
    }
}
