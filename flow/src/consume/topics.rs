//! The URL of topics to read: `kafka://HOST[,HOST]/TOPIC[,TOPIC]?group=NAME&from=…`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use crate::kafka::cluster::{self, Cluster, SECRETS, is_topic};
use crate::sink::SinkError;
use crate::sink::parts::UrlParts;
use crate::{amount, clock};

/// How the URL is written.
const FORM: &str = "kafka://HOST[,HOST]/TOPIC[,TOPIC]";

/// The consumer group without `group=`.
const GROUP: &str = "dumpstream";

/// Topics to read, and the group that reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    pub(super) cluster: Cluster,
    pub(super) names: Vec<String>,
    pub(super) group: String,
    /// The name of this member of the group, if it is to keep its partitions when it is restarted.
    pub(super) instance: Option<String>,
    pub(super) from: From,
}

/// Where a group begins to read a partition of which it has committed nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum From {
    #[default]
    Earliest,
    Latest,
    /// The first message that is not older, in milliseconds since 1970 UTC.
    Time(i64),
}

impl Topics {
    /// Whether one of them is this topic of a cluster with one of these brokers, `HOST:PORT` each.
    pub fn has(&self, brokers: &[String], topic: &str) -> bool {
        let ours = |broker| self.cluster.brokers.contains(broker);
        self.names.iter().any(|name| name == topic) && brokers.iter().any(ours)
    }

    fn read(text: &str) -> Result<Topics, SinkError> {
        let mut known = cluster::PARAMETERS.to_vec();
        known.extend(["group=NAME", "from=earliest|latest|TIME", "instance=NAME"]);
        let url = UrlParts::read(text, &known, Some(SECRETS))?;
        if url.on_full().is_some() {
            return Err(url.malformed("on_full belongs to an output (-o)"));
        }
        let (cluster, topics) = match text.starts_with("kafka:") {
            true => Cluster::of(&url, FORM)?,
            false => return Err(url.malformed(format!("write {FORM}"))),
        };
        let names: Vec<String> = topics.split(',').map(str::to_owned).collect();
        if let Some(wrong) = names.iter().find(|name| !is_topic(name)) {
            return Err(url.malformed(format!(
                "`{wrong}` is not a topic: use letters, digits, `.`, `_` and `-`"
            )));
        }
        if (1..names.len()).any(|i| names[..i].contains(&names[i])) {
            return Err(url.malformed("a topic is given twice"));
        }
        let group = |name: &str| (!name.trim().is_empty()).then(|| name.to_owned());
        let times = "earliest, latest, an instant (2026-11-30T12:00:00Z) or a time ago (2h)";
        Ok(Topics {
            cluster,
            names,
            group: url
                .value("group", "a name", group)?
                .unwrap_or_else(|| GROUP.to_owned()),
            instance: url.value("instance", "a name", group)?,
            from: url.value("from", times, from)?.unwrap_or_default(),
        })
    }
}

fn from(text: &str) -> Option<From> {
    match text {
        "earliest" => Some(From::Earliest),
        "latest" => Some(From::Latest),
        _ => match text.parse::<Timestamp>() {
            Ok(instant) => Some(From::Time(instant.as_millisecond())),
            Err(_) => {
                let ago: Duration = amount::duration(text).ok()?;
                let ago = i64::try_from(ago.as_millis()).ok()?;
                Some(From::Time(clock::now() / 1_000_000 - ago))
            }
        },
    }
}

impl FromStr for Topics {
    type Err = String;

    /// Parses the URL; nothing is connected.
    fn from_str(text: &str) -> Result<Topics, String> {
        let read = Topics::read(text);
        // The errors are those of all URLs, which are mostly of sinks.
        read.map_err(|e| e.to_string().trim_start_matches("sink ").to_owned())
    }
}

impl fmt::Display for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kafka://{}/{}",
            self.cluster.brokers.join(","),
            self.names.join(",")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Topics, String> {
        text.parse()
    }

    #[test]
    fn topics_groups_and_beginnings() {
        let topics = read("kafka://a,b:9/x,y").unwrap();
        assert_eq!(topics.names, ["x", "y"]);
        assert_eq!(
            (topics.group.as_str(), topics.from),
            ("dumpstream", From::Earliest)
        );
        assert_eq!(topics.to_string(), "kafka://a:9,b:9/x,y");
        let topics = read("kafka://a/x?group=g&from=2026-11-30T12:00:00Z").unwrap();
        assert_eq!(topics.group, "g");
        assert_eq!(topics.from, From::Time(1_796_040_000_000));
        assert!(matches!(
            read("kafka://a/x?from=2h").unwrap().from,
            From::Time(_)
        ));
        assert_eq!(read("kafka://a/x?from=latest").unwrap().from, From::Latest);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (wrong, what) in [
            ("kafka://a/", "is not a topic"),
            ("kafka://a/x,,y", "is not a topic"),
            ("kafka://a/x,x", "given twice"),
            ("kafka://a", "write kafka://"),
            ("http://a/x", "write kafka://"),
            ("kafka://a/x?group=", "a name"),
            ("kafka://a/x?from=then", "earliest, latest"),
            ("kafka://a/x?on_full=drop", "output"),
            ("kafka://a/x?colour=1", "unknown parameter"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(what), "{wrong}: {error}");
        }
    }
}
