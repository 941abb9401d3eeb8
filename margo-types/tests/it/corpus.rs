//! The committed fuzz corpus, replayed without a fuzzer.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets are in other crates")]
mod fuzz;

use std::fs;
use std::path::Path;

#[test]
fn the_corpus_is_replayed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (target, run) in fuzz::TARGETS {
        let mut seeds = 0;
        for entry in fs::read_dir(root.join(target)).unwrap() {
            let file = entry.unwrap().path();
            let bytes = fs::read(&file).unwrap();
            // Shown by the test harness when the target panics.
            println!("{}", file.display());
            run(&bytes);
            seeds += 1;
        }
        assert!(seeds >= 5, "{target} has only {seeds} seeds");
    }
}

#[test]
fn every_folder_of_the_corpus_has_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for entry in fs::read_dir(root).unwrap() {
        let folder = entry.unwrap().file_name();
        let known = fuzz::TARGETS.iter().any(|(target, _)| folder == **target);
        assert!(known, "{}", folder.to_string_lossy());
    }
}

#[test]
fn what_openssl_signed_verifies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/verify");
    for name in ["ed25519", "p256", "p384", "rsa", "symphony"] {
        let bytes = fs::read(root.join(format!("signed-{name}"))).unwrap();
        assert!(fuzz::is_verified(&bytes), "{name}");
    }
}
