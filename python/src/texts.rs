//! The columns of a batch that hold text, however it is stored.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

/// Text or bytes, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Texts(ArrayRef);

impl Texts {
    /// # Errors
    /// It is something else.
    pub(crate) fn new(name: &str, array: ArrayRef) -> Result<Texts, String> {
        match array.data_type() {
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView => Ok(Texts(array)),
            other => Err(format!("the column {name:?} is {other}, and not text")),
        }
    }

    /// The column of a batch; `None`: it has none of that name.
    pub(crate) fn of(batch: &RecordBatch, name: &str) -> Result<Option<Texts>, String> {
        let column = batch.column_by_name(name);
        column
            .map(|array| Texts::new(name, array.clone()))
            .transpose()
    }

    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        if self.0.is_null(row) {
            return None;
        }
        Some(match self.0.data_type() {
            DataType::Utf8 => self.0.as_string::<i32>().value(row).as_bytes(),
            DataType::LargeUtf8 => self.0.as_string::<i64>().value(row).as_bytes(),
            DataType::Utf8View => self.0.as_string_view().value(row).as_bytes(),
            DataType::Binary => self.0.as_binary::<i32>().value(row),
            DataType::LargeBinary => self.0.as_binary::<i64>().value(row),
            _ => self.0.as_binary_view().value(row),
        })
    }
}
