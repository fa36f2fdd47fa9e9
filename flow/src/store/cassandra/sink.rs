//! The sink: every row is written until it is stored, or until the server has refused it because of
//! its content.
//!
//! This file has what outlives one write: the session and its tables, the pace ([`Pace`]), the
//! state of the cluster and its reports, and where refused rows are kept.

mod writing;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dumpstream::Packets;
use scylla::client::session::Session;
use scylla::errors::ExecutionError;
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::writing::Writing;
use super::address::Address;
use super::cluster;
use super::fault;
use super::layout::{Hosts, Layout};
use super::note::Note;
use super::pace::Pace;
use super::schema;
use super::target::Target;
use super::waiting::{Halt, Pending};
use crate::causes::causes;
use crate::clock;
use crate::rejects::Rejects;
use crate::sink::context::SinkContext;
use crate::sink::waiting::{REMIND, Waiting};
use crate::sink::{BoxFuture, Sink, SinkError, Written};

/// The minimum time between the starts of two writes: a request of many rows costs hardly more than
/// one of few, and a twentieth of a second still feels immediate.
const LINGER: Duration = Duration::from_millis(50);

/// A cluster without failures for this long has recovered.
const CALM: Duration = Duration::from_secs(2);

/// The sink of a URL `cassandra://…`.
pub(crate) struct Cassandra {
    shared: Arc<Shared>,
    /// The task that connects before there is anything to write.
    opening: Option<AbortHandle>,
}

impl fmt::Debug for Cassandra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cassandra")
            .field("sink", &self.shared.url)
            .finish_non_exhaustive()
    }
}

impl Drop for Cassandra {
    fn drop(&mut self) {
        if let Some(opening) = &self.opening {
            opening.abort();
        }
    }
}

struct Shared {
    url: String,
    address: Address,
    context: SinkContext,
    hosts: Option<Hosts>,
    ready: OnceCell<Result<Ready, Halt>>,
    pace: Mutex<Pace>,
    health: Mutex<Health>,
    refused: Refused,
    /// Cancelled when the current write must stop.
    stop: CancellationToken,
    /// Rows of the current write that are stored.
    delivered: AtomicU64,
    /// When the tables were last checked and right; whoever checks holds the lock.
    checked: tokio::sync::Mutex<Instant>,
}

/// Where rows are kept that the server refuses.
struct Refused {
    rejects: Rejects,
    /// A file of this sink alone, if the run has none or the URL names another.
    file: Option<PathBuf>,
}

/// What exists once the tables do.
struct Ready {
    session: Session,
    note: Note,
    targets: Vec<Target>,
}

/// The state of the cluster, for reports and for the lane.
#[derive(Debug)]
struct Health {
    moved: Option<Instant>,
    /// Since when requests fail.
    since: Option<Instant>,
    last: Instant,
    told: Instant,
    /// Rows refused, and when that was last reported.
    rejected: u64,
    rejected_told: Option<Instant>,
}

impl Cassandra {
    /// Checks what can be checked without the cluster, and starts to connect.
    pub(crate) fn open(address: &Address, context: &SinkContext) -> Result<Cassandra, SinkError> {
        let url = address.to_string();
        let refused = |why: String| SinkError::Refused {
            sink: url.clone(),
            why,
        };
        let Some(table) = address.table_of(context.rows) else {
            return Err(refused(
                "it names no table; write …/KEYSPACE.TABLE".to_owned(),
            ));
        };
        if context.replace {
            return Err(refused(
                "--replace cannot delete a stream's old rows from a cluster; delete them with CQL, \
                 or write to another table"
                    .to_owned(),
            ));
        }
        address.credentials().map_err(refused)?;
        cluster::check(address).map_err(refused)?;
        let placing = Note::of(address, context.rows).placing();
        Layout::packets(&context.columns, placing, context.raw).map_err(refused)?;
        let mut hosts = None;
        if address.by_host {
            Layout::by_host(&context.columns, placing).map_err(refused)?;
            hosts = Hosts::of(&context.columns);
        }
        let refused = match &address.rejected {
            None if context.rejects.kept_anywhere() => Refused {
                rejects: context.rejects.clone(),
                file: None,
            },
            named => {
                let default =
                    || PathBuf::from(format!("{}.{table}.rejected.jsonl", address.keyspace()));
                let file = named.clone().unwrap_or_else(default);
                let rejects = Rejects::when_needed(&file).map_err(|e| {
                    refused(format!(
                        "cannot keep rows that the server refuses: {}; name another file, \
                         rejected=FILE",
                        causes(&e)
                    ))
                })?;
                Refused {
                    rejects,
                    file: Some(file),
                }
            }
        };
        let now = Instant::now();
        let shared = Arc::new(Shared {
            url,
            address: address.clone(),
            context: context.clone(),
            hosts,
            ready: OnceCell::new(),
            pace: Mutex::new(Pace::new(address.in_flight)),
            health: Mutex::new(Health {
                moved: None,
                since: None,
                last: now,
                told: now,
                rejected: 0,
                rejected_told: None,
            }),
            refused,
            stop: CancellationToken::new(),
            delivered: AtomicU64::new(0),
            checked: tokio::sync::Mutex::new(now),
        });
        // Report what is missing immediately, not when the first packet comes.
        let opening = tokio::runtime::Handle::try_current().ok().map(|runtime| {
            let shared = shared.clone();
            let task = runtime.spawn(async move {
                // The first write returns its error.
                drop(shared.ready().await);
            });
            task.abort_handle()
        });
        Ok(Cassandra { shared, opening })
    }
}

impl Sink for Cassandra {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        Box::pin(async move {
            self.shared.delivered.store(0, Ordering::Relaxed);
            let ready = tokio::select! {
                ready = self.shared.ready() => ready?,
                () = self.shared.stop.cancelled() => {
                    return Ok(Written {
                        dropped: count(rows),
                        ..Written::default()
                    });
                }
            };
            Writing::new(&self.shared, ready, rows).run().await
        })
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        // Every row was acknowledged before its write returned.
        Box::pin(async { Ok(()) })
    }

    fn linger(&self) -> Duration {
        LINGER
    }

    fn give_up(&self) -> u64 {
        self.shared.stop.cancel();
        self.shared.delivered.load(Ordering::Relaxed)
    }

    fn keeps_rejected(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.shared.refused.rejects.complete())
    }

    fn moved(&self) -> Option<Instant> {
        lock(&self.shared.health).moved
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    async fn ready(&self) -> Result<&Ready, SinkError> {
        let ready = self.ready.get_or_init(|| self.prepare()).await;
        ready.as_ref().map_err(|halt| self.halted(halt))
    }

    fn halted(&self, halt: &Halt) -> SinkError {
        let sink = self.url.clone();
        match halt.clone() {
            Halt::Refused(why) => SinkError::Refused { sink, why },
            Halt::Column {
                column,
                found,
                wanted,
            } => SinkError::Column {
                sink,
                column,
                found,
                wanted,
            },
        }
    }

    /// Waits for the cluster and its tables, without limit.
    async fn prepare(&self) -> Result<Ready, Halt> {
        let mut waiting = Waiting::new(&self.url);
        loop {
            let connected = cluster::in_time(cluster::connect(&self.address)).await;
            let session = match connected {
                Some(Ok(session)) => session,
                Some(Err(why)) => {
                    waiting.wait(why).await;
                    continue;
                }
                None => {
                    waiting.wait(self.silent()).await;
                    continue;
                }
            };
            loop {
                match cluster::in_time(self.tables(&session)).await {
                    Some(Ok((note, targets))) => {
                        waiting.over();
                        return Ok(Ready {
                            session,
                            note,
                            targets,
                        });
                    }
                    Some(Err(Pending::Wait(what))) => waiting.wait(what).await,
                    Some(Err(Pending::Never(halt))) => return Err(halt),
                    // A node may have failed while the session created a table: a new session knows
                    // other nodes.
                    None => {
                        waiting.wait(self.silent()).await;
                        break;
                    }
                }
            }
        }
    }

    fn silent(&self) -> String {
        format!("{} do not answer in time", self.address.nodes())
    }

    async fn tables(&self, session: &Session) -> Result<(Note, Vec<Target>), Pending> {
        let address = &self.address;
        let never = |why| Pending::Never(Halt::Refused(why));
        let rows = self.context.rows;
        let table = address.table_of(rows).unwrap_or_default();
        let note = cluster::note(session, address, (table, rows)).await?;
        let placing = note.placing();
        let columns = &self.context.columns;
        let packets = Layout::packets(columns, placing, self.context.raw).map_err(never)?;
        let mut targets = vec![Target::new(address.keyspace(), table.to_owned(), packets)];
        if self.hosts.is_some() {
            let layout = Layout::by_host(columns, placing).map_err(never)?;
            let name = schema::by_host_name(table);
            targets.push(Target::new(address.keyspace(), name, layout));
        }
        if self.context.amend {
            let written = clock::now() / 1_000;
            for target in &mut targets {
                target.layout.nulls = true;
                target.layout.written = Some(written);
            }
        }
        cluster::ensure(session, address, &targets, note).await?;
        for target in &targets {
            prepare(session, target).await?;
        }
        Ok((note, targets))
    }

    /// Returns when the tables have been checked after `since` and are right.
    async fn check(&self, ready: &Ready, since: Instant) {
        let mut checked = self.checked.lock().await;
        if *checked > since {
            return;
        }
        let mut waiting = Waiting::new(&self.url);
        loop {
            let begun = Instant::now();
            let looked = cluster::in_time(self.look(ready)).await;
            match looked.unwrap_or_else(|| Err(Pending::Wait(self.silent()))) {
                Ok(()) => {
                    *checked = begun;
                    return waiting.over();
                }
                // A table that was broken while we write can be repaired while we wait.
                Err(Pending::Never(halt)) => waiting.wait(halt.text()).await,
                Err(Pending::Wait(what)) => waiting.wait(what).await,
            }
        }
    }

    async fn look(&self, ready: &Ready) -> Result<(), Pending> {
        let Ready {
            session,
            note,
            targets,
        } = ready;
        // A node that does not know the table yet refuses what another would accept.
        match session.check_schema_agreement().await {
            Ok(Some(_)) => {}
            Ok(None) => {
                let what = "the nodes do not agree on the schema yet";
                return Err(Pending::Wait(what.to_owned()));
            }
            Err(e) => {
                return Err(Pending::Wait(format!(
                    "cannot read the cluster's schema: {e}"
                )));
            }
        }
        cluster::ensure(session, &self.address, targets, *note).await?;
        for target in targets {
            prepare(session, target).await?;
        }
        Ok(())
    }

    fn failed(&self, error: &ExecutionError, sent: Instant) {
        let mut pace = lock(&self.pace);
        pace.failed(sent);
        let limit = pace.limit();
        drop(pace);
        let mut health = lock(&self.health);
        let now = Instant::now();
        let new = health.since.is_none();
        if new || now - health.told >= REMIND {
            tracing::warn!(sink = %self.url, error = %fault::said(error),
                "Requests fail; retrying their rows.");
            health.told = now;
        }
        tracing::trace!(limit, error = %fault::said(error), "A request failed.");
        health.since.get_or_insert(now);
        health.last = now;
    }

    fn succeeded(&self) {
        lock(&self.pace).succeeded();
        let mut health = lock(&self.health);
        let now = Instant::now();
        health.moved = Some(now);
        if now - health.last >= CALM {
            self.well(&mut health);
        }
    }

    /// Every row of a write was answered: nothing waits for the cluster any more.
    fn caught_up(&self) {
        self.well(&mut lock(&self.health));
    }

    fn well(&self, health: &mut Health) {
        if let Some(since) = health.since.take() {
            tracing::warn!(sink = %self.url, after = ?since.elapsed(), "Requests succeed again.");
        }
    }

    /// Keeps a row that the server refused with the message `reason`.
    async fn refuse(&self, packets: &Packets, index: usize, reason: &str) {
        let Refused { rejects, file } = &self.refused;
        rejects.refused(packets, index, &self.url, reason).await;
        let Some(file) = file else { return };
        let file = file.display();
        let lost = rejects.lost();
        // It is in the file before its write is answered.
        rejects.flush().await;
        let record = packets.packet(index).record();
        if rejects.lost() > lost {
            let error = rejects.error().unwrap_or_default();
            tracing::error!(sink = %self.url, record, reason, error, %file,
                "The server refused a row, and it cannot be kept.");
            return;
        }
        // One line for many rows: each stands in the file.
        let mut health = lock(&self.health);
        health.rejected += 1;
        let due = |told: Instant| told.elapsed() >= REMIND;
        if health.rejected_told.is_none_or(due) {
            health.rejected_told = Some(Instant::now());
            tracing::warn!(sink = %self.url, rows = health.rejected, record, reason, %file,
                "The server refused rows; they are in the file.");
        }
    }
}

async fn prepare(session: &Session, target: &Target) -> Result<(), Pending> {
    let prepared = target.prepare(session).await;
    prepared.map_err(|e| {
        let what = fault::said(&ExecutionError::PrepareError(e));
        Pending::Wait(format!("the cluster does not prepare the insert: {what}"))
    })
}

/// How many rows there are.
fn count(rows: &[Packets]) -> u64 {
    rows.iter().map(|packets| packets.len() as u64).sum()
}
