//! The built binary as its users meet it: standard output, standard error, exit codes, files.

mod csv;
mod demo;
mod examples;
mod explain;
mod follow;
mod foreign;
mod fuzz;
mod listen;
mod load;
mod moved;
mod packaged;
mod packed;
mod page;
mod parse;
mod program;
mod query;
mod rejects;
mod replay;
mod rotation;
mod secrets;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod terminal;
mod times;
mod trouble;
mod typed;
