//! Who is let in by a listener, and what became of everyone else.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::connection::{Connection, Peer, is_idle};
use super::keepalive::Keepalive;
use super::places::{NoPlace, Place, Places};
use super::refusals::Refusals;
#[cfg(feature = "tls")]
use super::tls::TlsServer;
use super::{Access, RECEIVE_BUFFER};
use crate::run::Error;
use crate::summary::Summary;

/// Default limit of simultaneous connections: enough for many sensors, and at worst 512 MiB of
/// kernel memory (Linux holds up to twice a receive buffer).
pub const MAX_CONNECTIONS: usize = 256;

/// Default limit of one host's simultaneous connections: one host leaves most places to the others.
pub const MAX_PER_ADDRESS: usize = 32;

/// Who may connect to a listener, and how its connections are treated.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Who may connect.
    pub access: Access,
    /// The most simultaneous connections, from 1.
    pub connections: usize,
    /// The most of one host: of an IPv4 address, or of an IPv6 network of 64 bits. Loopback is
    /// exempt.
    pub per_address: usize,
    /// Each connection's receive buffer in the kernel, in bytes.
    pub receive_buffer: usize,
    /// How long a quiet sender may be unreachable.
    pub keepalive: Keepalive,
    /// A connection ends after this long without a byte. `None`: never, because nothing to report
    /// is normal for a sensor.
    pub idle_timeout: Option<Duration>,
    /// Senders must speak TLS.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsServer>,
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions {
            access: Access::loopback(),
            connections: MAX_CONNECTIONS,
            per_address: MAX_PER_ADDRESS,
            receive_buffer: RECEIVE_BUFFER,
            keepalive: Keepalive::default(),
            idle_timeout: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

/// Lets connections in, or refuses and counts them.
#[derive(Debug)]
pub(super) struct Door {
    access: Access,
    pub(super) keepalive: Keepalive,
    idle_timeout: Option<Duration>,
    #[cfg(feature = "tls")]
    tls: Option<TlsServer>,
    pub(super) places: Places,
    pub(super) connections: AtomicU64,
    pub(super) denied: Refusals,
    pub(super) over_cap: Refusals,
    pub(super) over_host: Refusals,
    pub(super) insecure: Refusals,
    pub(super) early: Refusals,
    counted: Arc<Notify>,
}

impl Door {
    pub(super) fn new(options: ListenOptions) -> Door {
        let places = Places::new(options.connections, options.per_address);
        let counted = Arc::new(Notify::new());
        let refusals = |why: String| Refusals::new(why, &counted);
        Door {
            denied: refusals("`--allow` does not cover its host, or `--deny` does".to_owned()),
            over_cap: refusals(format!("`--max-connections` ({}) is reached", places.cap())),
            over_host: refusals(format!(
                "its host has as many connections as one may have (`--max-per-address` {})",
                places.per_address()
            )),
            insecure: refusals("the TLS handshake failed".to_owned()),
            early: Refusals::of_early_ends(&counted),
            counted,
            access: options.access,
            keepalive: options.keepalive,
            idle_timeout: options.idle_timeout,
            #[cfg(feature = "tls")]
            tls: options.tls,
            places,
            connections: AtomicU64::new(0),
        }
    }

    /// Whether the peer may connect; one that may not is counted.
    pub(super) fn allows(&self, peer: &Peer) -> bool {
        let allows = match peer {
            Peer::Tcp(address) => self.access.allows(address.ip()),
            // The permissions of its file say who may connect.
            #[cfg(unix)]
            Peer::Unix(_) => true,
        };
        if !allows {
            self.denied.refuse(peer.clone());
        }
        allows
    }

    /// A place for a connection, if there is one. Too many of one host are counted.
    pub(super) fn place(&self, peer: &Peer) -> Result<Place, NoPlace> {
        let ip = match peer {
            Peer::Tcp(address) => Some(address.ip()),
            #[cfg(unix)]
            Peer::Unix(_) => None,
        };
        let place = self.places.take(ip);
        if let Err(NoPlace::Host) = place {
            self.over_host.refuse(peer.clone());
        }
        place
    }

    /// Lets a connection in.
    pub(super) fn admit(
        &self,
        connection: io::Result<Connection>,
        place: Place,
    ) -> Option<Connection> {
        match connection {
            Ok(mut connection) => {
                connection.place = Some(place);
                let (peer, stream) = (connection.peer(), connection.stream());
                debug!(%peer, stream, "Accepted a connection.");
                Some(connection.idle_timeout(self.idle_timeout))
            }
            // It closed before it was accepted.
            Err(error) => {
                debug!(%error, "A connection closed immediately.");
                None
            }
        }
    }

    /// The connection once it is ready to be read: with a place of its host and, with TLS, after the
    /// handshake. Without such a place there is none.
    pub(super) async fn ready(
        &self,
        mut connection: Connection,
        stop: &CancellationToken,
    ) -> Result<Option<Connection>, Error> {
        connection.starting = None;
        if let Some(place) = &mut connection.place
            && !place.is_ready().await
        {
            self.over_host.refuse(connection.peer().clone());
            connection.reset();
            return Ok(None);
        }
        let connection = self.secure(connection, stop).await?;
        self.connections.fetch_add(1, Relaxed);
        Ok(Some(connection))
    }

    #[cfg(feature = "tls")]
    async fn secure(
        &self,
        connection: Connection,
        stop: &CancellationToken,
    ) -> Result<Connection, Error> {
        let Some(tls) = &self.tls else {
            return Ok(connection);
        };
        let peer = connection.peer().clone();
        let secured = connection.secured(async |wire| tls.accept(wire).await);
        let secured = tokio::select! {
            biased;
            secured = secured => secured,
            () = stop.cancelled() => Err(io::ErrorKind::Interrupted.into()),
        };
        secured.map_err(|source| {
            let because = source.to_string();
            self.insecure.refuse_because(peer.clone(), because);
            Error::Handshake {
                peer: peer.to_string(),
                source,
            }
        })
    }

    /// This build has no TLS.
    #[cfg(not(feature = "tls"))]
    async fn secure(
        &self,
        connection: Connection,
        _: &CancellationToken,
    ) -> Result<Connection, Error> {
        Ok(connection)
    }

    /// Logs how a connection ended, if it was early.
    pub(super) fn ended(&self, peer: Peer, result: &Result<Summary, Error>) {
        match result {
            Err(Error::Read { source, .. }) if is_idle(source) => {}
            Err(error) if !matches!(error, Error::AsciiText { .. }) => {
                self.early.refuse_because(peer, error.to_string());
            }
            _ => {}
        }
    }

    /// Reads certificates again at each [`Hangup`](crate::Hangup), while there is the door.
    #[cfg(feature = "tls")]
    pub(super) fn reload_on(self: &Arc<Door>, hangup: &crate::Hangup) {
        if self.tls.is_none() {
            return;
        }
        let door = Arc::downgrade(self);
        hangup.on(move || {
            let Some(door) = door.upgrade() else {
                return false;
            };
            if let Some(tls) = &door.tls {
                match tls.reload() {
                    Ok(()) if tls.is_self_signed() => {}
                    Ok(()) => {
                        let fingerprint = tls.fingerprint();
                        tracing::info!(fingerprint, "The TLS certificate was read again.");
                    }
                    Err(error) => {
                        tracing::error!("{error}; the previous TLS certificate stays in use.");
                    }
                }
            }
            true
        });
    }

    /// There are no certificates: this build has no TLS.
    #[cfg(not(feature = "tls"))]
    pub(super) fn reload_on(self: &Arc<Door>, _: &crate::Hangup) {}

    /// Logs refused connections that were counted when it is time.
    pub(super) async fn refusals_due(&self) {
        let all = [
            &self.denied,
            &self.over_cap,
            &self.over_host,
            &self.insecure,
            &self.early,
        ];
        let due = || all.iter().filter_map(|refusals| refusals.due()).min();
        loop {
            match due() {
                Some(due) => break tokio::time::sleep_until(due).await,
                None => self.counted.notified().await,
            }
        }
        all.iter().for_each(|refusals| refusals.tell_due());
    }
}
