//! The identity in files, read again when they change.

use std::fs;
use std::path::Path;
use std::time::Duration;

use margo_types::id::Principal;
use margo_types::svid::{Identity, Svid};
use margo_types::trust::TrustBundle;

use crate::config::IdentityConfig;
use crate::failure::{Failure, Kind};

/// Files and the identity that was read from them.
#[derive(Debug)]
pub(crate) struct IdentityFiles {
    config: IdentityConfig,
    identity: Identity,
    read: Contents,
}

#[derive(Debug, PartialEq, Eq)]
struct Contents {
    svid: Vec<u8>,
    key: Vec<u8>,
    bundle: Vec<u8>,
}

impl IdentityFiles {
    /// Reads the identity of a fleet manager.
    pub(crate) fn open(config: &IdentityConfig) -> Result<Self, Failure> {
        let read = Contents::read(config)?;
        let svid = read.svid(config)?;
        let is_wfm = matches!(svid.id().principal(), Some(Principal::Wfm { .. }));
        if !is_wfm {
            let message = format!(
                "{} is the SVID of {}, which is no fleet manager; give one of spiffe://TRUST-DOMAIN/margo/wfm/ID",
                config.svid.display(),
                svid.id()
            );
            return Err(Failure::new(Kind::Environment, message));
        }
        let identity = Identity::new(svid, &read.bundle(config)?).map_err(|error| {
            Failure::of(Kind::Environment, &error).about(config.bundle.display())
        })?;
        // Devices would refuse it for the same reason, and say less.
        identity.verify_own().map_err(|error| {
            let files = format!("{} with {}", config.svid.display(), config.bundle.display());
            Failure::of(Kind::Environment, &error).about(files)
        })?;
        Ok(Self {
            config: config.clone(),
            identity,
            read,
        })
    }

    /// The identity; it stays the same when files change.
    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Looks for changes, for ever. What cannot be used is logged, and the old stays.
    pub(crate) async fn watch(mut self) {
        loop {
            tokio::time::sleep(PERIOD).await;
            self.refresh();
            if let Err(why) = self.identity.verify_own() {
                let svid = self.config.svid.display();
                tracing::error!(%svid, %why, "devices refuse the SVID; put a new one there");
            }
        }
    }

    fn refresh(&mut self) {
        let found = match Contents::read(&self.config) {
            Ok(found) if found == self.read => return,
            Ok(found) => found,
            Err(why) => return tracing::error!(%why, "the identity cannot be read again; the old one stays"),
        };
        match self.replace(&found) {
            Ok(()) => {
                let not_after = self.identity.svid().not_after();
                tracing::info!(%not_after, "a new identity is used from now on");
                self.read = found;
            }
            Err(why) => tracing::error!(%why, "the new identity cannot be used; the old one stays"),
        }
    }

    fn replace(&self, found: &Contents) -> Result<(), Failure> {
        let of = |error| Failure::of(Kind::Environment, &error);
        // The bundle first: a new SVID may lead to an anchor that only the new bundle has.
        self.identity
            .replace_bundle(&found.bundle(&self.config)?)
            .map_err(of)?;
        self.identity
            .replace_svid(found.svid(&self.config)?)
            .map_err(of)
    }
}

impl Contents {
    fn read(config: &IdentityConfig) -> Result<Self, Failure> {
        Ok(Self {
            svid: read(&config.svid, "identity.svid")?,
            key: read(&config.key, "identity.key")?,
            bundle: read(&config.bundle, "identity.bundle")?,
        })
    }

    fn svid(&self, config: &IdentityConfig) -> Result<Svid, Failure> {
        Svid::from_pem(&self.svid, &self.key).map_err(|error| {
            let files = format!("{} with {}", config.svid.display(), config.key.display());
            Failure::of(Kind::Environment, &error).about(files)
        })
    }

    fn bundle(&self, config: &IdentityConfig) -> Result<TrustBundle, Failure> {
        let bundle = margo_types::read::<TrustBundle>(&self.bundle).map_err(|error| {
            let message = format!(
                "{} is no SPIFFE bundle; put the trust bundle of the trust domain there",
                config.bundle.display()
            );
            Failure::caused(Kind::Environment, message, &error)
        })?;
        Ok(bundle.into_value())
    }
}

fn read(file: &Path, key: &str) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| {
        let message = format!(
            "{} ({key} in the configuration) cannot be read; correct the path or the rights",
            file.display()
        );
        Failure::caused(Kind::Environment, message, &error)
    })
}

/// Renewed SVIDs come hours before the old ones expire.
const PERIOD: Duration = Duration::from_secs(10);
