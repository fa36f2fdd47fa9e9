//! The core: text in, typed records out. Nothing here needs a file but the samples, or a clock.

mod api;
#[cfg(feature = "arrow")]
mod arrow;
mod ascii;
mod cuts;
mod explain;
mod footprint;
mod fuzz;
mod golden;
mod imports;
mod law;
mod layers;
mod namespace;
mod samples;
mod scale;
mod senders;
mod sequence;
mod time;
