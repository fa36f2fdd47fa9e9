//! The places of simultaneous connections: so many in all, and so many of one host.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a connection waits for a place when all are taken, or all of its host: those of senders
/// that have closed are free once their last records are in the lanes.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The places of a listener.
#[derive(Clone, Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    cap: usize,
    per_address: usize,
    hosts: Arc<Mutex<Hosts>>,
    /// Connections that may wait for a place of their host. Each has one of all places meanwhile, so
    /// half of those are left to other hosts.
    waits: Arc<Semaphore>,
}

/// The places of each host that has connections.
type Hosts = HashMap<IpAddr, Arc<Semaphore>>;

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _all: OwnedSemaphorePermit,
    host: Option<HostPlace>,
}

/// A place of a host, or the wait for one.
#[derive(Debug)]
struct HostPlace {
    host: IpAddr,
    hosts: Arc<Mutex<Hosts>>,
    places: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
    waits: Option<OwnedSemaphorePermit>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// All places are taken.
    Full,
    /// The host has as many as one may have.
    Host,
}

impl Places {
    pub(super) fn new(cap: usize, per_address: usize) -> Places {
        let cap = cap.clamp(1, Semaphore::MAX_PERMITS);
        Places {
            all: Arc::new(Semaphore::new(cap)),
            cap,
            per_address: per_address.clamp(1, Semaphore::MAX_PERMITS),
            hosts: Arc::default(),
            waits: Arc::new(Semaphore::new(cap / 2)),
        }
    }

    pub(super) fn cap(&self) -> usize {
        self.cap
    }

    pub(super) fn per_address(&self) -> usize {
        self.per_address
    }

    pub(super) fn taken(&self) -> usize {
        self.cap - self.all.available_permits()
    }

    /// Takes a place for a connection from `ip`; of a unix socket there is none.
    pub(super) fn take(&self, ip: Option<IpAddr>) -> Result<Place, NoPlace> {
        let host = match ip.and_then(counted) {
            Some(host) => Some(self.take_of(host).ok_or(NoPlace::Host)?),
            None => None,
        };
        let all = Arc::clone(&self.all).try_acquire_owned();
        Ok(Place {
            _all: all.map_err(|_| NoPlace::Full)?,
            host,
        })
    }

    /// Waits until a place is free, and does not take it.
    pub(super) async fn free(&self) {
        // It is never closed.
        drop(self.all.acquire().await);
    }

    fn take_of(&self, host: IpAddr) -> Option<HostPlace> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let places = match hosts.get(&host) {
            Some(places) => Arc::clone(places),
            None => Arc::new(Semaphore::new(self.per_address)),
        };
        let taken = Arc::clone(&places).try_acquire_owned().ok();
        let waits = match taken {
            Some(_) => None,
            None => Some(Arc::clone(&self.waits).try_acquire_owned().ok()?),
        };
        hosts.insert(host, Arc::clone(&places));
        drop(hosts);
        Some(HostPlace {
            host,
            hosts: Arc::clone(&self.hosts),
            places,
            taken,
            waits,
        })
    }
}

impl Place {
    /// Waits a moment for the host's place, if it has none yet. Returns whether it has one.
    pub(super) async fn is_ready(&mut self) -> bool {
        let Some(host) = self.host.as_mut().filter(|host| host.taken.is_none()) else {
            return true;
        };
        let taken = timeout(PATIENCE, Arc::clone(&host.places).acquire_owned()).await;
        host.taken = taken.ok().and_then(Result::ok);
        host.waits = None;
        host.taken.is_some()
    }
}

impl Drop for HostPlace {
    fn drop(&mut self) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        self.taken = None;
        // Nobody has it but the list and this.
        if Arc::strong_count(&self.places) == 2 {
            hosts.remove(&self.host);
        }
    }
}

/// What is counted as one host: an IPv4 address, or the /64 that an IPv6 host picks its addresses
/// from. This machine is not counted: whoever is on it can do worse.
fn counted(ip: IpAddr) -> Option<IpAddr> {
    match ip.to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V4(ip) => Some(ip.into()),
        IpAddr::V6(ip) => {
            let network = u128::from(ip) >> 64 << 64;
            Some(Ipv6Addr::from(network).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Places, ip: &str) -> Result<Place, NoPlace> {
        places.take(Some(ip.parse().expect("an address")))
    }

    #[tokio::test(start_paused = true)]
    async fn one_host_leaves_places_to_the_others() {
        let places = Places::new(8, 2);
        let mut held = Vec::new();
        for ip in [
            "192.0.2.1",
            "::ffff:192.0.2.1",
            "2001:db8::1",
            "2001:db8::ffff:1",
        ] {
            held.push(take(&places, ip).expect("there is one"));
        }
        // A third one of a host waits. A host has a whole /64.
        for ip in ["192.0.2.1", "2001:db8::2"] {
            let mut waits = take(&places, ip).expect("it may wait");
            assert!(!waits.is_ready().await);
        }
        let mut waiting: Vec<_> = std::iter::from_fn(|| take(&places, "192.0.2.1").ok()).collect();
        assert_eq!(waiting.len(), 4, "half of all places");
        assert_eq!(take(&places, "192.0.2.1").err(), Some(NoPlace::Host));
        // One that leaves makes room for one that waits.
        held.remove(0);
        assert!(waiting[0].is_ready().await);
        assert!(!waiting[1].is_ready().await);
        waiting.truncate(1);
        for ip in ["192.0.2.2", "2001:db8:0:1::2", "127.0.0.1", "::1"] {
            let mut place = take(&places, ip).expect("there is one");
            assert!(place.is_ready().await, "another host, or this machine");
            held.push(place);
        }
        assert_eq!(places.taken(), 8);
        assert_eq!(take(&places, "127.0.0.1").err(), Some(NoPlace::Full));
        // What is refused because all is full leaves nothing behind.
        assert_eq!(take(&places, "192.0.2.3").err(), Some(NoPlace::Full));
        drop((held, waiting));
        assert_eq!(places.taken(), 0);
        assert!(places.hosts.lock().expect("a lock").is_empty());
    }
}
