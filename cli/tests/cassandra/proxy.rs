//! Exact faults: a proxy stands between us and the node, and answers in its stead.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use dumpstream::{Origin, Packets};
use dumpstream_flow::{Sink, SinkUrl, Written};
use scylla_proxy::{
    Condition, Node, Proxy, Reaction, RequestOpcode, RequestReaction, RequestRule, RunningProxy,
    ShardAwareness, example_db_errors,
};
use tokio::sync::mpsc;

use crate::ask;
use crate::node::{PROXY, proxied};
use crate::text;

const REAL: &str = "127.0.0.1:9042";

/// Rows of a write: some 80 requests.
const ROWS: u64 = 5_000;

pub(crate) async fn proxy() -> RunningProxy {
    let node = Node::builder()
        .real_address(REAL.parse::<SocketAddr>().unwrap())
        .proxy_address(SocketAddr::new(PROXY.parse().unwrap(), 9042))
        .shard_awareness(ShardAwareness::Unaware)
        .build();
    Proxy::new([node]).run().await.unwrap()
}

/// Ends it. Its own account of its workers at the end is at times too early, and panics.
pub(crate) async fn end(proxy: RunningProxy) {
    drop(tokio::spawn(proxy.finish()).await);
}

/// The URL of a table behind it, which reads only what is not compressed.
pub(crate) fn typed(keyspace: &str) -> String {
    format!("cassandra://{PROXY}/{keyspace}.packets?replication=1&create=true&compression=none")
}

fn url(keyspace: &str, more: &str) -> SinkUrl {
    let url = typed(keyspace) + more;
    url.parse().unwrap()
}

fn open(keyspace: &str) -> Box<dyn Sink> {
    url(keyspace, "").open(&text::context()).unwrap()
}

fn writes() -> Condition {
    Condition::or(
        Condition::RequestOpcode(RequestOpcode::Batch),
        Condition::RequestOpcode(RequestOpcode::Execute),
    )
}

fn rule(times: usize, reaction: RequestReaction) -> Vec<RequestRule> {
    // In this order: only writes are counted.
    let condition = Condition::and(writes(), Condition::TrueForLimitedTimes(times));
    vec![RequestRule(condition, reaction)]
}

fn packets(first: u64) -> Vec<Packets> {
    let mut origin = Origin::new("s").stream(format!("from {first}"));
    text::packets(&text::records(first..first + ROWS), &mut origin)
}

fn all() -> Written {
    Written {
        delivered: ROWS,
        ..Written::default()
    }
}

pub(crate) fn every_error_of_the_server() {
    let cluster = proxied();
    let keyspace = cluster.keyspace();
    ask::block_on(async {
        use example_db_errors::*;
        let errors = [
            ("unavailable", unavailable()),
            ("overloaded", overloaded()),
            ("is_bootstrapping", is_bootstrapping()),
            ("truncate_error", truncate_error()),
            ("read_timeout", read_timeout()),
            ("write_timeout", write_timeout()),
            ("read_failure", read_failure()),
            ("write_failure", write_failure()),
            ("server_error", server_error()),
            ("config_error", config_error()),
            ("authentication_error", authentication_error()),
            ("unauthorized", unauthorized()),
            ("unprepared", unprepared()),
            ("invalid", invalid()),
            ("syntax_error", syntax_error()),
            ("function_failure", function_failure()),
            ("already_exists", already_exists()),
            ("protocol_error", protocol_error()),
            ("other", other(0x1234)),
        ];
        let mut proxy = proxy().await;
        let sink = open(&keyspace);
        sink.write(&packets(1)).await.unwrap();
        let mut first = 1;
        let forged = errors.len();
        for (name, error) in errors {
            first += ROWS;
            let (heard, mut answered) = mpsc::unbounded_channel();
            let reaction = RequestReaction::forge_with_error(error);
            let reaction = reaction.with_feedback_when_performed(heard);
            proxy.running_nodes[0].change_request_rules(Some(rule(40, reaction)));
            let written = sink.write(&packets(first)).await.unwrap();
            proxy.running_nodes[0].change_request_rules(None);
            assert_eq!(written, all(), "{name}");
            let mut count = 0;
            while answered.try_recv().is_ok() {
                count += 1;
            }
            assert_eq!(count, 40, "{name} was the answer so often");
        }
        let session = ask::session(REAL).await;
        let rows = ask::rows(&session, &format!("{keyspace}.packets"), "record").await;
        assert_eq!(rows.len() as u64, first + ROWS - 1);
        println!("{forged} errors, 40 times each, and {} rows", rows.len());
        sink.close().await.unwrap();
        end(proxy).await;
    });
}

/// A server that refuses everything for a while does not mean the rows.
pub(crate) fn a_table_that_takes_none() {
    let cluster = proxied();
    let keyspace = cluster.keyspace();
    ask::block_on(async {
        let mut proxy = proxy().await;
        let sink = open(&keyspace);
        sink.write(&packets(1)).await.unwrap();
        let reaction = RequestReaction::forge_with_error(example_db_errors::invalid());
        // Each row of all 80 requests would be refused alone, more than once.
        proxy.running_nodes[0].change_request_rules(Some(rule(20_000, reaction)));
        let writing = tokio::spawn(async move { sink.write(&packets(ROWS + 1)).await });
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(!writing.is_finished(), "no row is given up");
        proxy.running_nodes[0].change_request_rules(None);
        assert_eq!(writing.await.unwrap().unwrap(), all());
        end(proxy).await;
    });
}

/// A row that a node always fails at is found, and the others are written.
pub(crate) fn a_row_that_a_node_cannot_handle() {
    let cluster = proxied();
    let keyspace = cluster.keyspace();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("refused.jsonl");
    ask::block_on(async {
        let mut proxy = proxy().await;
        let url = url(&keyspace, &format!("&rejected={}", file.display()));
        let sink = url.open(&text::context()).unwrap();
        // As a text, its TCP options are in no other row.
        let marked = Condition::BodyContainsCaseSensitive(b"TS val 2500 ecr 7".to_vec().into());
        let reaction = RequestReaction::forge_with_error(example_db_errors::server_error());
        let rule = RequestRule(Condition::and(writes(), marked), reaction);
        proxy.running_nodes[0].change_request_rules(Some(vec![rule]));
        let written = sink.write(&packets(1)).await.unwrap();
        assert_eq!((written.delivered, written.rejected), (ROWS - 1, 1));
        sink.close().await.unwrap();
        let rows = std::fs::read_to_string(&file).unwrap();
        assert_eq!(rows.lines().count(), 1, "{rows}");
        assert!(rows.contains("\"record\":2500"), "{rows}");
        end(proxy).await;
    });
}

pub(crate) fn frames_that_are_dropped() {
    let cluster = proxied();
    let keyspace = cluster.keyspace();
    ask::block_on(async {
        let mut proxy = proxy().await;
        let sink = open(&keyspace);
        sink.write(&packets(1)).await.unwrap();
        // No answer at all to some, and a late one to others.
        for (first, reaction) in [
            (10_001, RequestReaction::drop_frame()),
            (20_001, RequestReaction::delay(Duration::from_secs(3))),
        ] {
            proxy.running_nodes[0].change_request_rules(Some(rule(10, reaction)));
            assert_eq!(sink.write(&packets(first)).await.unwrap(), all());
            proxy.running_nodes[0].change_request_rules(None);
        }
        let session = ask::session(REAL).await;
        let rows = ask::rows(&session, &format!("{keyspace}.packets"), "record").await;
        assert_eq!(rows.len() as u64, 3 * ROWS);
        end(proxy).await;
    });
}

pub(crate) fn connections_that_are_cut() {
    let cluster = proxied();
    let keyspace = cluster.keyspace();
    ask::block_on(async {
        let mut proxy = proxy().await;
        let sink = open(&keyspace);
        sink.write(&packets(1)).await.unwrap();
        for first in [10_001, 20_001, 30_001] {
            let reaction = RequestReaction::drop_connection();
            proxy.running_nodes[0].change_request_rules(Some(rule(3, reaction)));
            assert_eq!(sink.write(&packets(first)).await.unwrap(), all());
            proxy.running_nodes[0].change_request_rules(None);
        }
        let session = ask::session(REAL).await;
        let rows = ask::rows(&session, &format!("{keyspace}.packets"), "record").await;
        assert_eq!(rows.len() as u64, 4 * ROWS);
        end(proxy).await;
    });
}

/// The statements of a run: what QUERY and PREPARE carry.
async fn statements(keyspace: &str, rows: &[Packets]) -> BTreeSet<String> {
    let mut proxy = proxy().await;
    let (heard, mut frames) = mpsc::unbounded_channel();
    let reaction = RequestReaction::noop().with_feedback_when_performed(heard);
    let rule = RequestRule(Condition::True, reaction);
    proxy.running_nodes[0].change_request_rules(Some(vec![rule]));
    let sink = url(keyspace, "&by_host=true")
        .open(&text::context())
        .unwrap();
    let given: usize = rows.iter().map(Packets::len).sum();
    let written = sink.write(rows).await.unwrap();
    assert_eq!(written.delivered, given as u64);
    drop(sink);
    end(proxy).await;
    let mut statements = BTreeSet::new();
    while let Some((frame, _)) = frames.recv().await {
        if matches!(frame.opcode, RequestOpcode::Query | RequestOpcode::Prepare) {
            // A long string: its length, then its bytes.
            let length = u32::from_be_bytes(frame.body[..4].try_into().unwrap()) as usize;
            let text = String::from_utf8(frame.body[4..4 + length].to_vec()).unwrap();
            statements.insert(text.replace(keyspace, "KEYSPACE"));
        }
    }
    statements
}

pub(crate) fn statements_are_of_a_fixed_list() {
    let cluster = proxied();
    let (usual, hostile) = (cluster.keyspace(), cluster.keyspace());
    ask::block_on(async {
        let fixed = statements(&usual, &packets(1)).await;
        // What the driver asks of the server's own tables, and what we make and write.
        for statement in &fixed {
            let known = [
                "SELECT ",
                "CREATE KEYSPACE IF NOT EXISTS KEYSPACE WITH replication = ",
                "CREATE TABLE IF NOT EXISTS KEYSPACE.packets (",
                "CREATE TABLE IF NOT EXISTS KEYSPACE.packets_by_host (",
                "INSERT INTO KEYSPACE.packets (",
                "INSERT INTO KEYSPACE.packets_by_host (",
            ];
            let reads = !statement.starts_with("SELECT ")
                || statement.to_lowercase().contains("from system");
            assert!(
                known.iter().any(|k| statement.starts_with(k)) && reads,
                "{statement}"
            );
        }
        // Text that would be a statement if it were ever read as one, in every field.
        let mut rows = Vec::new();
        let mut count = 0;
        let quotes = [
            "'; DROP TABLE packets; --",
            "\"",
            "$$",
            "\u{0}",
            "');",
            "\\",
            "{fn}",
            "?",
        ];
        for (i, quote) in quotes.iter().enumerate() {
            let mut origin = Origin::new(*quote).stream(*quote);
            let line = format!(
                "1700000000.00000{i} IP 10.0.0.1.53 > 10.0.0.2.9: {i} A? {quote}.example. (27)\n"
            );
            rows.extend(text::packets(&line, &mut origin));
        }
        for sample in given::samples() {
            if sample.theme.starts_with("hostile") {
                let Ok(text) = String::from_utf8(sample.text) else {
                    continue;
                };
                let mut origin = Origin::new(sample.name);
                rows.extend(text::packets(&text, &mut origin));
                count += 1;
            }
        }
        assert!(count > 3, "{count} hostile samples");
        let seen = statements(&hostile, &rows).await;
        assert_eq!(seen, fixed);
        println!("{} statements, whatever the packets hold", fixed.len());
    });
}
