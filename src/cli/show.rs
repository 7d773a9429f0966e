//! Output for people and for programs: all commands write through this module.
//!
//! Text for people is laid out for the screen: wrapped at words, tables fitted, verdicts in colour. In a pipe the same
//! text keeps its own lines, without control codes.

mod columns;
mod report;
mod screen;
mod styled;
mod wrap;

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

pub(crate) use columns::Columns;
pub(crate) use report::{report, report_on};
pub(crate) use screen::Screen;
pub(crate) use styled::{Styled, Tone};
pub(crate) use wrap::wrap;

/// Writes a text and a newline to stdout. A closed pipe is an error, so that a long listing ends there.
pub(crate) fn line(text: impl Into<Styled>) -> io::Result<()> {
    write(&text.into().on(Screen::stdout()))
}

/// Writes lines for a program, or for copying, to stdout: unchanged.
pub(crate) fn verbatim(text: &str) -> io::Result<()> {
    write(text)
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes control codes for a terminal. A terminal that ignores them is fine.
pub(crate) fn codes(codes: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(codes.as_bytes()).and_then(|()| out.flush());
}

/// Writes a line to stderr: progress, never the result. A closed pipe is fine.
pub(crate) fn aside(text: impl Into<Styled>) {
    let _ = writeln!(io::stderr(), "{}", text.into().on(Screen::stderr()));
}

/// Writes one JSON value and a newline to stdout.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(write(&serde_json::to_string(value)?)?)
}

/// Writes the command line parser's message: help to stdout, errors to stderr.
pub(crate) fn about_the_line(answer: &clap::Error) {
    let screen = if answer.use_stderr() { Screen::stderr() } else { Screen::stdout() };
    let text = answer.render();
    let text = if screen.colours() { text.ansi().to_string() } else { text.to_string() };
    let text = screen.columns().map_or(text.clone(), |columns| wrap::wrap(&text, columns));
    let _ = match answer.use_stderr() {
        true => write!(io::stderr(), "{text}"),
        false => write!(io::stdout(), "{text}"),
    };
}

/// Whether a person is at both ends.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Asks the person at the terminal; only a plain yes counts.
pub(crate) fn asks(question: &str) -> io::Result<bool> {
    let mut out = io::stdout();
    let question = Styled::from(format!("{question} [y/N]")).on(Screen::stdout());
    write!(out, "{question} ").and_then(|()| out.flush())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Rows under headings, fitted to stdout.
pub(crate) fn table<C: Clone + Into<Styled>>(headings: &[&str], rows: &[Vec<C>]) -> Styled {
    table_on(Screen::stdout(), headings, rows)
}

fn table_on<C: Clone + Into<Styled>>(screen: Screen, headings: &[&str], rows: &[Vec<C>]) -> Styled {
    let rows: Vec<Vec<Styled>> = rows.iter().map(|row| row.iter().cloned().map(Into::into).collect()).collect();
    let mut columns = Columns::new(headings);
    rows.iter().for_each(|row| columns.fit(row));
    let fitted = columns.on(screen);
    let lines: Vec<String> = fitted.headings().into_iter().chain(rows.iter().map(|row| fitted.row(row))).collect();
    Styled::drawn(lines.join("\n"))
}

/// Fails if a text is wider than a terminal of 40, 80 or 120 columns, or breaks a word.
#[cfg(test)]
#[track_caller]
pub(crate) fn assert_fits(text: &Styled) {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    for columns in [40, 80, 120] {
        let shown = text.on(Screen::terminal(columns, false));
        let wider = shown.lines().find(|line| textwrap::core::display_width(line.trim_end()) > columns);
        assert_eq!(wider, None, "at {columns} columns:\n{shown}");
        assert_eq!(words(&shown), words(&text.plain()), "at {columns} columns a word is broken");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["main".to_owned(), "yes".to_owned()], vec!["f".to_owned(), String::new()]];
        let table = table_on(Screen::PIPE, &["group", "main"], &rows);
        assert_eq!(table.plain(), "group  main\nmain   yes\nf");
    }
}
