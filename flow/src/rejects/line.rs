//! The line of a rejected record.

use dumpstream::Packet;
use dumpstream::spell::Text;

pub(super) fn line(text: &mut Text, packet: Packet<'_>, refused: Option<&(String, String)>) {
    let string = |text: &mut Text, key: &str, value: &str| {
        text.out.extend_from_slice(key.as_bytes());
        text.json(value.as_bytes());
    };
    match refused {
        None => text.out.extend_from_slice(b"{\"reason\":\"unparsed\""),
        Some((sink, detail)) => {
            text.out.extend_from_slice(b"{\"reason\":\"refused\"");
            string(text, ",\"sink\":", sink);
            string(text, ",\"detail\":", detail);
        }
    }
    string(text, ",\"sensor\":", packet.sensor());
    string(text, ",\"stream\":", packet.stream());
    text.out.extend_from_slice(b",\"record\":");
    // Ordinals and offsets count what was read, so they never come near 2⁶³.
    text.int(packet.record() as i64);
    if let Some(offset) = packet.offset() {
        text.out.extend_from_slice(b",\"offset\":");
        text.int(offset as i64);
    }
    text.out.extend_from_slice(b",\"time\":\"");
    text.timestamp(packet.time());
    text.out.push(b'"');
    string(text, ",\"time_source\":", packet.time_source().name());
    if let Some(content) = packet.content() {
        let content = format!("{content:016x}");
        string(text, ",\"content\":", &content);
    }
    if packet.truncated() {
        text.out.extend_from_slice(b",\"truncated\":true");
    }
    match str::from_utf8(packet.raw()) {
        Ok(raw) => string(text, ",\"raw\":", raw),
        Err(_) => {
            let raw: String = packet.raw().iter().map(|b| char::from(*b)).collect();
            string(text, ",\"raw_latin1\":", &raw);
        }
    }
    text.out.extend_from_slice(b"}\n");
}
