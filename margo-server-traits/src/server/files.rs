//! From files to the identity of a fleet manager, and again whenever a file changes (rc3.md sections 7.4 and 7.6).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use margo_types::svid::{Identity, IdentityError, InvalidSvid, Svid};
use margo_types::trust::{Anchor, TrustBundle};
use margo_types::{Digest, read};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::BoxError;

/// The files that a fleet manager's identity is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentityFiles {
    /// The SVID: PEM of the leaf, then of all intermediates.
    pub svid: PathBuf,
    /// Its private key: PEM, unencrypted (PKCS#8, SEC1 or PKCS#1).
    pub key: PathBuf,
    /// The trust bundle: a SPIFFE bundle in JSON, or PEM of the anchors.
    pub trust_bundle: PathBuf,
}

impl IdentityFiles {
    /// These files.
    pub fn new(
        svid: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        trust_bundle: impl Into<PathBuf>,
    ) -> Self {
        Self {
            svid: svid.into(),
            key: key.into(),
            trust_bundle: trust_bundle.into(),
        }
    }

    /// The identity that is in the files now.
    ///
    /// # Errors
    /// [`IdentityFilesError`] names the file that cannot be read or used. An expired SVID is no error here, since the
    /// clock may yet be set: [`Identity::verify_own`] tells.
    pub fn load(&self) -> Result<Identity, IdentityFilesError> {
        self.identity(&self.read()?)
    }

    /// The identity, and what keeps it up to date.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn watch(self) -> Result<IdentityWatch, IdentityFilesError> {
        let contents = self.read()?;
        Ok(IdentityWatch {
            identity: self.identity(&contents)?,
            seen: contents.digests(),
            files: self,
        })
    }

    fn read(&self) -> Result<Contents, IdentityFilesError> {
        Ok(Contents {
            svid: read_file(&self.svid)?,
            key: read_file(&self.key)?,
            trust_bundle: read_file(&self.trust_bundle)?,
        })
    }

    fn identity(&self, contents: &Contents) -> Result<Identity, IdentityFilesError> {
        let (svid, bundle) = (self.svid(contents)?, self.bundle(contents)?);
        let identity = Identity::new(svid, &bundle).map_err(|error| self.unusable(error))?;
        match identity.server_config() {
            Ok(_) => Ok(identity),
            Err(error) => Err(self.unusable(error)),
        }
    }

    fn svid(&self, contents: &Contents) -> Result<Svid, IdentityFilesError> {
        Svid::from_pem(&contents.svid, &contents.key).map_err(|error| {
            let is_about_key = matches!(
                error,
                InvalidSvid::NoKey | InvalidSvid::UnusableKey | InvalidSvid::KeyMismatch { .. }
            );
            let path = if is_about_key { &self.key } else { &self.svid };
            IdentityFilesError::unusable(path, error)
        })
    }

    fn bundle(&self, contents: &Contents) -> Result<TrustBundle, IdentityFilesError> {
        read_bundle(&contents.trust_bundle)
            .map_err(|error| IdentityFilesError::unusable(&self.trust_bundle, error))
    }

    /// The SVID is blamed for everything that is not about the bundle.
    fn unusable(&self, error: IdentityError) -> IdentityFilesError {
        let path = match error {
            IdentityError::Bundle(_) | IdentityError::Anchor { .. } => &self.trust_bundle,
            _ => &self.svid,
        };
        IdentityFilesError::unusable(path, error)
    }
}

/// Keeps an [`Identity`] as its files are.
///
/// Files that cannot be read or do not fit together leave the identity as it is, since they may be half written; they
/// are looked at again the next time.
#[derive(Debug)]
pub struct IdentityWatch {
    files: IdentityFiles,
    identity: Identity,
    /// What the identity was made of.
    seen: [Digest; 3],
}

impl IdentityWatch {
    /// The identity. Clones of it change with it.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Looks at the files, and takes over what has changed; true when something has.
    ///
    /// # Errors
    /// As for [`IdentityFiles::load`]; the identity is as it was then.
    pub fn poll(&mut self) -> Result<bool, IdentityFilesError> {
        let contents = self.files.read()?;
        let found = contents.digests();
        if found == self.seen {
            return Ok(false);
        }
        // All of it is read before anything is replaced.
        let (svid, bundle) = (self.files.svid(&contents)?, self.files.bundle(&contents)?);
        let unusable = |error| self.files.unusable(error);
        if svid.id() != self.identity.id() {
            self.identity.replace_svid(svid).map_err(unusable)?;
            return Ok(false);
        }
        // The bundle can be refused, the SVID of the same ID cannot.
        self.identity.replace_bundle(&bundle).map_err(unusable)?;
        self.identity.replace_svid(svid).map_err(unusable)?;
        self.seen = found;
        Ok(true)
    }

    /// Looks at the files every so often, for ever. What goes wrong is logged, once for every distinct fault.
    pub async fn run(mut self, every: Duration) {
        follow(every, || {
            if self.poll()? {
                let not_after = self.identity.svid().not_after();
                tracing::info!(id = %self.identity.id(), %not_after, "the identity was renewed");
            }
            Ok(())
        })
        .await;
    }
}

/// Looks every so often, for ever. What goes wrong is logged, once for every distinct fault.
pub(super) async fn follow(
    every: Duration,
    mut look: impl FnMut() -> Result<(), IdentityFilesError>,
) {
    let mut last_fault = None;
    loop {
        tokio::time::sleep(every).await;
        let fault = look().err().map(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            (error.to_string(), cause)
        });
        if let Some((error, cause)) = &fault
            && fault != last_fault
        {
            tracing::warn!(error, cause, "what is shown to clients stays as it was");
        }
        last_fault = fault;
    }
}

/// Why there is no identity, or no certificate, in the files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityFilesError {
    /// A file cannot be read.
    #[error("{} cannot be read; check that it exists, belongs to this user and is not empty", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// A file can be read, but not used.
    #[error("{} cannot be used", .path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what to do.
        source: BoxError,
    },
}

impl IdentityFilesError {
    pub(super) fn unusable(path: &Path, source: impl Into<BoxError>) -> Self {
        Self::Unusable {
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

struct Contents {
    svid: Vec<u8>,
    key: Vec<u8>,
    trust_bundle: Vec<u8>,
}

impl Contents {
    fn digests(&self) -> [Digest; 3] {
        [&self.svid, &self.key, &self.trust_bundle].map(|bytes| Digest::of(bytes))
    }
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, IdentityFilesError> {
    let bytes = fs::metadata(path).and_then(|metadata| match metadata.len() {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        length if length > LONGEST_FILE => Err(std::io::ErrorKind::FileTooLarge.into()),
        _ => fs::read(path),
    });
    bytes.map_err(|source| IdentityFilesError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// A SPIFFE bundle in JSON, or PEM of the anchors.
fn read_bundle(bytes: &[u8]) -> Result<TrustBundle, BoxError> {
    // Text may stand around PEM, but PEM begins with a line: a document may name it in a text of its own.
    let mut lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
    if !lines.any(|line| line.starts_with(PEM)) {
        return Ok(read::<TrustBundle>(bytes)?.into_value());
    }
    let anchors = CertificateDer::pem_slice_iter(bytes)
        .map(|certificate| {
            let certificate = certificate.map_err(
                |_| "the text is not well-formed PEM; check that it was copied as a whole",
            )?;
            Ok(Anchor::from_der(certificate.to_vec())?)
        })
        .collect::<Result<Vec<_>, BoxError>>()?;
    Ok(TrustBundle::of_anchors(&anchors)?)
}

const PEM: &[u8] = b"-----BEGIN ";

/// No chain, key or bundle is nearly as long.
const LONGEST_FILE: u64 = 1 << 20;
