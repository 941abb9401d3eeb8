//! From files to the identity of a WFM client, and again whenever a file changes (rc3.md sections 7.2 to 7.7, D72).
//!
//! Clients of the newest generation are SVIDs ([`IdentityFiles`]); those of the signed generation are keys with a
//! certificate ([`SigningFiles`]).

mod signing;

use std::path::{Path, PathBuf};
use std::time::Duration;

use margo_types::Digest;
use margo_types::svid::{Identity, IdentityError, InvalidSvid, Svid};
use margo_types::trust::TrustBundle;

use crate::error::{Error, ErrorKind};
use crate::{files, trust};

pub(crate) use self::signing::Material;
pub use self::signing::{SigningFiles, SigningIdentity, SigningWatch};

/// The files that a WFM client's identity is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentityFiles {
    /// The SVID: PEM of the leaf, then of all intermediates.
    pub svid: PathBuf,
    /// Its private key: PEM, unencrypted (PKCS#8, SEC1 or PKCS#1).
    pub key: PathBuf,
    /// The trust bundle: a SPIFFE bundle in JSON, or PEM of the anchors. A [`TrustKeeper`](trust::TrustKeeper) may
    /// keep this file up to date.
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

    /// The identity that is in the files now. Warns in the log about what [`key_exposure`](Self::key_exposure) finds.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] names the file that cannot be read or used, and says what to do. An expired SVID is no
    /// error here: the clock may yet be set.
    pub fn load(&self) -> Result<Identity, Error> {
        if let Some(exposure) = self.key_exposure() {
            tracing::warn!("{exposure}");
        }
        let contents = Contents::read(self)?;
        let bundle = contents.bundle(self)?;
        Identity::new(contents.svid(self)?, &bundle)
            .map_err(|error| unusable_bundle(&self.trust_bundle, error))
    }

    /// The identity, and what keeps it up to date.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn watch(self) -> Result<IdentityWatch, Error> {
        // Read before: what changes in between is noticed at the first look.
        let seen = Contents::read(&self)?.digests();
        let identity = self.load()?;
        Ok(IdentityWatch {
            files: self,
            identity,
            seen,
        })
    }

    /// Whose the SVID in the files is, before there is any trust bundle.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn load_svid(&self) -> Result<Svid, Error> {
        self.svid_of(
            &files::read(&self.svid, SVID)?,
            &files::read(&self.key, KEY)?,
        )
    }

    /// What is wrong when others than the owner may read the private key; `None` when they may not, or it cannot be
    /// known (C16).
    pub fn key_exposure(&self) -> Option<String> {
        files::key_exposure(&self.key)
    }

    fn svid_of(&self, chain: &[u8], key: &[u8]) -> Result<Svid, Error> {
        let (svid, key_path) = (self.svid.display(), self.key.display());
        let parsed = Svid::from_pem(chain, key).map_err(|error| {
            let message = match &error {
                InvalidSvid::NoKey | InvalidSvid::UnusableKey => format!("the private key {key_path} cannot be used"),
                InvalidSvid::NoCertificate | InvalidSvid::Profile(_) => format!("the SVID {svid} cannot be used"),
                InvalidSvid::KeyMismatch { .. } => {
                    format!("the private key {key_path} does not belong to the SVID {svid}; give the key that it was issued for")
                }
                _ => format!("the SVID {svid} or the private key {key_path} cannot be used"),
            };
            setup(message).because(error)
        })?;
        if parsed.id().expected_wfm().is_none() {
            let message = format!(
                "the SVID {svid} is that of {}, not of a WFM client; give one of spiffe://<domain>/margo/wfm/<wfm-id>/client/<client-id>",
                parsed.id()
            );
            return Err(setup(message));
        }
        Ok(parsed)
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
    seen: Digests,
}

impl IdentityWatch {
    /// The identity. Clones of it change with it.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Looks at the files, and takes over what has changed; `true` when something has.
    ///
    /// # Errors
    /// As for [`IdentityFiles::load`]; the identity is as it was then.
    pub fn poll(&mut self) -> Result<bool, Error> {
        let contents = Contents::read(&self.files)?;
        let found = contents.digests();
        if found == self.seen {
            return Ok(false);
        }
        // All is read before anything is replaced.
        let svid = contents.svid(&self.files)?;
        let bundle = contents.bundle(&self.files)?;
        self.identity
            .replace_svid(svid)
            .map_err(|error| unusable_svid(&self.files.svid, error))?;
        self.identity
            .replace_bundle(&bundle)
            .map_err(|error| unusable_bundle(&self.files.trust_bundle, error))?;
        self.seen = found;
        Ok(true)
    }

    /// Looks at the files every so often, for ever. What goes wrong is logged once for every distinct fault.
    pub async fn run(mut self, every: Duration) {
        files::look_for_ever(every, || self.poll()).await;
    }
}

struct Contents {
    svid: Vec<u8>,
    key: Vec<u8>,
    bundle: Vec<u8>,
}

/// Of SVID, key and bundle.
type Digests = [Digest; 3];

impl Contents {
    fn read(files: &IdentityFiles) -> Result<Self, Error> {
        Ok(Self {
            svid: files::read(&files.svid, SVID)?,
            key: files::read(&files.key, KEY)?,
            bundle: files::read(&files.trust_bundle, "the trust bundle")?,
        })
    }

    fn digests(&self) -> Digests {
        [&self.svid, &self.key, &self.bundle].map(|bytes| Digest::of(bytes))
    }

    fn svid(&self, files: &IdentityFiles) -> Result<Svid, Error> {
        files.svid_of(&self.svid, &self.key)
    }

    fn bundle(&self, files: &IdentityFiles) -> Result<TrustBundle, Error> {
        let path = files.trust_bundle.display();
        trust::read_bundle(&self.bundle).map_err(|error| {
            setup(format!("the trust bundle {path} cannot be used")).because(error)
        })
    }
}

fn unusable_svid(path: &Path, error: IdentityError) -> Error {
    let path = path.display();
    setup(format!(
        "the SVID {path} is not taken over; restart to become somebody else"
    ))
    .because(error)
}

fn unusable_bundle(path: &Path, error: IdentityError) -> Error {
    setup(format!(
        "the trust bundle {} cannot be used",
        path.display()
    ))
    .because(error)
}

fn setup(message: String) -> Error {
    Error::new(ErrorKind::Setup, message)
}

const SVID: &str = "the SVID";
const KEY: &str = "the private key";
