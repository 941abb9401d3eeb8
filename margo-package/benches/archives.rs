//! Side by side with the tools that everybody has: extraction with `tar` and `sha256sum`, building with bare compression.
//!
//! `cargo bench -p margo-package` prints medians of interleaved runs, and their ratio. Only the ratio means something:
//! both sides ran on the same machine in the same minute.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use margo_package::archive::{ArchiveWriter, Durability, Extractor, Limits, MemberPath, Policy};
use margo_package::{DigestReader, bundle};
use margo_types::id::DeploymentId;

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 15;
const FILES: usize = 10_000;
const DEPLOYMENTS: u32 = 1_000;

fn main() -> Result<(), Failure> {
    // `cargo test --benches` wants to know that it runs, not how fast.
    let rounds = if std::env::args().any(|argument| argument == "--bench") {
        ROUNDS
    } else {
        1
    };
    // `cargo bench -p margo-package -- bundle` runs one of them.
    let only = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let is_wanted = |name| only.as_deref().is_none_or(|only| only == name);
    if is_wanted("cached") {
        extraction(rounds, Durability::Cached)?;
    }
    if is_wanted("durable") {
        extraction(rounds, Durability::Durable)?;
    }
    if is_wanted("bundle") {
        building(rounds)?;
    }
    Ok(())
}

/// Checks the digest and extracts, here in one pass, there with two programs (and `sync` when it has to last).
fn extraction(rounds: usize, durability: Durability) -> Result<(), Failure> {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let archive = place.path().join("archive.tar.gz");
    write_archive(&archive)?;

    let ours = || {
        let destination = place.path().join("ours");
        let mut source = DigestReader::new(File::open(&archive)?);
        Extractor::new(Policy::default())
            .durability(durability)
            .extract(&mut source, &destination)?;
        black_box(source.finish(Limits::default().max_packed_bytes)?);
        Ok(destination)
    };
    let theirs = || {
        let destination = place.path().join("theirs");
        fs::create_dir(&destination)?;
        run(Command::new("sha256sum").arg(&archive))?;
        run(Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(&destination))?;
        if durability == Durability::Durable {
            run(Command::new("sync").arg("-f").arg(&destination))?;
        }
        Ok(destination)
    };
    let clean = |destination| Ok(fs::remove_dir_all(destination)?);
    let (name, peer) = match durability {
        Durability::Cached => ("extract 10,000 files, cached", "sha256sum + tar -xzf"),
        _ => (
            "extract 10,000 files, durable",
            "sha256sum + tar -xzf + sync -f",
        ),
    };
    compare(rounds, (name, peer), ours, theirs, clean)
}

/// Builds a bundle with its digest, or only compresses the documents.
fn building(rounds: usize) -> Result<(), Failure> {
    let documents: Vec<(DeploymentId, Vec<u8>)> = (0..DEPLOYMENTS).map(deployment).collect();
    let borrowed: Vec<(DeploymentId, &[u8])> = documents
        .iter()
        .map(|(id, document)| (*id, &**document))
        .collect();
    let ours = || Ok(black_box(bundle::build(&borrowed)?.bytes));
    let theirs = || {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
        for (_, document) in &documents {
            encoder.write_all(document)?;
        }
        Ok(black_box(encoder.finish()?))
    };
    let names = ("bundle of 1,000 deployments", "gzip of the same documents");
    compare(rounds, names, ours, theirs, |_| Ok(()))
}

fn compare<T>(
    rounds: usize,
    (name, peer): (&str, &str),
    ours: impl Fn() -> Result<T, Failure>,
    theirs: impl Fn() -> Result<T, Failure>,
    clean: impl Fn(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let time = |run: &dyn Fn() -> Result<T, Failure>| -> Result<Duration, Failure> {
        let started = Instant::now();
        let result = run()?;
        let elapsed = started.elapsed();
        clean(result)?;
        Ok(elapsed)
    };
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Whoever goes second finds warmer caches, so they take turns.
        if round % 2 == 0 {
            our_times.push(time(&ours)?);
            their_times.push(time(&theirs)?);
        } else {
            their_times.push(time(&theirs)?);
            our_times.push(time(&ours)?);
        }
    }
    let (ours, theirs) = (median(our_times), median(their_times));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("{name}: {ours:.1?}; {peer}: {theirs:.1?}; ratio {ratio:.2}");
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let output = command.output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} failed").into())
    }
}

/// Files of 0 to 8 KiB in 100 directories, of text that compresses about as well as configuration does.
fn write_archive(path: &Path) -> Result<(), Failure> {
    let mut names: Vec<String> = (0..FILES)
        .map(|file| format!("app/part-{:02}/file-{file:05}.conf", file % 100))
        .collect();
    names.sort_unstable();
    let mut writer = ArchiveWriter::new(File::create(path)?);
    let mut random = 1_u64;
    for name in names {
        let mut content = String::new();
        let length = next(&mut random) % 8192;
        while (content.len() as u64) < length {
            let key = next(&mut random) % 50;
            let value = next(&mut random);
            writeln!(content, "setting-{key}: value-{value:x}")?;
        }
        writer.file(&MemberPath::parse(&name)?, false, content.as_bytes())?;
    }
    writer.finish()?;
    Ok(())
}

fn deployment(number: u32) -> (DeploymentId, Vec<u8>) {
    let id = DeploymentId::from_uuid_bytes(u128::from(number).to_be_bytes());
    let mut document = format!(
        "apiVersion: margo.org\nkind: ApplicationDeployment\nid: {id}\nspec:\n  parameters:\n"
    );
    let mut random = u64::from(number) + 1;
    for parameter in 0..20 {
        let value = next(&mut random);
        let _ = writeln!(
            document,
            "    parameter{parameter}:\n      value: \"{value:x}\"\n      targets:\n        - pointer: app.setting{parameter}\n          components: [web]"
        );
    }
    (id, document.into_bytes())
}

/// Xorshift: enough to keep the compressor from finding a pattern.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 8
}
