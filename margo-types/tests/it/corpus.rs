//! The committed fuzz corpus, replayed without a fuzzer.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets are in other crates")]
mod fuzz;

use std::fs;
use std::path::Path;

use margo_conformance::corpus::Corpus;

#[test]
fn the_corpus_is_replayed() {
    corpus().replay();
}

#[test]
fn changed_seeds_are_replayed() {
    corpus().replay_changed();
}

#[test]
fn what_openssl_signed_verifies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/verify");
    for name in ["ed25519", "p256", "p384", "rsa", "symphony"] {
        let bytes = fs::read(root.join(format!("signed-{name}"))).unwrap();
        assert!(fuzz::is_verified(&bytes), "{name}");
    }
}

fn corpus() -> Corpus<'static> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
    Corpus::new(root, &fuzz::TARGETS)
}
