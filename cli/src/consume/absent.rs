//! `dumpstream consume` of a build without Kafka: it says how to have it.

use std::ffi::OsString;

use clap::Args;

use super::{Exit, Manner, Usage};

/// Read tcpdump's text from Kafka topics (not in this build)
///
/// It is the feature `kafka`. Build a program that has it: cargo install --locked --path cli --features kafka
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Consume {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

impl Consume {
    pub(super) fn run(self, _manner: Manner) -> anyhow::Result<Exit> {
        Err(Usage::new(
            "this build has no consume, which is the feature `kafka`; build one that has: cargo \
             install --locked --path cli --features kafka",
        )
        .into())
    }
}
