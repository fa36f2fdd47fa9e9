//! Sends packets that are already placed to all lanes.

use dumpstream::Packets;

use crate::station::Station;
use crate::summary::Summary;

/// Hands packets that are already placed, such as those of a store, to every lane: everything that
/// `next` returns, until it returns `None` or [`Station::stop`] is cancelled. `next` is not called
/// while a lane is full.
///
/// # Errors
/// The error of `next`. Earlier packets are in the lanes.
pub async fn placed<E>(
    next: impl AsyncFnMut() -> Result<Option<Packets>, E>,
    station: &Station,
) -> Result<Summary, E> {
    let mut summary = Summary::of_one();
    placed_into(&mut summary, next, station).await?;
    Ok(summary)
}

/// The same, but also returns the figures on an error.
pub(super) async fn placed_into<E>(
    summary: &mut Summary,
    mut next: impl AsyncFnMut() -> Result<Option<Packets>, E>,
    station: &Station,
) -> Result<(), E> {
    let work = async {
        loop {
            let packets = tokio::select! {
                biased;
                () = station.stop().cancelled() => return Ok(()),
                packets = next() => packets?,
            };
            let Some(packets) = packets else {
                return Ok(());
            };
            let bytes = packets.iter().map(|packet| packet.raw().len() as u64).sum();
            let batch = Summary {
                bytes,
                record_bytes: bytes,
                ..Summary::of_packets(&packets)
            };
            station.progress().read(bytes);
            station.progress().add(&batch);
            summary.add(&batch);
            summary.stalled += station.deliver(&packets, None).await;
        }
    };
    station.unblocked(work).await
}
