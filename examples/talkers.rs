//! Who sends most: `tcpdump -nn -c 1000 | cargo run --example talkers`

fn main() -> Result<(), dumpstream::ReadError> {
    let mut talkers = std::collections::HashMap::new();
    for packets in dumpstream::Reader::new(std::io::stdin()) {
        for source in packets?.iter().filter_map(|packet| packet.get("source")) {
            *talkers.entry(source.to_string()).or_insert(0) += 1;
        }
    }
    let mut talkers: Vec<_> = talkers.into_iter().collect();
    talkers.sort_by_key(|(_, packets)| std::cmp::Reverse(*packets));
    for (source, packets) in talkers.iter().take(10) {
        println!("{packets:>8} {source}");
    }
    Ok(())
}
