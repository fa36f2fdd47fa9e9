//! The runtime of a subcommand.

use super::Exit;

/// Runs the work to its end on a runtime that uses all cores. A thread that still waits in a system
/// call is abandoned; it ends with the process.
pub(super) fn block_on(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}
