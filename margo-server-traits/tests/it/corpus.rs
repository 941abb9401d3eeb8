//! The committed fuzz corpus, replayed without a fuzzer.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets are in other crates")]
mod fuzz;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[test]
fn the_corpus_is_replayed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut faults = Vec::new();
    for (target, run) in fuzz::TARGETS {
        let mut seeds = 0;
        for entry in fs::read_dir(root.join(target)).unwrap() {
            let file = entry.unwrap().path();
            let bytes = fs::read(&file).unwrap();
            // Shown by the test harness, above what the target says when it panics.
            println!("{}", file.display());
            if catch_unwind(|| run(&bytes)).is_err() {
                faults.push(file);
            }
            seeds += 1;
        }
        assert!(seeds >= 5, "{target} has only {seeds} seeds");
    }
    assert!(faults.is_empty(), "{faults:#?}");
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
