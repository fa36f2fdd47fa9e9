//! The blocks of a page of the docs.

/// The blocks of a page: what stands behind their fence, and their lines.
pub fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(about) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```");
            blocks.push((about, text.map(|line| format!("{line}\n")).collect()));
        }
    }
    blocks
}
