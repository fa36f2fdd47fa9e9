//! The fuzz target of what is printed, under plain `cargo test`.

#[path = "fuzz/terminal.rs"]
mod target;

#[test]
fn terminal() {
    given::cases(target::terminal, 1_000, 800, &[]);
}
