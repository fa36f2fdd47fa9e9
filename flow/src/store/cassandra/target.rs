//! A table that rows are written to: its layout and its prepared statements.

use std::sync::{Arc, PoisonError, RwLock};

use scylla::client::session::Session;
use scylla::errors::PrepareError;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};
use scylla::statement::prepared::PreparedStatement;

use super::layout::{BLOCK, Bound, Layout};

/// A table.
pub(crate) struct Target {
    pub(crate) table: String,
    pub(crate) layout: Layout,
    insert: String,
    /// Replaced when the table has changed.
    prepared: RwLock<Option<Arc<Prepared>>>,
}

/// The insert, and batches of two and more of it: made once, used by every request.
struct Prepared {
    single: PreparedStatement,
    batches: Vec<Batch>,
}

impl Target {
    pub(crate) fn new(keyspace: &str, table: String, layout: Layout) -> Target {
        Target {
            insert: layout.insert(&format!("{keyspace}.{table}")),
            table,
            layout,
            prepared: RwLock::new(None),
        }
    }

    /// Prepares the insert, or prepares it again.
    ///
    /// # Errors
    /// The cluster's error.
    pub(crate) async fn prepare(&self, session: &Session) -> Result<(), PrepareError> {
        let mut single = session.prepare(self.insert.as_str()).await?;
        single.set_is_idempotent(true);
        let batch = |n: usize| {
            let statement = BatchStatement::PreparedStatement(single.clone());
            let statements = vec![statement; n];
            let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
            batch.set_is_idempotent(true);
            batch
        };
        let largest = usize::try_from(BLOCK).expect("a small constant");
        let prepared = Prepared {
            batches: (2..=largest).map(batch).collect(),
            single,
        };
        *self
            .prepared
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(prepared));
        Ok(())
    }

    fn prepared(&self) -> Option<Arc<Prepared>> {
        let prepared = self.prepared.read();
        prepared.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes rows of one partition in one request.
    ///
    /// # Errors
    /// The error of the cluster or the driver.
    pub(crate) async fn write(
        &self,
        session: &Session,
        rows: &[Bound<'_>],
    ) -> Result<(), scylla::errors::ExecutionError> {
        let prepared = self
            .prepared()
            .expect("a target is prepared before it is written to");
        match rows {
            [] => {}
            [row] => {
                session.execute_unpaged(&prepared.single, row).await?;
            }
            rows => {
                let batch = &prepared.batches[rows.len() - 2];
                session.batch(batch, rows).await?;
            }
        }
        Ok(())
    }
}
