//! What all inputs of a station together hold in memory on their way to the lanes.

use tokio::sync::{Semaphore, SemaphorePermit};

/// The default of [`StationBuilder::memory`](super::StationBuilder::memory): little beside what a
/// machine has that receives from hundreds of sensors.
pub const DEFAULT_MEMORY: usize = 256 << 20;

/// Bytes per permit; permits are counted in 32 bits.
const PERMIT: usize = 1 << 10;

/// The most bytes that a byte of text takes when it is parsed: that of the shortest records.
const GROWTH: usize = 32;

/// The memory of large read buffers, of text that is being parsed, and of packets that wait for full
/// lanes.
///
/// An input waits for a share when a batch is whole, and gives it back once its packets are in the
/// lanes, whatever its sender does. Shares are given in the order in which they were asked for.
#[derive(Debug)]
pub(super) struct Memory {
    room: Semaphore,
    capacity: u32,
}

/// A share of the memory, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share<'a>(SemaphorePermit<'a>);

impl Memory {
    pub(super) fn new(bytes: usize) -> Memory {
        let most = Semaphore::MAX_PERMITS.min(u32::MAX as usize);
        let capacity = (bytes / PERMIT).clamp(1, most) as u32;
        Memory {
            room: Semaphore::new(capacity as usize),
            capacity,
        }
    }

    /// Waits for the share of a text of this length that is to be parsed, at most half of all.
    pub(super) async fn share(&self, text: usize) -> Share<'_> {
        let permits = self.permits(text.saturating_mul(GROWTH));
        let share = self.room.acquire_many(permits).await;
        Share(share.expect("it is never closed"))
    }

    /// The share of a read buffer of so many bytes, if there is room for it: half is left to what
    /// is parsed, because a sender decides for how long the buffer is used.
    pub(super) fn buffer(&self, bytes: usize) -> Option<Share<'_>> {
        let permits = self.permits(bytes);
        let free = self.room.available_permits();
        if free < permits as usize + self.half() as usize {
            return None;
        }
        self.room.try_acquire_many(permits).ok().map(Share)
    }

    fn half(&self) -> u32 {
        self.capacity.div_ceil(2)
    }

    fn permits(&self, bytes: usize) -> u32 {
        let permits = u32::try_from(bytes.div_ceil(PERMIT)).unwrap_or(u32::MAX);
        permits.clamp(1, self.half())
    }
}

impl Share<'_> {
    /// Gives back what the parsed packets do not take.
    pub(crate) fn settle(&mut self, footprint: usize) {
        let spare = self
            .0
            .num_permits()
            .saturating_sub(footprint.div_ceil(PERMIT).max(1));
        drop(self.0.split(spare));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_share_is_waited_for_and_given_back() {
        let memory = Memory::new(64 << 10);
        let soon = Duration::from_secs(1);
        let mut first = memory.share(1 << 10).await;
        let second = memory.share(1 << 20).await;
        let third = memory.share(1 << 10);
        tokio::pin!(third);
        assert!(timeout(soon, &mut third).await.is_err(), "all is taken");
        // What parsing did not need is not enough for another.
        first.settle(1 << 10);
        assert!(timeout(soon, &mut third).await.is_err(), "a bit is missing");
        drop(second);
        let third = timeout(soon, third).await.expect("there is room");
        drop((first, third));
        assert_eq!(memory.room.available_permits(), 64);
    }

    #[tokio::test]
    async fn buffers_leave_half_to_what_is_parsed() {
        let memory = Memory::new(64 << 10);
        let buffers: Vec<_> = std::iter::from_fn(|| memory.buffer(8 << 10)).collect();
        assert_eq!(buffers.len(), 4);
        // However large, and though no sender gives its buffer back.
        drop(memory.share(usize::MAX).await);
        let share = memory.share(1).await;
        drop(buffers);
        assert!(memory.buffer(1).is_some());
        drop(share);
    }
}
