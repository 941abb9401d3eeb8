//! A file among those that say what was decided.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use margo_conformance::corpus::input::{line, replaced};
use margo_types::id::DeploymentId;
use margo_wfm::Wfm;
use margo_wfm::operations::{Backup, Deploy, DeploymentOverview, ImportPackage, Listing, Status};
use tempfile::TempDir;

use super::place::{RUNTIME, config, package, refused};

/// The name of the file, and from the second line on what is in it. `ONE` and `OTHER` stand for the ids of two deployments.
///
/// The fleet manager starts, lists what is intact with the place it is deployed to, names what is not and leaves it as it is; and
/// what devices should run is not changed by it.
pub fn journal(bytes: &[u8]) {
    let [one, other] = &STATE.ids;
    let bytes = replaced(bytes, "ONE", one.to_string().as_bytes());
    let bytes = replaced(&bytes, "OTHER", other.to_string().as_bytes());
    let (name, content) = line(&bytes);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_read = Path::new(name).extension() == Some(OsStr::new("json"));
    if !is_read || name.len() > 64 || !name.chars().all(is_plain) {
        return;
    }
    let state = STATE.copy();
    let file = state.path().join("deployments").join(name);
    fs::write(&file, content).expect("written");

    let listing = status(state.path());
    let listed = ids(&listing);
    listing.damaged.iter().for_each(refused);
    for entry in &listing.entries {
        if STATE.ids.contains(&entry.deployment) {
            assert!(entry.client.as_str() == "line-1", "{entry:?}");
            assert!(entry.target.to_string() == "panel", "{entry:?}");
        }
    }
    for id in &STATE.ids {
        let is_concerned = name == format!("{id}.json");
        assert!(
            is_concerned || listed.contains(id),
            "{id} is not in {listing:?}"
        );
        let is_named = listing.damaged.iter().any(|it| it.message.contains(name));
        assert!(
            !is_concerned || listed.contains(id) != is_named,
            "{listing:?}"
        );
        if is_named {
            assert!(
                fs::read(&file).expect("it is there") == content,
                "it was changed"
            );
        }
    }
    // Without it, the journal is made up for from what is deployed: both still are.
    fs::remove_file(&file).expect("it is there");
    let listing = status(state.path());
    assert!(
        STATE.ids.iter().all(|id| ids(&listing).contains(id)),
        "{listing:?}"
    );
    assert!(listing.entries.iter().all(|it| !it.removed), "{listing:?}");
}

/// How the deployments fare, as a fleet manager says that is started for that.
fn status(state: &Path) -> Listing<DeploymentOverview> {
    RUNTIME.block_on(async {
        let wfm = Wfm::open(&config(state)).await.expect("it starts");
        let listing = wfm
            .manager()
            .run(Status::of_all())
            .await
            .expect("a listing");
        wfm.serve(std::future::ready(()))
            .await
            .expect("it ends well");
        listing
    })
}

fn ids(listing: &Listing<DeploymentOverview>) -> BTreeSet<DeploymentId> {
    listing.entries.iter().map(|it| it.deployment).collect()
}

/// The state of a fleet manager with two deployments.
struct State {
    folder: TempDir,
    ids: [DeploymentId; 2],
}

impl State {
    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().expect("a folder");
        fs::create_dir(copy.path().join("deployments")).expect("made");
        let names = self.ids.map(|id| format!("deployments/{id}.json"));
        for name in names.iter().map(String::as_str).chain(["wfm.db"]) {
            let from = self.folder.path().join("backup").join(name);
            fs::copy(from, copy.path().join(name)).expect("copied");
        }
        copy
    }
}

static STATE: LazyLock<State> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let package = package("com-example-lamp");
    RUNTIME.block_on(async {
        let wfm = Wfm::open(&config(&folder.path().join("state"))).await;
        let wfm = wfm.expect("it starts");
        let manager = wfm.manager();
        let import = ImportPackage::new(package.path().display().to_string());
        manager.run(import).await.expect("imported");
        let mut deploy = Deploy::new("com-example-lamp");
        deploy.destination = Some("line-1/panel".parse().expect("a device"));
        deploy.force = true;
        let one = manager.run(deploy.clone()).await.expect("deployed");
        let other = manager.run(deploy).await.expect("deployed");
        let backup = Backup::new(folder.path().join("backup"));
        manager.run(backup).await.expect("copied");
        let ids = [one.deployment, other.deployment];
        State { folder, ids }
    })
});
