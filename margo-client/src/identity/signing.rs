//! From files to the identity of a client of the signed generation, and again whenever a file changes
//! (rc1-and-pre-draft.md sections 1 and 2).

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use margo_types::Digest;
use margo_types::auth::SignatureAlgorithm;
use margo_types::onboarding::Certificate;
use margo_types::signature::{ClientCertificate, Signer, SigningKey};

use crate::error::{Error, ErrorKind};
use crate::files;
use crate::trust::{ServerTrust, SpkiPin};

/// Who a client of the signed generation is, and whom it takes for its fleet manager.
///
/// A key that signs its requests, the certificate of that key, with which it enrols, and the anchors or pins that the
/// fleet manager's TLS certificate is verified with. Clones are one identity: what is replaced in one is replaced in all.
#[derive(Clone)]
pub struct SigningIdentity(Arc<RwLock<Arc<Material>>>);

/// What an identity is made of at one time.
pub(crate) struct Material {
    pub(crate) signer: Arc<dyn Signer>,
    /// DER.
    pub(crate) certificate: Vec<u8>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) trust: ServerTrust,
    /// The keys that the trust rests on.
    pub(crate) trusted_keys: BTreeSet<String>,
    /// Grows with every replacement of the trust.
    pub(crate) trust_generation: u64,
}

impl SigningIdentity {
    /// The holder of this key, wherever it is; `certificate` is in PEM or DER, the client's own first.
    ///
    /// Signing may take its time, as with a TPM or an HSM: it never runs on a thread of the runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when the certificate cannot be read or is of another key. An expired one is no error here: the
    /// clock may yet be set.
    pub fn new(
        signer: Arc<dyn Signer>,
        certificate: &[u8],
        trust: ServerTrust,
    ) -> Result<Self, Error> {
        let material = Material::new(signer, certificate, trust)?;
        Ok(Self(Arc::new(RwLock::new(Arc::new(material)))))
    }

    /// Takes another key and certificate, which are enrolled with the next request. Until the fleet manager takes them, the
    /// ones before go on to be used.
    ///
    /// # Errors
    /// As for [`new`](Self::new); the identity is as it was then.
    pub fn replace(&self, signer: Arc<dyn Signer>, certificate: &[u8]) -> Result<(), Error> {
        let before = self.current();
        let mut renewed = Material::new(signer, certificate, before.trust.clone())?;
        renewed.trust_generation = before.trust_generation;
        self.put(renewed);
        Ok(())
    }

    /// Takes the fleet manager for who it is by other anchors or pins, from the next request on.
    pub fn replace_trust(&self, trust: ServerTrust) {
        let before = self.current();
        self.put(Material {
            signer: Arc::clone(&before.signer),
            certificate: before.certificate.clone(),
            not_before: before.not_before,
            not_after: before.not_after,
            trusted_keys: trust.keys(),
            trust,
            trust_generation: before.trust_generation + 1,
        });
    }

    /// The id of the key: the hexadecimal SHA-256 of its `SubjectPublicKeyInfo`, as signatures name it.
    pub fn key_id(&self) -> String {
        self.current().key_id().to_owned()
    }

    pub(crate) fn current(&self) -> Arc<Material> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, material: Material) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(material);
    }
}

impl Material {
    fn new(signer: Arc<dyn Signer>, certificate: &[u8], trust: ServerTrust) -> Result<Self, Error> {
        let unusable = "the certificate of this device cannot be used; give one X.509 certificate";
        let unusable = || setup(unusable.to_owned());
        let is_pem = certificate.windows(PEM.len()).any(|window| window == PEM);
        let text = if is_pem {
            Certificate::from_text(String::from_utf8_lossy(certificate))
        } else {
            Certificate::from_der(certificate).map_err(|error| unusable().because(error))?
        };
        let der = text.der().map_err(|error| unusable().because(error))?;
        let read = ClientCertificate::read(&text).map_err(|error| unusable().because(error))?;
        if read.key() != signer.public() {
            let message = "the private key does not belong to the certificate of this device; give the key that it was issued for";
            return Err(setup(message.to_owned()));
        }
        Ok(Self {
            signer,
            certificate: der,
            not_before: read.not_before(),
            not_after: read.not_after(),
            trusted_keys: trust.keys(),
            trust,
            trust_generation: 0,
        })
    }

    pub(crate) fn key_id(&self) -> &str {
        self.signer.public().id()
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.certificate)
    }

    /// What is wrong with the time that the certificate is good for.
    pub(crate) fn validity_fault(&self, now: Timestamp) -> Option<String> {
        let (from, until) = (self.not_before, self.not_after);
        if until <= now {
            Some(format!(
                "the certificate of this device expired at {until}; renew it, or set the clock of this device"
            ))
        } else if from > now {
            Some(format!(
                "the certificate of this device is not valid before {from}; set the clock of this device"
            ))
        } else {
            None
        }
    }
}

impl fmt::Debug for SigningIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let current = self.current();
        formatter
            .debug_struct("SigningIdentity")
            .field("key", &current.key_id())
            .field("not_after", &current.not_after)
            .finish_non_exhaustive()
    }
}

/// The files that the identity of a client of the signed generation is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SigningFiles {
    /// The private key: PEM, unencrypted (PKCS#8, SEC1 or PKCS#1).
    pub key: PathBuf,
    /// The certificate of the key: PEM.
    pub certificate: PathBuf,
    /// How the key signs; `None` as goes with its kind, RSA with `rsa-pss-sha512`.
    pub algorithm: Option<SignatureAlgorithm>,
    /// The anchors that the fleet manager's TLS certificate leads to: PEM. `None` with pins alone.
    pub ca_certificates: Option<PathBuf>,
    /// Keys of which one has to be in the chain of that certificate.
    pub pins: Vec<SpkiPin>,
}

impl SigningFiles {
    /// These files; anchors, pins or both have to be added.
    pub fn new(key: impl Into<PathBuf>, certificate: impl Into<PathBuf>) -> Self {
        Self {
            key: key.into(),
            certificate: certificate.into(),
            algorithm: None,
            ca_certificates: None,
            pins: Vec::new(),
        }
    }

    /// The identity that is in the files now. Warns in the log when others may read the key.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] names the file that cannot be read or used, and says what to do.
    pub fn load(&self) -> Result<SigningIdentity, Error> {
        Contents::read(self)?.identity(self)
    }

    /// The identity, and what keeps it up to date.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn watch(self) -> Result<SigningWatch, Error> {
        let contents = Contents::read(&self)?;
        Ok(SigningWatch {
            identity: contents.identity(&self)?,
            seen: contents.digests(),
            files: self,
        })
    }
}

/// Keeps a [`SigningIdentity`] as its files are.
///
/// Files that cannot be read or do not fit together leave the identity as it is, since they may be half written; they
/// are looked at again the next time.
#[derive(Debug)]
pub struct SigningWatch {
    files: SigningFiles,
    identity: SigningIdentity,
    /// What the identity was made of.
    seen: Digests,
}

impl SigningWatch {
    /// The identity. Clones of it change with it.
    pub const fn identity(&self) -> &SigningIdentity {
        &self.identity
    }

    /// Looks at the files, and takes over what has changed; `true` when something has.
    ///
    /// # Errors
    /// As for [`SigningFiles::load`]; the identity is as it was then.
    pub fn poll(&mut self) -> Result<bool, Error> {
        let contents = Contents::read(&self.files)?;
        let found = contents.digests();
        if found == self.seen {
            return Ok(false);
        }
        // All is read before anything is replaced.
        let signer = contents.signer(&self.files)?;
        let trust = contents.trust(&self.files)?;
        if found.own() != self.seen.own() {
            self.identity
                .replace(signer, &contents.certificate)
                .map_err(|error| self.files.blamed(error))?;
        }
        if found.ca != self.seen.ca {
            self.identity.replace_trust(trust);
        }
        self.seen = found;
        Ok(true)
    }

    /// Looks at the files every so often, for ever. What goes wrong is logged once for every distinct fault.
    pub async fn run(mut self, every: Duration) {
        files::look_for_ever(every, || self.poll()).await;
    }
}

impl SigningFiles {
    /// Says which files do not go together.
    fn blamed(&self, error: Error) -> Error {
        let (key, certificate) = (self.key.display(), self.certificate.display());
        setup(format!(
            "the private key {key} and the certificate {certificate} cannot be used"
        ))
        .because(error)
    }
}

struct Contents {
    key: Vec<u8>,
    certificate: Vec<u8>,
    ca: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Digests {
    key: Digest,
    certificate: Digest,
    ca: Option<Digest>,
}

impl Digests {
    const fn own(&self) -> (&Digest, &Digest) {
        (&self.key, &self.certificate)
    }
}

impl Contents {
    fn read(files: &SigningFiles) -> Result<Self, Error> {
        let ca = files.ca_certificates.as_deref();
        Ok(Self {
            key: files::read(&files.key, KEY)?,
            certificate: files::read(&files.certificate, "the certificate")?,
            ca: ca.map(|path| files::read(path, CA)).transpose()?,
        })
    }

    fn digests(&self) -> Digests {
        Digests {
            key: Digest::of(&self.key),
            certificate: Digest::of(&self.certificate),
            ca: self.ca.as_deref().map(Digest::of),
        }
    }

    fn identity(&self, files: &SigningFiles) -> Result<SigningIdentity, Error> {
        if let Some(exposure) = files::key_exposure(&files.key) {
            tracing::warn!("{exposure}");
        }
        let trust = self.trust(files)?;
        SigningIdentity::new(self.signer(files)?, &self.certificate, trust)
            .map_err(|error| files.blamed(error))
    }

    fn signer(&self, files: &SigningFiles) -> Result<Arc<dyn Signer>, Error> {
        let key = SigningKey::from_pem(&self.key);
        let key = match files.algorithm.clone() {
            Some(algorithm) => key.and_then(|key| key.with_algorithm(algorithm)),
            None => key,
        };
        let key = key.map_err(|error| {
            setup(format!("{KEY} {} cannot be used", files.key.display())).because(error)
        })?;
        Ok(Arc::new(key))
    }

    fn trust(&self, files: &SigningFiles) -> Result<ServerTrust, Error> {
        let trust = match (&self.ca, &files.ca_certificates) {
            (Some(pem), Some(path)) => ServerTrust::anchors(pem).map_err(|error| {
                setup(format!("{CA} {} cannot be used", path.display())).because(error)
            })?,
            _ => ServerTrust::default(),
        };
        let trust = trust.and_pins(files.pins.iter().copied());
        // Whether anybody could be recognised by it is said now, not with the first request.
        trust.client_config()?;
        Ok(trust)
    }
}

fn setup(message: String) -> Error {
    Error::new(ErrorKind::Setup, message)
}

const KEY: &str = "the private key";
const CA: &str = "the file of certificate authorities";
const PEM: &[u8] = b"-----BEGIN ";
