//! Which cluster, which table, and how it is written: what a `cassandra://` URL says.

mod credentials;

use std::path::PathBuf;
use std::time::Duration;

use scylla::client::Compression;
use scylla::statement::Consistency;

use super::schema::Replication;
use crate::amount;
use crate::sink::OnFull;

pub use credentials::{PASSWORD_VARIABLE, USER_VARIABLE};

/// The port of CQL.
const PORT: u16 = 9042;

/// Batches on their way at once, at most: half as many reach a node's full speed, and twice as many
/// only wait in its queue (`benches/cassandra.rs`).
pub(crate) const DEFAULT_IN_FLIGHT: u32 = 64;
/// The driver numbers 32,768 requests on one connection; above this they would wait for a number.
const LARGEST_IN_FLIGHT: u32 = 4096;

/// Partitions that one sensor's bucket is spread over.
pub(crate) const DEFAULT_SHARDS: u16 = 4;
/// A report of a minute asks every shard: more than this nobody would.
pub(crate) const LARGEST_SHARDS: u16 = 1024;

/// The time that one partition spans.
pub(crate) const DEFAULT_BUCKET: Duration = Duration::from_secs(60);
/// A partition of more than a day of a sensor could only be of one that sees nothing.
pub(crate) const LARGEST_BUCKET: Duration = Duration::from_secs(86_400);

/// Cassandra's own limit, 20 years.
const LARGEST_TTL: Duration = Duration::from_secs(20 * 365 * 86_400);

/// Every parameter of a `cassandra://` URL.
pub(crate) const PARAMETERS: &str = "bucket=60s, by_host=true|false, compression=lz4|snappy|none, \
    consistency=local_quorum|…, create=true|false, credentials=FILE, datacenter=NAME, \
    in_flight=64, on_full=block|drop, rejected=FILE, replication=3|DC:3,…, shards=4, \
    tls=CA.pem, ttl=7d";

/// A table of a cluster, as `cassandra://HOST[,HOST][:PORT]/KEYSPACE.TABLE[?PARAMETER=VALUE…]`
/// names it.
///
/// ```
/// use dumpstream::cassandra::Address;
///
/// let address: Address = "cassandra://10.0.0.1,10.0.0.2/pk.packets?ttl=7d&shards=16".parse()?;
/// assert_eq!(address.keyspace(), "pk");
/// assert_eq!(address.table(), Some("packets"));
/// let error = "cassandra://me:secret@10.0.0.1/pk.packets".parse::<Address>().unwrap_err();
/// assert!(error.to_string().contains("DUMPSTREAM_CASSANDRA_PASSWORD"));
/// # Ok::<(), dumpstream::cassandra::AddressError>(())
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
    /// The certificates, in PEM, of whom a node's must be signed by; `None`: no TLS.
    pub(crate) tls: Option<PathBuf>,
    /// What the lane in front of the sink does when it is full.
    pub(crate) on_full: Option<OnFull>,
}

/// What is wrong with a `cassandra://` URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It cannot be read.
    #[error("sink `{url}`: {why}")]
    Malformed {
        /// As it was typed, without what could be a password.
        url: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// A parameter that is not known.
    #[error("sink `{url}`: unknown parameter `{parameter}`; it takes {PARAMETERS}")]
    UnknownParameter {
        /// As it was typed.
        url: String,
        /// The name.
        parameter: String,
    },
    /// A parameter that has another value than it can have.
    #[error("sink `{url}`: `{parameter}={value}` is not {wanted}")]
    BadParameter {
        /// As it was typed.
        url: String,
        /// The name.
        parameter: String,
        /// Its value.
        value: String,
        /// What it can have.
        wanted: &'static str,
    },
}

impl Address {
    /// The keyspace's name.
    pub fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// The table's name, if there is one: a query needs none.
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// The nodes in the URL, as `HOST:PORT`, for messages.
    pub(crate) fn nodes(&self) -> String {
        self.nodes.join(", ")
    }

    /// The name and the password: of the file that the URL names, else of the environment.
    ///
    /// # Errors
    /// A sentence: the file cannot be read, is readable by others, or lacks one of the two.
    pub(crate) fn credentials(&self) -> Result<Option<(String, String)>, String> {
        match &self.credentials {
            Some(file) => credentials::of_file(file).map(Some),
            None => credentials::of_environment(),
        }
    }

    fn read(text: &str) -> Result<Address, AddressError> {
        let malformed = |why: &str| AddressError::Malformed {
            url: text.to_owned(),
            why: why.to_owned(),
        };
        let form = "it reads cassandra://HOST[,HOST][:PORT]/KEYSPACE.TABLE[?PARAMETER=VALUE&…]";
        let rest = text
            .strip_prefix("cassandra://")
            .ok_or_else(|| malformed(form))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        // A password may hold a `?`, and a file's name an `@`.
        let authority = rest
            .split_once('/')
            .map_or(rest, |(authority, _)| authority);
        if place.contains('@') || authority.contains('@') {
            // The error must not show on a terminal what must not stand on a command line.
            return Err(AddressError::Malformed {
                url: "cassandra://…".to_owned(),
                why: format!(
                    "a name or password on the command line is seen by every user of this \
                     machine; put them into {USER_VARIABLE} and {PASSWORD_VARIABLE}, or into a \
                     file that only you can read and name it: credentials=FILE"
                ),
            });
        }
        let (hosts, name) = place.split_once('/').unwrap_or((place, ""));
        let (keyspace, table) = match name.split_once('.') {
            Some((keyspace, table)) => (keyspace, Some(table)),
            None => (name, None),
        };
        for name in [Some(keyspace), table].into_iter().flatten() {
            if !identifier(name) {
                return Err(malformed(&format!(
                    "`{name}` is no name of a keyspace or table: a small letter, then small \
                     letters, digits and _, at most 48; {form}"
                )));
            }
        }
        let mut address = Address {
            text: text.to_owned(),
            nodes: nodes(hosts).map_err(|why| malformed(&why))?,
            keyspace: keyspace.to_owned(),
            table: table.map(str::to_owned),
            consistency: Consistency::LocalQuorum,
            ttl: None,
            bucket: None,
            shards: None,
            replication: Replication::default(),
            create: false,
            by_host: false,
            compression: Some(Compression::Lz4),
            in_flight: DEFAULT_IN_FLIGHT,
            datacenter: None,
            credentials: None,
            rejected: None,
            tls: None,
            on_full: None,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (parameter, value) = pair.split_once('=').unwrap_or((pair, ""));
            address.set(parameter, value)?;
        }
        Ok(address)
    }

    fn set(&mut self, parameter: &str, value: &str) -> Result<(), AddressError> {
        let url = self.text.clone();
        let bad = |wanted: &'static str| AddressError::BadParameter {
            url: url.clone(),
            parameter: parameter.to_owned(),
            value: value.to_owned(),
            wanted,
        };
        let flag = || match value {
            "true" | "" => Ok(true),
            "false" => Ok(false),
            _ => Err(bad("true or false")),
        };
        match parameter {
            "consistency" => {
                self.consistency = consistency(value).ok_or_else(|| {
                    bad("one, two, three, quorum, all, local_one, local_quorum, each_quorum or any")
                })?;
            }
            "ttl" => {
                let wanted = "a time such as 7d, 36h or 90m, from 60s to 20 years, or 0 for ever";
                let ttl = seconds(value).ok_or_else(|| bad(wanted))?;
                if !ttl.is_zero() && (ttl > LARGEST_TTL || ttl < Duration::from_secs(60)) {
                    return Err(bad(wanted));
                }
                self.ttl = Some(ttl);
            }
            "bucket" => {
                let wanted = "a time such as 60s or 1h, from 1s to 1d";
                let bucket = seconds(value).filter(|b| !b.is_zero() && *b <= LARGEST_BUCKET);
                self.bucket = Some(bucket.ok_or_else(|| bad(wanted))?);
            }
            "shards" => {
                let shards = value
                    .parse()
                    .ok()
                    .filter(|n| (1..=LARGEST_SHARDS).contains(n));
                self.shards = Some(shards.ok_or_else(|| bad("a number from 1 to 1024"))?);
            }
            "in_flight" => {
                let n = value
                    .parse()
                    .ok()
                    .filter(|n| (1..=LARGEST_IN_FLIGHT).contains(n));
                self.in_flight = n.ok_or_else(|| bad("a number from 1 to 4096"))?;
            }
            "replication" => {
                let wanted = "a number of copies, or one for each data centre: dc1:3,dc2:2";
                self.replication = Replication::read(value).ok_or_else(|| bad(wanted))?;
            }
            "compression" => {
                self.compression = match value {
                    "none" => None,
                    "lz4" => Some(Compression::Lz4),
                    "snappy" => Some(Compression::Snappy),
                    _ => return Err(bad("lz4, snappy or none")),
                };
            }
            "create" => self.create = flag()?,
            "by_host" => self.by_host = flag()?,
            "datacenter" if !value.is_empty() => self.datacenter = Some(value.to_owned()),
            "credentials" if !value.is_empty() => self.credentials = Some(value.into()),
            "rejected" if !value.is_empty() => self.rejected = Some(value.into()),
            "tls" if !value.is_empty() => self.tls = Some(value.into()),
            "datacenter" => return Err(bad("the name of a data centre")),
            "credentials" | "rejected" | "tls" => return Err(bad("the name of a file")),
            "on_full" => {
                self.on_full = match value {
                    "block" => Some(OnFull::Block),
                    "drop" => Some(OnFull::Drop),
                    _ => return Err(bad("block or drop")),
                };
            }
            "user" | "username" | "password" => {
                return Err(AddressError::Malformed {
                    url: "cassandra://…".to_owned(),
                    why: format!(
                        "`{parameter}` is not taken from the command line, where every user of \
                         this machine sees it; put both into {USER_VARIABLE} and \
                         {PASSWORD_VARIABLE}, or into a file: credentials=FILE"
                    ),
                });
            }
            _ => {
                return Err(AddressError::UnknownParameter {
                    url,
                    parameter: parameter.to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::read(text)
    }
}

impl std::fmt::Display for Address {
    /// As it was typed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// A name that needs no quotes, in the case that CQL folds to.
fn identifier(name: &str) -> bool {
    name.len() <= 48
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// `h1,h2:9042` as `HOST:PORT` each. A port behind the last host is that of all without their own.
fn nodes(hosts: &str) -> Result<Vec<String>, String> {
    let parsed: Vec<(&str, Option<&str>)> = hosts
        .split(',')
        .map(|host| match host.rsplit_once(':') {
            // `[::1]` and `[::1]:9042`; the colons of a bare IPv6 address are none of a port.
            Some((_, port)) if port.ends_with(']') => (host, None),
            Some((host, port)) => (host, Some(port)),
            None => (host, None),
        })
        .collect();
    let default = parsed.last().and_then(|(_, port)| *port);
    let mut nodes = Vec::new();
    for (host, port) in parsed {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.is_empty() || (bare.contains(':') && bare == host) {
            return Err(format!(
                "`{host}` is no host: type 10.0.0.1, db.example.org or [2001:db8::1]"
            ));
        }
        let port = match port.or(default) {
            None => PORT,
            Some(text) => text
                .parse()
                .map_err(|_| format!("`{text}` is no port: type a number from 1 to 65535"))?,
        };
        nodes.push(format!("{host}:{port}"));
    }
    Ok(nodes)
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

/// A time of whole seconds: CQL counts them.
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
    fn hosts_and_ports() {
        assert_eq!(nodes("a,b").unwrap(), ["a:9042", "b:9042"]);
        assert_eq!(nodes("a,b:19042").unwrap(), ["a:19042", "b:19042"]);
        assert_eq!(nodes("a:1,b:2").unwrap(), ["a:1", "b:2"]);
        assert_eq!(nodes("[::1],[::2]:7").unwrap(), ["[::1]:7", "[::2]:7"]);
        for wrong in ["", "a,,b", "::1", "a:x", "a:70000"] {
            assert!(nodes(wrong).is_err(), "{wrong}");
        }
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
        }
    }
}
