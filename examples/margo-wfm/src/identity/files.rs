//! The identity in files, read again when they change.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
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
            let left = self.identity.svid().not_after();
            if left < Timestamp::now() {
                tracing::error!(svid = %self.config.svid.display(), not_after = %left, "the SVID has expired and no new one came; devices refuse it");
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

    /// The SVID, which is valid now.
    fn svid(&self, config: &IdentityConfig) -> Result<Svid, Failure> {
        let svid = Svid::from_pem(&self.svid, &self.key).map_err(|error| {
            let files = format!("{} with {}", config.svid.display(), config.key.display());
            Failure::of(Kind::Environment, &error).about(files)
        })?;
        let now = Timestamp::now();
        let file = config.svid.display();
        if svid.not_after() < now {
            let message = format!(
                "{file}: the SVID has expired at {}; put a new one there",
                svid.not_after()
            );
            return Err(Failure::new(Kind::Environment, message));
        }
        if svid.not_before() > now {
            let message = format!(
                "{file}: the SVID is not valid before {}; set the clock or put another one there",
                svid.not_before()
            );
            return Err(Failure::new(Kind::Environment, message));
        }
        Ok(svid)
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
