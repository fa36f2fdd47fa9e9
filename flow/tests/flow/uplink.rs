//! Text that is sent on to a port.

use std::net::SocketAddr;
use std::time::Duration;

use dumpstream::{Namespace, Origin, Parser};
use dumpstream_flow::net::Uplink;
use dumpstream_flow::run::{Source, run};
use dumpstream_flow::{Counters, Station};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::receiver::{HANG, record, records};

/// More than two kernels hold.
const RECORDS: usize = 100_000;

/// Sends the records of a text to a port, to the end.
async fn sent(host: SocketAddr, text: impl AsyncRead + Unpin) -> Counters {
    let parser = Parser::new(Namespace::tcpdump()).unwrap();
    let uplink = Uplink::new("there", vec![host]);
    let station = Station::builder(parser).sink("there", Box::new(uplink));
    let station = station.open().unwrap();
    let origin = Origin::new("sensor").stream("x");
    run(Source::live(text), origin, &station).await.unwrap();
    station.drain().await;
    let (_, counters) = station.lanes().counters().next().unwrap();
    counters.verify().unwrap();
    counters
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_begins_with_a_records_head() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let text = records(1, RECORDS);
    let serve = async {
        // The first one is reset within a record: it is closed with unread bytes.
        let (mut first, _) = listener.accept().await.unwrap();
        let mut begin = vec![0; 10_001];
        first.read_exact(&mut begin).await.unwrap();
        assert!(text.as_bytes().starts_with(&begin));
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        let mut rest = String::new();
        second.read_to_string(&mut rest).await.unwrap();
        rest
    };
    let both = async { tokio::join!(sent(address, text.as_bytes()), serve) };
    let (counters, rest) = timeout(HANG, both).await.unwrap();
    assert!(text.ends_with(&rest));
    let after = RECORDS - rest.matches("IP (tos").count();
    assert!(after > 0 && rest.starts_with(&record(1, after)), "{after}");
    assert_eq!(counters.delivered + counters.dropped, RECORDS as u64);
    assert!(counters.dropped <= 1, "only the record that was cut");
}

/// Sends a hundred records to a server that reads fifty, and then closes its half of the connection,
/// or all of it. Returns what it reads afterwards, from a second connection if need be.
async fn closed_after_fifty(gone: bool) -> (Counters, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let text = records(1, 100);
    let (mut input, output) = tokio::io::duplex(text.len());
    let serve = async {
        let first = records(1, 50);
        input.write_all(first.as_bytes()).await.unwrap();
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut read = vec![0; first.len()];
        tcp.read_exact(&mut read).await.unwrap();
        assert!(read == first.as_bytes());
        tcp.shutdown().await.unwrap();
        let tcp = (!gone).then_some(tcp);
        input
            .write_all(&text.as_bytes()[first.len()..])
            .await
            .unwrap();
        drop(input);
        let mut tcp = match tcp {
            Some(tcp) => tcp,
            None => listener.accept().await.unwrap().0,
        };
        let mut rest = String::new();
        tcp.read_to_string(&mut rest).await.unwrap();
        rest
    };
    let both = async { tokio::join!(sent(address, output), serve) };
    timeout(HANG, both).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_closes_its_half_reads_on() {
    let (counters, rest) = closed_after_fifty(false).await;
    assert!(records(1, 100).ends_with(&rest) && rest.starts_with(&record(1, 50)));
    assert_eq!((counters.delivered, counters.dropped), (100, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_costs_one_record() {
    let (counters, rest) = closed_after_fifty(true).await;
    assert!(records(1, 100).ends_with(&rest) && rest.starts_with(&record(1, 51)));
    assert_eq!((counters.delivered, counters.dropped), (99, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_come_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let text = records(1, 100);
    drop(listener);
    let serve = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let listener = TcpListener::bind(address).await.unwrap();
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut all = String::new();
        tcp.read_to_string(&mut all).await.unwrap();
        all
    };
    let both = async { tokio::join!(sent(address, text.as_bytes()), serve) };
    let (counters, all) = timeout(HANG, both).await.unwrap();
    assert!(all == text);
    assert_eq!((counters.delivered, counters.dropped), (100, 0));
}
