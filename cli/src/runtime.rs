//! The runtime of a subcommand.

use super::Exit;

/// Runs to the end on a runtime of all cores. A thread that still waits in a system call is left
/// to the process's end.
pub(super) fn block_on(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}
