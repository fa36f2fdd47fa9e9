//! The recorded texts of `samples/`: one walk over the tree, for every test and bench.

use std::fs;
use std::path::{Path, PathBuf};

/// A text that tcpdump printed: `samples/TCPDUMP/THEME/FLAGS.txt`.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Where it is.
    pub path: PathBuf,
    /// Where it is below `samples/`, without its extension: `4.99.3/http/v-e`.
    pub name: String,
    /// The version of tcpdump that printed it.
    pub tcpdump: String,
    /// What kind of traffic it shows.
    pub theme: String,
    /// The options it was printed with, besides `-nn`: `v`, `e`, `tttt`, `number`, …
    pub flags: Vec<String>,
    /// Its bytes.
    pub text: Vec<u8>,
}

impl Sample {
    fn read(path: PathBuf) -> Sample {
        let below = path.strip_prefix(root()).expect("it is in the tree");
        let below = below.with_extension("");
        let parts: Vec<_> = below.iter().map(|p| p.to_str().expect("ASCII")).collect();
        let [tcpdump, theme, flags] = parts[..] else {
            panic!("{} is not TCPDUMP/THEME/FLAGS.txt", path.display());
        };
        let flags = flags.split('-').filter(|flag| *flag != "nn");
        Sample {
            name: parts.join("/"),
            tcpdump: tcpdump.to_owned(),
            theme: theme.to_owned(),
            flags: flags.map(str::to_owned).collect(),
            text: fs::read(&path).expect("a sample"),
            path,
        }
    }

    /// Whether it was printed with this option.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }

    /// Whether it was printed with `-A`, whose lines can forge records: text that is refused.
    pub fn is_ascii(&self) -> bool {
        self.has("A")
    }

    /// Whether tcpdump's own messages stand among the records.
    pub fn has_messages(&self) -> bool {
        self.theme.starts_with("stderr")
    }

    /// The file of its golden output: a line of JSON for each record.
    pub fn golden(&self) -> PathBuf {
        self.path.with_extension("jsonl")
    }
}

/// The folder of the whole project.
pub fn project() -> &'static Path {
    let given = Path::new(env!("CARGO_MANIFEST_DIR"));
    given.parent().expect("it is a folder of the project")
}

/// The folder `samples/`.
pub fn root() -> PathBuf {
    project().join("samples")
}

/// A file below `samples/`, which must exist.
pub fn sample(name: &str) -> PathBuf {
    let path = root().join(name);
    assert!(path.is_file(), "no {}", path.display());
    path
}

/// The bytes of a file below `samples/`.
pub fn text(name: &str) -> Vec<u8> {
    fs::read(sample(name)).expect("a sample can be read")
}

/// Every text, in the order of their names.
pub fn samples() -> Vec<Sample> {
    let mut paths = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("samples/ can be read") {
            let path = entry.expect("a folder's entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "txt") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    assert!(paths.len() > 200, "only {} samples", paths.len());
    paths.into_iter().map(Sample::read).collect()
}
