//! `IdentityFiles`: load, watch, and what is half written.

use std::error::Error as _;
use std::fs;
use std::path::Path;

use margo_conformance::authority::{Authority, IssuedSvid, Lifetime};
use margo_server_traits::server::{IdentityFiles, IdentityFilesError};
use margo_types::SpecVersion;
use margo_types::id::SpiffeId;
use margo_types::trust::TrustBundle;

use super::{client, domain, wfm};

struct Folder(tempfile::TempDir);

impl Folder {
    fn of(authority: &Authority, id: &SpiffeId) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write_svid(&authority.issue(id, Lifetime::default()));
        folder.write_bundle(&authority.bundle());
        folder
    }

    fn write_svid(&self, issued: &IssuedSvid) {
        self.write("svid.pem", issued.chain_pem.as_bytes());
        self.write("svid.key", issued.key_pem.as_bytes());
    }

    fn write_bundle(&self, bundle: &TrustBundle) {
        let json = margo_types::write(bundle, SpecVersion::Rc3).unwrap();
        self.write("bundle.json", &json);
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn files(&self) -> IdentityFiles {
        let path = |name: &str| self.0.path().join(name);
        IdentityFiles::new(path("svid.pem"), path("svid.key"), path("bundle.json"))
    }
}

fn is_about(error: &IdentityFilesError, name: &str) -> bool {
    let path: &Path = match error {
        IdentityFilesError::Unreadable { path, .. } | IdentityFilesError::Unusable { path, .. } => {
            path
        }
        _ => return false,
    };
    path.ends_with(name) && error.to_string().contains(name) && error.source().is_some()
}

#[test]
fn the_identity_is_what_the_files_hold() {
    let authority = Authority::new(&domain()).intermediate("line 1");
    let folder = Folder::of(&authority, &wfm());
    let identity = folder.files().load().unwrap();
    assert_eq!(identity.id(), &wfm());
    assert_eq!(identity.verify_own(), Ok(()));
    // the bundle may be PEM as well
    let root = Authority::new(&domain());
    folder.write("bundle.json", root.to_pem().0.as_bytes());
    let identity = folder.files().load().unwrap();
    assert_eq!(*identity.anchors(), [root.anchor()]);
}

#[test]
fn the_file_to_blame_is_named() {
    let authority = Authority::new(&domain());
    let other = authority.issue(&wfm(), Lifetime::default());
    for (name, bytes) in [
        ("svid.pem", &b""[..]),
        ("svid.pem", b"nothing"),
        ("svid.key", b"nothing"),
        ("svid.key", other.key_pem.as_bytes()),
        ("bundle.json", b"nothing"),
        ("bundle.json", br#"{"keys": []}"#),
    ] {
        let folder = Folder::of(&authority, &wfm());
        folder.write(name, bytes);
        let error = folder.files().load().unwrap_err();
        assert!(is_about(&error, name), "{name}: {error:?}");
        fs::remove_file(folder.0.path().join(name)).unwrap();
        let error = folder.files().load().unwrap_err();
        assert!(is_about(&error, name), "{name}: {error:?}");
    }
    let folder = Folder::of(&authority, &client("device-1"));
    let error = folder.files().load().unwrap_err();
    assert!(is_about(&error, "svid.pem"), "{error:?}");
}

#[test]
fn changes_are_taken_over_when_they_are_whole() {
    let authority = Authority::new(&domain());
    let folder = Folder::of(&authority, &wfm());
    let mut watch = folder.files().watch().unwrap();
    let identity = watch.identity().clone();
    assert!(!watch.poll().unwrap());

    let renewed = authority.issue(&wfm(), Lifetime::default());
    folder.write("svid.pem", renewed.chain_pem.as_bytes());
    let error = watch.poll().unwrap_err();
    assert!(is_about(&error, "svid.key"), "{error:?}");
    assert_eq!(identity.generation(), 0);
    folder.write("svid.key", renewed.key_pem.as_bytes());
    assert!(watch.poll().unwrap());
    assert_eq!(identity.svid().chain(), renewed.certificates());
    assert!(!watch.poll().unwrap());

    let new = Authority::new(&domain());
    folder.write("bundle.json", b"{\"keys\": [{");
    assert!(is_about(&watch.poll().unwrap_err(), "bundle.json"));
    assert_eq!(*identity.anchors(), [authority.anchor()]);
    folder.write_bundle(&new.bundle());
    assert!(watch.poll().unwrap());
    assert_eq!(*identity.anchors(), [new.anchor()]);
    assert_eq!(identity.generation(), 2);
}

#[test]
fn nobody_else_is_taken_over() {
    let authority = Authority::new(&domain());
    let folder = Folder::of(&authority, &wfm());
    let mut watch = folder.files().watch().unwrap();
    let other = SpiffeId::wfm(&domain(), "wfm-2").unwrap();
    folder.write_svid(&authority.issue(&other, Lifetime::default()));
    folder.write_bundle(&Authority::new(&domain()).bundle());
    for _ in 0..2 {
        assert!(is_about(&watch.poll().unwrap_err(), "svid.pem"));
        assert_eq!(watch.identity().generation(), 0);
    }
}
