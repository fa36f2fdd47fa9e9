//! The `parquet:` sink, read back as everybody reads its files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use dumpstream::arrow::RecordBatches;
use dumpstream::{Namespace, Origin, Packets, Parser, Reader};
use dumpstream_flow::{Sink, SinkContext, SinkError, SinkUrl};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

fn context() -> SinkContext {
    let parser = Parser::default();
    SinkContext {
        columns: parser.columns(),
        namespace: parser.namespace().namespace.clone(),
        hash: parser.namespace().hash(),
        ..SinkContext::default()
    }
}

fn url(folder: &Path, parameters: &str) -> String {
    format!("parquet:{}{parameters}", folder.display())
}

fn open(folder: &Path, parameters: &str) -> Result<Box<dyn Sink>, SinkError> {
    let url: SinkUrl = url(folder, parameters).parse()?;
    url.open(&context())
}

/// One packet at each of these times, in seconds since 1970.
fn packets(times: impl IntoIterator<Item = u64>) -> Vec<Packets> {
    let text: String = times
        .into_iter()
        .map(|time| given::udp(format!("{time}.000001"), 1, "10.0.0.1.53", "10.0.0.2.9", 0))
        .collect();
    placed(text.as_bytes())
}

fn placed(text: &[u8]) -> Vec<Packets> {
    let reader = Reader::new(text).origin(Origin::new("gate").stream("one"));
    reader.map(Result::unwrap).collect()
}

async fn write(sink: &dyn Sink, rows: &[Packets]) {
    let given: usize = rows.iter().map(Packets::len).sum();
    let written = sink.write(rows).await.unwrap();
    assert_eq!(written.delivered, given as u64);
}

/// All files below a folder, by their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with('.')
}

/// The rows that readers see: hidden files are none.
fn rows(folder: &Path) -> Vec<RecordBatch> {
    let seen = files(folder).into_iter().filter(|path| !is_hidden(path));
    let read = seen.flat_map(|path| {
        let file = File::open(path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        reader.build().unwrap().map(Result::unwrap)
    });
    read.collect()
}

/// Their ordinals, in order.
fn records(folder: &Path) -> Vec<i64> {
    let of = |batch: &RecordBatch| {
        let column = batch.column_by_name("record").unwrap();
        column.as_primitive::<Int64Type>().values().to_vec()
    };
    let mut records: Vec<i64> = rows(folder).iter().flat_map(of).collect();
    records.sort_unstable();
    records
}

fn nothing_is_hidden(folder: &Path) {
    let hidden: Vec<_> = files(folder).into_iter().filter(|f| is_hidden(f)).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[tokio::test]
async fn every_value_of_every_sample_is_read_back() {
    for sample in given::samples() {
        let reader = Reader::new(&sample.text[..]).origin(Origin::new("gate").stream("one"));
        let Ok(given) = reader.collect::<Result<Vec<_>, _>>() else {
            // Text of -A.
            continue;
        };
        let folder = tempfile::tempdir().unwrap();
        let sink = open(folder.path(), "").unwrap();
        write(&*sink, &given).await;
        sink.close().await.unwrap();
        nothing_is_hidden(folder.path());
        let mut batches = RecordBatches::new(&Namespace::tcpdump()).identity().plain();
        given.iter().for_each(|packets| batches.push(packets));
        let found = rows(folder.path());
        let count: usize = found.iter().map(RecordBatch::num_rows).sum();
        let expected = batches.take();
        assert_eq!(count, expected.num_rows(), "{}", sample.name);
        if let [found] = &found[..] {
            assert_eq!(found.columns(), expected.columns(), "{}", sample.name);
        }
    }
}

#[tokio::test]
async fn an_hour_has_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let sink = open(folder.path(), "").unwrap();
    // Mixed, as sensors whose clocks differ mix them; one is before 1970.
    let times = [
        1_764_547_199,
        1_764_547_200,
        1_764_550_799,
        1_764_547_199,
        1_764_633_600,
    ];
    write(&*sink, &packets(times)).await;
    // Nothing is seen before it is complete.
    assert!(records(folder.path()).is_empty());
    sink.close().await.unwrap();
    nothing_is_hidden(folder.path());
    let names: Vec<_> = files(folder.path())
        .iter()
        .map(|path| {
            let hour = path.parent().unwrap().strip_prefix(folder.path());
            hour.unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(
        names,
        [
            "date=2025-11-30/hour=23",
            "date=2025-12-01/hour=00",
            "date=2025-12-02/hour=00"
        ]
    );
    assert_eq!(records(folder.path()), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn more_hours_than_are_open_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let sink = open(folder.path(), "").unwrap();
    // Each hour comes again and again.
    for round in 0..4 {
        let times = (0..50).map(|hour| 1_764_547_200 + hour * 3_600 + round);
        write(&*sink, &packets(times)).await;
    }
    sink.close().await.unwrap();
    nothing_is_hidden(folder.path());
    let all = records(folder.path());
    assert_eq!(all.len(), 200);
}

#[tokio::test]
async fn files_are_turned_by_their_size() {
    let folder = tempfile::tempdir().unwrap();
    let sink = open(folder.path(), "?rotate_size=20K").unwrap();
    for n in 0..10 {
        write(
            &*sink,
            &packets((0..2_000).map(|i| 1_764_547_200 + n * 100 + i % 90)),
        )
        .await;
    }
    // Some are complete while it is written.
    assert!(!records(folder.path()).is_empty());
    sink.close().await.unwrap();
    nothing_is_hidden(folder.path());
    assert_eq!(records(folder.path()).len(), 20_000);
    assert!(files(folder.path()).len() > 2);
}

/// What a run leaves that is killed: a spool and unfinished files, which nobody holds.
fn killed(of: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files(of) {
        let name = file.strip_prefix(of).unwrap();
        let copy = folder.path().join(name);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&file, copy).unwrap();
    }
    folder
}

fn spool(folder: &Path) -> PathBuf {
    let mut files = files(folder).into_iter();
    let is = |path: &PathBuf| path.extension().is_some_and(|end| end == "spool");
    files.find(is).expect("there is a spool")
}

#[tokio::test]
async fn what_a_killed_run_has_left_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let sink = open(folder.path(), "").unwrap();
    let mut lengths = vec![fs::metadata(spool(folder.path())).unwrap().len()];
    for n in 0..5_u64 {
        write(&*sink, &packets([1_764_547_200 + n * 3_600])).await;
        lengths.push(fs::metadata(spool(folder.path())).unwrap().len());
    }
    // Killed anywhere in the last two messages, or in the schema.
    let whole = fs::read(spool(folder.path())).unwrap();
    let cuts = (lengths[3]..=lengths[5])
        .step_by(7)
        .chain([0, 10, lengths[0], lengths[5]]);
    for cut in cuts {
        let left = killed(folder.path());
        fs::write(spool(left.path()), &whole[..cut as usize]).unwrap();
        let sink = open(left.path(), "").unwrap();
        sink.close().await.unwrap();
        nothing_is_hidden(left.path());
        let rows = lengths
            .iter()
            .skip(1)
            .filter(|length| **length <= cut)
            .count();
        // Each write was a text of its own.
        assert_eq!(records(left.path()), vec![1; rows], "cut at {cut}");
    }
    sink.close().await.unwrap();
}

#[tokio::test]
async fn a_run_that_was_killed_while_it_gave_names() {
    let folder = tempfile::tempdir().unwrap();
    let sink = open(folder.path(), "").unwrap();
    let times = (0..40).map(|hour| 1_764_547_200 + hour % 20 * 3_600 + hour);
    write(&*sink, &packets(times)).await;
    let before = killed(folder.path());
    sink.close().await.unwrap();
    let all = files(folder.path());
    assert!(all.len() >= 20);
    // Any number of files has its name, and the spool is still there.
    for named in 0..=all.len() {
        let left = killed(before.path());
        for file in &all[..named] {
            let copy = left.path().join(file.strip_prefix(folder.path()).unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(file, copy).unwrap();
        }
        open(left.path(), "").unwrap().close().await.unwrap();
        nothing_is_hidden(left.path());
        assert_eq!(
            records(left.path()),
            (1..=40).collect::<Vec<_>>(),
            "{named} named"
        );
    }
}

#[tokio::test]
async fn several_write_to_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), "").unwrap();
    write(&*first, &packets([1_764_547_200])).await;
    // The spool of one that lives is left alone.
    let second = open(folder.path(), "").unwrap();
    write(&*second, &packets([1_764_547_201, 1_764_547_202])).await;
    second.close().await.unwrap();
    write(&*first, &packets([1_764_547_203])).await;
    first.close().await.unwrap();
    nothing_is_hidden(folder.path());
    assert_eq!(records(folder.path()), [1, 1, 1, 2]);
}

#[tokio::test]
async fn files_that_were_damaged_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let sink = open(folder.path(), "").unwrap();
    write(&*sink, &packets([1_764_547_200, 1_764_547_201])).await;
    // Somebody cleans up: the folder goes, with what was begun in it.
    let hold = spool(folder.path());
    for file in files(folder.path()) {
        if file != hold {
            fs::remove_file(file).unwrap();
        }
    }
    write(&*sink, &packets([1_764_547_202])).await;
    sink.close().await.unwrap();
    nothing_is_hidden(folder.path());
    assert_eq!(records(folder.path()).len(), 3);
}

#[tokio::test]
async fn nothing_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sink = open(&folder.path().join("deep/er"), "").unwrap();
    sink.close().await.unwrap();
    assert!(files(folder.path()).is_empty());
}

#[test]
fn wrong_urls() {
    let wrong = |url: &str| url.parse::<SinkUrl>().unwrap_err().to_string();
    assert!(wrong("parquet:").contains("a directory"));
    assert!(wrong("parquet:-").contains("a directory"));
    assert!(wrong("parquet:x?spool=1K").contains("at least 1M"));
    assert!(wrong("parquet:x?rotate=daily").contains("a time such as 1h"));
    assert!(wrong("packets.parquet").contains("parquet:"));
}
