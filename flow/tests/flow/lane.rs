//! Lanes between real tasks: a sink that fails, stalls or is slow on cue, beside one that is not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dumpstream::framing::{Batch, Framer, Tail};
use dumpstream::{Namespace, Origin, Packets, Parser};
use dumpstream_flow::{BoxFuture, Counters, Lane, LaneOptions, OnFull, Sink, SinkError, Written};
use tokio::sync::watch;
use tokio::time::Instant;

/// What a recording sink does with its next writes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cue {
    Write,
    Stall,
    Fail,
    Panic,
    Miscount,
}

/// Remembers which records it wrote, and how many batches in each write.
#[derive(Clone)]
struct Recorder {
    cue: watch::Sender<Cue>,
    pause: Duration,
    linger: Duration,
    records: Arc<Mutex<Vec<(String, u64)>>>,
    writes: Arc<Mutex<Vec<(Instant, usize)>>>,
}

impl Recorder {
    fn new(cue: Cue) -> Recorder {
        Recorder {
            cue: watch::Sender::new(cue),
            pause: Duration::ZERO,
            linger: Duration::ZERO,
            records: Arc::default(),
            writes: Arc::default(),
        }
    }

    fn lane(&self, options: LaneOptions) -> Lane {
        Lane::spawn("recorder", Box::new(self.clone()), options)
    }

    fn of(&self, stream: &str) -> Vec<u64> {
        let records = self.records.lock().unwrap();
        records
            .iter()
            .filter(|(s, _)| s == stream)
            .map(|(_, r)| *r)
            .collect()
    }
}

impl Sink for Recorder {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        Box::pin(async move {
            self.writes
                .lock()
                .unwrap()
                .push((Instant::now(), rows.len()));
            let cue = *self
                .cue
                .subscribe()
                .wait_for(|cue| *cue != Cue::Stall)
                .await
                .unwrap();
            if self.pause > Duration::ZERO {
                tokio::time::sleep(self.pause).await;
            }
            match cue {
                Cue::Fail => {
                    return Err(SinkError::Refused {
                        sink: "recorder".into(),
                        why: "told".into(),
                    });
                }
                Cue::Panic => panic!("told to"),
                Cue::Miscount => return Ok(Written::default()),
                Cue::Write | Cue::Stall => {}
            }
            let mut records = self.records.lock().unwrap();
            let before = records.len();
            for packet in rows.iter().flat_map(Packets::iter) {
                records.push((packet.stream().to_owned(), packet.record()));
            }
            let delivered = (records.len() - before) as u64;
            Ok(Written {
                delivered,
                ..Written::default()
            })
        })
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }

    fn linger(&self) -> Duration {
        self.linger
    }
}

/// `batches` batches of one stream, of `each` records.
fn input(stream: &str, batches: usize, each: usize) -> Vec<Packets> {
    let parser = Parser::new(Namespace::tcpdump()).unwrap();
    let mut framer = Framer::new();
    let mut origin = Origin::new("sensor").stream(stream);
    let mut n = 0;
    (0..batches)
        .map(|_| {
            let mut text = String::new();
            for _ in 0..each {
                n += 1;
                let stamp = format_args!("1700000000.{n:06}");
                text += &given::udp(stamp, 1, "10.0.0.1.1", "10.0.0.2.2", 0);
            }
            // It learns the style; where it cuts is another test's business.
            framer.next_batch(text.as_bytes(), Tail::Final).unwrap();
            let mut packets = parser.parse(Batch::new(text.into_bytes(), framer.style()));
            assert_eq!(packets.len(), each);
            origin.place(&mut packets);
            packets
        })
        .collect()
}

/// Room for `batches` batches like this one.
fn room(packets: &Packets, batches: usize) -> LaneOptions {
    let queue = packets.footprint().div_ceil(1024) * 1024 * batches;
    LaneOptions {
        queue,
        ..LaneOptions::default()
    }
}

fn balanced(counters: &Counters) {
    counters.verify().unwrap();
    assert_eq!(counters.queued, 0);
}

#[tokio::test]
async fn a_dead_sink_beside_a_live_one() {
    let batches = input("a", 200, 5);
    let (live, dead) = (Recorder::new(Cue::Write), Recorder::new(Cue::Write));
    let options = room(&batches[0], 3);
    let (to_live, to_dead) = (live.lane(options), dead.lane(options));
    for (i, packets) in batches.iter().enumerate() {
        if i == 50 {
            dead.cue.send_replace(Cue::Fail);
        }
        to_dead.send(packets.clone()).await;
        to_live.send(packets.clone()).await;
    }
    to_dead.died().await;
    let (a, b) = (to_live.close(None).await, to_dead.close(None).await);
    balanced(&a);
    balanced(&b);
    assert_eq!((a.packets, a.delivered, &a.error), (1000, 1000, &None));
    assert_eq!(live.of("a"), (1..=1000).collect::<Vec<_>>());
    assert_eq!(b.packets, 1000);
    assert_eq!(b.delivered, dead.of("a").len() as u64);
    assert!(b.delivered <= 250 && b.dropped == 1000 - b.delivered);
    assert_eq!(b.error.as_deref(), Some("recorder: told"));
    // What comes after the end is counted too.
    to_dead.send(batches[0].clone()).await;
    assert_eq!(to_dead.counters().dropped, b.dropped + 5);
    balanced(&to_dead.counters());
}

#[tokio::test(start_paused = true)]
async fn a_stalled_sink_beside_a_live_one() {
    let batches = input("a", 100, 5);
    let (live, stalled) = (Recorder::new(Cue::Write), Recorder::new(Cue::Stall));
    let options = room(&batches[0], 4);
    let (to_live, to_stalled) = (live.lane(options), stalled.lane(options));
    let start = Instant::now();
    for packets in &batches[..50] {
        to_stalled.send(packets.clone()).await;
        to_live.send(packets.clone()).await;
    }
    // One wait for all, then it drops at once.
    assert_eq!(start.elapsed().as_secs(), options.stall_after.as_secs());
    let counters = to_stalled.counters();
    assert_eq!((counters.queued, counters.dropped), (20, 230));
    assert_eq!(counters.stalled.as_secs(), 10);
    counters.verify().unwrap();
    // It moves again, and nothing more is lost.
    stalled.cue.send_replace(Cue::Write);
    for packets in &batches[50..] {
        tokio::time::sleep(Duration::from_millis(1)).await;
        to_stalled.send(packets.clone()).await;
        to_live.send(packets.clone()).await;
    }
    let (a, b) = (to_live.close(None).await, to_stalled.close(None).await);
    balanced(&a);
    balanced(&b);
    assert_eq!((a.delivered, a.dropped), (500, 0));
    assert_eq!((b.delivered, b.dropped), (270, 230));
    assert_eq!(live.of("a"), (1..=500).collect::<Vec<_>>());
    assert_eq!(
        stalled.of("a"),
        (1..=20).chain(251..=500).collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn the_only_lane_waits_for_ever() {
    let batches = input("a", 20, 5);
    let sink = Recorder::new(Cue::Stall);
    let lane = sink.lane(LaneOptions {
        only: true,
        ..room(&batches[0], 2)
    });
    let sender = tokio::spawn({
        let lane = lane.clone();
        async move {
            for packets in batches {
                lane.send(packets).await;
            }
        }
    });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let counters = lane.counters();
    assert_eq!((counters.packets, counters.dropped), (15, 0));
    assert_eq!(counters.stalled.as_secs(), 3600);
    sink.cue.send_replace(Cue::Write);
    sender.await.unwrap();
    let counters = lane.close(None).await;
    balanced(&counters);
    assert_eq!(counters.delivered, 100);
    assert_eq!(sink.of("a"), (1..=100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn on_full_overrides() {
    let batches = input("a", 20, 5);
    let sink = Recorder::new(Cue::Stall);
    let options = LaneOptions {
        only: true,
        on_full: Some(OnFull::Drop),
        ..room(&batches[0], 2)
    };
    let lane = sink.lane(options);
    let start = Instant::now();
    for packets in &batches {
        lane.send(packets.clone()).await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    sink.cue.send_replace(Cue::Write);
    let counters = lane.close(None).await;
    balanced(&counters);
    assert_eq!((counters.delivered, counters.dropped), (10, 90));
    assert_eq!(counters.undrained, 0, "they were dropped long before");

    let sink = Recorder::new(Cue::Stall);
    let lane = sink.lane(LaneOptions {
        on_full: Some(OnFull::Block),
        ..room(&batches[0], 2)
    });
    let send = async {
        for packets in &batches {
            lane.send(packets.clone()).await;
        }
    };
    let open = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        sink.cue.send_replace(Cue::Write);
    };
    tokio::join!(send, open);
    let counters = lane.close(None).await;
    balanced(&counters);
    assert_eq!((counters.delivered, counters.dropped), (100, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_senders_keep_their_order_and_nothing_is_lost() {
    let mut sink = Recorder::new(Cue::Write);
    sink.pause = Duration::from_micros(200);
    let streams: Vec<(String, Vec<Packets>)> = (0..20)
        .map(|i| (format!("s{i}"), input(&format!("s{i}"), 50, 3)))
        .collect();
    let lane = sink.lane(LaneOptions {
        only: true,
        ..room(&streams[0].1[0], 5)
    });
    let mut senders = tokio::task::JoinSet::new();
    for (_, batches) in streams.clone() {
        let lane = lane.clone();
        senders.spawn(async move {
            for packets in batches {
                lane.send(packets).await;
                lane.counters().verify().unwrap();
            }
        });
    }
    senders.join_all().await;
    let counters = lane.close(None).await;
    balanced(&counters);
    assert_eq!(counters.delivered, 20 * 150);
    for (stream, _) in &streams {
        assert_eq!(sink.of(stream), (1..=150).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn lingering_gathers_unless_half_full_or_closing() {
    let batches = input("a", 10, 1);
    let mut sink = Recorder::new(Cue::Write);
    sink.linger = Duration::from_millis(250);
    let lane = sink.lane(room(&batches[0], 10));
    let start = Instant::now();
    let send = async |packets: &Packets, ms| {
        lane.send(packets.clone()).await;
        tokio::time::sleep(Duration::from_millis(ms)).await;
    };
    // The first is written at once, the next three together when its 250 ms are over.
    for packets in &batches[..4] {
        send(packets, 50).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let at = |i: usize| {
        let writes = sink.writes.lock().unwrap();
        (writes[i].0.duration_since(start).as_millis(), writes[i].1)
    };
    assert_eq!((at(0), at(1)), ((0, 1), (250, 3)));
    // Half full: not waited for.
    for packets in &batches[4..9] {
        send(packets, 1).await;
    }
    assert_eq!(at(2), (304, 5));
    // Closing: not waited for.
    send(&batches[9], 0).await;
    let before = Instant::now();
    let counters = lane.close(None).await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    balanced(&counters);
    assert_eq!(counters.delivered, 10);
}

#[tokio::test(start_paused = true)]
async fn closing_has_a_deadline() {
    let batches = input("a", 6, 5);
    let sink = Recorder::new(Cue::Stall);
    let lane = sink.lane(LaneOptions {
        only: true,
        ..room(&batches[0], 4)
    });
    for packets in &batches[..4] {
        lane.send(packets.clone()).await;
    }
    // A sender that waits for room when the lane is given up.
    let sender = tokio::spawn({
        let (lane, packets) = (lane.clone(), batches[4].clone());
        async move { lane.send(packets).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    let counters = lane.close(Some(start + Duration::from_secs(5))).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    balanced(&counters);
    assert_eq!(
        (counters.packets, counters.dropped, counters.error),
        (25, 25, None)
    );
    assert_eq!(counters.undrained, 25);
    sender.await.unwrap();
    lane.send(batches[5].clone()).await;
    let counters = lane.close(None).await;
    balanced(&counters);
    assert_eq!((counters.packets, counters.dropped), (30, 30));
    assert_eq!(counters.undrained, 30);
    // Before the deadline it ends as soon as all is written.
    let lane = Recorder::new(Cue::Write).lane(LaneOptions::default());
    lane.send(batches[0].clone()).await;
    let start = Instant::now();
    assert_eq!(
        lane.close(Some(start + Duration::from_secs(5)))
            .await
            .delivered,
        5
    );
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn what_was_offered_before_closing_is_written() {
    let batches = input("a", 6, 5);
    let sink = Recorder::new(Cue::Stall);
    let lane = sink.lane(LaneOptions {
        only: true,
        ..room(&batches[0], 2)
    });
    let mut senders = tokio::task::JoinSet::new();
    for packets in batches {
        let lane = lane.clone();
        senders.spawn(async move { lane.send(packets).await });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    sink.cue.send_replace(Cue::Write);
    let counters = lane.close(None).await;
    balanced(&counters);
    assert_eq!((counters.delivered, counters.dropped), (30, 0));
    senders.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_given_up_is_counted() {
    let batches = input("a", 3, 5);
    let sink = Recorder::new(Cue::Stall);
    let lane = sink.lane(LaneOptions {
        only: true,
        ..room(&batches[0], 1)
    });
    lane.send(batches[0].clone()).await;
    let patience = Duration::from_secs(1);
    tokio::time::timeout(patience, lane.send(batches[1].clone()))
        .await
        .unwrap_err();
    let counters = lane.counters();
    assert_eq!((counters.queued, counters.dropped), (5, 5));
    assert_eq!(counters.stalled.as_secs(), 1);
    sink.cue.send_replace(Cue::Write);
    lane.send(batches[2].clone()).await;
    let counters = lane.close(None).await;
    balanced(&counters);
    assert_eq!((counters.delivered, counters.dropped), (10, 5));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_fails_wakes_those_who_wait() {
    for cue in [Cue::Fail, Cue::Panic, Cue::Miscount] {
        let batches = input("a", 4, 5);
        let sink = Recorder::new(Cue::Stall);
        let lane = sink.lane(LaneOptions {
            only: true,
            ..room(&batches[0], 1)
        });
        let mut senders = tokio::task::JoinSet::new();
        for packets in batches {
            let lane = lane.clone();
            senders.spawn(async move { lane.send(packets).await });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        sink.cue.send_replace(cue);
        senders.join_all().await;
        let counters = lane.close(None).await;
        balanced(&counters);
        assert_eq!((counters.packets, counters.dropped), (20, 20), "{cue:?}");
        let error = counters.error.unwrap();
        let expected = match cue {
            Cue::Fail => "told",
            Cue::Panic => "ended unexpectedly",
            _ => "given 5 rows and answered for 0",
        };
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_batch_larger_than_the_queue_passes_alone() {
    let batches = input("a", 10, 50);
    let sink = Recorder::new(Cue::Write);
    let lane = sink.lane(LaneOptions {
        queue: 1,
        only: true,
        ..LaneOptions::default()
    });
    for packets in &batches {
        lane.send(packets.clone()).await;
    }
    let counters = lane.close(None).await;
    balanced(&counters);
    assert_eq!(counters.delivered, 500);
}

#[tokio::test]
async fn latency_is_from_arrival_or_stamp_to_acknowledgement() {
    let parser = Parser::new(Namespace::tcpdump()).unwrap();
    let text = b"1700000000.000001 IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 0\n";
    let mut framer = Framer::new();
    framer.next_batch(text, Tail::Final).unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let batch = Batch::new(text.to_vec(), framer.style()).arrived(now.as_nanos() as i64);
    let mut packets = parser.parse(batch);
    Origin::new("sensor").stream("a").place(&mut packets);
    for since_stamp in [false, true] {
        let sink = Recorder::new(Cue::Write);
        let lane = sink.lane(LaneOptions {
            since_stamp,
            ..LaneOptions::default()
        });
        assert_eq!(lane.latency().p99, None);
        lane.send(packets.clone()).await;
        balanced(&lane.close(None).await);
        assert!(lane.latency().p50 > Some(Duration::ZERO));
        // The packet is of 2023, and its text arrived just now.
        let years = lane.latency().max > Some(Duration::from_secs(86_400 * 365));
        assert_eq!(years, since_stamp);
    }
}
