//! The address of a cluster, as it is typed for `query`, `read` and `schema`.

use dumpstream_flow::SinkError;
use dumpstream_flow::cassandra::Address;

use super::Usage;

/// Parses the address that was typed.
pub(super) fn address(url: &str) -> Result<Address, Usage> {
    url.parse().map_err(|e: SinkError| {
        // The cluster is only read here, so the error must not call it a sink.
        let text = e.to_string();
        let text = text.strip_prefix("sink ").unwrap_or(&text);
        Usage::new(format!("cassandra {text}"))
    })
}
