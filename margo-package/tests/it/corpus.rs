//! The committed fuzz corpus, replayed without a fuzzer. Inputs that are no text are made by a test here when `WRITE_SEEDS` is set.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets are in other crates")]
mod fuzz;
mod seeds;

use std::fs;
use std::path::Path;

use margo_conformance::corpus::Corpus;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");

// Folders of targets that are not compiled have no target.
#[cfg(feature = "oci")]
#[test]
fn the_corpus_is_replayed() {
    corpus().replay();
}

#[test]
fn changed_seeds_are_replayed() {
    corpus().rounds(10).replay_changed();
}

fn corpus() -> Corpus<'static> {
    Corpus::new(ROOT, fuzz::TARGETS)
}

#[test]
fn seeds_are_written_on_demand() {
    if std::env::var_os("WRITE_SEEDS").is_none() {
        return;
    }
    for (target, name, bytes) in seeds::all() {
        let folder = Path::new(ROOT).join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}
