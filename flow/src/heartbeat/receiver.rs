//! The counters of the receiver that a heartbeat stands beside.

use std::fmt;

use serde::Serialize;

use crate::station::Station;

/// A receiver, whose counters are a part of each beat.
pub struct Receiver {
    station: Station,
    connections: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("station", &self.station)
            .finish_non_exhaustive()
    }
}

/// What a receiver has counted so far; what it does not count is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) lost: Option<u64>,
    pub(super) suspect: Option<u64>,
    pub(super) connections: Option<u64>,
    pub(super) lanes: String,
}

/// What became of the packets of one output.
#[derive(Serialize)]
struct LaneCounted<'a> {
    name: &'a str,
    delivered: u64,
    rejected: u64,
    dropped: u64,
    queued: u64,
}

impl Receiver {
    /// The receiver whose inputs and lanes are this station's.
    pub fn new(station: &Station) -> Receiver {
        Receiver {
            station: station.clone(),
            connections: None,
        }
    }

    /// What returns the number of open connections.
    pub fn connections(self, open: impl Fn() -> u64 + Send + Sync + 'static) -> Receiver {
        Receiver {
            connections: Some(Box::new(open)),
            ..self
        }
    }

    pub(super) fn station(&self) -> &Station {
        &self.station
    }

    pub(super) fn read(&self) -> Counted {
        let progress = self.station.progress();
        let lanes: Vec<_> = self.station.lanes().counters().collect();
        let lanes: Vec<_> = lanes
            .iter()
            .map(|(name, counters)| LaneCounted {
                name,
                delivered: counters.delivered,
                rejected: counters.rejected,
                dropped: counters.dropped,
                queued: counters.queued,
            })
            .collect();
        // Without numbers nobody knows whether packets were lost.
        let numbered = progress.captures() > 0;
        Counted {
            records: progress.records(),
            bytes: progress.bytes(),
            lost: numbered.then(|| progress.lost()),
            suspect: numbered.then(|| progress.suspect()),
            connections: self.connections.as_ref().map(|open| open()),
            lanes: serde_json::to_string(&lanes).expect("text and numbers"),
        }
    }
}
