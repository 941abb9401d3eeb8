#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| margo_conformance_fuzz::answers(bytes));
