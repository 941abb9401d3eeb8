//! A package in the library.

use std::fs;
use std::sync::{LazyLock, Mutex, PoisonError};

use margo_conformance::corpus::input::{parts, replaced};
use margo_types::Digest;
use margo_wfm::Wfm;
use margo_wfm::operations::{Deploy, ImportPackage, ListPackages};
use tempfile::TempDir;

use super::place::{RUNTIME, config, package, refused};

/// `import.json` and `margo.yaml` of `com-example-lamp` 1.0; `DIGEST` in the first stands for the digest of the second.
///
/// The package is listed or named as damaged, never both, and another one is listed as always.
pub fn library(bytes: &[u8]) {
    let parts = parts(bytes);
    let (import, description) = (parts[0], parts.get(1).copied().unwrap_or_default());
    let digest = Digest::of(description).to_string();
    let import = replaced(import, "DIGEST", digest.as_bytes());

    let fleet = FLEET.lock().unwrap_or_else(PoisonError::into_inner);
    let place = fleet.folder.path().join("packages/com-example-lamp/1.0");
    fs::create_dir_all(place.join("package")).expect("made");
    fs::write(place.join("import.json"), &import).expect("written");
    fs::write(place.join("package/margo.yaml"), description).expect("written");
    RUNTIME.block_on(async {
        let manager = fleet.wfm.manager();
        let listing = manager.run(ListPackages {}).await.expect("a listing");
        listing.damaged.iter().for_each(refused);
        let is_listed = |id: &str| {
            let mut entries = listing.entries.iter();
            entries.any(|it| it.application.as_str() == id)
        };
        assert!(is_listed("com-example-bulb"), "{listing:?}");
        assert!(listing.damaged.len() <= 1, "{listing:?}");
        assert!(
            is_listed("com-example-lamp") == listing.damaged.is_empty(),
            "{listing:?}"
        );
        // There is no device to deploy it to.
        let deploy = Deploy::new("com-example-lamp");
        refused(&manager.run(deploy).await.expect_err("no device"));
    });
}

struct Fleet {
    folder: TempDir,
    wfm: Wfm,
}

static FLEET: LazyLock<Mutex<Fleet>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let bulb = package("com-example-bulb");
    RUNTIME.block_on(async {
        let wfm = Wfm::open(&config(folder.path())).await.expect("it starts");
        let import = ImportPackage::new(bulb.path().display().to_string());
        wfm.manager().run(import).await.expect("imported");
        Mutex::new(Fleet { folder, wfm })
    })
});
