//! The `sqlite:` sink, seen through a second connection as every reader of the file sees it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use dumpstream::framing::{Batch, Framer, Tail};
use dumpstream::{Column, Namespace, Origin, Packets, Parser};
use dumpstream_flow::{Sink, SinkContext, SinkError, SinkUrl, Written};
use jiff::civil::{Date, date};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

const DAY: Date = date(2026, 11, 24);
const LATER: Date = date(2026, 11, 25);

/// A database in a directory of its own.
struct Db {
    dir: TempDir,
}

impl Db {
    fn new() -> Db {
        Db {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("packets.db")
    }

    fn try_open(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        format!("sqlite:{}", self.path().display())
            .parse::<SinkUrl>()?
            .open(context)
    }

    fn open(&self) -> Box<dyn Sink> {
        self.try_open(&context(&Namespace::tcpdump())).unwrap()
    }

    /// Opens, writes each of the batches in a transaction of its own, and closes.
    async fn write(&self, context: &SinkContext, batches: &[Packets]) -> Written {
        let sink = self.try_open(context).unwrap();
        let mut sum = Written::default();
        for packets in batches {
            let written = sink.write(std::slice::from_ref(packets)).await.unwrap();
            let rows = packets.len() as u64;
            assert_eq!(written.delivered + written.rejected + written.dropped, rows);
            sum.delivered += written.delivered;
            sum.present += written.present;
            sum.rejected += written.rejected;
            sum.dropped += written.dropped;
        }
        sink.close().await.unwrap();
        sum
    }

    fn reader(&self) -> Connection {
        Connection::open_with_flags(self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        rows(&self.reader(), sql)
    }

    fn number(&self, sql: &str) -> i64 {
        self.reader().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn text(&self, sql: &str) -> String {
        self.reader().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// (records, complete) of the only stream.
    fn stream(&self) -> (i64, i64) {
        (
            self.number("SELECT records FROM streams"),
            self.number("SELECT complete FROM streams"),
        )
    }
}

fn rows(conn: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = conn.prepare(sql).unwrap();
    let columns = statement.column_count();
    statement
        .query_map([], |row| (0..columns).map(|i| row.get(i)).collect())
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn context(namespace: &Namespace) -> SinkContext {
    SinkContext {
        columns: namespace.columns().into(),
        namespace: namespace.namespace.clone(),
        hash: namespace.hash(),
        version: "0.0.0-test",
        identity: true,
        raw: false,
        ..SinkContext::default()
    }
}

fn parse(namespace: &Namespace, text: &[u8]) -> Packets {
    let mut framer = Framer::new();
    framer.next_batch(text, Tail::Final).unwrap();
    Parser::new(namespace.clone())
        .unwrap()
        .parse(Batch::new(text.to_vec(), framer.style()))
}

/// Record `n`, in the first second of the day from 22:13:20 on.
fn record(n: u32) -> String {
    let flags = "Flags [S], cksum 0xd8a8 (correct), seq 1, win 512, \
                 options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7]";
    let ends = ["10.0.0.1.1234", "10.0.0.2.80"];
    given::tcp(
        format_args!("22:13:20.{n:06}"),
        n as usize,
        ends,
        flags,
        20,
        0,
    )
}

/// A stream of `count` records, cut into batches after these.
fn batches(origin: Origin, count: u32, cuts: &[u32]) -> Vec<Packets> {
    stream(origin, cuts.iter().copied().chain([count])).collect()
}

/// A stream in batches that end with these records, each made when it is asked for.
fn stream(
    mut origin: Origin,
    ends: impl IntoIterator<Item = u32>,
) -> impl Iterator<Item = Packets> {
    let parser = Parser::new(Namespace::tcpdump()).unwrap();
    let mut framer = Framer::new();
    let mut from = 1;
    ends.into_iter().map(move |to| {
        let text: String = (from..=to).map(record).collect();
        framer.next_batch(text.as_bytes(), Tail::Final).unwrap();
        let mut packets = parser.parse(Batch::new(text.into_bytes(), framer.style()));
        assert_eq!(packets.len() as u32, to + 1 - from);
        origin.place(&mut packets);
        from = to + 1;
        packets
    })
}

fn origin(stream: &str, day: Date) -> Origin {
    Origin::new("sensor")
        .stream(stream)
        .zone(jiff::tz::TimeZone::UTC)
        .date(day)
}

fn tens(day: Date) -> Vec<Packets> {
    batches(origin("a", day), 100, &[10, 20, 30, 40, 50, 60, 70, 80, 90])
}

const TYPES: &str = r#"{"namespace": "types", "fields": [
    {"name": "time", "in": "stamp", "regex": "^(.+)$", "type": "timestamp", "doc": "when"},
    {"name": "t", "in": "network", "regex": "proto (\\S+) ", "type": "text", "doc": "t"},
    {"name": "n", "in": "network", "regex": "ttl (\\d+)", "type": "int", "doc": "n"},
    {"name": "big", "in": "tcp", "regex": "seq (\\d+)", "type": "bigint", "doc": "big"},
    {"name": "r", "in": "network", "regex": "id (\\d+)", "type": "real", "doc": "r"},
    {"name": "b", "in": "tcp", "regex": "Flags \\[(S)?", "type": "bool", "doc": "b"},
    {"name": "ip", "in": "endpoints", "regex": "^(\\S+)\\.\\d+ > ", "type": "inet", "doc": "ip"},
    {"name": "p", "in": "endpoints", "regex": "\\.(\\d+) > ", "type": "port", "doc": "p"},
    {"name": "m", "in": "link", "regex": "^(\\S+) > ", "type": "mac", "doc": "m"},
    {"name": "h", "in": "tcp", "regex": "cksum 0x([0-9a-f]+)", "type": "hex", "doc": "h"},
    {"name": "clock", "in": "stamp", "regex": "(..:.*)$", "type": "time", "doc": "clock"},
    {"name": "again", "in": "stamp", "regex": "^(.+)$", "type": "timestamp", "doc": "again"},
    {"name": "select", "in": "head", "regex": "NOTHING(x)", "type": "text", "doc": "a keyword"}
]}"#;

#[tokio::test]
async fn every_type_makes_the_round_trip() {
    let namespace: Namespace = TYPES.parse().unwrap();
    let text = b"22:13:20.123456 02:00:00:00:00:0a > 02:00:00:00:00:0b, ethertype IPv4 (0x0800), \
        length 74: (tos 0x0, ttl 64, id 7, offset 0, flags [DF], proto T\xffP (6), length 60)\n    \
        10.0.0.1.1234 > 10.0.0.2.80: Flags [S], cksum 0xd8a8 (correct), seq 4294967295, win 512, \
        length 0\n\
        22:13:20.123457 IP6 (hlim 64, next-header TCP (6) payload length: 40) 2001:db8::1.9 > \
        2001:db8::2.80: Flags [.], cksum 0x0001 (correct), ack 1, win 512, length 0\n\
        22:13:20.123458 ???\n";
    let mut packets = parse(&namespace, text);
    assert_eq!(packets.len(), 3);
    origin("a", DAY).place(&mut packets);
    let db = Db::new();
    let raw = SinkContext {
        raw: true,
        ..context(&namespace)
    };
    let written = db.write(&raw, std::slice::from_ref(&packets)).await;
    assert_eq!(
        written,
        Written {
            delivered: 3,
            ..Written::default()
        }
    );

    // Every value is the packet's own, in the type of its column.
    let names: Vec<String> = namespace
        .columns()
        .into_iter()
        .map(|c: Column| c.name)
        .collect();
    let columns: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let sql = format!(
        "SELECT {}, raw FROM packet ORDER BY record",
        columns.join(", ")
    );
    for (row, packet) in db.rows(&sql).into_iter().zip(packets.iter()) {
        for (i, name) in names.iter().enumerate() {
            let expected = match packet.value(i) {
                _ if name == "time" => Value::Integer(packet.time()),
                None => Value::Null,
                Some(dumpstream::Value::Real(x)) => Value::Real(x),
                Some(dumpstream::Value::Bool(b)) => Value::Integer(b.into()),
                Some(
                    dumpstream::Value::Int(n)
                    | dumpstream::Value::Time(n)
                    | dumpstream::Value::Timestamp(n),
                ) => Value::Integer(n),
                Some(value) => Value::Text(value.to_string()),
            };
            assert_eq!(row[i], expected, "{name} of {}", packet.record());
        }
        assert_eq!(row[names.len()], Value::Blob(packet.raw().to_vec()));
    }
    // And none of the types went untested.
    for name in [
        "t", "n", "big", "r", "b", "ip", "p", "m", "h", "clock", "again",
    ] {
        let sql = format!("SELECT count(\"{name}\") FROM packet");
        assert!(db.number(&sql) > 0, "no value of `{name}`");
    }
    assert_eq!(db.text("SELECT t FROM packet WHERE record = 1"), "T\\xffP");
    assert_eq!(db.number("SELECT sum(b) FROM packet WHERE record <= 2"), 1);
    // The view tells the time as JSON does.
    let told = db.rows("SELECT time, time_ns, sensor, stream, record, time_source FROM packets");
    for (row, packet) in told.iter().zip(packets.iter()) {
        let time = dumpstream::Value::Timestamp(packet.time()).to_string();
        let expected: [Value; 6] = [
            time.into(),
            packet.time().into(),
            "sensor".to_owned().into(),
            "a".to_owned().into(),
            (packet.record() as i64).into(),
            packet.time_source().name().to_owned().into(),
        ];
        assert_eq!(row[..], expected);
    }
    // STRICT holds for other programs too.
    let other = Connection::open(db.path()).unwrap();
    let error = other
        .execute("UPDATE packet SET n = 'x'", [])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot store TEXT value in INTEGER column packet.n"),
        "{error}"
    );
    assert_eq!(
        db.text("SELECT value FROM meta WHERE key = 'namespace'"),
        "types"
    );
    assert_eq!(
        db.text("SELECT value FROM meta WHERE key = 'version'"),
        "0.0.0-test"
    );
    assert_eq!(
        db.text("SELECT value FROM meta WHERE key = 'hash'"),
        format!("{:016x}", namespace.hash())
    );
}

#[tokio::test]
async fn the_views_times_are_those_of_json_even_before_1970() {
    let db = Db::new();
    db.write(&context(&Namespace::tcpdump()), &tens(DAY)).await;
    let other = Connection::open(db.path()).unwrap();
    for ns in [
        0,
        1,
        -1,
        -1_000,
        999_999_999,
        1_700_000_000_123_456_789,
        -62_000_000_000_000_001,
    ] {
        other
            .execute("UPDATE packet SET time = ?1 WHERE record = 1", [ns])
            .unwrap();
        assert_eq!(
            db.text("SELECT time FROM packets WHERE record = 1"),
            dumpstream::Value::Timestamp(ns).to_string()
        );
    }
}

#[tokio::test]
async fn a_range_of_time_is_a_range_of_the_key() {
    let db = Db::new();
    db.write(&context(&Namespace::tcpdump()), &tens(DAY)).await;
    let plan = |sql: &str| -> String {
        let plan = db.rows(&format!("EXPLAIN QUERY PLAN {sql}"));
        plan.iter().map(|row| format!("{:?}\n", row[3])).collect()
    };
    let range = plan("SELECT source, length FROM packets WHERE time_ns BETWEEN 1 AND 2");
    assert!(
        range.contains("SEARCH packet USING PRIMARY KEY (time>? AND time<?)"),
        "{range}"
    );
    // What is not selected costs nothing.
    assert!(!range.contains("streams"), "{range}");
    let named = plan("SELECT sensor FROM packets WHERE time_ns > 1");
    assert!(
        named.contains("SEARCH streams USING INTEGER PRIMARY KEY"),
        "{named}"
    );
    assert_eq!(
        db.number("SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%CREATE INDEX%'"),
        0
    );
    // 22:13:20 of that day.
    let from = (20_781 * 86_400 + 80_000) * 1_000_000_000_i64;
    let sql = format!(
        "SELECT count(*) FROM packets WHERE time_ns < {}",
        from + 11_000
    );
    assert_eq!(db.number(&sql), 10);
}

#[tokio::test]
async fn the_same_file_twice_adds_nothing() {
    let db = Db::new();
    let context = context(&Namespace::tcpdump());
    let delivered = Written {
        delivered: 100,
        ..Written::default()
    };
    assert_eq!(db.write(&context, &tens(DAY)).await, delivered);
    let first = db.rows("SELECT * FROM packet");
    assert_eq!(first.len(), 100);
    // Again; cut otherwise; with the clock a day on; more of it than before.
    let again = Written {
        present: 100,
        ..delivered
    };
    assert_eq!(db.write(&context, &tens(DAY)).await, again);
    assert_eq!(
        db.write(&context, &batches(origin("a", DAY), 100, &[7, 61]))
            .await,
        again
    );
    assert_eq!(db.write(&context, &tens(LATER)).await, again);
    assert_eq!(db.rows("SELECT * FROM packet"), first);
    let more = db
        .write(&context, &batches(origin("a", LATER), 120, &[]))
        .await;
    assert_eq!((more.delivered, more.present), (120, 100));
    assert_eq!(db.number("SELECT count(*) FROM packet"), 120);
    assert_eq!(db.stream(), (120, 1));
}

#[tokio::test]
async fn a_replay_fills_a_gap_and_doubles_nothing() {
    for day in [DAY, LATER] {
        let db = Db::new();
        let context = context(&Namespace::tcpdump());
        let lossy: Vec<Packets> = [&tens(DAY)[..3], &tens(DAY)[5..]].concat();
        db.write(&context, &lossy).await;
        assert_eq!(db.stream(), (80, 0));
        // A replay that is itself cut within the gap.
        let again = batches(origin("a", day), 100, &[25, 33, 45]);
        db.write(&context, &again[1..2]).await;
        assert_eq!(db.stream(), (83, 0));
        db.write(&context, &again).await;
        assert_eq!(db.stream(), (100, 1));
        assert_eq!(db.number("SELECT count(*) FROM gaps"), 0);
        assert_eq!(db.number("SELECT count(*) FROM packet"), 100);
        assert_eq!(db.number("SELECT count(DISTINCT record) FROM packet"), 100);
    }
}

/// Any drops, any cuts, any shift, against a set: what was sent once is there once.
#[tokio::test]
async fn any_history_of_drops_and_replays_agrees_with_a_set() {
    let mut seed = given::Random(0x9e37_79b9_7f4a_7c15);
    let mut random = move |range: Range<u32>| range.start + seed.below(range.end - range.start);
    for _ in 0..12 {
        let db = Db::new();
        let context = context(&Namespace::tcpdump());
        let mut model = BTreeSet::new();
        for _ in 0..6 {
            let cuts: BTreeSet<u32> = (0..random(0..12)).map(|_| random(1..60)).collect();
            let cuts: Vec<u32> = cuts.into_iter().collect();
            let day = if random(0..2) == 0 { DAY } else { LATER };
            let sent: Vec<Packets> = batches(origin("a", day), 60, &cuts)
                .into_iter()
                .filter(|_| random(0..3) > 0)
                .collect();
            for packets in &sent {
                model.extend(packets.iter().map(|p| p.record() as i64));
            }
            db.write(&context, &sent).await;
            let stored = db.rows("SELECT record FROM packet ORDER BY record");
            let expected: Vec<Vec<Value>> =
                model.iter().map(|r| vec![Value::Integer(*r)]).collect();
            assert_eq!(stored, expected);
            let whole = model.last().is_none_or(|last| *last == model.len() as i64);
            if !model.is_empty() {
                assert_eq!(db.stream(), (model.len() as i64, whole.into()));
            }
        }
    }
}

#[tokio::test]
async fn replace_puts_the_new_rows_in_place_of_the_old() {
    let db = Db::new();
    let keep = context(&Namespace::tcpdump());
    let replace = SinkContext {
        replace: true,
        ..keep.clone()
    };
    // A neighbour in the same range of time stays.
    db.write(&keep, &batches(origin("b", DAY), 50, &[])).await;
    let lossy: Vec<Packets> = [&tens(DAY)[..3], &tens(DAY)[5..]].concat();
    db.write(&keep, &lossy).await;
    db.write(&replace, &batches(origin("a", LATER), 40, &[20]))
        .await;
    let of = |stream: &str| {
        db.number(&format!(
            "SELECT count(*) FROM packets WHERE stream = '{stream}'"
        ))
    };
    assert_eq!((of("a"), of("b")), (40, 50));
    assert_eq!(
        db.number("SELECT count(*) FROM packets WHERE stream = 'a' AND time LIKE '2026-11-25%'"),
        40
    );
    let sql = "SELECT records, complete FROM streams ORDER BY stream";
    assert_eq!(db.rows(sql), [[40.into(), 1.into()], [50.into(), 1.into()]]);
}

#[tokio::test]
async fn two_streams_in_the_same_nanosecond_keep_all_their_rows() {
    let db = Db::new();
    let context = context(&Namespace::tcpdump());
    let a = batches(origin("a", DAY), 100, &[]);
    let b = batches(origin("b", DAY), 100, &[]);
    let other = Origin::new("other")
        .stream("a")
        .zone(jiff::tz::TimeZone::UTC)
        .date(DAY);
    let c = batches(other, 100, &[]);
    db.write(&context, &[a, b, c].concat()).await;
    assert_eq!(db.number("SELECT count(*) FROM packet"), 300);
    assert_eq!(db.number("SELECT count(DISTINCT time) FROM packet"), 100);
    let sql = "SELECT DISTINCT sensor, stream, count(*) FROM packets GROUP BY 1, 2 ORDER BY 1, 2";
    let row = |sensor: &str, stream: &str| -> Vec<Value> {
        vec![
            sensor.to_owned().into(),
            stream.to_owned().into(),
            100.into(),
        ]
    };
    assert_eq!(
        db.rows(sql),
        [row("other", "a"), row("sensor", "a"), row("sensor", "b")]
    );
}

#[tokio::test]
async fn an_older_table_is_widened_and_keeps_its_rows() {
    let small = |fields: &str| -> Namespace {
        format!(r#"{{"namespace": "small", "fields": [{fields}]}}"#)
            .parse()
            .unwrap()
    };
    let ttl =
        r#"{"name": "ttl", "in": "network", "regex": "ttl (\\d+)", "type": "int", "doc": ""}"#;
    let text =
        r#"{"name": "ttl", "in": "network", "regex": "ttl (\\d+)", "type": "text", "doc": ""}"#;
    let db = Db::new();
    let old = small(ttl);
    let mut packets = parse(&old, record(1).as_bytes());
    origin("old", DAY).place(&mut packets);
    db.write(&context(&old), &[packets]).await;
    db.write(
        &context(&Namespace::tcpdump()),
        &batches(origin("new", DAY), 2, &[]),
    )
    .await;
    let sql = "SELECT ttl, source FROM packets ORDER BY stream DESC, record";
    let address = || Value::Text("10.0.0.1".to_owned());
    let expected: [[Value; 2]; 3] = [
        [64.into(), Value::Null],
        [64.into(), address()],
        [64.into(), address()],
    ];
    assert_eq!(db.rows(sql), expected);
    // Narrow again: the columns stay.
    let mut packets = parse(&old, record(1).as_bytes());
    origin("older", DAY).place(&mut packets);
    db.write(&context(&old), &[packets]).await;
    assert_eq!(db.number("SELECT count(source) FROM packets"), 2);
    // `raw` comes and goes like any other.
    let raw = SinkContext {
        raw: true,
        ..context(&Namespace::tcpdump())
    };
    db.write(&raw, &batches(origin("raw", DAY), 1, &[])).await;
    assert_eq!(
        db.text("SELECT CAST(raw AS TEXT) FROM packets WHERE stream = 'raw'"),
        record(1)
    );
    // Another type is an error that names the column and the remedy.
    let error = db
        .try_open(&context(&small(text)))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("`ttl` is INTEGER there but TEXT"), "{error}");
    assert!(
        error.contains("rename the field, or write to another place"),
        "{error}"
    );
}

#[tokio::test]
async fn a_bare_arrays_time_is_the_placed_one() {
    let namespace: Namespace =
        r#"[{"name": "time", "regex": "^(\\S+) IP"}, {"name": "ttl", "regex": "ttl (\\d+)"}]"#
            .parse()
            .unwrap();
    let mut packets = parse(&namespace, record(7).as_bytes());
    origin("a", DAY).place(&mut packets);
    let db = Db::new();
    db.write(&context(&namespace), &[packets]).await;
    assert_eq!(
        db.text("SELECT time FROM packets"),
        "2026-11-24T22:13:20.000007Z"
    );
    assert_eq!(db.text("SELECT ttl FROM packets"), "64");
}

#[tokio::test]
async fn others_read_while_we_write() {
    let db = Db::new();
    let sink = db.open();
    let batches = tens(DAY);
    sink.write(&batches[..2]).await.unwrap();
    let mut reader = db.reader();
    let count = "SELECT count(*) FROM packets";
    let snapshot = reader.transaction().unwrap();
    assert_eq!(rows(&snapshot, count), [[20.into()]]);
    sink.write(&batches[2..4]).await.unwrap();
    // A reader keeps what it saw, and sees the new rows when it looks anew.
    assert_eq!(rows(&snapshot, count), [[20.into()]]);
    drop(snapshot);
    assert_eq!(rows(&reader, count), [[40.into()]]);
    sink.close().await.unwrap();
}

#[tokio::test]
async fn another_writer_is_waited_for_and_what_it_wrote_is_seen() {
    let db = Db::new();
    let sink = db.open();
    let batches = tens(DAY);
    sink.write(&batches[..1]).await.unwrap();
    // A second process reads the same file: the streams' state in memory is stale now.
    let second = db.open();
    second.write(&batches[..4]).await.unwrap();
    assert_eq!(sink.write(&batches[..5]).await.unwrap().delivered, 50);
    assert_eq!(db.number("SELECT count(*) FROM packet"), 50);
    // Held longer than one attempt waits.
    let other = Connection::open(db.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let release = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(1300));
        other.execute_batch("COMMIT").unwrap();
    });
    assert_eq!(sink.write(&batches[5..]).await.unwrap().delivered, 50);
    release.await.unwrap();
    sink.close().await.unwrap();
    second.close().await.unwrap();
    assert_eq!(db.stream(), (100, 1));
}

#[tokio::test]
async fn a_row_that_is_refused_is_counted_and_alone() {
    let db = Db::new();
    let sink = db.open();
    let other = Connection::open(db.path()).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON packet WHEN NEW.ip_id = 13 \
             BEGIN SELECT RAISE(ABORT, 'thirteen'); END",
        )
        .unwrap();
    let written = sink.write(&tens(DAY)).await.unwrap();
    assert_eq!(
        written,
        Written {
            delivered: 99,
            rejected: 1,
            ..Written::default()
        }
    );
    assert_eq!(db.stream(), (99, 0));
    assert_eq!(
        db.number("SELECT count(*) FROM packet WHERE record = 13"),
        0
    );
    // It is not there, so it is tried again.
    other.execute_batch("DROP TRIGGER refuse").unwrap();
    assert_eq!(sink.write(&tens(LATER)).await.unwrap().delivered, 100);
    assert_eq!(db.stream(), (100, 1));
    assert_eq!(db.number("SELECT count(*) FROM packet"), 100);
    sink.close().await.unwrap();
}

#[tokio::test]
async fn a_table_that_is_gone_is_a_dead_sink() {
    let db = Db::new();
    let sink = db.open();
    sink.write(&tens(DAY)[..1]).await.unwrap();
    let other = Connection::open(db.path()).unwrap();
    other
        .execute_batch("DROP VIEW packets; DROP TABLE packet")
        .unwrap();
    let error = sink.write(&tens(DAY)[1..]).await.unwrap_err().to_string();
    assert!(
        error.starts_with("sqlite:") && error.contains("cannot insert"),
        "{error}"
    );
}

#[test]
fn places_that_are_refused_say_what_to_do() {
    let context = context(&Namespace::tcpdump());
    let dir = tempfile::tempdir().unwrap();
    let refused = |place: &str| -> String {
        format!("sqlite:{place}")
            .parse::<SinkUrl>()
            .unwrap()
            .open(&context)
            .err()
            .unwrap()
            .to_string()
    };
    let at = |name: &str| dir.path().join(name).display().to_string();
    assert!(refused(":memory:").contains("name a file"));
    assert!(refused(&at("")).contains("is a directory"));
    assert!(refused(&at("no/such.db")).contains("create it first"));
    std::fs::write(
        at("text.db"),
        "22:13:20.123456 IP, and so on, for some hundred bytes\n".repeat(9),
    )
    .unwrap();
    assert!(refused(&at("text.db")).contains("not an SQLite database"));
    let other = Connection::open(at("other.db")).unwrap();
    other.execute_batch("CREATE TABLE places(url)").unwrap();
    assert!(refused(&at("other.db")).contains("another program"));
}

/// The name of the variable that tells the child below which database to write to.
const CHILD: &str = "DUMPSTREAM_TEST_CHILD";

/// Not a test of its own: the process that the next test kills. It writes until then, or ends.
#[tokio::test]
#[ignore = "the next test runs it, as a process of its own"]
async fn child() {
    let path = std::env::var(CHILD).expect("the next test runs it");
    let url: SinkUrl = format!("sqlite:{path}").parse().unwrap();
    let sink = url.open(&context(&Namespace::tcpdump())).unwrap();
    for packets in stream(origin("a", DAY), (1..=5000).map(|i| i * 20)) {
        sink.write(&[packets]).await.unwrap();
    }
}

#[tokio::test]
async fn kill_9_leaves_whole_rows_and_a_replay_adds_the_rest() {
    let db = Db::new();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "sqlite::child", "--nocapture"])
        .env(CHILD, db.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let stored = || -> rusqlite::Result<i64> {
        Connection::open_with_flags(db.path(), OpenFlags::SQLITE_OPEN_READ_ONLY)?.query_row(
            "SELECT count(*) FROM packet",
            [],
            |row| row.get(0),
        )
    };
    while stored().unwrap_or(0) < 200 {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the child has ended by itself"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Opening repairs; a read-only connection may not.
    db.open().close().await.unwrap();
    assert_eq!(db.text("PRAGMA integrity_check"), "ok");
    let count = db.number("SELECT count(*) FROM packet");
    assert!(count >= 200 && count % 20 == 0, "{count} rows");
    assert_eq!(db.number("SELECT max(record) FROM packet"), count);
    assert_eq!(db.stream(), (count, 1));
    let more = count as u32 + 10;
    db.write(
        &context(&Namespace::tcpdump()),
        &batches(origin("a", LATER), more, &[]),
    )
    .await;
    assert_eq!(db.number("SELECT count(*) FROM packet"), i64::from(more));
    assert_eq!(db.stream(), (i64::from(more), 1));
}
