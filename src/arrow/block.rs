//! Rows to columns: what rows store one behind the other, scattered to the columns' own places.

use crate::table::{Bits, Inner, Row};

/// Rows of a block: as many as a word has bits.
pub(super) const ROWS: usize = 64;

/// Up to [`ROWS`] rows, by columns.
pub(super) struct Block {
    /// Bits of the columns that each row has; turned, bits of the rows that have each column.
    low: [u64; ROWS],
    high: [u64; ROWS],
    /// [`ROWS`] cells of each column.
    cells: Vec<u64>,
}

impl Block {
    pub(super) fn new(columns: usize) -> Block {
        Block {
            low: [0; ROWS],
            high: [0; ROWS],
            cells: vec![0; columns * ROWS],
        }
    }

    /// Takes rows in place of the earlier ones.
    pub(super) fn fill(&mut self, inner: &Inner, rows: &[Row]) {
        // What is absent is 0, so that no batch shows values of another.
        self.cells.fill(0);
        self.low = [0; ROWS];
        self.high = [0; ROWS];
        for (i, row) in rows.iter().enumerate() {
            let mut present = row.present;
            for (column, cell) in Bits(present).zip(&inner.cells[row.cells..]) {
                self.cells[column * ROWS + i] = *cell;
            }
            if let Some(time) = inner.plan.time.filter(|_| row.timed) {
                present |= 1 << time;
                self.cells[time * ROWS + i] = row.time() as u64;
            }
            self.low[i] = present as u64;
            self.high[i] = (present >> 64) as u64;
        }
        turn(&mut self.low);
        if self.cells.len() > ROWS * ROWS {
            turn(&mut self.high);
        }
    }

    /// Bits of the rows that have this column, and the cells of as many rows.
    pub(super) fn column(&self, column: usize, rows: usize) -> (u64, &[u64]) {
        let present = match column.checked_sub(ROWS) {
            None => self.low[column],
            Some(column) => self.high[column],
        };
        (present, &self.cells[column * ROWS..column * ROWS + rows])
    }
}

/// Turns a square of bits over its diagonal: halves are exchanged, then their halves, down to single
/// bits (Warren, Hacker's Delight, 7-3).
fn turn(square: &mut [u64; ROWS]) {
    let mut width = ROWS / 2;
    let mut mask = u64::MAX >> width;
    while width > 0 {
        let mut row = 0;
        while row < ROWS {
            let other = row + width;
            let exchanged = (square[row] >> width ^ square[other]) & mask;
            square[row] ^= exchanged << width;
            square[other] ^= exchanged;
            row = (other + 1) & !width;
        }
        width /= 2;
        mask ^= mask << width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_is_turned() {
        for (row, column) in [(0, 0), (0, 63), (63, 0), (5, 40), (33, 32)] {
            let mut square = [0; ROWS];
            square[row] = 1 << column;
            turn(&mut square);
            let mut turned = [0; ROWS];
            turned[column] = 1 << row;
            assert_eq!(square, turned, "{row}, {column}");
        }
    }
}
