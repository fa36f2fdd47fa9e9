//! Connects to the first address of a host that answers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::timeout;

/// How long one address may take to answer by default: for a host that drops our packets, the kernel would
/// take two minutes to give up.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Tries the addresses one after the other, each for `limit` at most. Returns what `dial` makes of
/// the first one that answers.
///
/// # Errors
/// That of the last address.
pub async fn first_answer<T, F>(
    hosts: &[SocketAddr],
    limit: Duration,
    dial: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut last = Err(io::ErrorKind::AddrNotAvailable.into());
    for host in hosts {
        let tried = timeout(limit, dial(*host)).await;
        last = tried.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if last.is_ok() {
            break;
        }
    }
    last
}

/// A socket of the address's family.
///
/// # Errors
/// The system has none.
pub fn socket_for(host: SocketAddr) -> io::Result<TcpSocket> {
    match host {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }
}
