//! What the cluster itself says, asked by a driver's session of the test's own.

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::statement::Consistency;
use scylla::statement::unprepared::Statement;

/// A runtime for a test's own questions.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

pub(crate) async fn session(node: &str) -> Session {
    let mut tries = 0;
    loop {
        match SessionBuilder::new().known_node(node).build().await {
            Ok(session) => return session,
            Err(e) if tries == 30 => panic!("{node}: {e}"),
            Err(_) => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
        }
        tries += 1;
    }
}

/// Runs statements that make tables.
pub(crate) async fn run(session: &Session, statements: &str) {
    for statement in statements.split(";\n") {
        let lines = statement.lines().filter(|l| !l.starts_with("--"));
        let statement = lines.collect::<Vec<_>>().join("\n");
        if !statement.trim().is_empty() {
            session.query_unpaged(statement.as_str(), ()).await.unwrap();
        }
    }
}

/// Whether there is a row.
pub(crate) async fn any(session: &Session, table: &str) -> bool {
    let one = format!("SELECT record FROM {table} LIMIT 1");
    let found = session.query_unpaged(one, ()).await;
    found.is_ok_and(|found| found.into_rows_result().unwrap().rows_num() > 0)
}

/// Every row's stream, record and one more number, asked of all replicas.
pub(crate) async fn rows(session: &Session, table: &str, number: &str) -> Vec<(String, i64, i64)> {
    let mut statement = Statement::new(format!("SELECT stream, record, {number} FROM {table}"));
    statement.set_consistency(Consistency::All);
    statement.set_page_size(2_000);
    statement.set_is_idempotent(true);
    let mut rows = Vec::new();
    let mut state = PagingState::start();
    loop {
        let mut tries = 0;
        let (page, next) = loop {
            let page = session.query_single_page(statement.clone(), (), state.clone());
            match page.await {
                Ok(page) => break page,
                // Replicas that were down are mended while they are read, which takes its time.
                Err(_) if tries < 60 => tries += 1,
                Err(e) => panic!("{table}: {e}"),
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        };
        let page = page.into_rows_result().unwrap();
        rows.extend(
            page.rows::<(String, i64, i64)>()
                .unwrap()
                .map(Result::unwrap),
        );
        match next {
            PagingStateResponse::HasMorePages { state: next } => state = next,
            PagingStateResponse::NoMorePages => break,
        }
    }
    rows.sort_unstable();
    rows
}

/// That the rows of one stream are those from 1 to `last`, each once.
#[track_caller]
pub(crate) fn each_once(rows: &[(String, i64, i64)], last: u64) {
    let found = rows.len();
    let doubled = rows
        .windows(2)
        .filter(|w| (&w[0].0, w[0].1) == (&w[1].0, w[1].1));
    let doubled: Vec<_> = doubled.map(|w| w[0].1).take(5).collect();
    let mut records = rows.iter().map(|r| r.1).peekable();
    let mut missing = Vec::new();
    for wanted in 1..=last as i64 {
        while records.next_if(|r| *r < wanted).is_some() {}
        if records.peek() != Some(&wanted) {
            missing.push(wanted);
        }
    }
    let some: Vec<_> = missing.iter().take(5).collect();
    assert!(
        found as u64 == last && doubled.is_empty() && missing.is_empty(),
        "{found} rows of {last}: {} missing {some:?}, doubled {doubled:?}",
        missing.len()
    );
}
