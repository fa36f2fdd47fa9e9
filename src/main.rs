//! The command line: `dumpstream parse | listen | connect | replay | query | explain | check |
//! schema | namespace | demo`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
