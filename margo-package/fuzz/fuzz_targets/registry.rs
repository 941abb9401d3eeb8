#![no_main]

#[path = "../registry.rs"]
mod registry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| registry::registry(data));
