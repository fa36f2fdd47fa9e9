//! The places of simultaneous connections: so many in all, and so many of one host.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of a listener.
#[derive(Clone, Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    cap: usize,
    per_address: usize,
    hosts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _all: OwnedSemaphorePermit,
    _host: Option<HostPlace>,
}

/// A place of a host.
#[derive(Debug)]
struct HostPlace {
    host: IpAddr,
    hosts: Arc<Mutex<HashMap<IpAddr, usize>>>,
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
            per_address,
            hosts: Arc::default(),
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
            _host: host,
        })
    }

    /// Waits until a place is free, and does not take it.
    pub(super) async fn free(&self) {
        // It is never closed.
        drop(self.all.acquire().await);
    }

    fn take_of(&self, host: IpAddr) -> Option<HostPlace> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = hosts.entry(host).or_default();
        if *taken >= self.per_address {
            return None;
        }
        *taken += 1;
        drop(hosts);
        Some(HostPlace {
            host,
            hosts: Arc::clone(&self.hosts),
        })
    }
}

impl Drop for HostPlace {
    fn drop(&mut self) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut taken) = hosts.entry(self.host) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
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

    #[test]
    fn one_host_leaves_places_to_the_others() {
        let places = Places::new(8, 2);
        let mut held = Vec::new();
        for ip in ["192.0.2.1", "::ffff:192.0.2.1"] {
            held.push(take(&places, ip).expect("there is one"));
        }
        assert_eq!(take(&places, "192.0.2.1").err(), Some(NoPlace::Host));
        held.push(take(&places, "192.0.2.2").expect("another host"));
        // A host has a whole /64.
        for ip in ["2001:db8::1", "2001:db8::ffff:1"] {
            held.push(take(&places, ip).expect("there is one"));
        }
        assert_eq!(take(&places, "2001:db8::2").err(), Some(NoPlace::Host));
        held.push(take(&places, "2001:db8:0:1::2").expect("another network"));
        // Loopback may have all that are left, and no more.
        for ip in ["127.0.0.1", "::1"] {
            held.push(take(&places, ip).expect("there is one"));
        }
        assert_eq!(places.taken(), 8);
        assert_eq!(take(&places, "127.0.0.1").err(), Some(NoPlace::Full));
        // What is refused because all is full leaves nothing behind.
        assert_eq!(take(&places, "192.0.2.3").err(), Some(NoPlace::Full));
        held.clear();
        assert_eq!(places.taken(), 0);
        assert!(places.hosts.lock().expect("a lock").is_empty());
    }
}
