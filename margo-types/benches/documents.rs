//! Time and allocations of reading, validating and writing; `ratios` compares them with other readers.

mod inputs;

use divan::{AllocProfiler, Bencher, black_box};
use margo_types::application::ApplicationDescription;
use margo_types::manifest::StateManifest;
use margo_types::{SpecVersion, read, validate, write};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench]
fn read_manifest(bencher: Bencher) {
    let bytes = inputs::manifest();
    bencher.bench(|| read::<StateManifest>(black_box(&bytes)));
}

#[divan::bench]
fn read_manifest_untyped(bencher: Bencher) {
    let bytes = inputs::manifest();
    bencher.bench(|| serde_json::from_slice::<serde_json::Value>(black_box(&bytes)));
}

#[divan::bench]
fn read_description(bencher: Bencher) {
    let bytes = inputs::description();
    bencher.bench(|| read::<ApplicationDescription>(black_box(&bytes)));
}

#[divan::bench]
fn read_description_untyped(bencher: Bencher) {
    let bytes = inputs::description();
    let options = serde_saphyr::Options::default();
    bencher.bench_local(|| {
        serde_saphyr::from_slice_with_options::<serde_json::Value>(
            black_box(&bytes),
            options.clone(),
        )
    });
}

#[divan::bench]
fn validate_description(bencher: Bencher) {
    let description = read::<ApplicationDescription>(&inputs::description())
        .unwrap()
        .into_value();
    bencher.bench(|| validate(black_box(&description), SpecVersion::NEWEST));
}

#[divan::bench]
fn write_manifest(bencher: Bencher) {
    let manifest = read::<StateManifest>(&inputs::manifest())
        .unwrap()
        .into_value();
    bencher.bench(|| write(black_box(&manifest), SpecVersion::NEWEST));
}

#[divan::bench]
fn write_description(bencher: Bencher) {
    let description = read::<ApplicationDescription>(&inputs::description())
        .unwrap()
        .into_value();
    bencher.bench(|| write(black_box(&description), SpecVersion::NEWEST));
}
