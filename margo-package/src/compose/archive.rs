//! A validated compose archive and its extraction.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::check::check;
use super::error::{ComposeError, ComposeFault};
use super::source::ComposeSource;
use super::{COMPOSE_FILE, yaml};
use crate::archive::{
    ArchiveError, ArchiveReader, ArchiveWriter, Contents, Durability, Entry, Extractor, Limits,
    MemberPath, Policy,
};

/// A compose archive that obeys every rule; see the [module](super).
///
/// The digest of the blob is checked before, by whoever fetched it.
#[derive(Debug)]
pub struct ComposeArchive<R> {
    blob: Blob<R>,
    source: ComposeSource,
    policy: Policy,
    contents: Contents,
    directory: String,
    compose: Value,
}

impl<R: Read + Seek> ComposeArchive<R> {
    /// Validates an archive, or a bare compose file, which is treated as an archive with nothing else in it.
    ///
    /// Reads the blob a few times: once for its members and once for each generation of included compose files.
    ///
    /// # Errors
    /// [`ComposeError`] with all rules that the content breaks.
    pub fn open(mut blob: R, limits: Limits) -> Result<Self, ComposeError> {
        let policy = Policy::default().limits(limits).one_top_directory();
        let mut head = Vec::new();
        rewind(&mut blob)?;
        read_at_most(&mut blob, HEAD, &mut head)?;
        let source = ComposeSource::detect(&head);
        let mut blob = match source {
            ComposeSource::Archive => Blob::Given(blob),
            ComposeSource::BareFile => Blob::Made(archive_of(&mut blob)?),
        };
        let reader = ArchiveReader::new(blob.rewound()?, policy)?;
        let contents = reader.into_contents()?;
        let directory = contents.top_directory().unwrap_or_default().to_owned();
        let compose = check(&contents, &directory, &mut |wanted| {
            files(blob.rewound()?, policy, wanted)
        })?;
        Ok(Self {
            blob,
            source,
            policy,
            contents,
            directory,
            compose,
        })
    }

    /// Whether it was delivered as an archive or as a bare file.
    pub const fn source(&self) -> ComposeSource {
        self.source
    }

    /// The name of the top-level directory. It should be that of the component but must not be relied on.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The parsed `compose.yaml`, with merge keys and aliases applied and variables as written.
    pub const fn compose(&self) -> &Value {
        &self.compose
    }

    /// The index of the archive.
    pub const fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Extracts the archive into a new directory at `destination` and gives the directory in it that holds `compose.yaml`.
    ///
    /// # Errors
    /// [`ComposeError::Archive`] when the file system refuses or something is there, [`ComposeError::Changed`] when the blob
    /// is not the one that was validated. Nothing is at the destination then.
    pub fn unpack(
        &mut self,
        destination: &Path,
        durability: Durability,
    ) -> Result<PathBuf, ComposeError> {
        let extractor = Extractor::new(self.policy).durability(durability);
        let staged = extractor.stage(self.blob.rewound()?, destination)?;
        let compose = staged.path().join(&self.directory).join(COMPOSE_FILE);
        let compose = std::fs::read(&compose)
            .ok()
            .map(|bytes| yaml::parse(&bytes));
        if *staged.contents() != self.contents || compose != Some(Ok(self.compose.clone())) {
            return Err(ComposeError::Changed);
        }
        staged.commit()?;
        Ok(destination.join(&self.directory))
    }
}

/// The blob as it was given, or the archive made of a bare file.
#[derive(Debug)]
enum Blob<R> {
    Given(R),
    Made(Cursor<Vec<u8>>),
}

impl<R: Read + Seek> Blob<R> {
    /// The whole archive, from its start.
    fn rewound(&mut self) -> Result<&mut Self, ComposeError> {
        match self {
            Self::Given(blob) => rewind(blob)?,
            Self::Made(blob) => rewind(blob)?,
        }
        Ok(self)
    }
}

impl<R: Read> Read for Blob<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Given(blob) => blob.read(buffer),
            Self::Made(blob) => blob.read(buffer),
        }
    }
}

/// The content of these members, without those that are too long for a compose file.
fn files<R: Read>(
    blob: R,
    policy: Policy,
    wanted: &BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<u8>>, ComposeError> {
    let mut found = BTreeMap::new();
    let mut reader = ArchiveReader::new(blob, policy)?;
    while found.len() < wanted.len()
        && let Some(mut member) = reader.next_member()?
    {
        let is_short =
            matches!(member.entry(), Entry::File { bytes, .. } if *bytes <= yaml::MAX_BYTES as u64);
        if is_short && wanted.contains(member.path().as_str()) {
            found.insert(member.path().to_string(), member.read_to_end()?);
        }
    }
    Ok(found)
}

/// An archive with this compose file and nothing else.
fn archive_of<R: Read + Seek>(file: &mut R) -> Result<Cursor<Vec<u8>>, ComposeError> {
    let mut bytes = Vec::new();
    rewind(file)?;
    read_at_most(file, yaml::MAX_BYTES as u64 + 1, &mut bytes)?;
    if bytes.len() > yaml::MAX_BYTES {
        return Err(ComposeError::Invalid(vec![ComposeFault::Yaml {
            file: COMPOSE_FILE.to_owned(),
            why: yaml::too_long(),
        }]));
    }
    let mut archive = ArchiveWriter::new(Vec::new());
    for name in [
        BARE_DIRECTORY.to_owned(),
        format!("{BARE_DIRECTORY}/{COMPOSE_FILE}"),
    ] {
        let path = MemberPath::parse(&name).map_err(|why| crate::archive::BuildError::Path {
            path: name.into(),
            why,
        })?;
        match path.parent() {
            None => archive.directory(&path)?,
            Some(_) => archive.file(&path, false, &bytes)?,
        }
    }
    Ok(Cursor::new(archive.finish()?))
}

fn rewind<R: Seek>(blob: &mut R) -> Result<(), ComposeError> {
    blob.seek(SeekFrom::Start(0)).map_err(source_error)?;
    Ok(())
}

fn read_at_most<R: Read>(
    blob: &mut R,
    limit: u64,
    bytes: &mut Vec<u8>,
) -> Result<(), ComposeError> {
    blob.take(limit).read_to_end(bytes).map_err(source_error)?;
    Ok(())
}

fn source_error(error: io::Error) -> ComposeError {
    ComposeError::Archive(ArchiveError::Source(error))
}

/// One block of tar.
const HEAD: u64 = 512;
/// The directory that a bare compose file is put into.
const BARE_DIRECTORY: &str = "compose";
