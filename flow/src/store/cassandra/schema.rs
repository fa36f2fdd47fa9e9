//! The tables: how they are created, and what an existing one is missing.

use std::fmt::Write;

use dumpstream::Column;

use super::address::Address;
use super::layout::Layout;
use super::name::quoted;
use super::note::Note;
use super::window::window;
use crate::sink::context::RowKind;

/// `gc_grace_seconds`: as long as a node keeps hints for one that is down (3 h). Zero would disable
/// hints.
const GC_GRACE: u64 = 10_800;

/// Bytes per row in a partition, before compression, measured with the built-in namespace on the
/// samples.
const ROW: u64 = 150;

/// The largest recommended partition, in bytes.
const LARGEST_PARTITION: u64 = 100 << 20;

/// The second table's name.
pub(crate) fn by_host_name(table: &str) -> String {
    format!("{table}_by_host")
}

pub(crate) fn create_keyspace(address: &Address) -> String {
    format!(
        "CREATE KEYSPACE IF NOT EXISTS {} WITH replication = {}",
        address.keyspace,
        address.replication.cql()
    )
}

/// `ttl` is in seconds; 0: rows live for ever.
pub(crate) fn create_table(
    address: &Address,
    table: &str,
    layout: &Layout,
    note: Note,
    ttl: u64,
) -> String {
    let mut text = format!(
        "CREATE TABLE IF NOT EXISTS {}.{table} (\n",
        address.keyspace
    );
    for cell in &layout.cells {
        writeln!(text, "    {} {},", quoted(&cell.name), cell.kind).expect("a String takes it");
    }
    let (partition, clustering) = (layout.partition.join(", "), layout.clustering.join(", "));
    let (size, unit) = window(ttl);
    write!(
        text,
        "    PRIMARY KEY (({partition}), {clustering})\n\
         ) WITH compaction = {{'class': 'TimeWindowCompactionStrategy', \
         'compaction_window_unit': '{unit}', 'compaction_window_size': {size}}}\n    \
         AND default_time_to_live = {ttl}\n    \
         AND gc_grace_seconds = {GC_GRACE}\n    \
         AND comment = '{}'",
        note.text()
    )
    .expect("a String takes it");
    text
}

/// The statements that create the keyspace and its tables, with comments, as `dumpstream schema
/// cassandra` prints them. `rate` is in packets per second of one sensor; heartbeats are so few that
/// the size of their partitions needs no estimate.
///
/// # Errors
/// A sentence: two fields of the namespace need one column, or fields for `by_host` are missing.
pub fn print(
    address: &Address,
    (rows, columns): (RowKind, &[Column]),
    raw: bool,
    rate: u64,
) -> Result<String, String> {
    let note = Note::of(address, rows);
    let table = address.table_of(rows);
    let table = table.ok_or("the URL names no table; write …/KEYSPACE.TABLE")?;
    let layout = Layout::packets(columns, note.placing(), raw)?;
    let mut text = match rows {
        RowKind::Packets => partition(note, rate),
        RowKind::Heartbeats => String::new(),
    };
    text += &format!("{};\n\n", create_keyspace(address));
    let ttl = address.ttl.unwrap_or_default().as_secs();
    text += &format!("{};\n", create_table(address, table, &layout, note, ttl));
    if address.by_host {
        let layout = Layout::by_host(columns, note.placing())?;
        let name = by_host_name(table);
        text += &format!("\n{};\n", create_table(address, &name, &layout, note, ttl));
    }
    Ok(text)
}

/// The estimated size of partitions, as comments.
fn partition(note: Note, rate: u64) -> String {
    let Note { bucket, shards, .. } = note;
    let of_bucket = rate.saturating_mul(bucket.as_secs());
    let rows = of_bucket / u64::from(shards);
    let bytes = rows.saturating_mul(ROW);
    let mut text = format!(
        "-- At {rate} packets a second of one sensor, a partition ({} s, {shards} shards) has \
         {rows} rows,\n-- about {} MB before compression.\n",
        bucket.as_secs(),
        bytes.div_ceil(1 << 20)
    );
    if bytes > LARGEST_PARTITION {
        let advised = of_bucket
            .saturating_mul(ROW)
            .div_ceil(LARGEST_PARTITION)
            .next_power_of_two();
        text += &format!(
            "-- Partitions above 100 MB are slow to read and to compact; use shards={advised}.\n"
        );
    }
    text += "-- A table keeps the bucket and shards that it was created with.\n\n";
    text
}

#[cfg(test)]
mod tests {
    use super::super::found::{Difference, Found, FoundColumn, compare, placed};
    use super::*;
    use dumpstream::Namespace;

    fn address(query: &str) -> Address {
        format!("cassandra://h/pk.packets{query}").parse().unwrap()
    }

    #[test]
    fn windows_are_few_and_whole() {
        for ttl in [60, 3_600, 86_400, 604_800, 30 * 86_400, 365 * 86_400] {
            let (size, unit) = window(ttl);
            let seconds = size
                * match unit {
                    "MINUTES" => 60,
                    "HOURS" => 3_600,
                    _ => 86_400,
                };
            assert!(
                size > 0 && ttl.div_ceil(seconds) < 50,
                "{ttl}: {size} {unit}"
            );
        }
        assert_eq!(window(604_800), (6, "HOURS"));
        assert_eq!(window(0), (7, "DAYS"));
    }

    #[test]
    fn the_statements() {
        let columns = Namespace::tcpdump().columns();
        let text = print(
            &address("?ttl=7d&replication=dc1:3&by_host"),
            (RowKind::Packets, &columns),
            false,
            10_000,
        );
        let text = text.unwrap();
        for part in [
            "150000 rows,\n-- about 22 MB",
            "{'class': 'NetworkTopologyStrategy', 'dc1': 3};",
            "CREATE TABLE IF NOT EXISTS pk.packets (\n    sensor text,\n    bucket timestamp,",
            "    source inet,\n",
            "    source_port int,\n",
            "    PRIMARY KEY ((sensor, bucket, shard), time, time_ns, stream, record)\n",
            "'compaction_window_unit': 'HOURS', 'compaction_window_size': 6}",
            "default_time_to_live = 604800",
            "gc_grace_seconds = 10800",
            "comment = 'dumpstream: bucket 60s, shards 4';",
            "CREATE TABLE IF NOT EXISTS pk.packets_by_host (\n    host inet,",
            "    PRIMARY KEY ((host, bucket), time, time_ns, sensor, stream, record, sent)\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let busy = print(&address(""), (RowKind::Packets, &columns), false, 100_000).unwrap();
        assert!(busy.contains("shards=16"), "{busy}");
    }

    #[test]
    fn the_note_is_read_back() {
        let note = Note::of(&address("?bucket=1h&shards=16"), RowKind::Packets);
        assert_eq!(Note::read(&note.text()), Some(note));
        let beats = Note::of(&address(""), RowKind::Heartbeats);
        assert_eq!(
            beats.text(),
            "dumpstream heartbeats: bucket 86400s, shards 1"
        );
        assert_eq!(Note::read(&beats.text()), Some(beats));
        for other in [
            "packets of the office",
            "dumpstream: bucket 0s, shards 4",
            "dumpstream: bucket 9999999999999999999s, shards 4",
            "dumpstream: bucket 60s, shards 0",
            "dumpstream: bucket 60s, shards 40000",
        ] {
            assert_eq!(Note::read(other), None, "{other}");
        }
    }

    fn found(layout: &Layout) -> Found {
        let role = |name: &str| {
            let at = |key: &[&str]| key.iter().position(|k| *k == name);
            match (at(layout.partition), at(layout.clustering)) {
                (Some(i), _) => ("partition_key", i as i32),
                (_, Some(i)) => ("clustering", i as i32),
                _ => ("regular", -1),
            }
        };
        Found {
            columns: layout
                .cells
                .iter()
                .map(|c| FoundColumn {
                    name: c.name.clone(),
                    kind: c.kind.to_owned(),
                    role: role(&c.name).0.to_owned(),
                    position: role(&c.name).1,
                    descending: false,
                })
                .collect(),
            comment: "dumpstream: bucket 60s, shards 4".to_owned(),
            ttl: 0,
        }
    }

    #[test]
    fn what_a_table_lacks() {
        let columns = Namespace::tcpdump().columns();
        let plain = address("");
        let placing = Note::of(&plain, RowKind::Packets).placing();
        let layout = Layout::packets(&columns, placing, true).unwrap();
        let whole = found(&layout);
        assert_eq!(compare(&plain, "packets", &layout, &whole), Ok(()));

        let mut less = whole.clone();
        less.columns.retain(|c| c.name != "raw" && c.name != "ttl");
        let lacks = compare(&address("?ttl=1h"), "packets", &layout, &less);
        let Err(Difference::Lacks(lacks)) = lacks else {
            panic!("{lacks:?}");
        };
        assert_eq!(lacks[0], "ALTER TABLE pk.packets ADD raw blob");
        assert_eq!(lacks[1], "ALTER TABLE pk.packets ADD ttl int");
        assert!(
            lacks[2].contains("WITH default_time_to_live = 3600"),
            "{}",
            lacks[2]
        );

        let mut other = whole.clone();
        let ttl = other.columns.iter_mut().find(|c| c.name == "ttl").unwrap();
        ttl.kind = "text".to_owned();
        let wrong = compare(&plain, "packets", &layout, &other).unwrap_err();
        assert!(
            matches!(wrong, Difference::Column { wanted: "int", .. }),
            "{wrong:?}"
        );

        let mut key = whole.clone();
        key.columns.retain(|c| c.name != "shard");
        let wrong = compare(&plain, "packets", &layout, &key).unwrap_err();
        assert!(matches!(wrong, Difference::Other(_)), "{wrong:?}");

        assert!(placed(&address("?shards=8"), RowKind::Packets, &whole).is_err());
        assert_eq!(placed(&plain, RowKind::Packets, &whole).unwrap().shards, 4);
        let of_beats = |comment: &str| {
            let comment = comment.to_owned();
            let found = Found {
                comment,
                ..whole.clone()
            };
            placed(&plain, RowKind::Heartbeats, &found)
        };
        let beats = Note::of(&plain, RowKind::Heartbeats);
        assert_eq!(of_beats(&beats.text()), Ok(beats));
        let error = of_beats(&whole.comment).unwrap_err();
        assert!(error.contains("a table of packets"), "{error}");
        assert!(error.contains("name another table"), "{error}");
        let silent = Found {
            comment: "packets".to_owned(),
            ..whole.clone()
        };
        assert!(placed(&plain, RowKind::Packets, &silent).is_err());
        assert!(placed(&address("?shards=8"), RowKind::Packets, &silent).is_err());
        let told = address("?shards=8&bucket=1h");
        assert_eq!(
            placed(&told, RowKind::Packets, &silent).unwrap(),
            Note::of(&told, RowKind::Packets)
        );
    }

    #[test]
    fn an_instant_needs_a_second_column() {
        let fields = r#"{"namespace": "n", "fields": [
            {"name": "seen", "in": "head", "regex": "(x)", "type": "timestamp"},
            {"name": "seen_ns", "in": "head", "regex": "(x)", "type": "int"}]}"#;
        let columns = fields.parse::<Namespace>().unwrap().columns();
        let placing = Note::of(&address(""), RowKind::Packets).placing();
        assert!(
            Layout::packets(&columns, placing, false)
                .unwrap_err()
                .contains("`seen_ns`")
        );
        assert!(Layout::by_host(&columns, placing).is_err());
    }
}
