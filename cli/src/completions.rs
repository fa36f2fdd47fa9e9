//! `dumpstream completions`: a script for the shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::namespace::print;
use super::{Cli, Exit};

/// Print a script that completes commands and options in a shell
///
///     dumpstream completions bash > ~/.local/share/bash-completion/completions/dumpstream
///     dumpstream completions zsh > ~/.zfunc/_dumpstream
///     dumpstream completions fish > ~/.config/fish/completions/dumpstream.fish
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Completions {
    /// The shell that reads the script.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        // Not to standard output itself: the generator panics where that is closed.
        let mut script = Vec::new();
        let mut command = Cli::command();
        clap_complete::generate(self.shell, &mut command, "dumpstream", &mut script);
        print(&String::from_utf8(script)?)
    }
}
