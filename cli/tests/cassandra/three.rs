//! Three nodes, three copies, and what happens to them while rows stream in.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dumpstream::framing::Batches;
use dumpstream::{Namespace, Origin, Parser};
use dumpstream_flow::{Lane, LaneOptions, OnFull, SinkUrl};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::retry::DefaultRetryPolicy;
use scylla::statement::Consistency;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::value::CqlTimestamp;
use tokio::task::JoinSet;

use crate::ask;
use crate::node::{Cluster, cluster};
use crate::program::{Running, dumpstream, ran};
use crate::{faults, rows, text};
use given::Random;

/// Records that are sent at once.
const CHUNK: u64 = 500;

/// How long a fault's share of the rows streams, at least.
const SPELL: Duration = Duration::from_secs(4);

/// Numbers that a seed repeats.
fn seeded() -> Random {
    let seed = std::env::var("DUMPSTREAM_CASSANDRA_SEED");
    let now = || {
        let now = std::time::SystemTime::now();
        now.duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64
            | 1
    };
    let seed = seed.map_or_else(|_| now(), |s| s.parse().unwrap());
    println!("DUMPSTREAM_CASSANDRA_SEED={seed}");
    Random(seed)
}

/// Sends rows over TCP while faults happen; a share of the rows for each fault.
fn stream(address: SocketAddr, rows: u64, faults: u64, begun: &AtomicU64) {
    let share = rows.div_ceil(faults + 1);
    let pause = SPELL.mul_f64(CHUNK as f64 / share.max(CHUNK) as f64);
    let mut connection = TcpStream::connect(address).unwrap();
    for first in (1..=rows).step_by(CHUNK as usize) {
        // It must not be over before the faults are.
        while first > share * (begun.load(Ordering::Relaxed) + 1) {
            thread::sleep(Duration::from_millis(20));
        }
        let text = text::records(first..(first + CHUNK).min(rows + 1));
        connection
            .write_all(text.as_bytes())
            .expect("no error is shown to the sender");
        thread::sleep(pause);
    }
}

/// One fault, from which the node has recovered when this returns.
fn fault(cluster: &Cluster, random: &mut Random) -> String {
    let node = random.below(3_u8) + 1;
    match random.below(3) {
        0 => {
            cluster.kill(node);
            thread::sleep(Duration::from_millis(random.below(3_000)));
            cluster.start(node);
            format!("killed {node}")
        }
        1 => {
            let time = Duration::from_millis(500 + random.below(8_000));
            cluster.pause(node, time);
            format!("paused {node} for {time:.1?}")
        }
        _ => {
            cluster.stop(node);
            cluster.start(node);
            format!("restarted {node}")
        }
    }
}

/// Streams rows to an address while one node at a time falls, and at the end two stand still
/// together for longer than the server waits for them.
fn fall(cluster: &Cluster, address: SocketAddr, rows: u64, faults: u64) {
    let begun = AtomicU64::new(0);
    let mut random = seeded();
    let start = Instant::now();
    thread::scope(|scope| {
        let sender = scope.spawn(|| stream(address, rows, faults + 1, &begun));
        for n in 1..=faults {
            thread::sleep(Duration::from_millis(500 + random.below(1_000)));
            let what = fault(cluster, &mut random);
            println!("{:6.1?} {n}: {what}", start.elapsed());
            // One node at a time: the next falls when all see this one again.
            cluster.settle();
            begun.store(n, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_secs(1));
        cluster.pause_two([2, 3], Duration::from_secs(6));
        println!("{:6.1?} two stood still together", start.elapsed());
        cluster.settle();
        begun.store(faults + 1, Ordering::Relaxed);
        sender.join().unwrap();
    });
    println!("{:6.1?} the sender is done", start.elapsed());
}

/// The rows that all replicas have.
fn at_all(table: &str) -> Vec<(String, i64, i64)> {
    ask::block_on(async {
        let session = ask::session("127.0.0.1:9042").await;
        ask::rows(&session, table, "record").await
    })
}

pub(crate) fn one_node_at_a_time() {
    let cluster = cluster(3);
    cluster.settle();
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "create=true&consistency=local_quorum");
    let arguments = [
        "listen", "-v", "0", "--sensor", "s", "--stream", "x", "-o", &url,
    ];
    let listening = Running::new(dumpstream(folder.path(), &arguments));
    let (rows, faults) = (rows(), faults());
    fall(&cluster, listening.address(), rows, faults);
    let (status, said) = listening.end();
    println!("{said}");
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(
        said.contains(&format!("{rows} packets written to")),
        "{said}"
    );
    assert!(!said.contains("dropped by"), "{said}");
    ask::each_once(&at_all(&format!("{keyspace}.packets")), rows);
    println!("{rows} rows at ALL after {faults} faults, each once");
}

/// The same faults, and a receiver that repeats only what the driver's own policy repeats: the test
/// above can fail.
pub(crate) fn without_own_retries() {
    let cluster = cluster(3);
    cluster.settle();
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "");
    let schema = ran(folder.path(), &["schema", "cassandra", &url]).quiet();
    let table = format!("{keyspace}.packets");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let rows = rows().min(30_000);
    let lost = thread::scope(|scope| {
        let receiver = scope.spawn(|| driver_alone(&listener, &schema.out, &table));
        fall(&cluster, address, rows, 1);
        receiver.join().unwrap()
    });
    let found = at_all(&table).len() as u64;
    println!("the driver alone gave {lost} rows up; {found} of {rows} are there");
    assert!(lost > 0, "the driver's policy lost nothing");
    assert!(found + lost >= rows, "what was acknowledged is there");
}

/// Takes one sender's records, and writes their keys with the driver's default policy. Returns how
/// many rows' requests failed.
fn driver_alone(listener: &TcpListener, schema: &str, table: &str) -> u64 {
    let parser = Parser::new(Namespace::tcpdump()).unwrap();
    let mut origin = Origin::new("s").stream("x");
    let (connection, _) = listener.accept().unwrap();
    ask::block_on(async {
        let profile = ExecutionProfile::builder()
            .consistency(Consistency::LocalQuorum)
            .retry_policy(Arc::new(DefaultRetryPolicy::new()))
            .build();
        let session = SessionBuilder::new()
            .known_nodes(["127.0.0.1:9042", "127.0.0.2:9042", "127.0.0.3:9042"])
            .default_execution_profile_handle(profile.into_handle())
            .build()
            .await
            .unwrap();
        ask::run(&session, schema).await;
        let insert = format!(
            "INSERT INTO {table} (sensor, bucket, shard, time, time_ns, stream, record) \
             VALUES ('s', 0, 0, ?, 0, 'x', ?)"
        );
        let mut insert = session.prepare(insert).await.unwrap();
        insert.set_is_idempotent(true);
        let session = Arc::new(session);
        // Many at once: some then wait for a node that stands still, and some for one that finds no
        // quorum.
        let mut writes = JoinSet::new();
        for batch in Batches::new(connection) {
            let mut packets = parser.parse(batch.unwrap());
            origin.place(&mut packets);
            let rows: Vec<_> = packets
                .iter()
                .map(|p| (CqlTimestamp(p.time() / 1_000_000), p.record() as i64))
                .collect();
            for rows in rows.chunks(64) {
                let statements =
                    vec![BatchStatement::PreparedStatement(insert.clone()); rows.len()];
                let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
                batch.set_is_idempotent(true);
                let (session, rows) = (session.clone(), rows.to_vec());
                writes.spawn(async move {
                    match session.batch(&batch, &rows).await {
                        Ok(_) => 0,
                        Err(_) => rows.len() as u64,
                    }
                });
            }
        }
        writes.join_all().await.into_iter().sum()
    })
}

/// Until a write of quorum succeeds.
async fn quorum(session: &scylla::client::session::Session, table: &str) {
    let mut statement = scylla::statement::unprepared::Statement::new(format!(
        "INSERT INTO {table} (sensor, bucket, shard, time, time_ns, stream, record) \
         VALUES ('probe', 0, 0, 0, 0, 'probe', 1)"
    ));
    statement.set_consistency(scylla::statement::Consistency::LocalQuorum);
    statement.set_request_timeout(Some(Duration::from_secs(3)));
    while session.query_unpaged(statement.clone(), ()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn two_nodes_down() {
    let cluster = cluster(3);
    cluster.settle();
    for on_full in [OnFull::Block, OnFull::Drop] {
        let keyspace = cluster.keyspace();
        let url = cluster.url(&keyspace, "create=true&consistency=local_quorum");
        let url: SinkUrl = url.parse().unwrap();
        ask::block_on(async {
            let options = LaneOptions {
                // Small, so that it is full soon, and what is acknowledged is seen soon.
                queue: 1 << 20,
                on_full: Some(on_full),
                ..LaneOptions::default()
            };
            let lane = Lane::spawn("c", url.open(&text::context()).unwrap(), options);
            let ended = std::sync::Arc::new(AtomicBool::new(false));
            let feeding = tokio::spawn({
                let (lane, ended) = (lane.clone(), ended.clone());
                async move {
                    let mut origin = Origin::new("s").stream("x");
                    let mut next = 1;
                    while !ended.load(Ordering::Relaxed) {
                        let text = text::records(next..next + 50);
                        next += 50;
                        for packets in text::packets(&text, &mut origin) {
                            lane.send(packets).await;
                        }
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    next - 1
                }
            });
            let delivered = || lane.counters().delivered;
            while delivered() < 1_000 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            cluster.kill(2);
            cluster.kill(3);
            tokio::time::sleep(Duration::from_secs(5)).await;
            let stood = delivered();
            tokio::time::sleep(Duration::from_secs(15)).await;
            let still = lane.counters();
            println!("two nodes down: {still:?}");
            assert_eq!(
                still.delivered, stood,
                "nothing is acknowledged without a quorum"
            );
            assert_eq!(still.verify(), Ok(()));
            match on_full {
                OnFull::Block => assert!(still.dropped == 0 && !still.stalled.is_zero()),
                OnFull::Drop => assert!(still.dropped > 0 && still.stalled.is_zero()),
            }
            let session = ask::session("127.0.0.1:9042").await;
            let table = format!("{keyspace}.packets");
            cluster.start(2);
            quorum(&session, &table).await;
            let back = Instant::now();
            while delivered() == stood {
                assert!(
                    back.elapsed() < Duration::from_secs(60),
                    "rows do not flow again"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let after = back.elapsed();
            println!("rows flow {after:.1?} after quorum ({on_full:?})");
            assert!(after < Duration::from_secs(5), "{after:?}");
            cluster.start(3);
            ended.store(true, Ordering::Relaxed);
            let sent = feeding.await.unwrap();
            let counters = lane.close(None).await;
            assert_eq!(counters.verify(), Ok(()));
            assert_eq!(counters.packets, sent);
            assert_eq!(counters.delivered + counters.dropped, sent, "{counters:?}");
            let rows = ask::rows(&session, &table, "record").await;
            let rows: Vec<_> = rows.into_iter().filter(|r| r.0 == "x").collect();
            match on_full {
                OnFull::Block => ask::each_once(&rows, sent),
                OnFull::Drop => assert_eq!(rows.len() as u64, counters.delivered),
            }
        });
        cluster.settle();
    }
}
