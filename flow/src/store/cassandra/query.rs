//! Runs a CQL query, and returns its rows page by page.

use std::ops::ControlFlow;

use dumpstream::{Value, spell};
use scylla::response::PagingState;
use scylla::statement::unprepared::Statement;
use scylla::value::{CqlValue, Row};

use super::address::Address;
use super::cluster;
use super::paging::{PAGE, Paging, consistency, page};
use crate::causes::causes;
use crate::sink::SinkError;
use crate::store::datum::Datum;

/// Estimated bytes of a row before the first page: that page then has 1,024 rows.
const ROW: usize = 4 << 10;

/// A statement has no time limit: a count of a large table takes long, and Ctrl-C ends it. A dead
/// connection is still detected.
const NO_LIMIT: std::time::Duration = std::time::Duration::MAX;

/// How often a page is requested if the cluster cannot answer.
const TRIES: u32 = 5;

/// Time between two attempts.
const WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// Runs a query, and hands every row on: first the names of the columns, then rows. Names without a
/// keyspace are in the URL's keyspace. Returns the number of rows; `row` may end it.
///
/// # Errors
/// The statement does not only read, the cluster refuses it, or no node answers.
pub async fn query(
    address: &Address,
    statement: &str,
    names: impl FnOnce(Vec<String>) -> ControlFlow<()>,
    mut row: impl FnMut(&[Datum<'_>]) -> ControlFlow<()>,
) -> Result<u64, SinkError> {
    let refused = |why: String| SinkError::Refused {
        sink: address.to_string(),
        why,
    };
    if !reads(statement) {
        return Err(refused(
            "a query must be one SELECT statement; use `cqlsh` to change a table".to_owned(),
        ));
    }
    // Not all of the driver's own waits have a limit.
    let connected = cluster::in_time(async {
        let session = cluster::connect(address).await?;
        let keyspace = session.use_keyspace(&address.keyspace, false).await;
        keyspace.map_err(|e| causes(&e))?;
        Ok(session)
    });
    let silent = || Err(format!("no node of {} answers in time", address.nodes()));
    let session = connected.await.unwrap_or_else(silent).map_err(refused)?;
    let mut statement = Statement::new(statement);
    statement.set_consistency(consistency(address));
    statement.set_is_idempotent(true);
    statement.set_request_timeout(Some(NO_LIMIT));
    let paging = Paging::new(ROW);
    let mut names = Some(names);
    let mut rows = 0;
    let mut next = Some(PagingState::start());
    while let Some(state) = next {
        let mut tries = 0;
        let again = |_: &str| {
            tries += 1;
            (tries <= TRIES).then_some(WAIT)
        };
        statement.set_page_size(paging.rows(PAGE));
        let ask = |state| async {
            Some(
                session
                    .query_single_page(statement.clone(), (), state)
                    .await,
            )
        };
        let (result, after) = page(ask, state, again).await.map_err(refused)?;
        next = after;
        let wrong = |e: &dyn std::fmt::Display| refused(format!("cannot read the answer: {e}"));
        paging.came(result.rows_num(), result.rows_bytes_size());
        if let Some(names) = names.take() {
            let columns = result.column_specs();
            let columns = columns.iter().map(|c| c.name().to_owned()).collect();
            if names(columns).is_break() {
                return Ok(rows);
            }
        }
        for answer in result.rows::<Row>().map_err(|e| wrong(&e))? {
            let answer = answer.map_err(|e| wrong(&e))?;
            rows += 1;
            let values: Vec<_> = answer.columns.into_iter().map(datum).collect();
            if row(&values).is_break() {
                return Ok(rows);
            }
        }
    }
    Ok(rows)
}

/// Whether the statement, after comments, is a SELECT.
fn reads(statement: &str) -> bool {
    let mut rest = statement.trim_start();
    loop {
        let after = if rest.starts_with("--") || rest.starts_with("//") {
            rest.find('\n').map(|end| &rest[end..])
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|end| &rest[end + 2..])
        } else {
            break;
        };
        rest = after.unwrap_or_default().trim_start();
    }
    let word = rest.split(|c: char| !c.is_ascii_alphabetic()).next();
    word.is_some_and(|word| word.eq_ignore_ascii_case("select"))
}

fn datum(value: Option<CqlValue>) -> Datum<'static> {
    let Some(value) = value else {
        return Datum::Null;
    };
    match value {
        CqlValue::Boolean(b) => Datum::Bool(b),
        CqlValue::TinyInt(n) => Datum::Int(n.into()),
        CqlValue::SmallInt(n) => Datum::Int(n.into()),
        CqlValue::Int(n) => Datum::Int(n.into()),
        CqlValue::BigInt(n) => Datum::Int(n),
        CqlValue::Counter(n) => Datum::Int(n.0),
        CqlValue::Float(x) => Datum::Real(x.into()),
        CqlValue::Double(x) => Datum::Real(x),
        CqlValue::Blob(bytes) => Datum::Bytes(bytes.into()),
        CqlValue::Ascii(text) | CqlValue::Text(text) => Datum::owned(text),
        CqlValue::Inet(ip) => Datum::owned(ip.to_string()),
        CqlValue::Timestamp(at) => Datum::owned(match at.0.checked_mul(1_000_000) {
            Some(ns) => Value::Timestamp(ns).to_string(),
            None => format!("{} ms", at.0),
        }),
        CqlValue::Time(at) => Datum::owned(Value::Time(at.0).to_string()),
        CqlValue::Date(date) => {
            // Day 2³¹ is 1970-01-01.
            Datum::owned(spell::date(i64::from(date.0) - (1 << 31)))
        }
        CqlValue::Uuid(id) => Datum::owned(id.to_string()),
        CqlValue::Timeuuid(id) => Datum::owned(id.to_string()),
        CqlValue::Varint(n) => integer(n.as_signed_bytes_be_slice()),
        CqlValue::Empty => Datum::owned(String::new()),
        // dumpstream has no such column; values of functions or other tables are shown unchanged.
        other => Datum::owned(other.to_string()),
    }
}

/// A `varint`, from another table or a cast, if it fits into 64 bits.
fn integer(bytes: &[u8]) -> Datum<'static> {
    match bytes {
        [] => Datum::Int(0),
        [first, ..] if bytes.len() <= 8 => {
            let fill = if first & 0x80 == 0 { 0 } else { 0xff };
            let mut wide = [fill; 8];
            wide[8 - bytes.len()..].copy_from_slice(bytes);
            Datum::Int(i64::from_be_bytes(wide))
        }
        bytes => Datum::Bytes(bytes.to_vec().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_select_reads() {
        for good in [
            "SELECT 1",
            " select * from x",
            "-- a\nSELECT 1",
            "/* a */ // b\n select(1)",
        ] {
            assert!(reads(good), "{good}");
        }
        for bad in [
            "",
            "DROP TABLE x",
            "-- SELECT",
            "/* SELECT 1",
            "selected",
            "BEGIN BATCH",
        ] {
            assert!(!reads(bad), "{bad}");
        }
    }

    #[test]
    fn values_of_every_kind() {
        use scylla::value::{CqlDate, CqlTime, CqlTimestamp};
        let text = |v| match datum(Some(v)) {
            Datum::Text(text) => String::from_utf8(text.into_owned()).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            text(CqlValue::Timestamp(CqlTimestamp(1_700_000_000_123))),
            "2023-11-14T22:13:20.123000Z"
        );
        assert_eq!(
            text(CqlValue::Timestamp(CqlTimestamp(i64::MAX))),
            format!("{} ms", i64::MAX)
        );
        assert_eq!(text(CqlValue::Date(CqlDate((1 << 31) + 1))), "1970-01-02");
        assert_eq!(text(CqlValue::Time(CqlTime(1_000))), "00:00:00.000001");
        assert_eq!(text(CqlValue::Inet("::1".parse().unwrap())), "::1");
        assert_eq!(integer(&[0xff]), Datum::Int(-1));
        assert_eq!(integer(&[1, 0]), Datum::Int(256));
        assert_eq!(datum(None), Datum::Null);
    }
}
