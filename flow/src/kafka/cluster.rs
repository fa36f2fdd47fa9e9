//! The cluster of a `kafka://` URL, and how its brokers are reached.

use std::path::PathBuf;

use rdkafka::ClientConfig;
use tracing::warn;

use crate::credentials::{self, Variables};
use crate::servers::servers;
use crate::sink::SinkError;
use crate::sink::parts::UrlParts;

/// The variable of the user's name, if the URL does not name a file.
pub const USER_VARIABLE: &str = "DUMPSTREAM_KAFKA_USER";
/// The variable of the password, if the URL does not name a file.
pub const PASSWORD_VARIABLE: &str = "DUMPSTREAM_KAFKA_PASSWORD";

/// The port of a broker.
const PORT: u16 = 9092;

/// The mechanism of a login without `sasl=`.
const MECHANISM: &str = "SCRAM-SHA-512";

/// Kafka's own limit of a topic's name.
const LONGEST_TOPIC: usize = 249;

/// The parameters that say how brokers are reached.
pub(crate) const PARAMETERS: [&str; 5] = [
    "credentials=FILE",
    "sasl=scram-sha-512|scram-sha-256|plain",
    "tls=CA.pem",
    "tls_cert=FILE",
    "tls_key=FILE",
];

/// Where a name and a password belong.
pub(crate) const SECRETS: &str = "put both into DUMPSTREAM_KAFKA_USER and \
    DUMPSTREAM_KAFKA_PASSWORD, or into a file that only you can read and name it: \
    credentials=FILE";

/// The brokers of a URL `kafka://HOST[,HOST]/TOPIC`, and how they are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// `HOST:PORT` each.
    pub(crate) brokers: Vec<String>,
    credentials: Option<PathBuf>,
    /// librdkafka's name of the mechanism, if the URL names one.
    mechanism: Option<&'static str>,
    tls: Option<Tls>,
}

/// TLS to the brokers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tls {
    /// The CA certificates, in PEM; `None`: those of this system.
    authorities: Option<PathBuf>,
    /// Our certificate and its key.
    own: Option<(PathBuf, PathBuf)>,
}

impl Cluster {
    /// Parses the brokers, and returns what follows them: the topics. `form` is a URL as it is
    /// written, for errors.
    ///
    /// # Errors
    /// A host or a parameter's value is invalid.
    pub(crate) fn of<'a>(url: &'a UrlParts, form: &str) -> Result<(Cluster, &'a str), SinkError> {
        let place = url.place().strip_prefix("//");
        let parts = place.and_then(|place| place.split_once('/'));
        let Some((hosts, topics)) = parts else {
            return Err(url.malformed(format!("write {form}")));
        };
        let file = |name| url.value(name, "the name of a file", named);
        let own = match (file("tls_cert")?, file("tls_key")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(url.malformed("tls_cert and tls_key belong together; give both")),
        };
        let authorities = url.get("tls").map(named);
        let tls = match (authorities, own) {
            (None, None) => None,
            (authorities, own) => Some(Tls {
                authorities: authorities.flatten(),
                own,
            }),
        };
        if tls.is_some() && !cfg!(feature = "kafka-tls") {
            return Err(url.malformed("this build has no TLS for Kafka (feature `kafka-tls`)"));
        }
        let mechanisms = "scram-sha-512, scram-sha-256 or plain";
        let cluster = Cluster {
            brokers: servers(hosts, PORT).map_err(|why| url.malformed(why))?,
            credentials: file("credentials")?,
            mechanism: url.value("sasl", mechanisms, |name| match name {
                "scram-sha-512" => Some(MECHANISM),
                "scram-sha-256" => Some("SCRAM-SHA-256"),
                "plain" => Some("PLAIN"),
                _ => None,
            })?,
            tls,
        };
        Ok((cluster, topics))
    }

    /// The brokers, for messages.
    pub(crate) fn name(&self) -> String {
        self.brokers.join(", ")
    }

    /// What every client of the cluster is made with.
    ///
    /// # Errors
    /// A sentence: the credentials cannot be read, or this build cannot use them.
    pub(crate) fn config(&self) -> Result<ClientConfig, String> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.brokers.join(","))
            .set("client.id", "dumpstream")
            // A broker that was restarted is to be found again at once.
            .set("reconnect.backoff.max.ms", "1000");
        let variables = Variables {
            user: USER_VARIABLE,
            password: PASSWORD_VARIABLE,
        };
        let credentials = credentials::read(self.credentials.as_deref(), variables)?;
        let mechanism = self.mechanism.unwrap_or(MECHANISM);
        match (&credentials, self.mechanism) {
            (None, Some(_)) => {
                return Err(format!(
                    "sasl= needs a name and a password: set {USER_VARIABLE} and \
                     {PASSWORD_VARIABLE}, or name a file: credentials=FILE"
                ));
            }
            (Some(_), _) if mechanism != "PLAIN" && !cfg!(feature = "kafka-tls") => {
                return Err("this build has no SCRAM (feature `kafka-tls`)".to_owned());
            }
            (Some(_), Some("PLAIN")) if self.tls.is_none() => warn!(
                "The password goes to {} unencrypted: sasl=plain without tls.",
                self.name()
            ),
            _ => {}
        }
        let protocol = match (&credentials, &self.tls) {
            (None, None) => "plaintext",
            (Some(_), None) => "sasl_plaintext",
            (None, Some(_)) => "ssl",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some((user, password)) = credentials {
            config
                .set("sasl.mechanism", mechanism)
                .set("sasl.username", user)
                .set("sasl.password", password);
        }
        if let Some(tls) = &self.tls {
            let authorities = tls.authorities.as_deref();
            let mut file = |key, file: &std::path::Path| {
                config.set(key, file.to_string_lossy());
            };
            // The OpenSSL that was built with librdkafka does not know where this system has its
            // certificates; `probe` looks for them.
            match authorities {
                Some(path) => file("ssl.ca.location", path),
                None => file("ssl.ca.location", "probe".as_ref()),
            }
            if let Some((certificate, key)) = &tls.own {
                file("ssl.certificate.location", certificate);
                file("ssl.key.location", key);
            }
        }
        Ok(config)
    }
}

/// Whether Kafka accepts it as the name of a topic.
pub(crate) fn is_topic(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !matches!(name, "" | "." | "..") && name.len() <= LONGEST_TOPIC && name.bytes().all(plain)
}

/// Parses a file's name that is not empty.
fn named(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Cluster, String), String> {
        let url = UrlParts::read(text, &PARAMETERS, Some(SECRETS)).map_err(|e| e.to_string())?;
        let read = Cluster::of(&url, "kafka://HOST/TOPIC");
        let read = read.map(|(cluster, topics)| (cluster, topics.to_owned()));
        read.map_err(|e| e.to_string())
    }

    #[test]
    fn brokers_and_topics() {
        let (cluster, topics) = read("kafka://a,[::1]:9/x,y").unwrap();
        assert_eq!(cluster.name(), "a:9, [::1]:9");
        assert_eq!(topics, "x,y");
        assert!(
            read("kafka:a")
                .unwrap_err()
                .contains("write kafka://HOST/TOPIC")
        );
        assert!(
            read("kafka://a,,b/x")
                .unwrap_err()
                .contains("is not a host")
        );
    }

    #[test]
    fn names_of_topics() {
        assert!(is_topic("net.packets_1-a"));
        let long = "x".repeat(LONGEST_TOPIC + 1);
        for wrong in ["", ".", "..", "a b", "a/b", "ä", &long] {
            assert!(!is_topic(wrong), "{wrong}");
        }
    }

    #[test]
    fn passwords_are_refused_and_not_repeated() {
        for wrong in ["kafka://me:secret@h/t", "kafka://h/t?password=secret"] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(USER_VARIABLE) && error.contains(PASSWORD_VARIABLE));
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[cfg(feature = "kafka-tls")]
    #[test]
    fn the_protocol_follows_from_what_is_given() {
        let config = |text: &str| read(text).unwrap().0.config().unwrap();
        let plain = config("kafka://h/t");
        assert_eq!(plain.get("security.protocol"), Some("plaintext"));
        let tls = config("kafka://h/t?tls=ca.pem&tls_cert=me.pem&tls_key=me.key");
        assert_eq!(tls.get("security.protocol"), Some("ssl"));
        assert_eq!(tls.get("ssl.ca.location"), Some("ca.pem"));
        assert!(read("kafka://h/t?tls_cert=me.pem").is_err());
    }
}
