#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| margo_client_fuzz::enrolment(bytes));
