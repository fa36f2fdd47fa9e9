#![no_main]
#[path = "../../cli/tests/cli/fuzz/terminal.rs"]
mod target;
libfuzzer_sys::fuzz_target!(|data: &[u8]| target::terminal(data));
