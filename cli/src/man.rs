//! `dumpstream man`: manual pages.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};

use super::{Cli, Exit};

/// Write a manual page for each command
///
///     dumpstream man ~/.local/share/man/man1
///     man dumpstream-parse
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Man {
    /// The folder for the pages; it is made if needed, and existing pages are overwritten.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

impl Man {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        let named = || self.folder.display().to_string();
        fs::create_dir_all(&self.folder).with_context(named)?;
        // `dumpstream help parse` needs no page beside that of `parse`.
        let command = Cli::command().disable_help_subcommand(true);
        clap_mangen::generate_to(command, &self.folder).with_context(named)?;
        Ok(Exit::Done)
    }
}
