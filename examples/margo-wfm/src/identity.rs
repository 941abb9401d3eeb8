//! A trust domain for development: one directory with an authority, a fleet manager and some clients.
//!
//! In production SVIDs come from an issuer such as SPIRE, and the key of the authority is nowhere near a fleet manager.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use margo_conformance::authority::rcgen::{CertificateParams, SanType};
use margo_conformance::authority::{Authority, Lifetime};
use margo_types::SpecVersion;
use margo_types::id::{ClientId, SpiffeId, TrustDomain};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Kind};
use crate::files;

/// A trust domain for development, in a directory.
#[derive(Debug)]
pub struct DevelopmentDomain {
    directory: PathBuf,
    authority: Authority,
    wfm_id: String,
}

/// The files of an identity that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IssuedFiles {
    /// Whose it is.
    pub id: SpiffeId,
    /// The X.509-SVID (PEM).
    pub svid: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// The trust bundle (JSON).
    pub bundle: PathBuf,
}

/// What [`DevelopmentDomain::issue`] has to know of the domain.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    warning: String,
    trust_domain: TrustDomain,
    wfm_id: String,
}

impl DevelopmentDomain {
    /// Makes a new domain with an authority, the fleet manager `wfm_id` and these clients, in a directory that must not be
    /// there yet.
    ///
    /// # Errors
    /// When the directory is there, cannot be written, or an id cannot be part of a SPIFFE ID. Nothing is left behind then.
    pub fn init(
        directory: &Path,
        trust_domain: &TrustDomain,
        wfm_id: &str,
        clients: &[ClientId],
    ) -> Result<Self, Failure> {
        let draft = files::Draft::new(directory)?;
        let mut domain = Self {
            directory: draft.path().to_owned(),
            authority: Authority::new(trust_domain),
            wfm_id: wfm_id.to_owned(),
        };
        let (certificate, key) = domain.authority.to_pem();
        domain.write(CA, certificate.as_bytes())?;
        domain.write(CA_KEY, key.as_bytes())?;
        domain.write(BUNDLE, &domain.bundle()?)?;
        domain.write(README, readme(trust_domain).as_bytes())?;
        let marker = Marker {
            warning: WARNING.to_owned(),
            trust_domain: trust_domain.clone(),
            wfm_id: wfm_id.to_owned(),
        };
        let marker = serde_json::to_vec_pretty(&marker)
            .map_err(|error| Failure::of(Kind::Environment, &error))?;
        domain.write(MARKER, &marker)?;
        let id = SpiffeId::wfm(trust_domain, wfm_id)
            .map_err(|error| Failure::of(Kind::Usage, &error))?;
        domain.write_svid(&domain.directory, "wfm", &id)?;
        domain.write_tls()?;
        for client in clients {
            domain.issue(client)?;
        }
        draft.place()?;
        directory.clone_into(&mut domain.directory);
        Ok(domain)
    }

    /// Opens the domain in a directory.
    ///
    /// # Errors
    /// When it is not the directory of one.
    pub fn open(directory: &Path) -> Result<Self, Failure> {
        let read = |name: &str| {
            let file = directory.join(name);
            files::read_text(&file, LONGEST).map_err(|error| {
                let message = format!(
                    "{} cannot be read; make a development trust domain there with `margo-wfm identity init`",
                    file.display()
                );
                Failure::caused(Kind::Usage, message, &error)
            })
        };
        let marker: Marker = serde_json::from_str(&read(MARKER)?).map_err(|error| {
            let message = format!(
                "{} is damaged; make a new domain",
                directory.join(MARKER).display()
            );
            Failure::caused(Kind::Environment, message, &error)
        })?;
        let authority = Authority::from_pem(&marker.trust_domain, &read(CA)?, &read(CA_KEY)?)
            .map_err(|error| {
                Failure::of(Kind::Environment, &error).about(directory.join(CA_KEY).display())
            })?;
        Ok(Self {
            directory: directory.to_owned(),
            authority,
            wfm_id: marker.wfm_id,
        })
    }

    /// Issues an SVID to a client of the fleet manager.
    ///
    /// # Errors
    /// When the client has one already, its id cannot be part of a SPIFFE ID, or the files cannot be written.
    pub fn issue(&self, client: &ClientId) -> Result<IssuedFiles, Failure> {
        let id = SpiffeId::wfm_client(self.authority.domain(), &self.wfm_id, client)
            .map_err(|error| Failure::of(Kind::Usage, &error))?;
        let issued = self.files_of(client, id);
        let folder = self.directory.join(CLIENTS).join(client.as_str());
        let draft = files::Draft::new(&folder)?;
        self.write_svid(draft.path(), "svid", &issued.id)?;
        files::write(&draft.path().join(BUNDLE), &self.bundle()?)?;
        draft.place()?;
        Ok(issued)
    }

    /// The files of the fleet manager.
    ///
    /// # Errors
    /// When the id of the fleet manager cannot be part of a SPIFFE ID.
    pub fn wfm(&self) -> Result<IssuedFiles, Failure> {
        let id = SpiffeId::wfm(self.authority.domain(), &self.wfm_id)
            .map_err(|error| Failure::of(Kind::Usage, &error))?;
        Ok(IssuedFiles {
            id,
            svid: self.directory.join("wfm.pem"),
            key: self.directory.join("wfm-key.pem"),
            bundle: self.directory.join(BUNDLE),
        })
    }

    fn files_of(&self, client: &ClientId, id: SpiffeId) -> IssuedFiles {
        let folder = self.directory.join(CLIENTS).join(client.as_str());
        IssuedFiles {
            id,
            svid: folder.join("svid.pem"),
            key: folder.join("svid-key.pem"),
            bundle: folder.join(BUNDLE),
        }
    }

    /// What a person has to know who uses it.
    pub const WARNING: &str = WARNING;

    fn bundle(&self) -> Result<Vec<u8>, Failure> {
        margo_types::write(&self.authority.bundle(), SpecVersion::NEWEST)
            .map_err(|error| Failure::of(Kind::Environment, &error))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        files::write(&self.directory.join(name), bytes)
    }

    /// What the fleet manager shows to clients that sign: valid for this machine.
    fn write_tls(&self) -> Result<(), Failure> {
        let names = ["localhost".to_owned()];
        let own = CertificateParams::new(names)
            .map_err(|error| Failure::of(Kind::Environment, &error))?;
        let issued = self.authority.issue_with(|params| {
            params.subject_alt_names = own.subject_alt_names;
            let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            params
                .subject_alt_names
                .extend(loopback.map(SanType::IpAddress));
            params.not_after = (SystemTime::now() + LIFETIME).into();
        });
        self.write(TLS_KEY, issued.key_pem.as_bytes())?;
        self.write(TLS, issued.chain_pem.as_bytes())
    }

    fn write_svid(&self, directory: &Path, name: &str, id: &SpiffeId) -> Result<(), Failure> {
        let issued = self.authority.issue(id, Lifetime::lasting(LIFETIME));
        let key = directory.join(format!("{name}-key.pem"));
        files::write(&key, issued.key_pem.as_bytes())?;
        let chain = directory.join(format!("{name}.pem"));
        files::write(&chain, issued.chain_pem.as_bytes())
    }
}

fn readme(trust_domain: &TrustDomain) -> String {
    format!(
        "# Development trust domain {trust_domain}\n\n\
         {WARNING}\n\n\
         - `{CA}`, `{CA_KEY}`: the authority. Whoever has the key can be any device and the fleet manager.\n\
         - `{BUNDLE}`: the trust bundle, for everybody.\n\
         - `wfm.pem`, `wfm-key.pem`: the fleet manager.\n\
         - `{TLS}`, `{TLS_KEY}`: its certificate for clients that sign their requests, on this machine alone; its root is \
         `{CA}`.\n\
         - `{CLIENTS}/ID/`: what belongs on the device with the client id ID: `svid.pem`, `svid-key.pem`, `{BUNDLE}`.\n\n\
         `margo-wfm identity issue ID` adds a client.\n"
    )
}

const WARNING: &str = "FOR DEVELOPMENT ONLY: the key of the authority lies in this directory, unprotected. \
     Never use it in production.";
const CA: &str = "development-ca.pem";
const CA_KEY: &str = "development-ca-key.pem";
const TLS: &str = "tls.pem";
const TLS_KEY: &str = "tls-key.pem";
const BUNDLE: &str = "bundle.json";
const MARKER: &str = "development-only.json";
const README: &str = "README.md";
const CLIENTS: &str = "clients";
/// No certificate or key is nearly as long: a MiB.
const LONGEST: u64 = 1 << 20;
/// 90 days: long enough to try things out, short enough that nobody relies on it.
const LIFETIME: Duration = Duration::from_hours(90 * 24);
