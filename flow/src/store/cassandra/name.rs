//! Names of keyspaces, tables and columns, as CQL reads them.

/// Words that are not a column's name without quotes (Cassandra 5.0, `ReservedKeywords`).
const KEYWORDS: &str = " add allow alter and apply asc authorize batch begin by columnfamily \
    create default delete desc describe drop entries execute from full grant if in index infinity \
    insert into is keyspace limit materialized mbean mbeans modify nan norecursive not null of on \
    or order primary rename replace revoke schema select set table to token truncate unlogged \
    unset update use using view where with ";

/// A name as CQL reads it.
pub(super) fn quoted(name: &str) -> String {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !KEYWORDS.contains(&format!(" {name} "));
    match plain {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    }
}

/// A name that needs no quotes, in the case that CQL folds to.
pub(super) fn identifier(name: &str) -> bool {
    name.len() <= 48
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_quotes() {
        assert_eq!(quoted("source"), "source");
        assert_eq!(quoted("token"), "\"token\"");
        assert_eq!(quoted("Source"), "\"Source\"");
        assert_eq!(quoted("_x"), "\"_x\"");
    }
}
