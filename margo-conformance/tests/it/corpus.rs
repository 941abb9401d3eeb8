//! The committed fuzz corpus, replayed without a fuzzer.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets are in other crates")]
mod fuzz;

use margo_conformance::corpus::Corpus;

#[test]
fn the_corpus_is_replayed() {
    corpus().replay();
}

#[test]
fn changed_seeds_are_replayed() {
    corpus().replay_changed();
}

fn corpus() -> Corpus<'static> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
    Corpus::new(root, &fuzz::TARGETS)
}
