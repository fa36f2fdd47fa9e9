//! The fuzz targets of the core under plain `cargo test`: some seconds of seeded cases for each;
//! `CASES` sets how many. Under a fuzzer, with the samples as its corpus, for as long as one likes:
//!
//! ```text
//! cargo +nightly fuzz run framer fuzz/corpus/framer samples -- -max_len=4096 -max_total_time=3600
//! ```

#[path = "fuzz/cases.rs"]
mod cases;

#[test]
fn framer() {
    given::cases(cases::framer, 2_000, 3000, &[]);
}

#[test]
fn grammar() {
    given::cases(cases::grammar, 4_000, 1500, &[]);
}

#[test]
fn slot_against_regex() {
    given::cases(cases::slot_against_regex, 3_000, 1500, &[]);
}

#[test]
fn namespace() {
    let own: [&[u8]; 4] = [
        br#"[{"name": "ttl", "regex": "ttl (\\d+)"}, {"name": "x", "regex": "(\\S+) > "}]"#,
        br#"[{"name": "ttl", "regex": "ttl (\d+)"}]"#,
        br#"{"namespace": "n", "fields": [{"name": "ttl", "in": "network", "regex": "ttl (\\d+)", "type": "int", "doc": "d"}]}"#,
        dumpstream::BUILT_IN.as_bytes(),
    ];
    given::cases(cases::namespace, 4_000, 700, &own);
}
