//! The receiving end, as the tests put it together: every record goes into memory.
#![allow(dead_code, reason = "each test uses what it needs of it")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dumpstream::{Namespace, Origin, Packets, Parser};
use dumpstream_flow::net::{
    self, Access, ConnectOptions, Connection, Connections, Listener, Outcome, Retry, Server,
};
use dumpstream_flow::{BoxFuture, Progress, Sink, SinkError, Station, StationBuilder, Written};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A test that hangs has failed; nothing here takes a tenth of it.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// A record of two lines, that says which it is and who sent it.
pub(crate) fn record(sender: usize, n: usize) -> String {
    let (high, low) = (sender / 256, sender % 256);
    let source = format_args!("10.0.{high}.{low}.{}", 1000 + n);
    let stamp = format_args!("1700000000.{n:06}");
    given::udp(stamp, n, source, "192.0.2.2.9999", 1)
}

/// The first ones of a sender.
pub(crate) fn records(sender: usize, n: usize) -> String {
    (0..n).map(|i| record(sender, i)).collect()
}

/// A record that shows a packet between two ends.
pub(crate) fn between(from: SocketAddr, to: SocketAddr) -> String {
    let [from, to] = [from, to].map(|end| format!("{}.{}", end.ip(), end.port()));
    let flags = "Flags [.], cksum 0xfe28 (incorrect -> 0x1234), ack 1, win 512";
    given::tcp("1700000000.000000", 1, [&from, &to], flags, 12, 0)
}

/// Sends a text as `nc -N` does.
pub(crate) async fn send(mut tcp: TcpStream, text: &str) {
    tcp.write_all(text.as_bytes()).await.unwrap();
    tcp.shutdown().await.unwrap();
    // As nc does, until we close; and we must not have said a word.
    let mut said = Vec::new();
    timeout(HANG, tcp.read_to_end(&mut said))
        .await
        .expect("it is closed")
        .unwrap();
    assert!(said.is_empty(), "not a byte to a sender");
}

/// Keeps all it is given, while its gate is open.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) rows: Arc<Mutex<Vec<Packets>>>,
    pub(crate) gate: watch::Sender<bool>,
}

impl Recorder {
    pub(crate) fn new() -> Recorder {
        Recorder {
            rows: Arc::default(),
            gate: watch::Sender::new(true),
        }
    }

    pub(crate) fn open(&self, open: bool) {
        self.gate.send_replace(open);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.lock().unwrap().iter().map(Packets::len).sum()
    }

    /// Each record's stream, ordinal and text, in the order in which they came.
    pub(crate) fn records(&self) -> Vec<(String, u64, String)> {
        let rows = self.rows.lock().unwrap();
        let record = |packet: dumpstream::Packet<'_>| {
            let text = String::from_utf8(packet.raw().to_vec()).unwrap();
            (packet.stream().to_owned(), packet.record(), text)
        };
        rows.iter()
            .flat_map(|packets| packets.iter().map(record).collect::<Vec<_>>())
            .collect()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.records()
            .into_iter()
            .map(|(_, _, text)| text)
            .collect()
    }
}

impl Sink for Recorder {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        Box::pin(async move {
            let mut gate = self.gate.subscribe();
            gate.wait_for(|open| *open)
                .await
                .expect("the gate lives as long as the sink");
            self.rows.lock().unwrap().extend_from_slice(rows);
            let delivered = rows.iter().map(|packets| packets.len() as u64).sum();
            Ok(Written {
                delivered,
                ..Written::default()
            })
        })
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }
}

/// What every connection is given to.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) recorder: Recorder,
    pub(crate) station: Station,
}

impl Intake {
    pub(crate) fn new() -> Intake {
        Intake::with(|station| station)
    }

    /// With a station that is built otherwise; the recorder is its last sink.
    pub(crate) fn with(more: impl FnOnce(StationBuilder) -> StationBuilder) -> Intake {
        let recorder = Recorder::new();
        let station = Station::builder(Parser::new(Namespace::tcpdump()).unwrap())
            .flush_after(Duration::from_secs(5))
            .drain_timeout(HANG);
        let station = more(station).sink("recorder", Box::new(recorder.clone()));
        Intake {
            recorder,
            station: station.open().unwrap(),
        }
    }

    pub(crate) fn flushing_after(millis: u64) -> Intake {
        Intake::with(|station| station.flush_after(Duration::from_millis(millis)))
    }

    pub(crate) fn progress(&self) -> &Progress {
        self.station.progress()
    }

    /// The sensor is the sender's host.
    pub(crate) fn origin(connection: &Connection) -> Origin {
        Origin::new(connection.sensor()).stream(connection.stream())
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Intake) -> bool) {
        let wait = async {
            while !holds(self) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(HANG, wait)
            .await
            .unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// Closes the lanes, and holds everything to its identity.
    pub(crate) async fn close(&self, outcome: &Outcome) {
        assert_eq!(outcome.summary.verify(), Ok(()));
        for lane in self.station.lanes() {
            let counters = lane.close(None).await;
            assert_eq!(counters.verify(), Ok(()));
            assert_eq!(counters.packets, outcome.summary.records);
            assert_eq!(counters.delivered, counters.packets, "{counters:?}");
        }
        assert_eq!(self.recorder.len() as u64, outcome.summary.records);
        assert_eq!(self.progress().records(), outcome.summary.records);
        assert_eq!(self.progress().bytes(), outcome.summary.bytes);
        assert_eq!(self.progress().skipped(), outcome.summary.skipped.total());
    }
}

/// A listener at work.
pub(crate) struct Listening {
    pub(crate) intake: Intake,
    pub(crate) address: SocketAddr,
    pub(crate) connections: Connections,
    pub(crate) cancel: tokio_util::sync::CancellationToken,
    pub(crate) task: JoinHandle<Outcome>,
}

impl Listening {
    pub(crate) fn start(intake: Intake, keep_open: bool) -> Listening {
        let access = Access::loopback();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), access, 256).unwrap();
        Listening::on(listener, intake, keep_open)
    }

    pub(crate) fn on(listener: Listener, intake: Intake, keep_open: bool) -> Listening {
        let (address, connections) = (listener.address().unwrap(), listener.connections());
        let station = intake.station.clone();
        let cancel = station.stop().clone();
        let task = tokio::spawn(async move {
            net::listen(listener, keep_open, &station, Intake::origin).await
        });
        Listening {
            intake,
            address,
            connections,
            cancel,
            task,
        }
    }

    pub(crate) async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Waits for so many connections to be over, of which none is left.
    pub(crate) async fn served(&self, total: u64) {
        let connections = &self.connections;
        let over = |_: &Intake| connections.total() == total && connections.open() == 0;
        self.intake.until("the connections are over", over).await;
    }

    /// Ends it, and waits until it is over.
    pub(crate) async fn end(self) -> (Outcome, Intake) {
        self.cancel.cancel();
        self.ended().await
    }

    /// Waits until it is over by itself.
    pub(crate) async fn ended(self) -> (Outcome, Intake) {
        let outcome = timeout(HANG, self.task).await.expect("it ends").unwrap();
        self.intake.close(&outcome).await;
        (outcome, self.intake)
    }
}

/// A connection to a server, at work.
pub(crate) struct Connecting {
    pub(crate) intake: Intake,
    pub(crate) cancel: tokio_util::sync::CancellationToken,
    pub(crate) task: JoinHandle<Outcome>,
}

impl Connecting {
    pub(crate) fn start(address: SocketAddr, retry: Retry) -> Connecting {
        Connecting::with(Intake::new(), address, retry)
    }

    pub(crate) fn with(intake: Intake, address: SocketAddr, retry: Retry) -> Connecting {
        let options = ConnectOptions {
            retry,
            ..ConnectOptions::default()
        };
        Connecting::to(Server::Host(address.to_string()), options, intake)
    }

    pub(crate) fn to(server: Server, options: ConnectOptions, intake: Intake) -> Connecting {
        let station = intake.station.clone();
        let cancel = station.stop().clone();
        let task =
            tokio::spawn(
                async move { net::connect(&server, &options, &station, Intake::origin).await },
            );
        Connecting {
            intake,
            cancel,
            task,
        }
    }

    pub(crate) async fn end(self) -> (Outcome, Intake) {
        let outcome = timeout(HANG, self.task).await.expect("it ends").unwrap();
        self.intake.close(&outcome).await;
        (outcome, self.intake)
    }
}
