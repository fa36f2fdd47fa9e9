//! What holds for any bytes that are shown on a terminal.

use std::sync::LazyLock;

use dumpstream::framing::Batches;
use dumpstream::{Namespace, Packets, Parser};
use dumpstream_flow::{SinkContext, SinkUrl};
use given::harmless;

#[path = "../../../src/visible.rs"]
#[allow(dead_code, reason = "a part of the command line, which has no library")]
mod visible;

/// A case in which a file is written must not be longer.
const SHORT: usize = 2 << 10;

/// Nothing that is printed acts on a terminal: JSON Lines, lines of text, what explains a record.
pub(crate) fn terminal(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let line = visible::line(&text);
    assert!(!line.contains('\n'));
    harmless(&line);
    harmless(&visible::lines(&text));
    let json = serde_json::to_string(&text).expect("text is JSON");
    let shown = visible::json(&json);
    harmless(&shown);
    assert_eq!(
        serde_json::from_str::<String>(&shown).expect("it stays JSON"),
        text
    );
    let data = &data[..data.len().min(SHORT)];
    for batch in Batches::new(data) {
        let mut packets = PARSER.parse(batch.expect("a slice can be read"));
        dumpstream::Origin::new(text.chars().take(20).collect::<String>()).place(&mut packets);
        // An explanation compiles every pattern in pieces: too slow for each case.
        if data.iter().fold(0, |sum, b| b.wrapping_add(sum)) < 16 {
            let told = packets.iter().next().map(|packet| packet.explain());
            let told = serde_json::to_string(&told).expect("it is JSON");
            harmless(&visible::json(&told));
        }
        harmless(&written(packets));
    }
}

/// What the sink that prints JSON Lines writes.
fn written(packets: Packets) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let url: SinkUrl = format!("jsonl:{}", file.path().display())
        .parse()
        .expect("a URL");
    let context = SinkContext {
        rows: Default::default(),
        columns: packets.columns().into(),
        namespace: "tcpdump".to_owned(),
        hash: 0,
        version: "0",
        identity: true,
        raw: true,
        replace: false,
        amend: false,
        rejects: Default::default(),
        hangup: Default::default(),
    };
    RUNTIME.block_on(async {
        let sink = url.open(&context).expect("it can be written");
        let written = sink
            .write(std::slice::from_ref(&packets))
            .await
            .expect("it is written");
        assert_eq!(written.delivered, packets.len() as u64);
        sink.close().await.expect("it is closed");
    });
    let lines = std::fs::read_to_string(file.path()).expect("it is UTF-8");
    assert_eq!(lines.lines().count(), packets.len());
    for line in lines.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
    }
    lines
}

static PARSER: LazyLock<Parser> = LazyLock::new(|| {
    Parser::new(Namespace::tcpdump().keep_payload())
        .expect("it is valid")
        .keep_info()
});

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime")
});
