//! The files of a layout: in a folder, and under that perhaps in a tar file.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use margo_types::Digest;
use serde::{Deserialize, Serialize};
use tokio::fs;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _};

use crate::oci::blob::CHUNK;
use crate::oci::error::{Misbehaviour, OciError, Place};
use crate::oci::index::Index;
use crate::oci::transfer::{publish, temporary_beside, writer};

pub(in crate::oci) const VERSION_FILE: &str = "oci-layout";
pub(in crate::oci) const INDEX_FILE: &str = "index.json";
pub(in crate::oci) const BLOBS: &str = "blobs/sha256";
const BLOB_FOLDERS: [&str; 2] = ["blobs", BLOBS];

/// A folder with a layout.
#[derive(Clone, Debug)]
pub(in crate::oci) struct Folder(PathBuf);

impl Folder {
    pub(in crate::oci) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(in crate::oci) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether this is a layout of a version that we know.
    pub(in crate::oci) async fn check_version(&self, place: &Place) -> Result<(), OciError> {
        let text = self.small(VERSION_FILE, place).await?.ok_or_else(|| {
            let problem = "there is no file oci-layout";
            OciError::misused(place, problem, "give the folder of an OCI image layout")
        })?;
        check_version(&text, place)
    }

    /// Makes what is missing of a layout, with this index.
    pub(in crate::oci) async fn initialise(
        &self,
        index: Option<&[u8]>,
        place: &Place,
    ) -> Result<(), OciError> {
        let blobs = self.0.join(BLOBS);
        let made = fs::create_dir_all(&blobs).await;
        made.map_err(|error| OciError::file(place, blobs.display(), error))?;
        if self.small(INDEX_FILE, place).await?.is_none() {
            let index = match index {
                Some(bytes) => bytes.to_vec(),
                None => encode(&Index::default(), place)?,
            };
            self.replace(&self.0.join(INDEX_FILE), &index, place)
                .await?;
        }
        if self.small(VERSION_FILE, place).await?.is_none() {
            self.replace(&self.0.join(VERSION_FILE), VERSION_TEXT, place)
                .await?;
        }
        Ok(())
    }

    pub(in crate::oci) async fn index(&self, place: &Place) -> Result<Index, OciError> {
        let bytes = self
            .small(INDEX_FILE, place)
            .await?
            .ok_or_else(|| OciError::malformed(place, "layout", "there is no index.json"))?;
        Index::read(&bytes).map_err(|why| OciError::malformed(place, INDEX_FILE, why))
    }

    pub(in crate::oci) async fn write_index(
        &self,
        index: &Index,
        place: &Place,
    ) -> Result<(), OciError> {
        self.replace(&self.0.join(INDEX_FILE), &encode(index, place)?, place)
            .await
    }

    pub(in crate::oci) fn blob_path(&self, digest: Digest) -> PathBuf {
        self.0.join(BLOBS).join(digest.to_hex())
    }

    /// The bytes of a blob with their number, if it is there. No link is followed out of the folder.
    pub(in crate::oci) async fn open_blob(&self, digest: Digest) -> io::Result<Option<Opened>> {
        for folder in BLOB_FOLDERS {
            let metadata = fs::symlink_metadata(self.0.join(folder)).await;
            if metadata.is_ok_and(|metadata| metadata.is_symlink()) {
                let why = "its folder is a link, and may lead elsewhere";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        open(&self.blob_path(digest)).await
    }

    /// Replaces a file in one step, so that a reader sees the old or the new one.
    pub(in crate::oci) async fn replace(
        &self,
        path: &Path,
        bytes: &[u8],
        place: &Place,
    ) -> Result<(), OciError> {
        use tokio::io::AsyncWriteExt as _;

        let failed = |error| OciError::file(place, path.display(), error);
        let temporary = temporary_beside(path).map_err(failed)?;
        let mut file = writer(&temporary).map_err(failed)?;
        file.write_all(bytes).await.map_err(failed)?;
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        publish(temporary, path).map_err(failed)?;
        Ok(())
    }

    async fn small(&self, name: &'static str, place: &Place) -> Result<Option<Vec<u8>>, OciError> {
        let path = self.0.join(name);
        let failed = |error| OciError::file(place, path.display(), error);
        let Some(opened) = open(&path).await.map_err(failed)? else {
            return Ok(None);
        };
        opened.all(name, place).await.map(Some)
    }
}

/// A file or member that is being read.
pub(in crate::oci) struct Opened {
    pub(in crate::oci) length: u64,
    pub(in crate::oci) reader: Box<dyn AsyncRead + Send + Unpin>,
}

impl Opened {
    /// All of a small document.
    pub(in crate::oci) async fn all(
        mut self,
        what: &'static str,
        place: &Place,
    ) -> Result<Vec<u8>, OciError> {
        let too_large = || {
            OciError::misbehaved(
                place,
                Misbehaviour::TooLarge {
                    what,
                    limit: MAX_DOCUMENT,
                },
            )
        };
        if self.length > MAX_DOCUMENT {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let read = (&mut self.reader)
            .take(MAX_DOCUMENT + 1)
            .read_to_end(&mut bytes)
            .await;
        read.map_err(|error| OciError::file(place, what, error))?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(too_large());
        }
        Ok(bytes)
    }
}

/// The members of a tar file that belong to a layout, by name.
#[derive(Clone, Debug, Default)]
pub(in crate::oci) struct Members {
    pub(in crate::oci) file: PathBuf,
    /// Where the bytes are: offset and length.
    pub(in crate::oci) ranges: BTreeMap<String, (u64, u64)>,
}

impl Members {
    pub(in crate::oci) async fn open(&self, name: &str) -> io::Result<Option<Opened>> {
        let Some(&(start, length)) = self.ranges.get(name) else {
            return Ok(None);
        };
        let mut file = fs::File::open(&self.file).await?;
        file.set_max_buf_size(CHUNK);
        file.seek(io::SeekFrom::Start(start)).await?;
        Ok(Some(Opened {
            length,
            reader: Box::new(file.take(length)),
        }))
    }

    pub(in crate::oci) async fn open_blob(&self, digest: Digest) -> io::Result<Option<Opened>> {
        self.open(&format!("{BLOBS}/{}", digest.to_hex())).await
    }
}

/// Opens a regular file; a link, pipe or device in a foreign layout is an error.
async fn open(path: &Path) -> io::Result<Option<Opened>> {
    let metadata = match fs::symlink_metadata(path).await {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not a regular file",
        ));
    }
    let mut file = fs::File::open(path).await?;
    file.set_max_buf_size(CHUNK);
    Ok(Some(Opened {
        length: metadata.len(),
        reader: Box::new(file),
    }))
}

pub(in crate::oci) fn check_version(text: &[u8], place: &Place) -> Result<(), OciError> {
    let version: Version = serde_json::from_slice(text)
        .map_err(|_| OciError::malformed(place, VERSION_FILE, "it is not the expected JSON"))?;
    // Only the major version can take something away.
    if version.image_layout_version.split('.').next() == Some("1") {
        return Ok(());
    }
    let why = format!(
        "the layout version {:?} is not known",
        version.image_layout_version
    );
    Err(OciError::malformed(place, VERSION_FILE, why))
}

fn encode(index: &Index, place: &Place) -> Result<Vec<u8>, OciError> {
    index
        .write()
        .map_err(|why| OciError::malformed(place, INDEX_FILE, why))
}

#[derive(Deserialize, Serialize)]
struct Version {
    #[serde(rename = "imageLayoutVersion")]
    image_layout_version: String,
}

const VERSION_TEXT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The largest index or manifest that is read, in bytes.
const MAX_DOCUMENT: u64 = 4 << 20;
