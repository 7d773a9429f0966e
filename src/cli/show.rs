//! Writing for a person: whole texts to stdout.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

/// Writes a text and a newline to stdout. A reader that has gone away is an error,
/// so that a long listing ends there.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes a line to stderr: what goes on, never the result. Nobody reading is fine.
pub(crate) fn aside(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes one JSON value and a newline to stdout.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string(value)?)?)
}

/// Whether a person sits in front of both ends.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Asks the person who sits there; only a plain yes is one.
pub(crate) fn asks(question: &str) -> io::Result<bool> {
    let mut out = io::stdout();
    write!(out, "{question} [y/N] ").and_then(|()| out.flush())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Columns under headings, as wide as they need to be.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let pad = |cell: &str, width: &usize| format!("{cell:<width$}");
    let heading = headings.iter().zip(&widths).map(|(cell, width)| pad(cell, width)).collect::<Vec<_>>();
    let mut lines = vec![heading.join("  ").trim_end().to_owned()];
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| pad(cell, width)).collect::<Vec<_>>();
        lines.push(cells.join("  ").trim_end().to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["main".to_owned(), "yes".to_owned()], vec!["f".to_owned(), String::new()]];
        assert_eq!(table(&["group", "main"], &rows), "group  main\nmain   yes\nf");
    }
}
