//! `samples/MANIFEST.tsv` lists what is in `samples/`, and says of each file what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use given::{root, samples};

const HEADER: [&str; 6] = ["file", "packets", "tcpdump", "options", "made by", "shows"];

/// The lines of a table without its header, each cut into its cells.
fn table<const N: usize>(path: &str, header: [&str; N]) -> Vec<[String; N]> {
    let text = fs::read_to_string(root().join(path)).expect(path);
    let mut lines = text.lines().map(|line| {
        let cells: Vec<_> = line.split('\t').map(str::to_owned).collect();
        <[String; N]>::try_from(cells).unwrap_or_else(|cells| panic!("{path}: {cells:?}"))
    });
    assert_eq!(lines.next().expect(path), header, "{path}");
    lines.collect()
}

/// Every file of a folder and those below it, by its path below `samples/`.
fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a folder's entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            let below = path.strip_prefix(root()).expect("it is below");
            found.push(below.to_str().expect("ASCII").to_owned());
        }
    }
}

/// The options of tcpdump that the name of a file stands for; those of every capture are left out.
fn flags(options: &str) -> Vec<String> {
    let mut words = options.split(' ');
    let mut flags = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "-nn" | "-l" => {}
            "-c" | "-i" | "-r" => drop(words.next()),
            "-#" => flags.push("number".to_owned()),
            _ => match word.strip_prefix('-') {
                Some(flag) => flags.push(flag.trim_start_matches('-').to_owned()),
                // A filter, or how it was run: the end of the options.
                None => break,
            },
        }
    }
    flags
}

#[test]
fn the_manifest_lists_every_sample() {
    let rows = table("MANIFEST.tsv", HEADER);
    let themes = table("tools/themes.tsv", ["theme", "made by", "shows"]);
    let themes: BTreeMap<_, _> = themes
        .into_iter()
        .map(|[t, by, shows]| (t, (by, shows)))
        .collect();

    let mut found = Vec::new();
    files(&root(), &mut found);
    found.retain(|file| {
        let other = [
            ".gitattributes",
            "README.md",
            "MANIFEST.tsv",
            "tools/",
            ".jsonl",
        ];
        !other
            .iter()
            .any(|o| file.starts_with(o) || file.ends_with(o))
    });
    let listed: Vec<_> = rows.iter().map(|[file, ..]| file.clone()).collect();
    assert!(listed.is_sorted_by(|a, b| a < b), "in the order of names");
    for file in &found {
        assert!(listed.contains(file), "{file} is not in MANIFEST.tsv");
    }
    for file in &listed {
        assert!(
            found.contains(file),
            "{file} of MANIFEST.tsv does not exist"
        );
    }

    for [file, _, tcpdump, options, by, shows] in &rows {
        let parts: Vec<_> = file.split('/').collect();
        let [version, theme, name] = parts[..] else {
            panic!("{file} is not TCPDUMP/THEME/FLAGS");
        };
        assert_eq!(version, tcpdump, "{file}");
        let about = (by.clone(), shows.clone());
        // A theme of another version's or system's is listed with it.
        let own = themes.get(&format!("{version}/{theme}"));
        let listed = own.or_else(|| themes.get(theme));
        assert_eq!(listed, Some(&about), "{file}: tools/themes.tsv");
        if name.ends_with(".pcap") {
            continue;
        }
        let (name, _) = name.split_once('.').expect("an extension");
        let mut named: Vec<_> = name.split('-').filter(|flag| *flag != "nn").collect();
        named.sort_unstable();
        let mut flags = flags(options);
        if !options.starts_with("-nn") {
            flags.push("names".to_owned());
        }
        flags.sort_unstable();
        assert_eq!(flags, named, "{file}");
    }
}

/// As many records as tcpdump counted packets.
#[test]
fn every_packet_of_the_manifest_is_a_record() {
    let rows = table("MANIFEST.tsv", HEADER);
    let packets: BTreeMap<_, _> = rows.into_iter().map(|[file, n, ..]| (file, n)).collect();
    for sample in samples() {
        // Text of -A has records that packets forge.
        if sample.is_ascii() {
            continue;
        }
        let golden = fs::read_to_string(sample.golden()).expect("a golden output");
        let records = golden.lines().count().to_string();
        assert_eq!(
            packets[&format!("{}.txt", sample.name)],
            records,
            "{}",
            sample.name
        );
    }
}
