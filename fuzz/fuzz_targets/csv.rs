#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rosterd_fuzz::csv(input));
