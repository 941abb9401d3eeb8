//! The inputs of fuzz targets, given to them again without a fuzzer: as they were committed, and changed.
//!
//! A corpus is a folder with a folder for each target, and in it a file for each input.
//!
//! ```no_run
//! use margo_conformance::corpus::{Corpus, Target};
//!
//! const TARGETS: [(&str, Target); 1] = [("digest", |bytes| {
//!     let _ = std::str::from_utf8(bytes).map(margo_types::Digest::parse);
//! })];
//!
//! let corpus = Corpus::new("fuzz/corpus", &TARGETS);
//! corpus.replay();
//! corpus.replay_changed();
//! ```

pub mod input;
mod mutator;

use std::fs;
use std::panic::{catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use self::mutator::Mutator;

/// What is done with an input. It panics when that shows a fault.
pub type Target = fn(&[u8]);

/// The committed inputs of all targets of a crate.
#[derive(Clone, Debug)]
pub struct Corpus<'t> {
    root: PathBuf,
    targets: &'t [(&'t str, Target)],
    rounds: u64,
}

impl<'t> Corpus<'t> {
    /// The corpus in this folder, of these targets by their names.
    pub fn new(root: impl Into<PathBuf>, targets: &'t [(&'t str, Target)]) -> Self {
        Self {
            root: root.into(),
            targets,
            rounds: 3,
        }
    }

    /// The same, with every input changed so many times unless `FUZZ_ROUNDS` says how often.
    #[must_use]
    pub fn rounds(mut self, rounds: u64) -> Self {
        self.rounds = rounds;
        self
    }

    /// Gives every input to its target.
    ///
    /// # Panics
    /// When a target panics, with the names of all files that make it; when a target has fewer than three inputs, and when a
    /// folder has no target.
    pub fn replay(&self) {
        let mut faults = Vec::new();
        for (target, run) in self.targets {
            let inputs = self.inputs(target);
            assert!(
                inputs.len() >= FEWEST,
                "{target} has only {} inputs",
                inputs.len()
            );
            for (file, bytes) in inputs {
                // Shown by the test harness, above what the target says when it panics.
                println!("{}", file.display());
                if catch_unwind(|| run(&bytes)).is_err() {
                    faults.push(file);
                }
            }
        }
        assert!(faults.is_empty(), "{faults:#?}");
        for folder in self.folders() {
            let is_known = self.targets.iter().any(|(target, _)| folder == *target);
            assert!(is_known, "the inputs in {folder} have no target");
        }
    }

    /// Gives every input to its target with small changes, the same ones every time.
    ///
    /// The environment variable `FUZZ_ROUNDS` says how often every input is changed (3 times, or [as set](Self::rounds)), and
    /// `FUZZ_TARGET` of which target (all).
    ///
    /// # Panics
    /// When a target panics, after the input was printed.
    pub fn replay_changed(&self) {
        let only = std::env::var("FUZZ_TARGET").ok();
        let rounds = std::env::var("FUZZ_ROUNDS").map_or(self.rounds, |text| {
            text.parse().expect("FUZZ_ROUNDS is a number of rounds")
        });
        let is_wanted = |target: &str| only.as_deref().is_none_or(|only| only == target);
        for (target, run) in self.targets.iter().filter(|(target, _)| is_wanted(target)) {
            let inputs = self.inputs(target);
            let mut mutator = Mutator::new(rounds);
            let (mut count, start) = (0_u64, Instant::now());
            for _ in 0..rounds {
                for (file, input) in &inputs {
                    let mut bytes = input.clone();
                    let (_, other) = &inputs[mutator.below(inputs.len())];
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

    /// The inputs of a target with their files, in the same order everywhere.
    fn inputs(&self, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let read = |file: PathBuf| {
            let bytes = fs::read(&file).expect("the input can be read");
            (file, bytes)
        };
        entries(&self.root.join(target)).map(read).collect()
    }

    fn folders(&self) -> impl Iterator<Item = String> {
        let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into());
        entries(&self.root).filter_map(name)
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    paths.sort();
    paths.into_iter()
}

/// Fewer than so many inputs are none to speak of.
const FEWEST: usize = 3;
