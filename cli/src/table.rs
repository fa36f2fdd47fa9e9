//! Prints the rows of a query as a table, CSV or JSON Lines.

mod cell;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::ValueEnum;
use dumpstream_flow::Datum;
use unicode_width::UnicodeWidthStr;

use self::cell::{blob, csv, cut, quoted, shown, text};
use super::paint::Paint;
use super::visible;

/// Rows that column widths are computed from; later rows may be misaligned. This bounds the memory
/// of a query of any size.
const MEASURED: usize = 1000;
/// No column is padded wider than this, so that one long cell does not push the others away.
const WIDEST: usize = 48;

/// Output format of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Aligned columns, numbers to the right.
    Table,
    /// CSV with a header; lines end in LF; text that a spreadsheet would run as a formula gets a leading '.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

/// How rows are to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) format: Format,
    /// The header's colours.
    pub(super) paint: Paint,
    /// The width of the terminal; on one, a wide table omits columns, and its rows are cut.
    pub(super) terminal: Option<usize>,
}

/// On a terminal, a table with more columns than this omits columns without a value, and its rows
/// are cut at the right edge: `SELECT *` has a column for every field that any packet could have.
const MANY: usize = 16;

struct Cell {
    text: String,
    right: bool,
    null: bool,
}

/// Prints rows as they come.
pub(super) struct Printer<'a> {
    layout: Layout,
    names: Vec<String>,
    /// Empty until the widths are measured.
    widths: Vec<usize>,
    /// The rows that wait to be measured; at most [`MEASURED`].
    held: Vec<Vec<Cell>>,
    /// Columns that are omitted because none of the held rows has a value there, and whether a
    /// later row had one.
    left_out: BTreeMap<usize, bool>,
    /// Whether a row was cut.
    cut: bool,
    out: &'a mut dyn Write,
}

impl<'a> Printer<'a> {
    pub(super) fn new(layout: Layout, out: &'a mut dyn Write) -> Printer<'a> {
        Printer {
            layout,
            names: Vec::new(),
            widths: Vec::new(),
            held: Vec::new(),
            left_out: BTreeMap::new(),
            cut: false,
            out,
        }
    }

    /// The columns' names, before any row.
    pub(super) fn begin(&mut self, names: Vec<String>) -> io::Result<()> {
        self.names = names;
        if self.layout.format == Format::Csv {
            let cells = self.names.iter().map(|n| csv(n.as_bytes()));
            let header = cells.collect::<Vec<_>>().join(",");
            writeln!(self.out, "{header}")?;
        }
        Ok(())
    }

    pub(super) fn row(&mut self, values: &[Datum<'_>]) -> io::Result<()> {
        match self.layout.format {
            Format::Csv => {
                let cells = values.iter().map(|value| match value {
                    Datum::Text(t) => csv(t),
                    Datum::Bytes(b) => csv(blob(b).as_bytes()),
                    value => shown(value),
                });
                let line = cells.collect::<Vec<_>>().join(",");
                writeln!(self.out, "{line}")
            }
            Format::Jsonl => {
                let mut line = String::from("{");
                for (name, value) in self.names.iter().zip(values) {
                    if line.len() > 1 {
                        line.push(',');
                    }
                    line.push_str(&quoted(name));
                    line.push(':');
                    line.push_str(&match value {
                        Datum::Null => Cow::Borrowed("null"),
                        Datum::Text(t) => Cow::Owned(quoted(&text(t))),
                        Datum::Bytes(b) => Cow::Owned(quoted(&blob(b))),
                        // JSON cannot express these numbers.
                        Datum::Real(x) if !x.is_finite() => Cow::Borrowed("null"),
                        value => Cow::Owned(shown(value)),
                    });
                }
                line.push('}');
                writeln!(self.out, "{}", visible::json(&line))
            }
            Format::Table => {
                let cells = values.iter().map(|value| Cell {
                    text: match value {
                        Datum::Text(t) => visible::line(&text(t)).into_owned(),
                        Datum::Bytes(b) => visible::line(&blob(b)).into_owned(),
                        value => shown(value),
                    },
                    right: matches!(value, Datum::Int(_) | Datum::Real(_)),
                    null: matches!(value, Datum::Null),
                });
                let cells: Vec<Cell> = cells.collect();
                if !self.widths.is_empty() {
                    return self.line(&cells);
                }
                self.held.push(cells);
                if self.held.len() == MEASURED {
                    self.measure()
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Measures the held rows, and prints them.
    fn measure(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let wide = |text: &str| text.width().min(WIDEST);
        self.widths = self.names.iter().map(|n| wide(&visible::line(n))).collect();
        for row in &held {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(wide(&cell.text));
            }
        }
        let empty = |i: &usize| held.iter().all(|row| row[*i].null);
        if self.edge().is_some() && !held.is_empty() {
            let empty: Vec<usize> = (0..self.names.len()).filter(empty).collect();
            // If no row has a value, all columns are shown.
            if empty.len() < self.names.len() {
                self.left_out = empty.into_iter().map(|i| (i, false)).collect();
            }
        }
        // The name of a numeric column is also aligned to the right.
        let numbers = |i: usize| held.iter().any(|row| row[i].right);
        let header = self.names.iter().enumerate();
        let header = header.map(|(i, name)| Cell {
            text: visible::line(name).into_owned(),
            right: numbers(i),
            null: false,
        });
        let header: Vec<Cell> = header.collect();
        let header = self.aligned(&header);
        let header = self.cut(header);
        writeln!(self.out, "{}", self.layout.paint.bold(&header))?;
        held.iter().try_for_each(|row| self.line(row))
    }

    fn line(&mut self, cells: &[Cell]) -> io::Result<()> {
        for (i, late) in &mut self.left_out {
            *late |= !cells[*i].null;
        }
        let line = self.aligned(cells);
        let line = self.cut(line);
        writeln!(self.out, "{line}")
    }

    /// Where rows of a wide table are cut.
    fn edge(&self) -> Option<usize> {
        self.layout.terminal.filter(|_| self.names.len() > MANY)
    }

    /// Cuts a row at the right edge of the terminal.
    fn cut(&mut self, mut line: String) -> String {
        if let Some(edge) = self.edge() {
            self.cut |= cut(&mut line, edge);
        }
        line
    }

    fn aligned(&self, cells: &[Cell]) -> String {
        let mut line = String::new();
        let mut first = true;
        for (i, cell) in cells.iter().enumerate() {
            if self.left_out.contains_key(&i) {
                continue;
            }
            if !std::mem::take(&mut first) {
                line.push_str("  ");
            }
            let blanks = " ".repeat(self.widths[i].saturating_sub(cell.text.width()));
            let (before, behind) = match cell.right {
                true => (blanks.as_str(), ""),
                false => ("", blanks.as_str()),
            };
            line.extend([before, &cell.text, behind]);
        }
        line.truncate(line.trim_end().len());
        line
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.layout.format == Format::Table && self.widths.is_empty() {
            self.measure()?;
        }
        let names = |late: bool| {
            let left_out = self.left_out.iter().filter(|(_, l)| **l == late);
            let names: Vec<_> = left_out
                .map(|(i, _)| visible::line(&self.names[*i]).into_owned())
                .collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let (empty, late) = (names(false), names(true));
        if self.cut {
            writeln!(
                self.out,
                "\nRows were cut at the right edge; append `| less -S`, name columns, or use -f jsonl"
            )?;
        }
        if let Some(names) = empty {
            writeln!(self.out, "\nColumns without a value, omitted: {names}")?;
        }
        if let Some(names) = late {
            writeln!(
                self.out,
                "\nColumns with values only after row {MEASURED}, omitted: {names}; \
                 -f jsonl shows them"
            )?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::ops::ControlFlow;

    use dumpstream_flow::sqlite::Database;

    fn printed(format: Format, sql: &str) -> String {
        shown_to(None, format, sql)
    }

    fn shown_to(terminal: Option<usize>, format: Format, sql: &str) -> String {
        // No bytes are a database without tables.
        let file = tempfile::NamedTempFile::new().unwrap();
        let database = Database::open(file.path()).unwrap();
        let layout = Layout {
            format,
            paint: Paint(false),
            terminal,
        };
        let mut out = Vec::new();
        let printer = RefCell::new(Printer::new(layout, &mut out));
        let names = |names| {
            printer.borrow_mut().begin(names).unwrap();
            ControlFlow::Continue(())
        };
        let row = |row: &[Datum<'_>]| {
            printer.borrow_mut().row(row).unwrap();
            ControlFlow::Continue(())
        };
        database.query(sql, names, row).unwrap();
        printer.into_inner().end().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table() {
        let sql = "SELECT 'ab' AS name, 7 AS n UNION ALL SELECT 'c', 1234";
        assert_eq!(
            printed(Format::Table, sql),
            "name     n\nab       7\nc     1234\n"
        );
        assert_eq!(printed(Format::Table, "SELECT 1 AS n WHERE 0"), "n\n");
    }

    #[test]
    fn a_character_of_two_columns_is_two_columns_wide() {
        let sql = "SELECT '漢字' AS name, 7 AS n UNION ALL SELECT 'e\u{301}', 8";
        assert_eq!(
            printed(Format::Table, sql),
            "name  n\n漢字  7\ne\u{301}     8\n"
        );
    }

    #[test]
    fn a_long_query_is_not_held() {
        let sql = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT 5000)
                   SELECT n, 'x' AS x FROM c";
        let out = printed(Format::Table, sql);
        assert_eq!(out.lines().count(), 5001);
        assert!(out.ends_with("5000  x\n"));
    }

    #[test]
    fn a_wide_table_leaves_out_what_no_row_has() {
        let nulls = (0..MANY).map(|i| format!("NULL AS c{i}"));
        let nulls = nulls.collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT {nulls}, 7 AS n");
        let table = shown_to(Some(80), Format::Table, &sql);
        assert!(
            table.starts_with("n\n7\n\nColumns without a value, omitted: c0, c1,"),
            "{table}"
        );
        assert!(printed(Format::Table, &sql).starts_with("c0  c1"));
        assert!(shown_to(Some(80), Format::Csv, &sql).starts_with("c0,c1"));
        let late = format!(
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT 1001)
             SELECT {nulls}, CASE WHEN n > 1000 THEN 1 END AS late, n FROM c"
        );
        let table = shown_to(Some(80), Format::Table, &late);
        assert!(
            table.contains("only after row 1000, omitted: late;"),
            "{table}"
        );
    }

    #[test]
    fn a_wide_table_is_cut_at_the_edge_of_the_terminal() {
        let columns = (0..=MANY).map(|i| format!("'漢{i:02}' AS c{i:02}"));
        let sql = format!("SELECT {}", columns.collect::<Vec<_>>().join(", "));
        let table = shown_to(Some(9), Format::Table, &sql);
        assert_eq!(
            table,
            "c00   c01\n漢00  漢0\n\nRows were cut at the right edge; append `| less -S`, name \
             columns, or use -f jsonl\n"
        );
        // What fits, what is not wide, and what is no table stay whole.
        let whole = printed(Format::Table, &sql);
        assert_eq!(shown_to(Some(200), Format::Table, &sql), whole);
        let long = "SELECT 'a long text' AS t";
        assert_eq!(shown_to(Some(3), Format::Table, long), "t\na long text\n");
        assert_eq!(
            shown_to(Some(9), Format::Csv, &sql),
            printed(Format::Csv, &sql)
        );
    }

    #[test]
    fn bytes_that_are_text_are_text() {
        let sql = "SELECT CAST('a' || char(10) || 'b' AS BLOB) AS raw";
        assert_eq!(printed(Format::Table, sql), "raw\na\\nb\n");
        assert_eq!(printed(Format::Jsonl, sql), "{\"raw\":\"a\\nb\"}\n");
        assert_eq!(printed(Format::Csv, sql), "raw\na\\nb\n");
        assert_eq!(
            printed(Format::Table, "SELECT x'00ff' AS raw"),
            "raw\n00ff\n"
        );
    }

    #[test]
    fn what_a_terminal_would_act_on() {
        let hostile = "SELECT char(27) || '[2J' || char(155) || char(8238) AS t";
        assert_eq!(
            printed(Format::Table, hostile),
            "t\n\\u{1b}[2J\\u{9b}\\u{202e}\n"
        );
        let json = printed(Format::Jsonl, hostile);
        assert_eq!(json, "{\"t\":\"\\u001b[2J\\u009b\\u202e\"}\n");
    }

    #[test]
    fn csv_and_its_formulas() {
        let sql = "SELECT '=1+1' AS a, -5 AS b, 'x,\"y\"' AS c, NULL AS d, '-' AS e, 1.0 AS f, \
                   '' AS g";
        assert_eq!(
            printed(Format::Csv, sql),
            "a,b,c,d,e,f,g\n'=1+1,-5,\"x,\"\"y\"\"\",,-,1.0,\"\"\n"
        );
    }

    #[test]
    fn json_of_every_type() {
        let sql = "SELECT 1 AS i, 1.5 AS r, 'ü' AS t, x'00ff' AS b, NULL AS n, 9e999 AS inf";
        assert_eq!(
            printed(Format::Jsonl, sql),
            "{\"i\":1,\"r\":1.5,\"t\":\"ü\",\"b\":\"00ff\",\"n\":null,\"inf\":null}\n"
        );
    }
}
