//! A picture of a terminal, for the documentation: what a program showed there, as SVG.

use std::fmt::Write as _;
use std::num::NonZero;

use vt100::{Cell, Color, Parser};

/// Taller than anything that is shown in one picture.
const TALLEST: u16 = 400;

/// Of one character, and of the frame.
const WIDTH: f32 = 8.4;
const HEIGHT: f32 = 18.0;
const EDGE: f32 = 14.0;

const PAPER: &str = "#16181d";
const INK: &str = "#d8dae0";

/// Black to white, as terminals name them.
const COLOURS: [&str; 8] = ["#5c6370", "#e06c75", "#8cc265", "#d9a94d", "#61afef", "#c678dd", "#56b6c2", "#d8dae0"];

/// What a program wrote to a terminal of this width, from the first line that holds one text
/// until before the first that holds another, or to the end.
#[track_caller]
pub fn picture(title: &str, written: &str, columns: u16, from: &str, until: Option<&str>) -> String {
    let size = [TALLEST, columns].map(|size| NonZero::new(size).unwrap());
    let mut parser = Parser::new(size[0], size[1], 0);
    parser.process(written.as_bytes());
    let screen = parser.screen();
    let lines: Vec<String> = screen.rows(0, columns).collect();
    let first = lines.iter().position(|line| line.contains(from)).unwrap_or_else(|| panic!("{from:?} in {lines:#?}"));
    let ends = |until| lines.iter().skip(first + 1).position(|line| line.contains(until)).map(|at| first + 1 + at);
    let last = until.and_then(ends).unwrap_or(lines.len());
    let last = (first..last).rev().find(|row| !lines[*row].trim().is_empty()).unwrap() + 1;
    let (width, height) = (f32::from(columns) * WIDTH + 2.0 * EDGE, (last - first) as f32 * HEIGHT + 2.0 * EDGE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" role=\"img\">\n\
         <title>{}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         <g font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"14\" fill=\"{INK}\" \
         xml:space=\"preserve\">\n",
        escaped(title)
    );
    for row in first..last {
        let y = EDGE + (row - first) as f32 * HEIGHT + 13.0;
        let cells = (0..columns).filter_map(|column| Some((column, screen.cell(row as u16, column)?)));
        for (column, style, text) in runs(cells) {
            let (x, length) = (EDGE + f32::from(column) * WIDTH, text.chars().count() as f32 * WIDTH);
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{length:.1}\"{style}>{}</text>",
                escaped(&text)
            );
        }
    }
    svg + "</g>\n</svg>\n"
}

/// Neighbours that look alike, without the blanks around them.
fn runs<'a>(cells: impl Iterator<Item = (u16, &'a Cell)>) -> Vec<(u16, String, String)> {
    let mut runs: Vec<(u16, String, String)> = Vec::new();
    let mut next = 0;
    for (column, cell) in cells.filter(|(_, cell)| !cell.is_wide_continuation()) {
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let style = style(cell);
        match runs.last_mut() {
            Some((_, last, run)) if *last == style && next == column => run.push_str(text),
            _ if text == " " => continue,
            _ => runs.push((column, style, text.to_owned())),
        }
        next = column + 1 + u16::from(cell.is_wide());
    }
    runs.iter_mut().for_each(|(_, _, text)| text.truncate(text.trim_end().len()));
    runs
}

fn style(cell: &Cell) -> String {
    let mut style = match cell.fgcolor() {
        Color::Idx(colour) => format!(" fill=\"{}\"", COLOURS[usize::from(colour % 8)]),
        Color::Default | Color::Rgb(..) => String::new(),
    };
    style += if cell.bold() { " font-weight=\"bold\"" } else { "" };
    style += if cell.dim() { " opacity=\"0.6\"" } else { "" };
    style
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
