//! Real sockets, from and to us: every record once, whatever the network does.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use dumpstream::framing::Framer;
use dumpstream::{Origin, Value};
use dumpstream_flow::BatchCodec;
use dumpstream_flow::net::{Access, Listener, Retry};
use dumpstream_flow::run::{Error, Source, run};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::codec::{Decoder, FramedRead};

use crate::receiver::{
    Connecting, HANG, Intake, Listening, Recorder, between, record, records, send,
};

// What the sending end sends.

/// As `tcpdump -A` prints [`record`]: the packet from its IP header on, at column 0.
fn ascii(n: usize) -> String {
    let [id, port] = [n, 1000 + n].map(|n| (n as u16).to_be_bytes());
    let header = [0x45, 0, 0, 29, id[0], id[1], 0x40, 0, 64, 17, 0, 0];
    let rest = [
        10, 0, 0, 0, 192, 0, 2, 2, port[0], port[1], 0x27, 0x0f, 0, 9, 0, 0, b'x',
    ];
    // As `ascii_print` does: an address of 10.0.0.0/8 breaks the line.
    let plain = |byte: u8| byte.is_ascii_graphic() || matches!(byte, b'\t' | b' ' | b'\n');
    let shown = |byte: &u8| if plain(*byte) { char::from(*byte) } else { '.' };
    let dump: String = header.iter().chain(&rest).map(shown).collect();
    format!("{}{dump}\n", record(0, n))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_senders_at_once_lose_nothing() {
    const SENDERS: usize = 100;
    const EACH: usize = 200;
    let listening = Listening::start(Intake::new(), true);
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let address = listening.address;
            tokio::spawn(async move {
                let mut tcp = TcpStream::connect(address).await.unwrap();
                let text = records(sender, EACH);
                // In pieces that end anywhere, so that the senders take turns.
                for piece in text.as_bytes().chunks(777 + sender) {
                    tcp.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                send(tcp, "").await;
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    listening.served(SENDERS as u64).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!(outcome.connections, SENDERS as u64);
    assert_eq!(outcome.summary.inputs, SENDERS as u64);
    assert_eq!(outcome.summary.records, (SENDERS * EACH) as u64);
    assert_eq!(outcome.summary.parsed, outcome.summary.records);
    let mut streams: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    for (stream, ordinal, text) in intake.recorder.records() {
        streams.entry(stream).or_default().push((ordinal, text));
    }
    assert_eq!(streams.len(), SENDERS, "each connection is a stream");
    let mut whole = BTreeSet::new();
    for rows in streams.values() {
        assert!(
            rows.iter().map(|(ordinal, _)| *ordinal).eq(1..=EACH as u64),
            "in their order"
        );
        whole.insert(
            rows.iter()
                .map(|(_, text)| text.as_str())
                .collect::<String>(),
        );
    }
    let sent: BTreeSet<_> = (0..SENDERS).map(|sender| records(sender, EACH)).collect();
    assert!(whole == sent, "every record once, and nothing else");
}

#[tokio::test]
async fn writes_of_one_byte_make_the_same_records() {
    let listening = Listening::start(Intake::new(), false);
    let tcp = listening.dial().await;
    tcp.set_nodelay(true).unwrap();
    let mut tcp = tcp;
    let text = records(1, 3);
    for byte in text.as_bytes() {
        tcp.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    send(tcp, "").await;
    let (outcome, intake) = listening.end().await;
    assert!(outcome.error.is_none());
    assert_eq!(intake.recorder.texts().concat(), text);
    assert_eq!(outcome.summary.records, 3);
}

#[tokio::test]
async fn a_half_close_is_an_end_and_is_answered_with_one() {
    let listening = Listening::start(Intake::new(), false);
    // `send` closes its half, and waits for ours.
    send(listening.dial().await, &records(1, 2)).await;
    let outcome = timeout(HANG, listening.task).await.unwrap().unwrap();
    listening.intake.close(&outcome).await;
    assert_eq!(
        listening.intake.recorder.texts(),
        [record(1, 0), record(1, 1)]
    );
}

#[tokio::test]
async fn one_connection_is_all_without_keep_open() {
    let listening = Listening::start(Intake::new(), false);
    let first = listening.dial().await;
    listening
        .intake
        .until("it is there", |_| listening.connections.open() == 1)
        .await;
    // The port is closed at once, so a second sender is told, rather than left waiting.
    let refused = TcpStream::connect(listening.address).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    send(first, &records(1, 1)).await;
    let outcome = timeout(HANG, listening.task).await.unwrap().unwrap();
    listening.intake.close(&outcome).await;
    assert_eq!(outcome.connections, 1);
}

#[tokio::test]
async fn a_sender_killed_in_mid_record_leaves_it_truncated() {
    let listening = Listening::start(Intake::new(), true);
    let text = records(1, 3);
    let cut = &text[..text.len() - 20];
    let mut tcp = listening.dial().await;
    tcp.write_all(cut.as_bytes()).await.unwrap();
    drop(tcp); // the kernel of a killed process sends FIN
    listening.served(1).await;
    send(listening.dial().await, &records(2, 1)).await;
    listening.served(2).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!((outcome.summary.records, outcome.summary.truncated), (4, 1));
    let texts = intake.recorder.texts();
    assert_eq!(texts[..3].concat(), cut);
    assert_eq!(
        texts[3],
        record(2, 0),
        "never merged with another connection's bytes"
    );
    assert_eq!(outcome.broken, 0);
}

#[tokio::test]
async fn a_reset_in_mid_record_keeps_what_arrived() {
    let listening = Listening::start(Intake::new(), true);
    let text = records(1, 3);
    let cut = &text[..text.len() - 20];
    let mut tcp = listening.dial().await;
    tcp.write_all(cut.as_bytes()).await.unwrap();
    let sent = cut.len() as u64;
    listening
        .intake
        .until("it arrived", |intake| intake.progress().bytes() == sent)
        .await;
    socket2::SockRef::from(&tcp)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(tcp);
    listening.served(1).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!(
        (
            outcome.broken,
            outcome.summary.records,
            outcome.summary.truncated
        ),
        (1, 3, 1)
    );
    assert!(
        outcome.error.is_none(),
        "one sender of many is no error of ours"
    );
    assert_eq!(intake.recorder.texts().concat(), cut);
}

#[tokio::test]
async fn above_the_cap_connections_are_closed_and_counted() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Access::loopback(), 2).unwrap();
    let listening = Listening::on(listener, Intake::new(), true);
    let first = listening.dial().await;
    let second = listening.dial().await;
    listening
        .intake
        .until("two are there", |_| listening.connections.open() == 2)
        .await;
    let mut third = listening.dial().await;
    let closed = timeout(HANG, third.read(&mut [0; 1]))
        .await
        .expect("it is told");
    assert!(!matches!(closed, Ok(1..)), "not a byte: {closed:?}");
    assert_eq!(listening.connections.over_cap(), 1);
    send(first, &records(1, 1)).await;
    listening
        .intake
        .until("there is room", |_| listening.connections.open() == 1)
        .await;
    send(listening.dial().await, &records(4, 1)).await;
    send(second, &records(2, 1)).await;
    listening.served(3).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!((outcome.connections, outcome.over_cap), (3, 1));
    assert_eq!(
        intake.recorder.texts(),
        [record(1, 0), record(4, 0), record(2, 0)]
    );
}

#[tokio::test]
async fn a_host_that_is_not_on_the_list_is_closed_unread() {
    let access: Access = "192.0.2.0/24".parse().unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), access, 2).unwrap();
    let listening = Listening::on(listener, Intake::new(), true);
    let mut tcp = listening.dial().await;
    // It may be closed before this is written.
    tcp.write_all(records(1, 1).as_bytes()).await.ok();
    let closed = timeout(HANG, tcp.read(&mut [0; 1]))
        .await
        .expect("it is told");
    assert!(!matches!(closed, Ok(1..)), "not a byte: {closed:?}");
    let (outcome, intake) = listening.end().await;
    assert_eq!(
        (outcome.denied, outcome.connections, outcome.summary.bytes),
        (1, 0, 0)
    );
    assert_eq!(intake.recorder.len(), 0);
}

#[tokio::test]
async fn an_open_port_needs_a_list() {
    for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:0.0.0.0]:0"] {
        let error = Listener::bind(open.parse().unwrap(), Access::loopback(), 2).unwrap_err();
        assert!(error.is_usage());
        assert!(
            error.to_string().contains("--allow CIDR"),
            "the remedy: {error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_record_comes_without_an_end_and_what_is_late_is_counted() {
    let intake = Intake::flushing_after(20);
    // No socket: what would pass while one is waited for is not what is measured here.
    let (mut pipe, source) = tokio::io::duplex(1 << 10);
    let station = intake.station.clone();
    let run =
        tokio::spawn(
            async move { run(Source::live(source), Origin::new("sensor"), &station).await },
        );
    pipe.write_all(records(1, 2).as_bytes()).await.unwrap();
    // There is no successor, and the sender stays.
    sleep(Duration::from_millis(19)).await;
    assert_eq!(intake.recorder.len(), 1);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(intake.recorder.len(), 2);
    let late = "\tGET / HTTP/1.1\n";
    pipe.write_all(late.as_bytes()).await.unwrap();
    // A header without its endpoints is never flushed, and a partial line neither.
    let next = record(1, 2);
    let (header, endpoints) = next.split_at(next.find('\n').unwrap() + 1);
    pipe.write_all(header.as_bytes()).await.unwrap();
    sleep(Duration::from_secs(3600)).await;
    pipe.write_all(&endpoints.as_bytes()[..10]).await.unwrap();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(intake.recorder.len(), 2);
    pipe.write_all(&endpoints.as_bytes()[10..]).await.unwrap();
    drop(pipe);
    let summary = run.await.unwrap().unwrap();
    assert_eq!(summary.verify(), Ok(()));
    assert_eq!(summary.skipped.late, late.len() as u64);
    assert_eq!(summary.truncated, 0);
    for lane in intake.station.lanes() {
        assert_eq!(lane.close(None).await.delivered, 3);
    }
    assert_eq!(intake.recorder.texts(), [record(1, 0), record(1, 1), next]);
}

#[tokio::test]
async fn a_full_lane_closes_the_window_and_is_counted() {
    const QUEUE: usize = 64 << 10;
    let intake = Intake::with(|station| station.queue(QUEUE));
    intake.recorder.open(false);
    let listening = Listening::start(intake, true);
    let tcp = listening.dial().await;
    let text = records(1, 100_000);
    let mut sent = 0;
    // Until nothing moves: the lane is full, then our kernel's buffer, then the sender's.
    loop {
        match timeout(Duration::from_millis(500), tcp.writable()).await {
            Err(_) => break,
            Ok(writable) => writable.unwrap(),
        }
        match tcp.try_write(&text.as_bytes()[sent..]) {
            Ok(n) => sent += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sent < text.len(), "the window never closed");
    assert_eq!(listening.intake.progress().waiting(), 1);
    // What we hold: the lane's queue, the batch that waits, the one that is written, one read.
    let read = listening.intake.progress().bytes() as usize;
    assert!(
        read < QUEUE + 3 * (256 << 10),
        "{read} bytes were read into a full lane"
    );
    listening.intake.recorder.open(true);
    send(tcp, &text[sent..]).await;
    listening.served(1).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!(outcome.summary.records, 100_000);
    assert!(outcome.summary.stalled > Duration::ZERO);
    assert_eq!(intake.progress().stalled(), outcome.summary.stalled);
    assert_eq!(intake.progress().waiting(), 0);
    assert!(
        intake.recorder.texts().concat() == text,
        "nothing was lost, nothing came twice"
    );
}

#[tokio::test]
async fn a_full_lane_keeps_the_others_waiting_for_no_more_than_its_own_input() {
    let slow = Recorder::new();
    slow.open(false);
    // The slow one first: the other gets its batch all the same.
    let both = Intake::with(|station| {
        let station = station.queue(1 << 10);
        station.sink("slow", Box::new(slow.clone()))
    });
    let listening = Listening::start(both.clone(), true);
    let mut tcp = listening.dial().await;
    let mut sent = 0;
    while both.progress().waiting() == 0 {
        tcp.write_all(record(1, sent).as_bytes()).await.unwrap();
        sent += 1;
        sleep(Duration::from_millis(1)).await;
    }
    let offered = both.progress().records() as usize;
    both.until("the live lane has it", |both| {
        both.recorder.len() == offered
    })
    .await;
    assert_eq!(slow.len(), 0);
    slow.open(true);
    send(tcp, "").await;
    listening.served(1).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!(outcome.summary.records as usize, sent);
    assert_eq!(slow.texts(), intake.recorder.texts());
}

#[tokio::test]
async fn cancelling_drains() {
    let listening = Listening::start(Intake::new(), true);
    let mut tcp = listening.dial().await;
    let text = records(1, 2);
    let cut = &text[..text.len() - 5];
    tcp.write_all(cut.as_bytes()).await.unwrap();
    let idle = listening.dial().await;
    let sent = cut.len() as u64;
    listening
        .intake
        .until("it arrived", |intake| intake.progress().bytes() == sent)
        .await;
    listening
        .intake
        .until("both are there", |_| listening.connections.open() == 2)
        .await;
    // Both senders stay.
    let (outcome, intake) = listening.end().await;
    drop((tcp, idle));
    assert!(outcome.error.is_none());
    assert_eq!((outcome.summary.records, outcome.summary.truncated), (2, 1));
    assert_eq!(intake.recorder.texts().concat(), cut);
    assert_eq!(outcome.connections, 2);
}

#[tokio::test]
async fn text_of_tcpdump_a_is_refused_and_the_next_sender_is_served() {
    let listening = Listening::start(Intake::flushing_after(1), true);
    let mut tcp = listening.dial().await;
    // One by one, as `-l` sends them: it takes eight to be sure, and none of those may be stored.
    let mut sent = 0;
    while listening.connections.open() > 0 || sent == 0 {
        assert!(sent < 1000, "it is not refused");
        // It may be closed before all of it is written.
        if tcp.write_all(ascii(sent).as_bytes()).await.is_err() {
            break;
        }
        sent += 1;
        sleep(Duration::from_millis(5)).await;
    }
    let closed = timeout(HANG, tcp.read(&mut [0; 1]))
        .await
        .expect("it is closed");
    assert!(!matches!(closed, Ok(1..)), "not a byte: {closed:?}");
    listening.served(1).await;
    send(listening.dial().await, &records(2, 1)).await;
    listening.served(2).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!((outcome.refused, outcome.connections), (1, 2));
    assert!(
        outcome.summary.refused >= 8 * ascii(0).len() as u64,
        "counted, every byte"
    );
    assert!(outcome.error.is_none());
    assert_eq!(intake.recorder.texts(), [record(2, 0)]);
}

#[tokio::test]
async fn text_of_tcpdump_a_is_an_error_of_the_only_connection() {
    let listening = Listening::start(Intake::new(), false);
    // Too short for eight records: the end decides.
    let text: String = (0..3).map(ascii).collect();
    send(listening.dial().await, &text).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!(intake.recorder.len(), 0);
    let error = outcome.error.expect("it is refused");
    assert!(matches!(error, Error::AsciiText { .. }));
    assert!(error.to_string().contains("drop -A"), "the remedy: {error}");
}

#[tokio::test]
async fn a_sender_that_captures_its_own_connection_is_counted() {
    let listening = Listening::start(Intake::new(), true);
    let tcp = listening.dial().await;
    let (near, far) = (tcp.local_addr().unwrap(), tcp.peer_addr().unwrap());
    let other = SocketAddr::new(near.ip(), near.port() ^ 1);
    let text = [
        record(1, 0),
        between(near, far),
        between(far, near),
        between(other, far),
        between(near, other),
    ];
    send(tcp, &text.concat()).await;
    listening.served(1).await;
    let (outcome, _) = listening.end().await;
    assert_eq!((outcome.summary.records, outcome.summary.own), (5, 2));
    assert!(
        outcome
            .summary
            .to_string()
            .contains("2 packets of the sender's own connection")
    );
}

/// What the numbers of `-#` tell is told per sender, whatever the reads; the figures of a status
/// line end at the same.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_tell_what_was_lost_and_what_is_suspect() {
    let listening = Listening::start(Intake::new(), true);
    let numbered = |n: usize| format!("{n:5}  {}", record(1, n));
    let whole: String = (1..=3000).map(numbered).collect();
    // Every 10th is lost; behind each 100th comes a forged one, far ahead or with the next number;
    // each 250th comes twice.
    let (mut lost, mut suspect) = (0, 0);
    let mut broken = String::new();
    for n in 1..=3000 {
        if n % 10 == 5 {
            lost += 1;
            continue;
        }
        broken += &numbered(n);
        if n % 250 == 0 {
            broken += &numbered(n);
            suspect += 1;
        } else if n % 100 == 0 {
            broken += &numbered(if n % 200 == 0 { n + 1 } else { 7_000_000 + n });
            suspect += 1;
        }
    }
    // The same tcpdump, begun anew twice.
    let anew = [&whole[..], &whole, &numbered(1)].concat();
    for (text, sent) in [
        (&whole, (0, 0, 1)),
        (&broken, (lost, suspect, 1)),
        (&anew, (0, 0, 3)),
    ] {
        let before = listening.intake.progress();
        let before = (before.lost(), before.suspect(), before.captures());
        let mut tcp = listening.dial().await;
        for piece in text.as_bytes().chunks(1111) {
            tcp.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        send(tcp, "").await;
        let live = listening.intake.progress();
        let now = (live.lost(), live.suspect(), live.captures());
        let told = (now.0 - before.0, now.1 - before.1, now.2 - before.2);
        assert_eq!(told, sent, "lost, suspect, captures");
    }
    let (outcome, _) = listening.end().await;
    let summary = outcome.summary;
    assert_eq!(
        (summary.lost, summary.suspect, summary.captures),
        (lost, suspect, 5)
    );
    let report = summary.to_string();
    for line in [
        "\n300 packets lost between tcpdump and here\n",
        &format!("\n{suspect} packets suspect: "),
        "\n5 captures",
    ] {
        assert!(report.contains(line), "{report}");
    }
}

#[tokio::test]
async fn what_is_lost_across_a_reconnect_is_told() {
    let listening = Listening::start(Intake::new(), true);
    let numbered = |n: usize| format!("{n:>5}  {}", record(1, n));
    for (served, range) in (1..).zip([1..51, 200..251, 251..260, 1..10]) {
        let text: String = range.map(numbered).collect();
        send(listening.dial().await, &text).await;
        listening.served(served).await;
    }
    let live = listening.intake.progress();
    assert_eq!((live.lost(), live.suspect(), live.captures()), (149, 0, 2));
    let (outcome, _) = listening.end().await;
    let summary = outcome.summary;
    assert_eq!(
        (summary.lost, summary.suspect, summary.captures),
        (149, 0, 2)
    );
}

#[tokio::test]
async fn a_connection_keeps_its_place_until_its_last_record_is_in_the_lanes() {
    const CAP: usize = 2;
    const SENDERS: usize = 200;
    let intake = Intake::with(|station| station.queue(1 << 10));
    intake.recorder.open(false);
    let access = Access::loopback();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), access, CAP).unwrap();
    let listening = Listening::on(listener, intake, true);
    // Fills the sink, and the queue behind it.
    let mut filling = listening.dial().await;
    let text = records(1, 50);
    filling.write_all(text.as_bytes()).await.unwrap();
    filling.shutdown().await.unwrap();
    let full = |intake: &Intake| intake.progress().waiting() == 1;
    listening.intake.until("the lane is full", full).await;
    for sender in 1..SENDERS {
        // One that is over the cap is reset, even before it knows that it is connected.
        if let Ok(mut tcp) = TcpStream::connect(listening.address).await {
            tcp.write_all(record(sender, 0).as_bytes()).await.ok();
        }
    }
    let seen = || listening.connections.total() + listening.connections.over_cap();
    let all = |_: &Intake| seen() == SENDERS as u64;
    listening.intake.until("all were seen", all).await;
    assert!(listening.intake.progress().waiting() <= CAP as u64);
    assert_eq!(listening.connections.open(), CAP);
    listening.intake.recorder.open(true);
    listening.served(CAP as u64).await;
    let (outcome, _) = listening.end().await;
    assert_eq!(outcome.over_cap, (SENDERS - CAP) as u64);
    assert_eq!(outcome.connections, CAP as u64);
}

#[tokio::test]
async fn names_for_addresses_are_counted() {
    let listening = Listening::start(Intake::new(), true);
    let text = record(1, 1).replace("10.0.0.1.", "sensor.example.");
    send(listening.dial().await, &[record(1, 0), text].concat()).await;
    listening.served(1).await;
    let (outcome, _) = listening.end().await;
    assert_eq!((outcome.summary.records, outcome.summary.names), (2, 1));
    assert!(outcome.summary.to_string().contains("-nn"));
}

#[tokio::test]
async fn messages_and_a_preamble_are_skipped_and_counted() {
    let listening = Listening::start(Intake::new(), true);
    let preamble = "Last login: Tue Nov 24 07:00:00 2026\n";
    let opening = "listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n";
    let closing = "2 packets captured\n2 packets received by filter\n";
    send(
        listening.dial().await,
        &[preamble, opening, &records(1, 2), closing].concat(),
    )
    .await;
    listening.served(1).await;
    let (outcome, intake) = listening.end().await;
    let skipped = outcome.summary.skipped;
    assert_eq!(
        (skipped.preamble, skipped.messages),
        (
            preamble.len() as u64,
            (opening.len() + closing.len()) as u64
        )
    );
    assert_eq!(intake.recorder.texts(), [record(1, 0), record(1, 1)]);
}

// The other way round: they serve, we connect.

fn soon() -> Retry {
    Retry::new().spans(Duration::from_millis(5), Duration::from_millis(20))
}

#[tokio::test]
async fn connect_comes_back_after_the_server_died() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let connecting = Connecting::start(address, soon());
    send(server.accept().await.unwrap().0, &records(1, 2)).await;
    // The same server, another client as it sees it.
    send(server.accept().await.unwrap().0, &records(2, 1)).await;
    // It dies in mid-record, and its port with it.
    let (mut tcp, _) = server.accept().await.unwrap();
    let text = records(3, 1);
    tcp.write_all(&text.as_bytes()[..text.len() - 5])
        .await
        .unwrap();
    drop((tcp, server));
    connecting
        .intake
        .until("it is over", |intake| intake.recorder.len() == 4)
        .await;
    sleep(Duration::from_millis(50)).await;
    let server = TcpListener::bind(address).await.unwrap();
    send(server.accept().await.unwrap().0, &records(4, 2)).await;
    connecting
        .intake
        .until("they are here", |intake| intake.recorder.len() == 6)
        .await;
    connecting.cancel.cancel();
    let (outcome, intake) = connecting.end().await;
    assert!(outcome.error.is_none());
    assert_eq!((outcome.summary.records, outcome.summary.truncated), (6, 1));
    assert!(outcome.connections >= 4);
    let streams: BTreeSet<_> = intake
        .recorder
        .records()
        .into_iter()
        .map(|(s, ..)| s)
        .collect();
    assert_eq!(streams.len(), 4, "each connection is a stream");
    let ordinals: Vec<_> = intake
        .recorder
        .records()
        .iter()
        .map(|(_, n, _)| *n)
        .collect();
    assert_eq!(ordinals, [1, 2, 1, 1, 1, 2]);
}

#[tokio::test]
async fn connect_without_retry_ends_with_the_server() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = Connecting::start(server.local_addr().unwrap(), Retry::never());
    send(server.accept().await.unwrap().0, &records(1, 2)).await;
    let (outcome, _) = connecting.end().await;
    assert!(outcome.error.is_none());
    assert_eq!((outcome.connections, outcome.summary.records), (1, 2));
}

#[tokio::test]
async fn connect_says_so_when_nobody_answers() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    drop(server);
    for retry in [Retry::never(), soon().tries(3)] {
        let (outcome, _) = Connecting::start(address, retry).end().await;
        let error = outcome.error.expect("nobody is there");
        assert!(matches!(&error, Error::Connect { .. }), "{error}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert_eq!(outcome.connections, 0);
    }
}

#[tokio::test]
async fn connect_gives_up_on_a_server_that_brings_nothing() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = Connecting::start(server.local_addr().unwrap(), soon().tries(2));
    for _ in 0..3 {
        drop(server.accept().await.unwrap());
    }
    let (outcome, _) = connecting.end().await;
    assert_eq!((outcome.connections, outcome.summary.bytes), (3, 0));
}

#[tokio::test]
async fn connect_slows_down_for_a_server_that_closes_at_once() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let retry = Retry::new().spans(Duration::from_millis(100), Duration::from_secs(10));
    let connecting = Connecting::start(server.local_addr().unwrap(), retry);
    let serve = async {
        loop {
            send(server.accept().await.unwrap().0, &records(1, 1)).await;
        }
    };
    let served = tokio::time::timeout(Duration::from_millis(1500), serve).await;
    assert!(served.is_err());
    connecting.cancel.cancel();
    let (outcome, _) = connecting.end().await;
    // Waits of 50, 100, 200, 400 and 800 ms at least.
    assert!(
        (1..=6).contains(&outcome.connections),
        "{}",
        outcome.connections
    );
    assert_eq!(outcome.summary.records, outcome.connections);
}

#[tokio::test]
async fn connect_stops_when_told_while_it_waits() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    drop(server);
    let hours = Retry::new().spans(Duration::from_secs(36_000), Duration::from_secs(36_000));
    let connecting = Connecting::start(address, hours);
    sleep(Duration::from_millis(50)).await;
    connecting.cancel.cancel();
    let (outcome, _) = connecting.end().await;
    assert!(outcome.error.is_none());
}

// The codecs.

/// A head, and then no line feed for a gibibyte.
#[test]
fn a_gibibyte_without_a_line_feed_costs_one_record() {
    const MAX_RECORD: usize = 64 << 10;
    const READ: usize = 16 << 10;
    let mut codec = BatchCodec::from(Framer::new().max_record(MAX_RECORD));
    let mut buf = BytesMut::new();
    let head = b"1700000000.000000 IP 192.0.2.1 > 192.0.2.2: ICMP ";
    buf.extend_from_slice(head);
    let piece = [b'x'; READ];
    let (mut kept, mut truncated, mut most) = (0, 0, 0);
    let mut total = head.len() as u64;
    while total < 1 << 30 {
        buf.reserve(READ);
        buf.extend_from_slice(&piece);
        total += READ as u64;
        while let Some(batch) = codec.decode(&mut buf).unwrap() {
            kept += batch.bytes().len();
            truncated += 1;
        }
        most = most.max(buf.capacity());
    }
    while let Some(batch) = codec.decode_eof(&mut buf).unwrap() {
        kept += batch.bytes().len();
    }
    assert_eq!(
        (kept, truncated),
        (MAX_RECORD, 1),
        "one record, cut at its limit"
    );
    assert_eq!(kept as u64 + codec.skipped().total(), total);
    assert!(
        most <= 2 * (MAX_RECORD + 2 * READ),
        "{most} bytes of buffer"
    );
}

#[tokio::test]
async fn the_record_codec_joins_heads_and_tells_lines() {
    let text = [
        "reading from file x.pcap\n",
        &record(1, 0),
        "\tGET / HTTP/1.1\n\t\n",
        "1700000001.000000 ARP, Request who-has 192.0.2.1 tell 192.0.2.2, length 28\r\n",
        &record(1, 2),
        "2 packets captured\n",
        &record(1, 3)[..100],
    ]
    .concat();
    for size in [1, 2, 7, 64, 4096] {
        let reader = in_pieces(text.clone().into_bytes(), size);
        let mut codec = FramedRead::new(reader, dumpstream_flow::RecordCodec::new());
        let mut records = Vec::new();
        while let Some(record) = codec.next().await {
            records.push(record.unwrap());
        }
        let heads: Vec<_> = records
            .iter()
            .map(|r| String::from_utf8_lossy(r.head()).into_owned())
            .collect();
        let joined = |n| record(1, n).trim_end().replace("\n    ", " ");
        assert_eq!(heads[0], joined(0));
        assert!(
            heads[1].ends_with("length 28"),
            "without the carriage return"
        );
        assert_eq!(heads[2], joined(2));
        assert_eq!(heads.len(), 4);
        let lines: Vec<_> = records[0].lines().collect();
        assert_eq!(lines, [&b"\tGET / HTTP/1.1"[..], b"\t"]);
        assert_eq!(
            records[2].lines().count(),
            0,
            "tcpdump's message is no line of it"
        );
        let cut: Vec<_> = records.iter().map(|record| record.truncated()).collect();
        assert_eq!(cut, [false, false, false, true]);
        let kept: usize = records.iter().map(|record| record.raw().len()).sum();
        assert_eq!(
            kept as u64 + codec.decoder().skipped().total(),
            text.len() as u64
        );
    }
}

/// A reader that gives so many bytes at a time.
fn in_pieces(text: Vec<u8>, size: usize) -> impl tokio::io::AsyncRead + Unpin {
    struct Pieces(io::Cursor<Vec<u8>>, usize);
    impl io::Read for Pieces {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let size = self.1.min(buf.len());
            io::Read::read(&mut self.0, &mut buf[..size])
        }
    }
    dumpstream_flow::feed::Feed::new(Pieces(io::Cursor::new(text), size)).unwrap()
}

#[tokio::test]
async fn stored_text_carries_no_time_of_arrival() {
    let intake = Intake::new();
    let text = records(1, 1000);
    let feed = dumpstream_flow::feed::Feed::new(io::Cursor::new(text.clone())).unwrap();
    let origin = Origin::new("file");
    let summary = dumpstream_flow::run(Source::stored(feed), origin, &intake.station)
        .await
        .unwrap();
    assert_eq!(summary.records, 1000);
    assert_eq!(intake.station.drain().await, 0);
    assert_eq!(intake.recorder.texts().concat(), text);
    let rows = intake.recorder.rows.lock().unwrap();
    assert!(rows.iter().all(|packets| packets.arrival().is_none()));
    assert_eq!(rows[0].packet(0).get("source_port"), Some(Value::Int(1000)));
}
