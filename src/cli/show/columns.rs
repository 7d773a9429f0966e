//! Rows under headings, fitted to the screen. Cells that are too wide are broken at words within their columns; if not
//! even that fits, each row becomes a few lines, with the headings before their cells.

use textwrap::core::display_width;

use super::screen::Screen;
use super::styled::{Styled, Tone};
use super::wrap;

/// The gap between two columns.
const GAP: &str = "  ";

/// A text column is not made narrower than this, nor so narrow that a cell takes more lines than that: slivers of text
/// are unreadable.
const NARROWEST: usize = 16;
const TALLEST: usize = 6;

/// A table's columns, and the widths of their content.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    headings: Vec<String>,
    /// The columns of numbers, aligned to the right.
    numbers: Vec<usize>,
    /// The widths of the widest cells.
    widest: Vec<usize>,
    /// The narrowest readable widths.
    narrowest: Vec<usize>,
}

/// Columns on a screen.
#[derive(Clone, Debug)]
pub(crate) struct Fitted {
    headings: Vec<String>,
    numbers: Vec<usize>,
    layout: Layout,
    screen: Screen,
}

#[derive(Clone, Debug)]
enum Layout {
    /// Side by side, with these widths.
    Beside(Vec<usize>),
    /// One below the other, in this many columns.
    Below(usize),
}

impl Columns {
    /// Columns with these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let widths: Vec<usize> = headings.iter().map(|heading| heading.len()).collect();
        let headings = headings.iter().map(|&heading| heading.to_owned()).collect();
        Columns { headings, numbers: Vec::new(), widest: widths.clone(), narrowest: widths }
    }

    /// These are numbers.
    pub(crate) fn numbers(mut self, which: &[usize]) -> Self {
        self.numbers = which.to_vec();
        self
    }

    /// Fixed widths, for rows that come one by one.
    pub(crate) fn widths(mut self, widths: &[usize]) -> Self {
        self.narrowest = widths.iter().map(|width| (*width).min(NARROWEST)).collect();
        self.widest = widths.to_vec();
        self
    }

    /// Makes room for a row.
    pub(crate) fn fit(&mut self, cells: &[Styled]) {
        for (column, cell) in cells.iter().enumerate().take(self.headings.len()) {
            let text = cell.plain();
            let widest = text.lines().map(display_width).max().unwrap_or(0);
            let least = if self.numbers.contains(&column) { widest } else { wrap::longest_piece(&text) };
            self.widest[column] = self.widest[column].max(widest);
            self.narrowest[column] = self.narrowest[column].max(least.max(NARROWEST.min(widest)));
        }
    }

    /// The columns fitted to a screen.
    pub(crate) fn on(self, screen: Screen) -> Fitted {
        let gaps = GAP.len() * self.headings.len().saturating_sub(1);
        let layout = match screen.columns() {
            None => Layout::Beside(self.widest),
            Some(columns) => match shared(&self.widest, &self.narrowest, columns.saturating_sub(gaps)) {
                Some(widths) => Layout::Beside(widths),
                None => Layout::Below(columns),
            },
        };
        Fitted { headings: self.headings, numbers: self.numbers, layout, screen }
    }
}

/// Divides the room: each column gets what it needs, or as much as the other wide ones.
fn shared(widest: &[usize], narrowest: &[usize], room: usize) -> Option<Vec<usize>> {
    let with_at_most =
        |most: usize| widest.iter().zip(narrowest).map(move |(wide, narrow)| (*wide).min(most.max(*narrow)));
    let most = (0..=room).rev().find(|most| with_at_most(*most).sum::<usize>() <= room)?;
    let widths: Vec<usize> = with_at_most(most).collect();
    let is_sliver = |(wide, width): (&usize, &usize)| *wide > width * TALLEST;
    (!widest.iter().zip(&widths).any(is_sliver)).then_some(widths)
}

impl Fitted {
    /// The line of headings; `None` if each row has its own.
    pub(crate) fn headings(&self) -> Option<String> {
        match &self.layout {
            Layout::Beside(widths) => {
                let cells: Vec<_> = self.headings.iter().map(|heading| Tone::Strong.of(heading)).collect();
                Some(self.beside(&cells, widths))
            }
            Layout::Below(_) => None,
        }
    }

    /// A row, in one or more lines.
    pub(crate) fn row(&self, cells: &[Styled]) -> String {
        match &self.layout {
            Layout::Beside(widths) => self.beside(cells, widths),
            Layout::Below(columns) => self.below(cells, *columns),
        }
    }

    fn beside(&self, cells: &[Styled], widths: &[usize]) -> String {
        let lines = |(cell, width): (&Styled, &usize)| match self.screen.columns() {
            Some(_) => wrap::cell(&cell.coloured(self.screen), *width),
            None => vec![cell.plain()],
        };
        let cells: Vec<Vec<String>> = cells.iter().zip(widths).map(lines).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        let line = |number: usize| {
            let padded = cells.iter().zip(widths).enumerate().map(|(column, (lines, width))| {
                let text = lines.get(number).map(String::as_str).unwrap_or_default();
                let padding = " ".repeat(width.saturating_sub(display_width(text)));
                if self.numbers.contains(&column) { padding + text } else { text.to_owned() + &padding }
            });
            padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
        };
        (0..height).map(line).collect::<Vec<_>>().join("\n")
    }

    /// The first cell, and below it the others with their headings, as many per line as fit. Empty ones are left out.
    fn below(&self, cells: &[Styled], columns: usize) -> String {
        let mut lines: Vec<String> = Vec::new();
        let mut room = 0;
        let says_something = |(_, cell): &(&String, &Styled)| !matches!(&*cell.plain(), "" | "-");
        for (heading, cell) in self.headings.iter().zip(cells).filter(says_something) {
            let first = lines.is_empty();
            let named = if first || heading.is_empty() { Styled::default() } else { label(heading) + " " };
            let text = (named + cell).coloured(self.screen);
            let width = display_width(&text);
            match lines.last_mut().filter(|_| room >= width + GAP.len() && !text.contains('\n')) {
                Some(line) => {
                    room -= width + GAP.len();
                    line.push_str(&format!("{GAP}{text}"));
                }
                None => {
                    let indent = if first { "" } else { GAP };
                    lines.push(wrap::wrap(&format!("{indent}{text}"), columns));
                    // Nothing follows a broken cell.
                    let whole = !lines.last().is_some_and(|line| line.contains('\n'));
                    room = if whole { columns.saturating_sub(width + indent.len()) } else { 0 };
                }
            }
        }
        lines.join("\n")
    }
}

fn label(heading: &str) -> Styled {
    Tone::Faint.of(&heading.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(screen: Screen) -> String {
        let rows = [
            ["main", "api.example.org", "GET one, GET two, GET three", "1 kB"].map(Styled::from),
            ["f", "b.test", "-", "12 kB"].map(Styled::from),
        ];
        let mut columns = Columns::new(&["GROUP", "HOST", "REQUESTS", "UP"]).numbers(&[3]);
        rows.iter().for_each(|row| columns.fit(row));
        let fitted = columns.on(screen);
        let lines = fitted.headings().into_iter().chain(rows.iter().map(|row| fitted.row(row)));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_pipe_gets_a_line_for_each_row() {
        assert_eq!(
            shown(Screen::PIPE),
            "\
GROUP  HOST             REQUESTS                        UP
main   api.example.org  GET one, GET two, GET three   1 kB
f      b.test           -                            12 kB"
        );
    }

    #[test]
    fn a_column_gives_way_at_its_words() {
        assert_eq!(
            shown(Screen::terminal(50, false)),
            "\
GROUP  HOST             REQUESTS                UP
main   api.example.org  GET one, GET two,     1 kB
                        GET three
f      b.test           -                    12 kB"
        );
    }

    #[test]
    fn what_fits_in_no_columns_is_told_line_by_line() {
        assert_eq!(
            shown(Screen::terminal(24, false)),
            "\
main
  host api.example.org
  requests GET one, GET
  two, GET three
  up 1 kB
f  host b.test  up 12 kB"
        );
    }
}
