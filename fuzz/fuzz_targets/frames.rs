#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| scan::fuzzed::frames(bytes));
