//! Which column: a name that was looked up once.

use crate::namespace::Column;

/// A column of a parser and of the packets that it makes; [`Parser::column`](crate::Parser::column)
/// finds it by name. Its place among [`Parser::columns`](crate::Parser::columns) is one too.
///
/// It is a number: with packets of another namespace it stands for whatever column is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(usize);

impl ColumnId {
    pub(crate) fn find(columns: &[Column], name: &str) -> Option<ColumnId> {
        columns.iter().position(|c| c.name == name).map(ColumnId)
    }

    /// The place among the columns, from 0.
    pub fn index(self) -> usize {
        self.0
    }
}

impl From<usize> for ColumnId {
    fn from(index: usize) -> ColumnId {
        ColumnId(index)
    }
}
