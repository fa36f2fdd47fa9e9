#![no_main]
#[path = "../../tests/core/fuzz/cases.rs"]
#[allow(dead_code, reason = "each target is one of them")]
mod cases;
libfuzzer_sys::fuzz_target!(|data: &[u8]| cases::framer(data));
