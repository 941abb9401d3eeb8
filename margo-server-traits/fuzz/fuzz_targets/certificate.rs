#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| margo_server_traits_fuzz::certificate(bytes));
