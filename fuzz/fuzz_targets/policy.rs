#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| policies::fuzzed::policy(bytes));
