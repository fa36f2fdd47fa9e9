//! The recorded texts of `samples/`.

use std::path::PathBuf;

/// Every one of them, by name: its path and its bytes.
pub(crate) fn samples() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
    let mut samples: Vec<_> = std::fs::read_dir(folder)
        .expect("samples/ is there")
        .map(|entry| entry.expect("a folder's entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .map(|path| (path.clone(), std::fs::read(path).expect("a sample")))
        .collect();
    samples.sort();
    assert!(samples.len() > 100, "only {} samples", samples.len());
    samples
}
