//! Packets that are placed already, to all lanes.

use dumpstream::Packets;

use crate::station::Station;
use crate::summary::Summary;

/// Hands packets that are placed already, as those of a store are, to every lane: what `next`
/// returns, until it returns `None`, or [`Station::stop`] asks for the end. Nothing is asked for
/// while a lane is full.
///
/// # Errors
/// Those of `next`. What came before is in the lanes.
pub async fn relay<E>(
    next: impl AsyncFnMut() -> Result<Option<Packets>, E>,
    station: &Station,
) -> Result<Summary, E> {
    let mut summary = Summary::of_one();
    relay_into(&mut summary, next, station).await?;
    Ok(summary)
}

/// The same, with the figures also where it fails.
pub(super) async fn relay_into<E>(
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
            summary.stalled += station.deliver(&packets).await;
        }
    };
    station.unblocked(work).await
}
