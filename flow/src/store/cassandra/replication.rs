//! How many copies of a keyspace's rows there are, and where.

/// How many copies there are, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Replication {
    /// In every data centre.
    Copies(u8),
    /// In each of these data centres.
    Centres(Vec<(String, u8)>),
}

impl Default for Replication {
    fn default() -> Replication {
        Replication::Copies(3)
    }
}

impl Replication {
    pub(super) fn read(text: &str) -> Option<Replication> {
        let copies = |n: &str| n.parse().ok().filter(|n| *n > 0);
        if let Some(n) = copies(text) {
            return Some(Replication::Copies(n));
        }
        let centre = |pair: &str| {
            let (name, n) = pair.split_once(':')?;
            let plain = !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
            Some((name.to_owned(), copies(n)?)).filter(|_| plain)
        };
        let centres: Option<_> = text.split(',').map(centre).collect();
        centres.map(Replication::Centres)
    }

    pub(super) fn cql(&self) -> String {
        let mut text = "{'class': 'NetworkTopologyStrategy'".to_owned();
        match self {
            Replication::Copies(n) => text += &format!(", 'replication_factor': {n}"),
            Replication::Centres(centres) => {
                for (name, n) in centres {
                    text += &format!(", '{name}': {n}");
                }
            }
        }
        text + "}"
    }
}
