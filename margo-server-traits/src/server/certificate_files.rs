//! From files to the certificate of a server, and again whenever a file changes.

use std::path::PathBuf;
use std::time::Duration;

use margo_types::Digest;

use super::files::{follow, read_file};
use super::{IdentityFilesError, InvalidServerCertificate, ServerCertificate};

/// The files that a server certificate is in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateFiles {
    /// The certificate: PEM of the leaf, then of all intermediates.
    pub chain: PathBuf,
    /// Its private key: PEM, unencrypted (PKCS#8, SEC1 or PKCS#1).
    pub key: PathBuf,
}

impl CertificateFiles {
    /// These files.
    pub fn new(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            chain: chain.into(),
            key: key.into(),
        }
    }

    /// The certificate that is in the files now.
    ///
    /// # Errors
    /// [`IdentityFilesError`] names the file that cannot be read or used.
    pub fn load(&self) -> Result<ServerCertificate, IdentityFilesError> {
        self.certificate(&self.read()?)
    }

    /// The certificate, and what keeps it up to date.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn watch(self) -> Result<CertificateWatch, IdentityFilesError> {
        let contents = self.read()?;
        Ok(CertificateWatch {
            certificate: self.certificate(&contents)?,
            seen: digests(&contents),
            files: self,
        })
    }

    fn read(&self) -> Result<[Vec<u8>; 2], IdentityFilesError> {
        Ok([read_file(&self.chain)?, read_file(&self.key)?])
    }

    fn certificate(
        &self,
        [chain, key]: &[Vec<u8>; 2],
    ) -> Result<ServerCertificate, IdentityFilesError> {
        ServerCertificate::from_pem(chain, key).map_err(|error| self.unusable(error))
    }

    fn unusable(&self, error: InvalidServerCertificate) -> IdentityFilesError {
        let path = if error.is_about_key() {
            &self.key
        } else {
            &self.chain
        };
        IdentityFilesError::unusable(path, error)
    }
}

/// Keeps a [`ServerCertificate`] as its files are.
///
/// Files that cannot be read or do not fit together leave it as it is, since they may be half written; they are looked at
/// again the next time.
#[derive(Debug)]
pub struct CertificateWatch {
    files: CertificateFiles,
    certificate: ServerCertificate,
    /// What the certificate was made of.
    seen: [Digest; 2],
}

impl CertificateWatch {
    /// The certificate. Clones of it change with it.
    pub const fn certificate(&self) -> &ServerCertificate {
        &self.certificate
    }

    /// Looks at the files, and takes over what has changed; true when something has.
    ///
    /// # Errors
    /// As for [`CertificateFiles::load`]; the certificate is as it was then.
    pub fn poll(&mut self) -> Result<bool, IdentityFilesError> {
        let contents = self.files.read()?;
        let found = digests(&contents);
        if found == self.seen {
            return Ok(false);
        }
        let [chain, key] = &contents;
        let replaced = self.certificate.replace_pem(chain, key);
        let has_changed = replaced.map_err(|error| self.files.unusable(error))?;
        self.seen = found;
        Ok(has_changed)
    }

    /// Looks at the files every so often, for ever. What goes wrong is logged, once for every distinct fault.
    pub async fn run(mut self, every: Duration) {
        follow(every, || {
            let has_changed = self.poll()?;
            if has_changed {
                tracing::info!(file = %self.files.chain.display(), "the server certificate was renewed");
            }
            Ok(())
        })
        .await;
    }
}

fn digests(contents: &[Vec<u8>; 2]) -> [Digest; 2] {
    contents.each_ref().map(|bytes| Digest::of(bytes))
}
