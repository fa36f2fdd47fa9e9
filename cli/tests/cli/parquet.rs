//! Parquet files of the program, also when it is killed.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use given::Random;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::program::{Running, dumpstream, ran, records};

/// How often the program is killed; `KILLS` sets it.
fn kills() -> usize {
    given::amount("KILLS", 20)
}

/// The ordinals of a sensor's rows in all files under a final name, each of which must be whole.
fn ordinals(folder: &Path, sensor: &str) -> Vec<i64> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            found.extend(ordinals(&path, sensor));
        } else if !name.starts_with('.') {
            let file = File::open(&path).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            for batch in reader.build().unwrap() {
                let batch = batch.unwrap();
                let column = |name: &str| batch.column_by_name(name).unwrap().clone();
                let (sensors, records) = (column("sensor"), column("record"));
                let sensors = sensors.as_string::<i32>();
                let records = records.as_primitive::<Int64Type>();
                let rows = (0..batch.num_rows()).filter(|row| sensors.value(*row) == sensor);
                found.extend(rows.map(|row| records.value(row)));
            }
        }
    }
    found
}

#[test]
fn a_run_that_is_killed_is_completed_by_the_next_one() {
    const ROWS: usize = 60_000;
    let mut random = Random(7);
    let mut partial = 0;
    for _ in 0..kills() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), records(ROWS)).unwrap();
        fs::write(folder.path().join("b.txt"), records(3)).unwrap();
        let into = "parquet:out?rotate_size=60K";
        let running = Running::new(dumpstream(folder.path(), &["parse", "a.txt", "-o", into]));
        thread::sleep(Duration::from_millis(random.below(400_u64)));
        running.signal("KILL");
        drop(running);
        let out = folder.path().join("out");
        // What has its name is whole, and no row is there twice.
        let seen = ordinals(&out, "a.txt");
        ran(folder.path(), &["-q", "parse", "b.txt", "-o", into]).quiet();
        let mut all = ordinals(&out, "a.txt");
        all.sort_unstable();
        // Rows are written in their order, so that those before any row are there.
        assert!(
            all.iter().copied().eq(1..=all.len() as i64),
            "{} rows",
            all.len()
        );
        assert!(all.len() >= seen.len());
        assert_eq!(ordinals(&out, "b.txt").len(), 3);
        partial += usize::from(all.len() > seen.len());
    }
    assert!(
        partial > 0,
        "no run was killed before its files were complete"
    );
}
