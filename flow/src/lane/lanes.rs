//! All lanes of a station, side by side.

use std::sync::Arc;
use std::time::Duration;

use dumpstream::Packets;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Counters, Lane};
use crate::acks::Ticket;

/// All lanes of a station. Clones share them.
#[derive(Clone, Debug)]
pub struct Lanes(Arc<[Lane]>);

impl Lanes {
    /// Offers packets to every lane, side by side: a slow lane delays the others only by the time
    /// that its queue makes this input wait.
    pub async fn offer(&self, packets: &Packets) {
        self.offer_for(packets, None).await;
    }

    /// The same, for a source that the ticket answers.
    pub(crate) async fn offer_for(&self, packets: &Packets, ticket: Option<&Ticket>) {
        let send = |lane: &Lane| {
            let (lane, packets) = (lane.clone(), packets.clone());
            async move { lane.send_for(packets, ticket).await }
        };
        join_all(self.0.iter().map(send)).await;
    }

    /// Closes every lane; see [`Lane::close`].
    pub async fn close(&self, deadline: Option<Instant>) {
        join_all(self.0.iter().map(|lane| lane.close(deadline))).await;
    }

    /// Waits until no sink is alive any more; never returns if there is none.
    pub async fn died(&self) {
        if self.0.is_empty() {
            std::future::pending::<()>().await;
        }
        join_all(self.0.iter().map(Lane::died)).await;
    }

    /// The names of the lanes, and what has become of the packets so far.
    pub fn counters(&self) -> impl Iterator<Item = (&str, Counters)> {
        self.iter().map(|lane| (lane.name(), lane.counters()))
    }

    /// The slowest lane's [latency](Lane::latency), at the 99th percentile.
    pub fn p99(&self) -> Option<Duration> {
        self.iter().filter_map(|lane| lane.latency().p99).max()
    }

    /// Iterates over the lanes.
    pub fn iter(&self) -> std::slice::Iter<'_, Lane> {
        self.0.iter()
    }

    /// The number of lanes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no lanes: packets are counted, and go nowhere.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Lane> for Lanes {
    fn from_iter<T: IntoIterator<Item = Lane>>(lanes: T) -> Lanes {
        Lanes(lanes.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Lanes {
    type Item = &'a Lane;
    type IntoIter = std::slice::Iter<'a, Lane>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
