//! Files that are read once: the configuration, and the marker of a development domain.

use std::fs;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use margo_wfm::identity::DevelopmentDomain;
use margo_wfm::{Config, Failure};
use tempfile::TempDir;

use super::place::{domain, refused};

/// A configuration file. It is understood, or refused by its name.
pub fn configuration(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("margo-wfm.toml");
    fs::write(&file, bytes).expect("written");
    match Config::load(&file) {
        Ok(config) => {
            assert!(
                config.state.directory.starts_with(folder.path())
                    || config.state.directory.is_absolute()
            );
        }
        Err(failure) => named(&failure, &file),
    }
}

/// `development-only.json` of a domain whose other files are fine. The domain is opened, or one of its files is named.
pub fn marker(bytes: &[u8]) {
    let folder = DOMAIN.lock().unwrap_or_else(PoisonError::into_inner);
    fs::write(folder.path().join("development-only.json"), bytes).expect("written");
    match DevelopmentDomain::open(folder.path()) {
        Ok(domain) => {
            let _ = domain.wfm().map_err(|failure| refused(&failure));
        }
        Err(failure) => named(&failure, folder.path()),
    }
}

fn named(failure: &Failure, file: &Path) {
    refused(failure);
    let text = failure.to_string();
    assert!(text.contains(&file.display().to_string()), "{text}");
}

static DOMAIN: LazyLock<Mutex<TempDir>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["development-ca.pem", "development-ca-key.pem"] {
        fs::copy(domain().join(name), folder.path().join(name)).expect("copied");
    }
    Mutex::new(folder)
});
