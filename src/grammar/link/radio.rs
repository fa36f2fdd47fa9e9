//! What a radio says of a frame, and 802.11's own header: `print-802_11.c`.

use super::format::scan;
use super::station::station;

/// Radiotap's items, and 802.11's header. Each ends in a blank, and each is read whole: behind them
/// stands the frame, which the sender may spell.
const ITEMS: &[&[u8]] = &[
    b"%uus tsft ",
    b"%uus ",
    b"cfp ",
    b"short preamble ",
    b"wep ",
    b"fragmented ",
    b"bad-fcs ",
    b"datapad ",
    b"%u.%u Mb/s ",
    b"MCS %u ",
    b"%u MHz ",
    b"%uL MHz ",
    b"%uU MHz ",
    b"FHSS ",
    b"%u%s MHz ",
    b"fhset %u fhpat %u ",
    b"-%udBm signal ",
    b"%udBm signal ",
    b"-%udBm noise ",
    b"%udBm noise ",
    b"%u sq ",
    b"-%u tx power ",
    b"%u tx power ",
    b"-%udB tx attenuation ",
    b"%udB tx attenuation ",
    b"-%udBm tx power ",
    b"%udBm tx power ",
    b"antenna %u ",
    b"%udB signal ",
    b"%udB noise ",
    b"rx flags 0x%x ",
    b"tx flags 0x%x ",
    b"short GI ",
    b"long GI ",
    b"mixed ",
    b"greenfield ",
    b"LDPC FEC ",
    b"BCC FEC ",
    b"RX-STBC%u ",
    b"[bit %u] ",
    b"More Data ",
    b"More Fragments ",
    b"Pwr Mgmt ",
    b"Retry ",
    b"Strictly Ordered ",
    b"Order ",
    b"Protected ",
    b"WEP Encrypted ",
    b"CF Ack/Poll+QoS ",
    b"CF Ack/Poll ",
    b"CF Ack+QoS ",
    b"CF Ack ",
    b"CF Poll+QoS ",
    b"CF Poll ",
    b"CF +QoS ",
    b"MeshData (AE %u TTL %u seq %u) ",
];

/// What names an address in 802.11's header.
const ADDRESSES: [&[u8]; 5] = [b"BSSID:", b"DA:", b"SA:", b"RA:", b"TA:"];

/// A frame that carries no packet.
const FRAMES: &[&[u8]] = &[
    b"Assoc Request",
    b"Assoc Response",
    b"ReAssoc Request",
    b"ReAssoc Response",
    b"Probe Request",
    b"Probe Response",
    b"Beacon",
    b"ATIM",
    b"Disassociation",
    b"Authentication",
    b"DeAuthentication",
    b"Action",
    b"Control Wrapper",
    b"BAR",
    b"BA",
    b"Power Save-Poll",
    b"Request-To-Send",
    b"Clear-To-Send",
    b"Acknowledgment",
    b"CF-End+CF-Ack",
    b"CF-End",
    b"Data IV:",
    b"Unhandled Management subtype(",
    b"Unknown Ctrl Subtype",
];

/// What follows radiotap's items and 802.11's header, if any stand here.
fn items(i: &[u8]) -> Option<&[u8]> {
    let mut rest = i;
    while let Some(after) = item(rest) {
        rest = after;
    }
    (rest.len() < i.len()).then_some(rest)
}

fn item(i: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = ADDRESSES.iter().find_map(|name| i.strip_prefix(*name)) {
        return station(rest)?.strip_prefix(b" ");
    }
    // `"11%s "`: `11a`, `11b`, `11g`, `11a/Turbo`, `11g/40+`, …
    if let Some(kind) = i.strip_prefix(b"11") {
        let own = |b: &u8| b.is_ascii_alphanumeric() || b"/+-".contains(b);
        let len = kind.iter().take(16).take_while(|b| own(b)).count();
        if len > 0 && kind[0].is_ascii_lowercase() {
            return kind[len..].strip_prefix(b" ");
        }
    }
    ITEMS.iter().find_map(|format| Some(scan(format, i)?.0))
}

/// What a radio says, and then, with `-e`, LLC's header, else the network's.
///
/// - `1448501729us tsft -74dBm signal antenna 0 54.0 Mb/s … IP (tos …`
/// - `44us CF +QoS IP (tos …`, up to 4.7.4
/// - `CF +QoS BSSID:02:00:00:00:00:01 SA:02:00:00:00:00:02 DA:02:00:00:00:00:03 LLC, dsap SNAP …`
pub(super) fn radio(i: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = items(i) {
        let words = [&b"LLC, "[..], b"IP ", b"IP6 ", b"ARP, "];
        if words.iter().any(|word| rest.starts_with(word)) {
            return Some(rest);
        }
    }
    unknown_items(i)
}

/// Items are words and figures. What has a comma, a quote or a parenthesis before the packet is
/// another printer's, or a network's name.
fn unknown_items(i: &[u8]) -> Option<&[u8]> {
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

/// Whether a frame stands here that carries no packet: its printer's words, behind what a radio says.
///
/// - `54.0 Mb/s 2437 MHz 11g -74dBm signal antenna 0 Beacon (name) [1.0* 2.0* Mbit] ESS CH: 6`
/// - `Acknowledgment RA:02:00:00:00:00:01`
pub(super) fn frame(i: &[u8]) -> bool {
    let rest = items(i);
    let frame = rest.unwrap_or(i);
    // A frame without data ends behind its header.
    rest.is_some_and(<[u8]>::is_empty)
        || FRAMES.iter().any(|word| {
            frame.strip_prefix(*word).is_some_and(|after| {
                word.ends_with(b":")
                    || word.ends_with(b"(")
                    || matches!(after, [] | [b' ' | b':', ..])
            })
        })
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
            (
                "BSSID:02:00:00:00:00:01 (oui Unknown) SA:gw DA:Broadcast ",
                true,
            ),
            ("54.0 Mb/s 2437 MHz 11g -74dBm signal ", true),
            ("44us CF +QoS ", true),
            ("[bit 20] 44us CF +QoS ", true),
            ("LLDP, length 212: SA: ", false),
            ("CDPv2, ttl: 180s, Device-ID 'SA: ", false),
            ("PPPoE PADI [Service-Name \"SA: ", false),
            ("54.0 Mb/s Beacon (SA: ", false),
        ] {
            let line = format!("{before}{header}6.6.6.6.666 > 7.7.7.7.22: Flags [S]");
            assert_eq!(radio(line.as_bytes()).is_some(), taken, "{line}");
        }
    }

    #[test]
    fn frames_without_a_packet() {
        for (line, wanted) in [
            ("Beacon (a IP b) [1.0* 2.0* Mbit] ESS CH: 6", true),
            (
                "54.0 Mb/s 2437 MHz 11g -74dBm signal antenna 0 Beacon (x) ESS",
                true,
            ),
            (
                "BSSID:02:00:00:00:00:01 DA:Broadcast SA:02:00:00:00:00:01 Probe Request () [1.0 Mbit]",
                true,
            ),
            ("Acknowledgment RA:02:00:00:00:00:01", true),
            ("1.0 Mb/s 2412 MHz 11b -50dBm signal ", true),
            ("Data IV:aaa Pad 20 KeyID 0", true),
            ("Beacons are many", false),
            ("BARE words", false),
            ("FOOBAR", false),
            ("", false),
        ] {
            assert_eq!(frame(line.as_bytes()), wanted, "{line}");
        }
    }
}
