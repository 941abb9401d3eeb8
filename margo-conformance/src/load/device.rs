//! Who is simulated.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use margo_types::InvalidText;
use margo_types::id::{ClientId, SpiffeId};
use margo_types::svid::{Identity, IdentityError, InvalidSvid, Refusal, Svid};
use margo_types::trust::TrustBundle;

use super::signed;
use crate::authority::{Authority, Lifetime};

/// A device, which is a client of the fleet manager by itself. Clones share everything.
#[derive(Clone, Debug)]
pub struct SimulatedDevice {
    pub(super) client: ClientId,
    pub(super) tls: Arc<rustls::ClientConfig>,
    /// What is shown and trusted in `tls`, in the generation of mutual TLS.
    pub(super) identity: Option<Identity>,
    /// What it signs with, in the signed generation.
    pub(super) signs_as: Option<Arc<signed::Identity>>,
}

impl SimulatedDevice {
    /// The device with this identity.
    ///
    /// # Errors
    /// [`IdentityError::WrongRole`] when it is not that of a client.
    pub fn new(identity: &Identity) -> Result<Self, IdentityError> {
        let wrong = || IdentityError::WrongRole(identity.id().clone());
        let own = identity.id();
        let wfm = own.expected_wfm().ok_or_else(wrong)?;
        Ok(Self {
            client: wfm.recognise_client(own).ok_or_else(wrong)?,
            tls: identity.client_config()?,
            identity: Some(identity.clone()),
            signs_as: None,
        })
    }

    /// So many devices of the fleet manager `wfm_id`, with SVIDs for a day: `prefix-1`, `prefix-2` and so on.
    ///
    /// # Errors
    /// When either text cannot be part of a SPIFFE ID.
    pub fn issue(
        authority: &Authority,
        wfm_id: &str,
        prefix: &str,
        count: usize,
    ) -> Result<Vec<Self>, InvalidText> {
        let bundle = authority.bundle();
        let issue = |number| {
            let client = ClientId::parse(&format!("{prefix}-{number}"))?;
            let id = SpiffeId::wfm_client(authority.domain(), wfm_id, &client)?;
            let svid = authority.issue(&id, Lifetime::default()).svid();
            let identity = Identity::new(svid, &bundle)
                .expect("the authority is the anchor of what it issues");
            Ok(Self::new(&identity).expect("the SVID is that of a client"))
        };
        (1..=count).map(issue).collect()
    }

    /// One device for each folder in this directory: `svid.pem`, `svid-key.pem` and `bundle.json`, as `margo-wfm` issues
    /// them; by name.
    ///
    /// # Errors
    /// [`DeviceError`] names the first file that cannot be used.
    pub fn read_directory(directory: &Path) -> Result<Vec<Self>, DeviceError> {
        let unreadable = |source| DeviceError::Unreadable {
            path: directory.to_owned(),
            source,
        };
        let entries = fs::read_dir(directory).map_err(unreadable)?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut folders = paths.collect::<io::Result<Vec<_>>>().map_err(unreadable)?;
        folders.retain(|folder| folder.join(SVID).is_file());
        folders.sort();
        if folders.is_empty() {
            return Err(DeviceError::Nobody {
                directory: directory.to_owned(),
            });
        }
        folders
            .iter()
            .map(|folder| Self::read_folder(folder))
            .collect()
    }

    fn read_folder(folder: &Path) -> Result<Self, DeviceError> {
        let read = |name| {
            let path = folder.join(name);
            fs::read(&path).map_err(|source| DeviceError::Unreadable { path, source })
        };
        let svid =
            Svid::from_pem(&read(SVID)?, &read(KEY)?).map_err(|source| DeviceError::Svid {
                folder: folder.to_owned(),
                source,
            })?;
        let bundle = margo_types::read::<TrustBundle>(&read(BUNDLE)?);
        let bundle = bundle.map_err(|source| DeviceError::Bundle {
            path: folder.join(BUNDLE),
            source,
        })?;
        let unusable = |source| DeviceError::Identity {
            folder: folder.to_owned(),
            source,
        };
        let identity = Identity::new(svid, bundle.value()).map_err(unusable)?;
        Self::new(&identity).map_err(unusable)
    }

    /// The last server that it refused in a handshake, with the reason, which a TLS library does not tell in full.
    pub(super) fn last_refusal(&self) -> Option<Arc<Refusal>> {
        self.identity.as_ref()?.last_refusal()
    }

    /// The client id.
    pub const fn client(&self) -> &ClientId {
        &self.client
    }
}

/// Why there is no device in a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No folder in the directory is that of a device.
    #[error(
        "no folder in {} has a file {SVID}; name the directory that has a folder for each device", directory.display()
    )]
    Nobody {
        /// Where.
        directory: PathBuf,
    },
    /// A file or directory cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The SVID or its key cannot be used.
    #[error("{SVID} and {KEY} in {} are no SVID", folder.display())]
    Svid {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: InvalidSvid,
    },
    /// The trust bundle cannot be read.
    #[error("{} is no trust bundle", path.display())]
    Bundle {
        /// Which.
        path: PathBuf,
        /// Why.
        source: margo_types::ReadError,
    },
    /// SVID and trust bundle do not make the identity of a client.
    #[error("the files in {} are not those of a client", folder.display())]
    Identity {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: IdentityError,
    },
}

const SVID: &str = "svid.pem";
const KEY: &str = "svid-key.pem";
const BUNDLE: &str = "bundle.json";
