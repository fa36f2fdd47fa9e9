//! Up to where a source learns that its text is stored: with lanes that deliver, reject, drop, stall
//! and die.

use std::sync::Arc;
use std::time::Duration;

use dumpstream::{Namespace, Origin, Packets, Parser};
use dumpstream_flow::run::Source;
use dumpstream_flow::{
    Acks, BoxFuture, Opening, Rejects, Scheme, Schemes, Sink, SinkError, Station, StationBuilder,
    Written,
};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Does with each row what the word of its URL says.
struct Does {
    what: String,
    rejects: Rejects,
    /// One permit for each write, if it waits for somebody to let it go on.
    turns: Arc<Semaphore>,
}

impl Sink for Does {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        Box::pin(async move {
            let mut written = Written::default();
            let count = rows.iter().map(|r| r.len() as u64).sum();
            match &*self.what {
                "delivers" => written.delivered = count,
                "waits" => {
                    self.turns.acquire().await.unwrap().forget();
                    written.delivered = count;
                }
                "rejects" => {
                    for packets in rows {
                        for index in 0..packets.len() {
                            self.rejects
                                .refused(packets, index, "does:", "told to")
                                .await;
                        }
                    }
                    written.rejected = count;
                }
                "gives-up" => written.dropped = count,
                _ => {
                    return Err(SinkError::Refused {
                        sink: "does:".to_owned(),
                        why: "told to".to_owned(),
                    });
                }
            }
            Ok(written)
        })
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }

    fn keeps_rejected(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.rejects.complete())
    }
}

/// A station whose sinks do this, each a word and parameters.
fn station(sinks: &[&str], turns: &Arc<Semaphore>) -> StationBuilder {
    let mut schemes = Schemes::default();
    let turns = turns.clone();
    schemes.register(Scheme::new("does", "does:WHAT", move |url| {
        let (what, turns) = (url.place().to_owned(), turns.clone());
        Ok(Opening::new(move |context| {
            Ok(Box::new(Does {
                what: what.clone(),
                rejects: context.rejects.clone(),
                turns: turns.clone(),
            }))
        }))
    }));
    let builder = Station::builder(Parser::new(Namespace::tcpdump()).unwrap())
        .flush_after(Duration::from_millis(1));
    sinks.iter().fold(builder, |builder, sink| {
        builder.output(schemes.url(&format!("does:{sink}")).unwrap())
    })
}

struct Input {
    acks: Acks,
    writer: DuplexStream,
    run: JoinHandle<()>,
}

fn input(station: &Station) -> Input {
    let (writer, reader) = tokio::io::duplex(1 << 20);
    let acks = Acks::new();
    let source = Source::live(reader).acknowledged(acks.clone());
    let station = station.clone();
    let run = tokio::spawn(async move {
        let origin = Origin::new("sensor").stream("stream");
        dumpstream_flow::run(source, origin, &station)
            .await
            .unwrap();
    });
    Input { acks, writer, run }
}

/// The text of one record.
fn text(n: u32) -> String {
    let stamp = format_args!("1700000000.{n:06}");
    given::udp(stamp, 1, "10.0.0.1.1", "10.0.0.2.2", 0)
}

impl Input {
    async fn write(&mut self, text: &str) -> u64 {
        self.writer.write_all(text.as_bytes()).await.unwrap();
        text.len() as u64
    }

    /// Waits until this much is answered.
    async fn answered(&self, end: u64) {
        let waited = tokio::time::timeout(Duration::from_secs(30), async {
            while self.acks.answered() < end {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let answered = || (self.acks.answered(), self.acks.broken());
        waited
            .await
            .unwrap_or_else(|_| panic!("{:?} of {end}", answered()));
        assert_eq!(self.acks.answered(), end);
    }

    /// Waits until it is certain that nothing more is answered, and returns why.
    async fn broken(&self) -> String {
        let waited = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                if let Some(why) = self.acks.broken() {
                    return why;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        waited.await.expect("it is not broken off")
    }
}

fn no_turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

#[tokio::test]
async fn every_lane_must_have_answered() {
    let turns = no_turns();
    let station = station(&["delivers", "waits"], &turns).open().unwrap();
    let mut input = input(&station);
    let first = input.write(&text(1)).await;
    // Its answer is there before the other's.
    while station.lanes().counters().next().unwrap().1.delivered == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(input.acks.answered(), 0);
    turns.add_permits(1);
    input.answered(first).await;
    assert_eq!(input.acks.records(), 1);
    turns.add_permits(10);
    drop(input.writer);
    input.run.await.unwrap();
    input.acks.settled().await;
    station.drain().await;
}

#[tokio::test]
async fn text_that_is_no_records_is_answered_and_a_record_that_is_not_whole_is_not() {
    let station = station(&["delivers"], &no_turns()).open().unwrap();
    let mut input = input(&station);
    let noise = input.write("tcpdump: listening on eth0\nnoise\n").await;
    input.answered(noise).await;
    let record = input.write(&text(1)).await;
    input.answered(noise + record).await;
    let head = text(2);
    input
        .write(head.split_inclusive('\n').next().unwrap())
        .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(input.acks.answered(), noise + record);
    // Nor when the input is stopped in the midst of it.
    station.stop().cancel();
    input.run.await.unwrap();
    station.drain().await;
    assert_eq!(input.acks.answered(), noise + record);
}

#[tokio::test]
async fn a_dead_lane_never_answers() {
    let station = station(&["delivers", "dies"], &no_turns()).open().unwrap();
    let mut input = input(&station);
    input.write(&text(1)).await;
    assert_eq!(input.broken().await, "does:dies dropped packets");
    input.write(&text(2)).await;
    input.acks.settled().await;
    assert_eq!(input.acks.answered(), 0);
}

#[tokio::test]
async fn a_lane_that_may_drop_answers_by_dropping() {
    let station = station(&["delivers", "gives-up?on_full=drop"], &no_turns());
    let station = station.open().unwrap();
    let mut input = input(&station);
    let end = input.write(&text(1)).await;
    input.answered(end).await;
    // One that is full, too.
    let turns = no_turns();
    let station = self::station(&["delivers", "waits?on_full=drop"], &turns);
    let station = station.queue(1).open().unwrap();
    let mut input = self::input(&station);
    let mut end = 0;
    for n in 1..=4 {
        end += input.write(&text(n)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    turns.add_permits(100);
    input.answered(end).await;
    assert!(station.lanes().counters().nth(1).unwrap().1.dropped > 0);
}

#[tokio::test]
async fn a_lane_that_may_drop_and_is_dead_does_not_answer() {
    let station = station(&["delivers", "dies?on_full=drop"], &no_turns());
    let station = station.open().unwrap();
    let mut input = input(&station);
    input.write(&text(1)).await;
    let why = input.broken().await;
    assert_eq!(why, "does:dies?on_full=drop dropped packets");
}

#[tokio::test]
async fn a_stalled_lane_that_drops_unasked_does_not_answer() {
    let turns = no_turns();
    let station = station(&["delivers", "waits"], &turns)
        .queue(1)
        .stall_after(Duration::from_millis(20))
        .open()
        .unwrap();
    let mut input = input(&station);
    for n in 1..=4 {
        input.write(&text(n)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(input.broken().await, "does:waits dropped packets");
    turns.add_permits(100);
    drop(input.writer);
    input.run.await.unwrap();
    station.drain().await;
    let dropped = station.lanes().counters().nth(1).unwrap().1.dropped;
    assert!(dropped > 0);
    // What it had taken before that is answered.
    assert!(input.acks.records() <= 4 - dropped);
}

#[tokio::test]
async fn a_sink_that_gives_rows_up_does_not_answer() {
    let station = station(&["gives-up"], &no_turns()).open().unwrap();
    let mut input = input(&station);
    input.write(&text(1)).await;
    assert_eq!(input.broken().await, "does:gives-up dropped packets");
}

#[tokio::test]
async fn what_is_rejected_is_answered_where_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rejects.jsonl");
    let kept = station(&["rejects"], &no_turns()).rejects(Rejects::open(&file).unwrap());
    let station_kept = kept.open().unwrap();
    let mut one = input(&station_kept);
    let end = one.write(&text(1)).await;
    one.answered(end).await;
    // At that moment it is in the file.
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);

    let nowhere = station(&["rejects?on_full=drop"], &no_turns())
        .open()
        .unwrap();
    let mut other = input(&nowhere);
    other.write(&text(1)).await;
    let why = other.broken().await;
    assert!(
        why.contains("kept nowhere") && why.contains("--rejects FILE"),
        "{why}"
    );
    assert_eq!(other.acks.answered(), 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_file_of_rejects_cannot_take_is_not_kept() {
    let full = Rejects::open("/dev/full".as_ref()).unwrap();
    let station = station(&["rejects"], &no_turns())
        .rejects(full)
        .open()
        .unwrap();
    let mut input = input(&station);
    input.write(&text(1)).await;
    assert!(input.broken().await.contains("kept nowhere"));
}

#[tokio::test]
async fn a_lane_that_is_given_up_at_the_drain_does_not_answer() {
    let turns = no_turns();
    let station = station(&["waits"], &turns)
        .drain_timeout(Duration::from_millis(50))
        .open()
        .unwrap();
    let mut input = input(&station);
    turns.add_permits(1);
    let first = input.write(&text(1)).await;
    input.answered(first).await;
    input.write(&text(2)).await;
    while station.lanes().counters().next().unwrap().1.packets < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    station.stop().cancel();
    (&mut input.run).await.unwrap();
    assert_eq!(station.drain().await, 1);
    assert_eq!(input.acks.answered(), first);
    assert_eq!(input.broken().await, "does:waits dropped packets");
}
