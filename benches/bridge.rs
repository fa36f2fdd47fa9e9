//! The whole way of live text: a sender's writes over loopback TCP, `listen`, the parse, a lane
//! with the `null:` sink; and a replay at top speed beside a plain write of the same text. Sender and
//! receiver share the machine.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use dumpstream::{Namespace, Origin, Parser};
use dumpstream_flow::Station;
use dumpstream_flow::net::{self, Access, Connection, Listener};
use dumpstream_flow::replay::{Pace, Player, Replay};

#[path = "input/samples.rs"]
mod samples;

/// Every byte over one connection, until its end; gives the count of records that were delivered.
async fn receive(parser: Arc<Parser>, text: Arc<[u8]>) -> u64 {
    let station = Station::builder(parser)
        .output("null:".parse().expect("a sink"))
        .open()
        .expect("it opens");
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let listener = Listener::bind(any, Access::loopback(), 1).expect("a free port");
    let address = listener.address().expect("a port");
    let sender = std::thread::spawn(move || {
        let mut tcp = TcpStream::connect(address).expect("it listens");
        tcp.write_all(&text).expect("it is read to its end");
    });
    let origin = |peer: &Connection| Origin::new("bench").stream(peer.stream());
    let outcome = net::listen(listener, false, &station, origin).await;
    sender.join().expect("the sender has sent all");
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    assert_eq!(outcome.summary.verify(), Ok(()));
    station.drain().await;
    let delivered = station.lanes().counters().map(|(_, c)| c.delivered).sum();
    assert_eq!(delivered, outcome.summary.records);
    delivered
}

fn bridge(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let parser = Arc::new(Parser::new(Namespace::tcpdump()).expect("it is valid"));
    let sample = samples::large();
    let text: Arc<[u8]> = sample.text.as_slice().into();
    let mut group = samples::group(criterion, "bridge", &sample);
    group.bench_function("listen_null", |b| {
        b.iter(|| {
            let records = runtime.block_on(receive(parser.clone(), text.clone()));
            assert_eq!(records, sample.records as u64);
        });
    });
    group.finish();
}

/// Sends over a connection whose other end throws everything away; gives how many bytes came.
fn discarded(send: impl FnOnce(TcpStream)) -> u64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let receiver = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept()?;
        io::copy(&mut tcp, &mut io::sink())
    });
    send(TcpStream::connect(address).expect("it listens"));
    let received = receiver.join().expect("it does not panic");
    received.expect("all is read")
}

fn replay(criterion: &mut Criterion) {
    let sample = samples::large();
    let text: Arc<[u8]> = sample.text.as_slice().into();
    let mut group = samples::group(criterion, "replay", &sample);
    group.bench_function("write_all", |b| {
        b.iter(|| {
            let bytes = discarded(|mut tcp| tcp.write_all(&text).expect("all is read"));
            assert_eq!(bytes, text.len() as u64);
        });
    });
    group.bench_function("topspeed", |b| {
        b.iter(|| {
            let player = Player::new(Replay::new(Pace::TopSpeed));
            let source = text.clone();
            let open = move || Ok(io::Cursor::new(source.clone()));
            let bytes = discarded(|tcp| player.run(open, tcp).expect("all is read"));
            assert_eq!(bytes, text.len() as u64);
            assert_eq!(player.replayed().records, sample.records as u64);
        });
    });
    group.finish();
}

criterion_group!(benches, bridge, replay);
criterion_main!(benches);
