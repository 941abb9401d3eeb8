//! The files that an identity is made of.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use margo_conformance::authority::{Authority, IssuedSvid, Lifetime};
use margo_conformance::corpus::input::{parts, replaced};
use margo_server_traits::server::IdentityFiles;
use margo_types::id::SpiffeId;
use margo_types::svid::check_bundle;
use margo_types::trust::TrustBundle;
use margo_types::{SpecVersion, read};

use super::plant::{WFM, domain, id};

/// The SVID, its key and the trust bundle.
///
/// In each, `{svid}`, `{key}` and `{bundle}` stand for those of a fleet manager, `{other-svid}` and `{other-key}` for those
/// of another one, `{client-svid}` and `{client-key}` for those of a client, `{renewed-svid}` and `{renewed-key}` for new
/// ones of the fleet manager, and `{anchors}` for the bundle as PEM.
///
/// Whatever the files are, an error names one of them; and an identity that is renewed from them is renewed as a whole or
/// not at all.
pub fn identity(bytes: &[u8]) {
    let plant = &*PLANT;
    let folder = tempfile::tempdir().expect("a folder");
    let write = |contents: &[&[u8]]| {
        for (position, name) in NAMES.iter().enumerate() {
            let content = contents.get(position).copied().unwrap_or_default();
            fs::write(folder.path().join(name), plant.filled(content)).expect("written");
        }
    };
    let files = files(folder.path());
    write(&[b"{svid}", b"{key}", b"{bundle}"]);
    let mut watch = files.clone().watch().expect("a good identity");
    let identity = watch.identity().clone();
    let before = (identity.svid().chain().to_vec(), identity.anchors());

    write(&parts(bytes));
    let bundle = fs::read(folder.path().join(NAMES[2])).expect("it was written");
    let bundle = read::<TrustBundle>(&bundle).ok();
    let is_good = bundle.is_some_and(|bundle| check_bundle(bundle.value()).is_ok());
    let loaded = files.load();
    let renewed = watch.poll();
    let after = (identity.svid().chain().to_vec(), identity.anchors());
    match &renewed {
        Ok(true) => {
            let fresh = loaded.as_ref().expect("it can be loaded as well");
            assert_eq!(after.0, fresh.svid().chain());
            assert!(
                after
                    .1
                    .iter()
                    .all(|anchor| fresh.anchors().contains(anchor))
            );
            identity.server_config().expect("a fleet manager");
        }
        _ => assert_eq!(after, before, "half of it was renewed"),
    }
    assert_eq!(identity.id().as_str(), WFM);
    for error in [loaded.err(), renewed.err()].into_iter().flatten() {
        let text = error.to_string();
        assert!(
            !(is_good && text.contains(NAMES[2])),
            "{text}, though it is good"
        );
        assert!(NAMES.iter().any(|name| text.contains(name)), "{text}");
        assert!(
            !text.chars().any(char::is_control),
            "{text:?} is not one line"
        );
    }
}

fn files(folder: &Path) -> IdentityFiles {
    let [svid, key, bundle] = NAMES.map(|name| folder.join(name));
    IdentityFiles::new(svid, key, bundle)
}

/// What the texts in braces stand for.
struct Plant(Vec<(&'static str, Vec<u8>)>);

impl Plant {
    fn filled(&self, content: &[u8]) -> Vec<u8> {
        let names = self.0.iter();
        names.fold(content.to_vec(), |content, (name, by)| {
            replaced(&content, name, by)
        })
    }
}

static PLANT: LazyLock<Plant> = LazyLock::new(|| {
    let authority = Authority::new(&domain());
    let issue = |id: &SpiffeId| -> IssuedSvid {
        authority.issue(id, Lifetime::lasting(Duration::from_hours(365 * 24)))
    };
    let wfm = |name: &str| SpiffeId::wfm(&domain(), name).expect("an id");
    let client = SpiffeId::wfm_client(&domain(), "plant-1", &id("press-1")).expect("an id");
    let [own, renewed, other, client] =
        [wfm("plant-1"), wfm("plant-1"), wfm("plant-2"), client].map(|id| issue(&id));
    let bundle = margo_types::write(&authority.bundle(), SpecVersion::Rc3).expect("a bundle");
    let text = String::into_bytes;
    Plant(vec![
        ("{svid}", text(own.chain_pem)),
        ("{key}", text(own.key_pem)),
        ("{renewed-svid}", text(renewed.chain_pem)),
        ("{renewed-key}", text(renewed.key_pem)),
        ("{other-svid}", text(other.chain_pem)),
        ("{other-key}", text(other.key_pem)),
        ("{client-svid}", text(client.chain_pem)),
        ("{client-key}", text(client.key_pem)),
        ("{anchors}", text(authority.to_pem().0)),
        ("{bundle}", bundle),
    ])
});

const NAMES: [&str; 3] = ["svid.pem", "key.pem", "bundle.json"];
