//! The directory of a deployment on the device, and what is remembered there.
//!
//! ```text
//! STATE/DEPLOYMENT/record.json            what is, or may be, on the device
//! STATE/DEPLOYMENT/COMPONENT/archive-HEX  the archive by its digest, so that no registry is needed again
//! STATE/DEPLOYMENT/COMPONENT/work/        what is not ready; anything there is left from a process that was killed
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use margo_package::DigestReader;
use margo_types::Digest;
use margo_types::id::{ComponentName, DeploymentId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ProviderError;
use crate::files::{
    at, blocking, create_private, device_trouble, is_directory, remove_tree, write_durably,
};

/// What is remembered of a deployment, whose components are remembered as `K`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record<K> {
    /// Whether it was complete once. From then on its data is never removed by a failure.
    pub(crate) keep: bool,
    /// The components of which there may be something on the device.
    pub(crate) components: BTreeMap<ComponentName, K>,
}

impl<K> Record<K> {
    /// A record of nothing yet.
    pub(crate) const fn new(keep: bool) -> Self {
        Self {
            keep,
            components: BTreeMap::new(),
        }
    }
}

/// The directory of a deployment.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn of(state: &Path, deployment: &DeploymentId) -> Self {
        Self(state.join(deployment.to_string()))
    }

    /// The deployments that have a directory.
    pub(crate) fn all(state: &Path) -> io::Result<BTreeSet<DeploymentId>> {
        let entries = match fs::read_dir(state) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries.map_err(at(state))?,
        };
        let mut found = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(at(state))?.file_name();
            let id = name
                .to_str()
                .and_then(|name| DeploymentId::parse(name).ok());
            // IDs are read in either case. Of another than we write, it is none of ours, and could never be removed.
            found.extend(id.filter(|id| *name == *id.to_string()));
        }
        Ok(found)
    }

    pub(crate) fn create(&self) -> io::Result<()> {
        if let Some(state) = self.0.parent() {
            create_private(state)?;
        }
        if is_directory(&self.0)? {
            return Ok(());
        }
        create_private(&self.0)
    }

    /// What is remembered; `None` when nothing is. A damaged record is said and counts as one of a deployment with data.
    pub(crate) fn load<K: DeserializeOwned>(&self) -> io::Result<Option<Record<K>>> {
        if !is_directory(&self.0)? {
            return Ok(None);
        }
        let path = self.record();
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(at(&path))?,
        };
        Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::error!(path = %path.display(), %error, "the record is damaged; it is written anew and all data is kept");
            Record::new(true)
        })))
    }

    /// Remembers this, in one step and for good.
    pub(crate) fn store<K: Serialize>(&self, record: &Record<K>) -> io::Result<()> {
        write_durably(&self.record(), &serde_json::to_vec_pretty(record)?)
    }

    /// What [`load`](Self::load) gives, where it holds nobody up.
    pub(crate) async fn recall<K>(&self) -> Result<Option<Record<K>>, ProviderError>
    where
        K: DeserializeOwned + Send + 'static,
    {
        let home = self.clone();
        blocking(move || home.load().map_err(device_trouble)).await
    }

    /// [`store`](Self::store), where it holds nobody up.
    pub(crate) async fn remember<K>(&self, record: &Record<K>) -> Result<(), ProviderError>
    where
        K: Serialize + Clone + Send + 'static,
    {
        let (home, record) = (self.clone(), record.clone());
        blocking(move || home.store(&record).map_err(device_trouble)).await
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.0)
    }

    /// A file in it.
    #[cfg(feature = "helm")]
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The directories of components that are there, remembered or not.
    #[cfg(feature = "compose")]
    pub(crate) fn places(&self) -> io::Result<Vec<Place>> {
        if !is_directory(&self.0)? {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.0).map_err(at(&self.0))?;
        let places = entries.map(|entry| Ok(Place(entry?.path())));
        places.collect::<io::Result<_>>().map_err(at(&self.0))
    }

    pub(crate) fn place(&self, component: &ComponentName) -> Place {
        Place(self.0.join(component.as_str()))
    }

    fn record(&self) -> PathBuf {
        self.0.join("record.json")
    }
}

/// The directory of a component.
#[derive(Clone, Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    /// A file or directory in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn archive(&self, digest: Digest) -> PathBuf {
        self.join(&format!("archive-{}", digest.to_hex()))
    }

    /// Whether the archive with this digest is there, undamaged.
    pub(crate) fn has_archive(&self, digest: Digest) -> bool {
        let file = File::open(self.archive(digest));
        let found = file.and_then(|file| DigestReader::new(file).finish(u64::MAX));
        found.is_ok_and(|found| found == Some(digest))
    }

    /// Makes a pulled file the archive with this digest, and drops those of other digests.
    pub(crate) fn keep_archive(&self, pulled: &Path, digest: Digest) -> io::Result<()> {
        let archive = self.archive(digest);
        // A failing disk may have left something else in its place.
        if archive.is_dir() {
            remove_tree(&archive)?;
        }
        fs::rename(pulled, &archive).map_err(at(&archive))?;
        for entry in fs::read_dir(&self.0).map_err(at(&self.0))? {
            let path = entry.map_err(at(&self.0))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("archive-") && path != archive {
                remove_tree(&path)?;
            }
        }
        Ok(())
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.join("work")
    }

    /// An empty work directory, whatever was left there.
    pub(crate) fn fresh_work(&self) -> io::Result<PathBuf> {
        if !is_directory(&self.0)? {
            create_private(&self.0)?;
        }
        self.drop_work()?;
        let work = self.work();
        create_private(&work)?;
        Ok(work)
    }

    pub(crate) fn drop_work(&self) -> io::Result<()> {
        if is_directory(&self.0)? {
            remove_tree(&self.work())?;
        }
        Ok(())
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_record_keeps_the_data() {
        let folder = tempfile::tempdir().unwrap();
        let id = DeploymentId::parse("ad9b614e-8912-45f4-a523-372358765def").unwrap();
        let home = Home::of(folder.path(), &id);
        home.create().unwrap();
        assert!(home.load::<String>().unwrap().is_none());
        home.store(&Record::<String>::new(false)).unwrap();
        assert!(!home.load::<String>().unwrap().unwrap().keep);
        fs::write(home.record(), b"{\"keep\": fal").unwrap();
        assert!(home.load::<String>().unwrap().unwrap().keep);
        assert_eq!(Home::all(folder.path()).unwrap(), BTreeSet::from([id]));
        home.remove().unwrap();
        home.remove().unwrap();
    }

    #[test]
    fn a_damaged_archive_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place(folder.path().join("web"));
        let work = place.fresh_work().unwrap();
        let digest = Digest::of(b"archive");
        fs::write(work.join("pulled"), "archive").unwrap();
        place.keep_archive(&work.join("pulled"), digest).unwrap();
        assert!(place.has_archive(digest));
        fs::write(place.archive(digest), b"archivx").unwrap();
        assert!(!place.has_archive(digest));
    }
}
