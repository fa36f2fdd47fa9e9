//! Formats short tables: a header, rows, and columns as wide as their widest cell.

use super::paint::Paint;
use super::visible;

/// Formats rows below a bold header; `right` says which columns are numbers. Cells are escaped for
/// a terminal here.
pub(super) fn table(header: &[&str], right: &[bool], rows: &[Vec<String>], paint: Paint) -> String {
    let cells = |row: &[String]| -> Vec<String> {
        row.iter().map(|c| visible::line(c).into_owned()).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| cells(row)).collect();
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|row| row.get(i));
        let widest = cells.map(|c| c.chars().count()).max().unwrap_or(0);
        widest.max(header[i].chars().count())
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for ((cell, width), right) in cells.zip(&widths).zip(right) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            match right {
                true => line.push_str(&format!("{cell:>width$}")),
                false => line.push_str(&format!("{cell:<width$}")),
            }
        }
        line.trim_end().to_owned()
    };
    let head = line(&mut header.iter().copied());
    let mut out = format!("{}\n", paint.bold(&head));
    for row in &rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
        out.push('\n');
    }
    out
}
