//! The committed fuzz corpus, replayed without a fuzzer.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets are in other crates")]
mod fuzz;
mod mutator;

use std::fs;
use std::panic::{catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use self::mutator::Mutator;

#[test]
fn the_corpus_is_replayed() {
    let mut faults = Vec::new();
    for (target, run) in fuzz::TARGETS {
        let seeds = seeds(target);
        assert!(seeds.len() >= 5, "{target} has only {} seeds", seeds.len());
        for (file, bytes) in seeds {
            // Shown by the test harness, above what the target says when it panics.
            println!("{}", file.display());
            if catch_unwind(|| run(&bytes)).is_err() {
                faults.push(file);
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// `FUZZ_ROUNDS` says how often every seed is changed, `FUZZ_TARGET` of which target.
#[test]
fn changed_seeds_are_replayed() {
    let only = std::env::var("FUZZ_TARGET").ok();
    let rounds = std::env::var("FUZZ_ROUNDS").map_or(3, |text| text.parse().unwrap());
    for (target, run) in fuzz::TARGETS {
        if only.as_ref().is_some_and(|only| only != target) {
            continue;
        }
        let seeds = seeds(target);
        let mut mutator = Mutator::new(rounds);
        let (mut count, start) = (0_u64, Instant::now());
        for _ in 0..rounds {
            for (file, seed) in &seeds {
                let mut bytes = seed.clone();
                let (_, other) = &seeds[mutator.below(seeds.len())];
                mutator.change(&mut bytes, other);
                if let Err(panic) = catch_unwind(|| run(&bytes)) {
                    println!("{}: {}", file.display(), bytes.escape_ascii());
                    resume_unwind(panic);
                }
                count += 1;
            }
        }
        println!("{target}: {count} inputs in {:?}", start.elapsed());
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

/// The files of a target and what is in them, in the same order everywhere.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let entries = fs::read_dir(root.join(target)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let bytes = fs::read(&file).unwrap();
            (file, bytes)
        })
        .collect()
}
