//! The built binary as its users meet it: standard output, standard error, exit codes.

#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/listen.rs"]
mod listen;
#[path = "cli/page.rs"]
mod page;
#[path = "cli/parse.rs"]
mod parse;
#[path = "cli/program.rs"]
mod program;
#[path = "cli/query.rs"]
mod query;
