//! `dumpstream consume`: reads topics of a Kafka cluster.

use clap::Args;
use dumpstream_flow::consume::{self, ConsumeOptions, Lag, Topics};
use dumpstream_flow::heartbeat::Receiver;
use dumpstream_flow::{OnFull, SinkUrl};

use super::heartbeat::Beside;
use super::records::{Records, STORE};
use super::report::Network;
use super::{Exit, Manner, Usage, amount, runtime, say};

/// Read tcpdump's text from Kafka topics, and store its packets in packets.db (or -o URL)
///
///     sudo tcpdump -i any -nn -v -l 'not port 9092' \
///         | kafka-console-producer.sh --bootstrap-server k1:9092 --topic net
///     dumpstream consume kafka://k1/net
///
///     dumpstream consume 'kafka://k1,k2/net,dmz?group=store&from=2h' -o cassandra://db/net.packets
///     dumpstream consume 'kafka://k1/net?group=again' --until-end     # all of it, once
///
/// A message is a line of tcpdump's text, or the whole text of one or several packets, as
/// `-o 'kafka://…?format=text'` writes it. The messages of each key and partition are one text. Give
/// the messages of one tcpdump the same key, or use a topic with one partition: lines of one packet
/// that are in different partitions cannot be joined; this is reported and counted.
///
/// Offsets are committed after every output has stored the packets, never before. After a crash,
/// messages are read again, and add no rows: `stream` is TOPIC/PARTITION, and `record` follows from
/// the offset. A group without committed offsets begins at `from`: earliest (default), latest, an
/// instant (2026-11-30T12:00:00Z) or a time ago (2h). Start several processes with the same group
/// (default: dumpstream) to share the partitions; with `instance=NAME`, a process that is started again
/// at once keeps those that it had.
///
/// Ctrl-C or SIGTERM writes what was read, commits, prints the report and exits.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Consume {
    /// Topics to read: kafka://HOST[,HOST]/TOPIC[,TOPIC]?group=NAME&from=earliest|latest|TIME, and
    /// instance=NAME, credentials=FILE, sasl=MECHANISM, tls=CA.pem, tls_cert=FILE, tls_key=FILE.
    #[arg(value_name = "URL")]
    topics: Topics,
    /// End when the group has read and stored everything that is in the topics at the start. It waits
    /// for brokers that do not answer, topics that do not exist yet, and the group's other consumers.
    #[arg(long)]
    until_end: bool,
    /// Treat the last record as complete after this much silence.
    #[arg(long, value_name = "TIME", value_parser = amount::duration, default_value = "250ms")]
    flush_after: std::time::Duration,
    #[command(flatten)]
    heartbeat: Beside,
    #[command(flatten)]
    records: Records,
}

impl Consume {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.consume(manner))
    }

    async fn consume(self, manner: Manner) -> anyhow::Result<Exit> {
        self.records.of_messages()?;
        let topic = |url: &SinkUrl| url.place().rsplit('/').next().map(str::to_owned);
        let outputs = self.records.output.iter().chain(self.heartbeat.sinks());
        let mut written = outputs.filter(|url| {
            url.scheme() == "kafka"
                && topic(url).is_some_and(|topic| self.topics.has(url.servers(), &topic))
        });
        if let Some(url) = written.next() {
            let why = format!("{url} is also read, which would never end; write another topic");
            return Err(Usage::new(why).into());
        }
        let heartbeat = self.heartbeat.plan(&self.records)?;
        let parser = self.records.parser()?;
        let (origins, mut report) = self.records.open(parser, STORE, |station| {
            // Kafka keeps what is not read, so that nothing need be dropped.
            let station = station.identity(true).on_full(OnFull::Block);
            station.flush_after(self.flush_after)
        })?;
        let lag = Lag::default();
        report.lag = lag.clone();
        // It does not apply.
        report.replace = true;
        if let Some(heartbeat) = heartbeat {
            let receiver = Receiver::new(&report.station);
            report.heartbeat = Some(heartbeat.start(&report, receiver)?);
        }
        report.watch(manner)?;
        if !manner.quiet {
            say(&format!(
                "reading {}, writing to {}",
                self.topics,
                report.places()
            ));
        }
        let options = ConsumeOptions {
            sensor: origins.sensor.clone(),
            until_end: self.until_end,
            lag: lag.clone(),
        };
        let status = report.status(manner, Some(Network::Lag(lag)));
        let origin = move |sensor: &str| origins.live(sensor, None);
        let mut consumed = consume::consume(self.topics, options, &report.station, origin).await;
        let error = consumed.error.take();
        report.ended(&consumed, error, manner, status).await
    }
}

impl Records {
    /// Refuses what text that comes as messages cannot have: each message says its own.
    fn of_messages(&self) -> Result<(), Usage> {
        self.several("in a topic it is TOPIC/PARTITION")?;
        let refused = [
            (
                self.date.is_some(),
                "--date: stamps without a date get it from their messages",
            ),
            (
                self.replace,
                "--replace would delete rows whose messages are not read again",
            ),
        ];
        match refused.into_iter().find(|(given, _)| *given) {
            Some((_, why)) => Err(Usage::new(format!("{why}; omit it"))),
            None => Ok(()),
        }
    }
}
