//! What the other tests stand on: brokers that answer, and Kafka's own programs.

use std::collections::BTreeSet;

use crate::broker::cluster;

pub(crate) fn lines_of_the_console() {
    let cluster = cluster(1);
    let topic = cluster.topic(1);
    let lines = ["one", "two  ", "käse\u{1b}"];
    cluster.console_producer(&topic, &[], lines.join("\n").as_bytes());
    let read = cluster.read(&topic);
    let values: Vec<_> = read.iter().map(|message| &*message.value).collect();
    assert_eq!(values, lines.map(str::as_bytes));
    let shown = cluster.console_consumer(&topic, 3, &[]);
    assert_eq!(shown.lines().collect::<Vec<_>>(), lines);
}

pub(crate) fn three_brokers() {
    let cluster = cluster(3);
    let topic = cluster.topic(6);
    let leaders: BTreeSet<_> = cluster.leaders(&topic).into_iter().collect();
    assert_eq!(leaders, BTreeSet::from([1, 2, 3]));
    cluster.kill(2);
    // Its own patience, 1.5 s, is less than a new leader takes.
    let patient = ["--request-timeout-ms", "30000"];
    cluster.console_producer(&topic, &patient, b"while one is down\n");
    cluster.start(2);
    assert_eq!(cluster.read(&topic).len(), 1);
}
