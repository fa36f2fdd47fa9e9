//! What the tests and benches of every package start from: the recorded samples, records made to
//! measure, numbers that are the same in every run, mutated bytes, pages of the docs, real servers,
//! and tests that need a tool.

mod cases;
mod harmless;
mod page;
mod random;
mod record;
mod samples;
mod script;
mod trial;

pub use cases::cases;
pub use harmless::harmless;
pub use page::blocks;
pub use random::Random;
pub use record::{tcp, udp};
pub use samples::{Sample, project, root, sample, samples, text};
pub use script::{Script, java};
pub use trial::{amount, asked, tool, trial, watched};
