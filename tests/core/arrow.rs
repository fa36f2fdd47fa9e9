//! Record batches have the values of the packets that they were made of.

use dumpstream::arrow::RecordBatches;
use dumpstream::arrow::arrow_array::cast::AsArray;
use dumpstream::arrow::arrow_array::types::{
    Float64Type, Int32Type, Int64Type, Time64NanosecondType, TimestampMicrosecondType,
    TimestampNanosecondType, UInt16Type,
};
use dumpstream::arrow::arrow_array::{Array, RecordBatch};
use dumpstream::arrow::arrow_schema::{DataType, TimeUnit};
use dumpstream::{Namespace, Origin, Packets, Parser, Reader, Value};

fn packets(text: &[u8]) -> Vec<Packets> {
    let reader = Reader::new(text).origin(Origin::new("gate"));
    reader.map(Result::unwrap).collect()
}

/// A value of a batch, as what it is.
fn value(column: &dyn Array, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Dictionary(..) => {
            let names = column.as_dictionary::<Int32Type>();
            let names = names.downcast_dict::<dumpstream::arrow::arrow_array::StringArray>();
            dumpstream::arrow::arrow_array::ArrayAccessor::value(&names.unwrap(), row).to_owned()
        }
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Time64(TimeUnit::Nanosecond) => column
            .as_primitive::<Time64NanosecondType>()
            .value(row)
            .to_string(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => {
            assert_eq!(&**zone, "UTC");
            let instants = column.as_primitive::<TimestampMicrosecondType>();
            instants.value(row).to_string()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, Some(zone)) => {
            assert_eq!(&**zone, "UTC");
            column
                .as_primitive::<TimestampNanosecondType>()
                .value(row)
                .to_string()
        }
        other => panic!("no column is {other}"),
    })
}

/// A value of a packet, as what it is.
fn expected(value: Value<'_>) -> String {
    match value {
        Value::Time(ns) | Value::Timestamp(ns) => ns.to_string(),
        other => other.to_string(),
    }
}

fn compare(all: &[Packets], batch: &RecordBatch) {
    let rows = all.iter().flat_map(Packets::iter);
    let mut count = 0;
    for (row, packet) in rows.enumerate() {
        for (i, name) in packet_columns(all).iter().enumerate() {
            let column = batch.column_by_name(name).unwrap();
            let found = value(column, row);
            let mut wanted = packet.value(i).map(expected);
            if let Some(column) = batch.column_by_name(&format!("{name}_ns")) {
                assert_eq!(value(column, row), wanted, "{name}_ns of row {row}");
                let micros = |ns: String| ns.parse::<i64>().unwrap().div_euclid(1_000);
                wanted = wanted.map(|ns| micros(ns).to_string());
            } else if let (Some(Value::Time(ns)), DataType::Utf8) =
                (packet.value(i), column.data_type())
            {
                wanted = Some(Value::Time(ns).to_string());
            }
            assert_eq!(found, wanted, "{name} of row {row}, {}", column.data_type());
        }
        let other = |name: &str| value(batch.column_by_name(name).unwrap(), row).unwrap();
        assert_eq!(other("sensor"), packet.sensor());
        assert_eq!(other("stream"), packet.stream());
        assert_eq!(other("record"), packet.record().to_string());
        assert_eq!(other("time_source"), packet.time_source().name());
        assert_eq!(other("truncated"), packet.truncated().to_string());
        assert_eq!(other("raw"), Value::Text(packet.raw()).to_string());
        count += 1;
    }
    assert_eq!(batch.num_rows(), count);
}

fn packet_columns(all: &[Packets]) -> Vec<String> {
    let columns = all.first().map_or(&[][..], |packets| packets.columns());
    columns.iter().map(|column| column.name.clone()).collect()
}

#[test]
fn every_value_of_every_sample() {
    for plain in [false, true] {
        let batches = RecordBatches::new(&Namespace::tcpdump()).identity().raw();
        let mut batches = if plain { batches.plain() } else { batches };
        let mut rows = 0;
        for sample in given::samples() {
            let Ok(all) = Reader::new(&sample.text[..])
                .origin(Origin::new("gate"))
                .collect::<Result<Vec<_>, _>>()
            else {
                // Text of -A.
                continue;
            };
            all.iter().for_each(|packets| batches.push(packets));
            let batch = batches.take();
            compare(&all, &batch);
            rows += batch.num_rows();
        }
        assert!(rows > 10_000, "{rows}");
    }
}

#[test]
fn bytes_that_are_no_text_are_spelt() {
    let mut text = given::udp("22:13:20.123456", 1, "10.0.0.1.1", "10.0.0.2.2", 0).into_bytes();
    let end = text.len() - 1;
    text.splice(end..end, *b" \xff\xfe");
    let mut batches = RecordBatches::new(&Namespace::tcpdump()).identity().raw();
    let all = Reader::new(&text[..]).origin(Origin::new("gate"));
    for packets in all {
        batches.push(&packets.unwrap());
    }
    let batch = batches.take();
    let raw = value(batch.column_by_name("raw").unwrap(), 0).unwrap();
    assert!(raw.ends_with("\\xff\\xfe\n"), "{raw}");
}

#[test]
fn a_batch_is_empty_after_it_was_taken() {
    let mut batches = RecordBatches::new(&Namespace::tcpdump());
    let text = given::udp("22:13:20.123456", 1, "10.0.0.1.1", "10.0.0.2.2", 0);
    for _ in 0..2 {
        packets(text.as_bytes())
            .iter()
            .for_each(|p| batches.push(p));
        assert_eq!(batches.len(), 1);
        assert_eq!(batches.take().num_rows(), 1);
        assert!(batches.is_empty());
    }
    assert_eq!(batches.take().num_rows(), 0);
}

#[test]
fn the_schema_says_what_fields_are() {
    let mut batches = RecordBatches::new(&Namespace::tcpdump());
    let schema = batches.schema();
    let port = schema.field_with_name("source_port").unwrap();
    assert_eq!(port.data_type(), &DataType::UInt16);
    assert!(!port.metadata()["doc"].is_empty());
    let hash = format!("{:016x}", Namespace::tcpdump().hash());
    assert_eq!(schema.metadata()["hash"], hash);
    // Spark has no unsigned integers.
    let plain = RecordBatches::new(&Namespace::tcpdump()).plain().schema();
    let kind = |name: &str| plain.field_with_name(name).unwrap().data_type();
    assert_eq!(kind("source_port"), &DataType::Int32);
    assert_eq!(kind("protocol"), &DataType::Utf8);
    assert_eq!(kind("time_ns"), &DataType::Int64);
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    assert_eq!(kind("time"), &time);
}

#[test]
fn plain_times_of_a_namespace_of_ones_own() {
    let namespace: Namespace = r#"{"namespace": "mine", "fields": [
        {"name": "seen", "in": "head", "regex": "^(\\S+)", "type": "timestamp"},
        {"name": "at", "in": "head", "regex": "^(\\S+)", "type": "time"},
        {"name": "told", "in": "head", "regex": "^(\\S+)", "type": "timestamp"},
        {"name": "told_ns", "in": "head", "regex": "length (\\d+)", "type": "int"}
    ]}"#
    .parse()
    .unwrap();
    let text = given::udp("22:13:20.123456", 1, "10.0.0.1.1", "10.0.0.2.2", 0);
    let mut batches = RecordBatches::new(&namespace).plain();
    let reader = Reader::new(text.as_bytes()).parser(Parser::new(namespace).unwrap());
    reader.for_each(|packets| batches.push(&packets.unwrap()));
    let batch = batches.take();
    let of = |name: &str| value(batch.column_by_name(name).unwrap(), 0);
    assert_eq!(of("at").as_deref(), Some("22:13:20.123456"));
    assert_eq!(of("seen_ns").as_deref(), Some("80000123456000"));
    assert_eq!(of("seen").as_deref(), Some("80000123456"));
    // The name is taken.
    assert_eq!(of("told_ns").as_deref(), Some("28"));
}
