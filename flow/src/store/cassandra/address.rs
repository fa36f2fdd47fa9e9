//! What a `cassandra://` URL says: the cluster, the table, and how it is written.

use std::path::PathBuf;
use std::time::Duration;

use scylla::client::Compression;
use scylla::statement::Consistency;

use super::name::identifier;
use super::replication::Replication;
use crate::amount;
use crate::credentials::{self, Variables};
use crate::servers::servers;
use crate::sink::SinkError;
use crate::sink::context::RowKind;
use crate::sink::parts::UrlParts;

/// The variable of the user's name, if the URL does not name a file.
pub const USER_VARIABLE: &str = "DUMPSTREAM_CASSANDRA_USER";
/// The variable of the password, if the URL does not name a file.
pub const PASSWORD_VARIABLE: &str = "DUMPSTREAM_CASSANDRA_PASSWORD";

/// The port of CQL.
const PORT: u16 = 9042;

/// Default limit of batches in flight: half as many reach a node's full speed, and twice as many
/// only wait in its queue (`benches/cassandra.rs`).
pub(crate) const DEFAULT_IN_FLIGHT: u32 = 64;
/// The driver numbers 32,768 requests per connection; above this limit they would wait for a
/// number.
const LARGEST_IN_FLIGHT: u32 = 4096;

/// Default number of partitions per bucket of a sensor.
pub(crate) const DEFAULT_SHARDS: u16 = 4;
/// A report about a minute queries every shard; nobody would query more than this.
pub(crate) const LARGEST_SHARDS: u16 = 1024;

/// Default time span of a partition.
pub(crate) const DEFAULT_BUCKET: Duration = Duration::from_secs(60);
/// A partition of more than a day makes sense only for a sensor that sees nothing.
pub(crate) const LARGEST_BUCKET: Duration = Duration::from_secs(86_400);

/// Cassandra's own limit, 20 years.
const LARGEST_TTL: Duration = Duration::from_secs(20 * 365 * 86_400);

/// How a URL of a table is written.
pub(crate) const FORM: &str = "cassandra://HOST[,HOST]/KEYSPACE.TABLE";

/// The parameters of a `cassandra://` URL.
pub(crate) const PARAMETERS: &[&str] = &[
    "bucket=60s",
    "by_host=true|false",
    "compression=lz4|snappy|none",
    "consistency=local_quorum|…",
    "create=true|false",
    "credentials=FILE",
    "datacenter=NAME",
    "in_flight=64",
    "rejected=FILE",
    "replication=3|DC:3,…",
    "shards=4",
    "tls=CA.pem",
    "ttl=7d",
];

/// Where a name and a password belong.
pub(crate) const SECRETS: &str = "put both into DUMPSTREAM_CASSANDRA_USER and \
    DUMPSTREAM_CASSANDRA_PASSWORD, or into a file that only you can read and name it: \
    credentials=FILE";

/// A table of a cluster, as `cassandra://HOST[,HOST][:PORT]/KEYSPACE.TABLE[?PARAMETER=VALUE…]`
/// names it.
///
/// ```
/// use dumpstream_flow::cassandra::Address;
///
/// let address: Address = "cassandra://10.0.0.1,10.0.0.2/pk.packets?ttl=7d&shards=16".parse()?;
/// assert_eq!(address.keyspace(), "pk");
/// assert_eq!(address.table(), Some("packets"));
/// let error = "cassandra://me:secret@10.0.0.1/pk.packets".parse::<Address>().unwrap_err();
/// assert!(error.to_string().contains("DUMPSTREAM_CASSANDRA_PASSWORD"));
/// # Ok::<(), dumpstream_flow::SinkError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: String,
    /// `HOST:PORT` each.
    pub(crate) nodes: Vec<String>,
    pub(crate) keyspace: String,
    pub(crate) table: Option<String>,
    pub(crate) consistency: Consistency,
    /// How long rows live; `None`: for ever, or as the table says.
    pub(crate) ttl: Option<Duration>,
    pub(crate) bucket: Option<Duration>,
    pub(crate) shards: Option<u16>,
    pub(crate) replication: Replication,
    pub(crate) create: bool,
    pub(crate) by_host: bool,
    pub(crate) compression: Option<Compression>,
    pub(crate) in_flight: u32,
    pub(crate) datacenter: Option<String>,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) rejected: Option<PathBuf>,
    /// File of the CA certificates that must have signed a node's, in PEM; `None`: no TLS.
    pub(crate) tls: Option<PathBuf>,
}

impl Address {
    /// The keyspace's name.
    pub fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// The table's name, if the URL has one: a query does not need it.
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// The table that rows of a kind go to: heartbeats have one by default.
    pub(crate) fn table_of(&self, rows: RowKind) -> Option<&str> {
        let default = match rows {
            RowKind::Packets => None,
            RowKind::Heartbeats => Some(rows.plural()),
        };
        self.table().or(default)
    }

    /// The nodes in the URL, as `HOST:PORT`, for messages.
    pub(crate) fn nodes(&self) -> String {
        self.nodes.join(", ")
    }

    /// The name and the password, from the file that the URL names, else from the environment.
    ///
    /// # Errors
    /// A sentence: the file cannot be read, is readable by others, or one of the two is missing.
    pub(crate) fn credentials(&self) -> Result<Option<(String, String)>, String> {
        let variables = Variables {
            user: USER_VARIABLE,
            password: PASSWORD_VARIABLE,
        };
        credentials::read(self.credentials.as_deref(), variables)
    }

    /// Parses a URL.
    ///
    /// # Errors
    /// A host, a name or a parameter's value is invalid.
    pub(crate) fn of(url: &UrlParts) -> Result<Address, SinkError> {
        let place = url.place().strip_prefix("//");
        let place = place.ok_or_else(|| url.malformed(form()))?;
        let (hosts, name) = place.split_once('/').unwrap_or((place, ""));
        let (keyspace, table) = match name.split_once('.') {
            Some((keyspace, table)) => (keyspace, Some(table)),
            None => (name, None),
        };
        for name in [Some(keyspace), table].into_iter().flatten() {
            if !identifier(name) {
                return Err(url.malformed(format!(
                    "`{name}` is not a name of a keyspace or table: use a small letter, then small \
                     letters, digits and _, at most 48 in all; {}",
                    form()
                )));
            }
        }
        let flag = |name| {
            let flag = url.value(name, "true or false", |value| match value {
                "true" | "" => Some(true),
                "false" => Some(false),
                _ => None,
            });
            flag.map(Option::unwrap_or_default)
        };
        let file = |name| url.value(name, "the name of a file", named::<PathBuf>);
        let ttl = "a time such as 7d, 36h or 90m, from 60s to 20 years, or 0 for ever";
        let shortest = Duration::from_secs(60);
        let consistencies =
            "one, two, three, quorum, all, local_one, local_quorum, each_quorum or any";
        let copies = "a number of copies, or one for each data centre: dc1:3,dc2:2";
        Ok(Address {
            text: url.text().to_owned(),
            nodes: servers(hosts, PORT).map_err(|why| url.malformed(why))?,
            keyspace: keyspace.to_owned(),
            table: table.map(str::to_owned),
            consistency: url
                .value("consistency", consistencies, consistency)?
                .unwrap_or(Consistency::LocalQuorum),
            ttl: url.value("ttl", ttl, |value| {
                seconds(value).filter(|t| t.is_zero() || (shortest..=LARGEST_TTL).contains(t))
            })?,
            bucket: url.value(
                "bucket",
                "a time such as 60s or 1h, from 1s to 1d",
                |value| seconds(value).filter(|b| !b.is_zero() && *b <= LARGEST_BUCKET),
            )?,
            shards: url.value("shards", "a number from 1 to 1024", |value| {
                let shards = value.parse().ok();
                shards.filter(|n| (1..=LARGEST_SHARDS).contains(n))
            })?,
            replication: url
                .value("replication", copies, Replication::read)?
                .unwrap_or_default(),
            create: flag("create")?,
            by_host: flag("by_host")?,
            compression: url
                .value("compression", "lz4, snappy or none", compression)?
                .unwrap_or(Some(Compression::Lz4)),
            in_flight: url
                .value("in_flight", "a number from 1 to 4096", |value| {
                    let n = value.parse().ok();
                    n.filter(|n| (1..=LARGEST_IN_FLIGHT).contains(n))
                })?
                .unwrap_or(DEFAULT_IN_FLIGHT),
            datacenter: url.value("datacenter", "the name of a data centre", named)?,
            credentials: file("credentials")?,
            rejected: file("rejected")?,
            tls: file("tls")?,
        })
    }
}

impl std::str::FromStr for Address {
    type Err = SinkError;

    fn from_str(text: &str) -> Result<Address, SinkError> {
        let url = UrlParts::read(text, PARAMETERS, Some(SECRETS))?;
        match text.starts_with("cassandra:") {
            true => Address::of(&url),
            false => Err(url.malformed(form())),
        }
    }
}

impl std::fmt::Display for Address {
    /// As it was typed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn form() -> String {
    format!("write {FORM}[?PARAMETER=VALUE&…]")
}

fn consistency(name: &str) -> Option<Consistency> {
    Some(match name.to_ascii_lowercase().as_str() {
        "any" => Consistency::Any,
        "one" => Consistency::One,
        "two" => Consistency::Two,
        "three" => Consistency::Three,
        "quorum" => Consistency::Quorum,
        "all" => Consistency::All,
        "local_quorum" => Consistency::LocalQuorum,
        "each_quorum" => Consistency::EachQuorum,
        "local_one" => Consistency::LocalOne,
        _ => return None,
    })
}

fn compression(name: &str) -> Option<Option<Compression>> {
    Some(match name {
        "none" => None,
        "lz4" => Some(Compression::Lz4),
        "snappy" => Some(Compression::Snappy),
        _ => return None,
    })
}

/// Parses a name that is not empty.
fn named<T: for<'a> From<&'a str>>(text: &str) -> Option<T> {
    (!text.is_empty()).then(|| text.into())
}

/// Parses a time in whole seconds, because CQL counts seconds.
fn seconds(text: &str) -> Option<Duration> {
    let time = amount::duration(text).ok()?;
    (time.subsec_nanos() == 0).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Address>().unwrap_err().to_string()
    }

    #[test]
    fn parameters() {
        let url = "cassandra://h/k.t?consistency=one&ttl=7d&bucket=1h&shards=16&replication=dc1:3\
                   &create=true&compression=none&in_flight=8&by_host&on_full=drop&rejected=r.jsonl";
        let a: Address = url.parse().unwrap();
        assert_eq!(a.to_string(), url);
        assert_eq!(a.consistency, Consistency::One);
        assert_eq!(a.ttl, Some(Duration::from_secs(604_800)));
        assert_eq!(
            (a.bucket, a.shards),
            (Some(Duration::from_secs(3600)), Some(16))
        );
        assert_eq!((a.in_flight, a.create, a.by_host), (8, true, true));
        assert!(a.compression.is_none());
        for wrong in [
            "ttl=1s",
            "ttl=9999999d",
            "ttl=7w",
            "bucket=0",
            "bucket=2d",
            "shards=0",
            "shards=99999",
            "in_flight=0",
            "create=maybe",
            "consistency=serial",
            "replication=",
            "replication=a'b:3",
            "compression=gzip",
            "on_full=maybe",
        ] {
            let e = error(&format!("cassandra://h/k.t?{wrong}"));
            assert!(e.contains("is not"), "{wrong}: {e}");
        }
        assert!(error("cassandra://h/k.t?colour=1").contains("in_flight=64"));
    }

    #[test]
    fn names_are_plain() {
        for wrong in [
            "cassandra://h/",
            "cassandra://h/K.t",
            "cassandra://h/k.t;drop",
            "cassandra:h",
        ] {
            assert!(error(wrong).contains("KEYSPACE.TABLE"), "{wrong}");
        }
    }

    #[test]
    fn the_scheme_is_told_from_others() {
        assert!(error("sqlite:x").contains("write cassandra://HOST"));
        assert!(error("x://h/k.t").contains("write cassandra://HOST"));
    }

    #[test]
    fn a_value_may_have_any_byte() {
        let a: Address = "cassandra://h/k.t?rejected=a%26b%20c&datacenter=d%C3%BC"
            .parse()
            .unwrap();
        assert_eq!(a.rejected, Some(PathBuf::from("a&b c")));
        assert_eq!(a.datacenter.as_deref(), Some("dü"));
        assert!(error("cassandra://h/k.t?shards=4&shards=8").contains("more than once"));
    }

    #[test]
    fn passwords_are_refused_and_not_repeated() {
        for wrong in [
            "cassandra://me:secret@h/k.t",
            "cassandra://secret@h/k.t",
            "cassandra://h/k.t?password=secret",
            "cassandra://h/k.t?user=secret",
        ] {
            let e = error(wrong);
            assert!(
                e.contains("credentials=FILE") && !e.contains("secret"),
                "{e}"
            );
            assert!(
                e.contains(USER_VARIABLE) && e.contains(PASSWORD_VARIABLE),
                "{e}"
            );
        }
    }
}
