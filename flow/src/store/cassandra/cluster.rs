//! A session with a cluster and its tables: connects, checks, creates.
//!
//! It waits for everything that does not exist yet, and reports it once: the cluster, the keyspace,
//! a table, its columns. A sink ends only for what no waiting can repair.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::PoolSize;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::ExecutionError;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::statement::Consistency;
use scylla::statement::unprepared::Statement;
use scylla::value::CqlValue;

use super::address::Address;
use super::fault;
use super::found::{self, Difference, Found, FoundColumn};
use super::note::Note;
use super::schema;
use super::target::Target;
use super::waiting::{Halt, Pending};
use crate::causes::causes;
use crate::sink::context::RowKind;

/// Time limit of a request: longer than the server's own limit for a write (2 s) and a read (5 s),
/// so that the server's answer, which says more, comes first.
const REQUEST: Duration = Duration::from_secs(6);

/// A node that does not answer for this long, on an otherwise idle connection, counts as dead, and
/// its rows go to another node.
const SILENCE: Duration = Duration::from_secs(2);

/// Time between two checks of a connection; the driver advises against less than a second.
const LOOK: Duration = Duration::from_millis(1_500);

/// Time limit for connecting and the handshake.
const CONNECT: Duration = Duration::from_secs(3);

/// Time limit for anything that the driver does, because not all of its own waits have a limit.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the result if it comes in time.
pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, work).await.ok()
}

/// Connections to each node. With batches, one is as fast as four; there are two, so that one that
/// breaks is not the last.
const CONNECTIONS: usize = 2;

/// Checks what a connection needs from this machine.
///
/// # Errors
/// A sentence: TLS is not possible.
pub(crate) fn check(address: &Address) -> Result<(), String> {
    match &address.tls {
        Some(ca) => tls(SessionBuilder::new(), ca).map(drop),
        None => Ok(()),
    }
}

/// Connects once.
///
/// # Errors
/// A sentence: which nodes do not answer, and why.
pub(crate) async fn connect(address: &Address) -> Result<Session, String> {
    let mut profile = ExecutionProfile::builder()
        .consistency(address.consistency)
        .request_timeout(Some(REQUEST))
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()));
    if let Some(datacenter) = &address.datacenter {
        let policy = DefaultPolicy::builder()
            .prefer_datacenter(datacenter.clone())
            .token_aware(true)
            .build();
        profile = profile.load_balancing_policy(policy);
    }
    let mut builder = SessionBuilder::new()
        .known_nodes(&address.nodes)
        .compression(address.compression)
        .default_execution_profile_handle(profile.build().into_handle())
        .pool_size(PoolSize::PerHost(
            CONNECTIONS.try_into().expect("it is not zero"),
        ))
        .connection_timeout(CONNECT)
        .keepalive_interval(LOOK)
        .keepalive_timeout(SILENCE)
        .schema_agreement_timeout(PATIENCE / 2)
        .keyspaces_to_fetch([address.keyspace.as_str()])
        .driver_config_reporting(false);
    if let Some(ca) = &address.tls {
        builder = tls(builder, ca)?;
    }
    if let Some((user, password)) = address.credentials()? {
        builder = builder.user(user, password);
    }
    builder
        .build()
        .await
        .map_err(|e| format!("no node of {} answers: {}", address.nodes(), causes(&e)))
}

/// Trusts the certificates of a file and no others.
#[cfg(feature = "cassandra-tls")]
fn tls(builder: SessionBuilder, ca: &Path) -> Result<SessionBuilder, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    let named = |e: &dyn std::fmt::Display| format!("tls {}: {e}", ca.display());
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|e| named(&e))? {
        let certificate = certificate.map_err(|e| named(&e))?;
        roots.add(certificate).map_err(|e| named(&e))?;
    }
    if roots.is_empty() {
        return Err(named(&"the file has no certificate"));
    }
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(builder.tls_context(Some(Arc::new(config))))
}

#[cfg(not(feature = "cassandra-tls"))]
fn tls(_: SessionBuilder, ca: &Path) -> Result<SessionBuilder, String> {
    Err(format!(
        "tls={}: this build has no TLS; rebuild with the feature `cassandra-tls`",
        ca.display()
    ))
}

/// Checks the tables, and creates what is missing if the URL says so.
///
/// # Errors
/// The tables are not right.
pub(crate) async fn ensure(
    session: &Session,
    address: &Address,
    targets: &[Target],
    note: Note,
) -> Result<(), Pending> {
    let prints = |what: &str| {
        let of = match note.rows {
            RowKind::Packets => "",
            RowKind::Heartbeats => " --heartbeat",
        };
        Pending::Wait(format!(
            "{what} does not exist; `dumpstream schema cassandra{of} '{address}'` prints the \
             statements that create it, create=true runs them"
        ))
    };
    let keyspace = keyspace_is_there(session, address).await?;
    if !keyspace {
        if !address.create {
            return Err(prints(&format!("keyspace {}", address.keyspace)));
        }
        run(session, schema::create_keyspace(address)).await?;
    }
    // Tables that are created beside an existing one get its time to live.
    let mut ttl = address.ttl.unwrap_or_default().as_secs();
    for target in targets {
        let table = &target.table;
        let found = match look(session, address, table).await? {
            Some(found) => found,
            None if address.create => {
                run(
                    session,
                    schema::create_table(address, table, &target.layout, note, ttl),
                )
                .await?;
                let found = look(session, address, table).await?;
                found.ok_or_else(|| {
                    Pending::Wait(format!("table {}.{table} was created", address.keyspace))
                })?
            }
            None => {
                return Err(prints(&format!("table {}.{table}", address.keyspace)));
            }
        };
        ttl = found.ttl;
        let placed = found::placed(address, note.rows, &found)
            .map_err(|why| Pending::Never(Halt::Refused(format!("table {table}: {why}"))))?;
        if placed != note {
            return Err(Pending::Never(Halt::Refused(format!(
                "table {table} was recreated with another bucket or number of shards"
            ))));
        }
        match found::compare(address, table, &target.layout, &found) {
            Ok(()) => {}
            Err(Difference::Lacks(statements)) if address.create => {
                for statement in statements {
                    run(session, statement).await?;
                }
            }
            Err(Difference::Lacks(statements)) => {
                return Err(Pending::Wait(format!(
                    "table {table} must be changed; run these statements, or add create=true:\n{}",
                    statements.join(";\n") + ";"
                )));
            }
            Err(Difference::Column {
                column,
                found,
                wanted,
            }) => {
                return Err(Pending::Never(Halt::Column {
                    column,
                    found,
                    wanted,
                }));
            }
            Err(Difference::Other(why)) => {
                return Err(Pending::Never(Halt::Refused(format!(
                    "table {table}: {why}"
                ))));
            }
        }
    }
    Ok(())
}

/// How an existing table places its rows; as the URL says if there is no table.
///
/// # Errors
/// The URL contradicts the table.
pub(crate) async fn note(
    session: &Session,
    address: &Address,
    (table, rows): (&str, RowKind),
) -> Result<Note, Pending> {
    match look(session, address, table).await? {
        None => Ok(Note::of(address, rows)),
        Some(found) => found::placed(address, rows, &found)
            .map_err(|why| Pending::Never(Halt::Refused(format!("table {table}: {why}")))),
    }
}

async fn keyspace_is_there(session: &Session, address: &Address) -> Result<bool, Pending> {
    let rows = system(
        session,
        format!(
            "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{}'",
            address.keyspace
        ),
    )
    .await?;
    Ok(!rows.is_empty())
}

/// What the cluster knows about a table.
///
/// # Errors
/// The cluster does not answer.
pub(crate) async fn look(
    session: &Session,
    address: &Address,
    table: &str,
) -> Result<Option<Found>, Pending> {
    let place = format!(
        "WHERE keyspace_name = '{}' AND table_name = '{table}'",
        address.keyspace
    );
    let tables = system(
        session,
        format!("SELECT comment, default_time_to_live FROM system_schema.tables {place}"),
    )
    .await?;
    let Some(options) = tables.first() else {
        return Ok(None);
    };
    let mut found = Found {
        comment: text(&options[0]),
        ttl: u64::try_from(int(&options[1])).unwrap_or(0),
        columns: Vec::new(),
    };
    let columns = system(
        session,
        format!(
            "SELECT column_name, type, kind, position, clustering_order FROM \
             system_schema.columns {place}"
        ),
    )
    .await?;
    for row in &columns {
        found.columns.push(FoundColumn {
            name: text(&row[0]),
            kind: text(&row[1]),
            role: text(&row[2]),
            position: int(&row[3]),
            descending: text(&row[4]) == "desc",
        });
    }
    // If another node has just created the table, its row exists before those of its columns.
    Ok(Some(found).filter(|f| !f.columns.is_empty()))
}

fn text(value: &Option<CqlValue>) -> String {
    match value {
        Some(CqlValue::Text(text) | CqlValue::Ascii(text)) => text.clone(),
        _ => String::new(),
    }
}

fn int(value: &Option<CqlValue>) -> i32 {
    match value {
        Some(CqlValue::Int(n)) => *n,
        _ => 0,
    }
}

/// Rows of the server's own tables, which each node answers by itself.
async fn system(
    session: &Session,
    statement: String,
) -> Result<Vec<Vec<Option<CqlValue>>>, Pending> {
    let mut statement = Statement::new(statement);
    statement.set_consistency(Consistency::One);
    statement.set_is_idempotent(true);
    let result = session.query_unpaged(statement, ()).await;
    let result = result.map_err(|e| waits(&e))?;
    let rows = result
        .into_rows_result()
        .map_err(|e| Pending::Wait(format!("cannot read the cluster's schema: {e}")))?;
    let rows = rows
        .rows::<scylla::value::Row>()
        .map_err(|e| Pending::Wait(format!("cannot read the cluster's schema: {e}")))?;
    rows.map(|row| row.map(|row| row.columns))
        .collect::<Result<_, _>>()
        .map_err(|e| Pending::Wait(format!("cannot read the cluster's schema: {e}")))
}

fn waits(error: &ExecutionError) -> Pending {
    Pending::Wait(format!(
        "the cluster does not answer: {}",
        fault::said(error)
    ))
}

/// Runs a statement that creates or changes a table.
async fn run(session: &Session, statement: String) -> Result<(), Pending> {
    tracing::debug!("{statement};");
    let result = session.query_unpaged(statement.as_str(), ()).await;
    match result {
        Ok(_) => Ok(()),
        // Another writer creates the same, or we are not authorized: check again in a moment.
        Err(e) => Err(Pending::Wait(format!("{}: {statement}", fault::said(&e)))),
    }
}
