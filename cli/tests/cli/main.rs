//! The built binary as its users meet it: standard output, standard error, exit codes, files.

mod csv;
mod demo;
mod examples;
mod explain;
mod follow;
mod foreign;
mod fuzz;
#[cfg(target_os = "linux")]
mod heartbeat;
mod identity;
mod listen;
mod load;
mod moved;
#[cfg(unix)]
mod network;
mod packaged;
mod packed;
mod page;
#[cfg(all(unix, feature = "parquet"))]
mod parquet;
mod parse;
mod program;
mod query;
mod rejects;
mod relay;
mod replay;
mod rotation;
mod secrets;
mod serve;
#[cfg(unix)]
mod signals;
#[cfg(target_os = "linux")]
mod stat;
#[cfg(unix)]
mod terminal;
mod times;
mod trouble;
mod typed;
