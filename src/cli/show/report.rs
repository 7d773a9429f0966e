//! Files' problems, drawn with the lines concerned. Quotations are made visible before the drawing, whose own control
//! codes stay.

use std::fmt;

use desk::screen::text_on_screen;
use desk::{Problem, Problems};
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, Severity,
    SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};
use textwrap::core::display_width;

use super::screen::Screen;
use super::styled::Styled;

/// A pipe has no width; this breaks nothing.
const ENDLESS: usize = 100_000;

/// The room before a quoted line, beside its number.
const GUTTER: usize = 5;

/// How much of a long line is shown before the marked part.
const BEFORE: usize = 12;

/// Problems fitted to stdout.
pub(crate) fn report(problems: &Problems) -> Styled {
    report_on(problems, Screen::stdout())
}

/// Problems fitted to a screen.
pub(crate) fn report_on(problems: &Problems, screen: Screen) -> Styled {
    let styles = if screen.colours() { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let theme = GraphicalTheme { characters: ThemeCharacters::unicode(), styles };
    let width = screen.columns().unwrap_or(ENDLESS);
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(width).with_break_words(false);
    let drawn = problems.0.iter().map(|problem| {
        let mut text = String::new();
        // Writing to a String cannot fail, and what cannot be drawn can still be printed.
        match handler.render_report(&mut text, &Drawn::new(problem, width)) {
            Ok(()) => text,
            Err(_) => text_on_screen(&problem.plain()),
        }
    });
    Styled::drawn(drawn.collect::<Vec<_>>().join("\n").trim_end().to_owned())
}

/// A problem without anything that a terminal would obey.
#[derive(Debug)]
struct Drawn {
    message: String,
    help: Option<String>,
    severity: Option<Severity>,
    quoted: Option<Quoted>,
}

/// The lines around a problem.
#[derive(Debug)]
struct Quoted {
    name: String,
    text: String,
    /// The marked part.
    span: SourceSpan,
    /// The number of the first line, from 0.
    line: usize,
    /// Its starting column in the file, which the text may no longer tell.
    column: usize,
}

impl Drawn {
    fn new(problem: &Problem, width: usize) -> Self {
        Drawn {
            message: text_on_screen(&problem.to_string()),
            help: problem.help().map(text_on_screen),
            severity: problem.severity(),
            quoted: Quoted::of(problem, width),
        }
    }
}

impl Quoted {
    fn of(problem: &Problem, width: usize) -> Option<Self> {
        let span = *problem.labels()?.next()?.inner();
        let around = problem.source_code()?.read_span(&span, 1, 1).ok()?;
        let text = std::str::from_utf8(around.data()).ok()?;
        let (start, line) = (span.offset().checked_sub(around.span().offset())?, around.line());
        let number = (line + around.line_count() + 1).to_string().len();
        let room = width.saturating_sub(GUTTER + number);
        let (text, span) = visible(text, start, span.len(), room);
        let (row, column) = problem.position();
        let place = format!(":{row}:{column}");
        let name = ending(&text_on_screen(problem.file()), room.saturating_sub(place.len() + 1));
        Some(Quoted { name, text, span, line, column: column - 1 })
    }
}

/// The lines made visible and cut to the room, and the new position of the span.
fn visible(text: &str, start: usize, length: usize, room: usize) -> (String, SourceSpan) {
    let (mut out, mut at, mut span) = (String::new(), 0, (0, 0));
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        let within = start.checked_sub(at).filter(|from| *from <= bare.len());
        let shown = |from: usize, to: usize| bare.get(from.min(bare.len())..to.min(bare.len())).map(text_on_screen);
        let (before, marked, after) = match within {
            Some(from) => (shown(0, from), shown(from, from + length), shown(from + length, bare.len())),
            None => (shown(0, bare.len()), None, None),
        };
        let [before, marked, after] = [before, marked, after].map(Option::unwrap_or_default);
        let (before, marked, after) = windowed(&before, marked, after, room);
        if within.is_some() {
            span = (out.len() + before.len(), marked.len());
        }
        out.extend([before, marked, after, "\n".to_owned()]);
        at += line.len();
    }
    (out, SourceSpan::new(span.0.into(), span.1))
}

/// The part of a line that fits: a little before the marked part, that part, and what follows.
fn windowed(before: &str, marked: String, after: String, room: usize) -> (String, String, String) {
    let fits = |text: &str| display_width(text) <= room;
    if fits(&format!("{before}{marked}{after}")) {
        return (before.to_owned(), marked, after);
    }
    let skipped = before.chars().count().saturating_sub(BEFORE);
    let before = if marked.is_empty() || skipped == 0 || fits(&format!("{before}{marked}…")) {
        before.to_owned()
    } else {
        before.chars().skip(skipped).fold("…".to_owned(), |text, c| text + c.encode_utf8(&mut [0; 4]))
    };
    let before = cut(&before, room);
    let marked = cut(&marked, room.saturating_sub(display_width(&before)));
    let after = cut(&after, room.saturating_sub(display_width(&before) + display_width(&marked)));
    (before, marked, after)
}

/// The end of a name, as far as it fits, with a sign that it was cut.
fn ending(name: &str, room: usize) -> String {
    let fits = |from: &(usize, char)| display_width(&name[from.0..]) < room;
    match name.char_indices().find(fits) {
        Some((from, _)) if display_width(name) > room => format!("…{}", &name[from..]),
        _ => name.to_owned(),
    }
}

/// A text as far as it fits, with a sign that it was cut.
fn cut(text: &str, room: usize) -> String {
    if display_width(text) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if display_width(&out) + display_width(c.encode_utf8(&mut [0; 4])) + 1 > room {
            break;
        }
        out.push(c);
    }
    if room == 0 { out } else { out + "…" }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawn {}

impl Diagnostic for Drawn {
    fn severity(&self) -> Option<Severity> {
        self.severity
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.quoted.as_ref().map(|quoted| quoted as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.quoted.as_ref()?.span;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, span))))
    }
}

impl SourceCode for Quoted {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.text.as_str().read_span(span, before, after)?;
        // Without surrounding lines, the position is needed.
        let column = if before == 0 { self.column } else { read.column() };
        let line = self.line + read.line();
        let (data, lines) = (read.data(), read.line_count());
        Ok(Box::new(MietteSpanContents::new_named(self.name.clone(), data, *read.span(), line, column, lines)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use desk::Text;

    use super::*;

    fn drawn(text: &str, what: &str, screen: Screen) -> String {
        let text = Text::new("policies/family.toml", text);
        let start = text.text.find(what).unwrap();
        let help = Some("presets are: claude, git-read, …".to_owned());
        let problem = Problem::new(&text, start..start + what.len(), format!("there is no preset {what}"), help);
        report_on(&Problems(vec![problem]), screen).on(screen)
    }

    #[test]
    fn only_what_is_quoted_is_made_visible() {
        let text = "# \x1b[2J\nuse = [\"a\x1b[31mb\"]\n";
        let shown = drawn(text, "\"a\x1b[31mb\"", Screen::terminal(80, true));
        assert!(shown.contains("\x1b["), "{shown:?}");
        assert!(!shown.contains("\x1b[2J") && !shown.contains("a\x1b"), "{shown:?}");
        let plain = drawn(text, "\"a\x1b[31mb\"", Screen::terminal(80, false));
        assert!(!plain.contains('\x1b'), "{plain:?}");
        assert!(plain.contains("use = [\"a\\u{1b}[31mb\"]"), "{plain}");
        assert!(plain.contains("[policies/family.toml:2:8]"), "{plain}");
    }

    #[test]
    fn a_long_line_is_shown_around_what_is_wrong_with_it() {
        let text = format!("do = [{}\"GXT /\", \"POST /and/one/more\"]\n", "\"GET /one/two\", ".repeat(20));
        let shown = drawn(&text, "\"GXT /\"", Screen::terminal(40, false));
        assert!(shown.lines().all(|line| display_width(line) <= 40), "{shown}");
        assert!(shown.contains("\"GXT /\"") && shown.contains("───"), "{shown}");
        assert!(shown.contains(":1:327]"), "{shown}");
    }
}
