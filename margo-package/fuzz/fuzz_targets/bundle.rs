#![no_main]

#[path = "../harness.rs"]
#[allow(dead_code, reason = "every target uses one function of it")]
mod harness;

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::bundle(data));
