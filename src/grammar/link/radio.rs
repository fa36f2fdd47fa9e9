//! What a radio says of a frame, and 802.11's own header: `print-802_11.c`.

/// Radiotap's items are words and figures, and 802.11's header is flags and addresses; then, with
/// `-e`, LLC's header follows, else the network's. What has a comma, a quote or a parenthesis before
/// that is another printer's, or a network's name.
///
/// - `1448501729us tsft -74dBm signal antenna 0 54.0 Mb/s … IP (tos …`
/// - `CF +QoS BSSID:02:00:00:00:00:01 SA:02:00:00:00:00:02 DA:02:00:00:00:00:03 LLC, dsap SNAP …`
pub(super) fn radio(i: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr3(b'(', b'"', b'\'', i).unwrap_or(i.len());
    let end = memchr::memchr(b',', &i[..end]).unwrap_or(end);
    // The comma of `LLC, ` and `ARP, `, and the parenthesis of `IP (`, stay.
    let text = &i[..end.saturating_add(2).min(i.len())];
    let words = [&b" LLC, "[..], b" IP ", b" IP6 ", b" ARP, "];
    let found = |word: &&[u8]| memchr::memmem::find(text, word);
    let at = words.iter().filter_map(found).min()?;
    let before = &i[..at];
    let units = [&b"us tsft"[..], b"dBm", b"dB", b"Mb/s", b"MHz", b"SA:"];
    let received = units
        .iter()
        .any(|unit| memchr::memmem::find(before, unit).is_some());
    let own = |b: &u8| b.is_ascii_alphanumeric() || b" :+-./".contains(b);
    (received && before.iter().all(own)).then(|| &i[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_spells_a_link_header_is_none() {
        let header = "LLC, dsap SNAP (0xaa) Individual, ssap SNAP (0xaa) Command, ctrl 0x03: \
                      oui Ethernet (0x000000), ethertype IPv4 (0x0800), length 44: ";
        for (before, taken) in [
            (
                "BSSID:02:00:00:00:00:01 SA:02:00:00:00:00:02 DA:02:00:00:00:00:03 ",
                true,
            ),
            ("54.0 Mb/s 2437 MHz 11g -74dBm signal ", true),
            ("LLDP, length 212: SA: ", false),
            ("CDPv2, ttl: 180s, Device-ID 'SA: ", false),
            ("PPPoE PADI [Service-Name \"SA: ", false),
            ("54.0 Mb/s Beacon (SA: ", false),
        ] {
            let line = format!("{before}{header}6.6.6.6.666 > 7.7.7.7.22: Flags [S]");
            assert_eq!(radio(line.as_bytes()).is_some(), taken, "{line}");
        }
    }
}
