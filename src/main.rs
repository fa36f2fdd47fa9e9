//! The command line: `dumpstream parse | listen | connect | replay | query | demo`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
