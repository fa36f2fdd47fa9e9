//! Records made to measure: packets as `tcpdump -nn -v` prints them, in two lines.

use std::fmt::Display;

/// A UDP datagram of a protocol that tcpdump does not know, with `payload` bytes of data.
pub fn udp(
    stamp: impl Display,
    id: usize,
    source: impl Display,
    destination: impl Display,
    payload: usize,
) -> String {
    let (id, length) = (id % 65_536, 28 + payload);
    format!(
        "{stamp} IP (tos 0x0, ttl 64, id {id}, offset 0, flags [DF], proto UDP (17), length \
         {length})\n    {source} > {destination}: UDP, length {payload}\n"
    )
}

/// A TCP segment: `printed` is what stands between the endpoints and the length, `options` how many
/// bytes of TCP options there are, `payload` how many of data.
pub fn tcp(
    stamp: impl Display,
    id: usize,
    [source, destination]: [&str; 2],
    printed: impl Display,
    options: usize,
    payload: usize,
) -> String {
    let (id, length) = (id % 65_536, 40 + options + payload);
    format!(
        "{stamp} IP (tos 0x0, ttl 64, id {id}, offset 0, flags [DF], proto TCP (6), length \
         {length})\n    {source} > {destination}: {printed}, length {payload}\n"
    )
}
