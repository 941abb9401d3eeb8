//! The files that the certificate of a server is made of.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use margo_conformance::authority::Authority;
use margo_conformance::corpus::input::{parts, replaced};
use margo_server_traits::server::CertificateFiles;

use super::plant::domain;

/// The chain and its key.
///
/// In both, `{chain}` and `{key}` stand for those that were there before, `{renewed-chain}` and `{renewed-key}` for new ones.
///
/// Whatever the files are, an error names one of them; and the certificate is renewed as a whole or not at all.
pub fn certificate(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &[b"{chain}", b"{key}"]);
    let [chain, key] = NAMES.map(|name| folder.path().join(name));
    let files = CertificateFiles::new(chain, key);
    let mut watch = files.clone().watch().expect("a good certificate");
    let certificate = watch.certificate().clone();
    let before = certificate.generation();

    write(folder.path(), &parts(bytes));
    let loaded = files.load();
    let renewed = watch.poll();
    match &renewed {
        Ok(true) => {
            assert!(loaded.is_ok(), "it can be loaded as well");
            assert_eq!(certificate.generation(), before + 1);
        }
        _ => assert_eq!(certificate.generation(), before, "half of it was renewed"),
    }
    for error in [loaded.err(), renewed.err()].into_iter().flatten() {
        let text = error.to_string();
        assert!(NAMES.iter().any(|name| text.contains(name)), "{text}");
        let is_one_line = !text.chars().any(char::is_control);
        assert!(is_one_line, "{text:?} is not one line");
    }
}

/// Writes these contents; a file without one is empty.
fn write(folder: &Path, contents: &[&[u8]]) {
    for (position, name) in NAMES.iter().enumerate() {
        let content = contents.get(position).copied().unwrap_or_default();
        let filled = STOCK.iter().fold(content.to_vec(), |content, (name, by)| {
            replaced(&content, name, by.as_bytes())
        });
        fs::write(folder.join(name), filled).expect("written");
    }
}

/// What the texts in braces stand for.
static STOCK: LazyLock<[(&str, String); 4]> = LazyLock::new(|| {
    let authority = Authority::new(&domain());
    let [own, renewed] = ["wfm.example"; 2].map(|name| authority.issue_tls(name));
    [
        ("{chain}", own.chain_pem),
        ("{key}", own.key_pem),
        ("{renewed-chain}", renewed.chain_pem),
        ("{renewed-key}", renewed.key_pem),
    ]
});

const NAMES: [&str; 2] = ["server.pem", "server-key.pem"];
