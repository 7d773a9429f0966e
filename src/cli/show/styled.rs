//! Text with colours. Whatever is put into it is made visible first, so that only our own control codes reach a
//! terminal.

use std::ops::Add;

use anstyle::{AnsiColor, Style};
use desk::screen::text_on_screen;

use super::screen::Screen;
use super::wrap::wrap;

/// The meaning of a colour. Nothing is conveyed by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// All is well.
    Good,
    /// Needs attention.
    Warning,
    /// Refused, broken, an alarm.
    Bad,
    /// Headings.
    Strong,
    /// The least important.
    Faint,
}

/// A text, with tones on parts of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Styled(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Wrapped at words.
    Prose(Option<Tone>),
    /// Unchanged: for copying, or laid out already.
    Fixed,
}

/// Longer lines of prose are hard to read.
const WIDEST: usize = 100;

impl Tone {
    /// A text with this tone.
    pub(crate) fn of(self, text: &str) -> Styled {
        Styled::part(text_on_screen(text), Kind::Prose(Some(self)))
    }

    fn style(self) -> Style {
        match self {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Warning => AnsiColor::Yellow.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
        }
    }
}

impl Styled {
    fn part(text: String, kind: Kind) -> Self {
        Styled(vec![Part { text, kind }])
    }

    /// Whole lines for copying: no screen breaks them.
    pub(crate) fn fixed(lines: &str) -> Self {
        Styled::drawn(text_on_screen(lines))
    }

    /// Lines laid out for the screen already, with only visible text and our own control codes.
    pub(crate) fn drawn(lines: String) -> Self {
        Styled::part(lines, Kind::Fixed)
    }

    /// The texts with a separator.
    pub(crate) fn joined(texts: impl IntoIterator<Item = impl Into<Styled>>, between: &str) -> Styled {
        let join = |all: Option<Styled>, text: Styled| match all {
            Some(all) => Some(all + between + text),
            None => Some(text),
        };
        texts.into_iter().map(Into::into).fold(None, join).unwrap_or_default()
    }

    /// The text without its colours.
    pub(crate) fn plain(&self) -> String {
        self.0.iter().map(|part| part.text.as_str()).collect()
    }

    /// The text for a screen, in lines that fit.
    pub(crate) fn on(&self, screen: Screen) -> String {
        let Some(columns) = screen.columns() else { return self.plain() };
        let mut out = String::new();
        for parts in self.0.chunk_by(|a, b| a.is_fixed() == b.is_fixed()) {
            let text: String = parts.iter().map(|part| part.coloured(screen)).collect();
            out += &if parts[0].is_fixed() { text } else { wrap(&text, columns.min(WIDEST)) };
        }
        out
    }

    /// The text with its colours, in its own lines.
    pub(super) fn coloured(&self, screen: Screen) -> String {
        self.0.iter().map(|part| part.coloured(screen)).collect()
    }
}

impl Part {
    fn is_fixed(&self) -> bool {
        self.kind == Kind::Fixed
    }

    fn coloured(&self, screen: Screen) -> String {
        match self.kind {
            Kind::Prose(Some(tone)) if screen.colours() => {
                let style = tone.style();
                format!("{}{}{}", style.render(), self.text, style.render_reset())
            }
            _ => self.text.clone(),
        }
    }
}

impl From<&str> for Styled {
    fn from(text: &str) -> Self {
        Styled::part(text_on_screen(text), Kind::Prose(None))
    }
}

impl From<String> for Styled {
    fn from(text: String) -> Self {
        Styled::from(text.as_str())
    }
}

impl From<&String> for Styled {
    fn from(text: &String) -> Self {
        Styled::from(text.as_str())
    }
}

impl From<&Styled> for Styled {
    fn from(text: &Styled) -> Self {
        text.clone()
    }
}

impl<T: Into<Styled>> Add<T> for Styled {
    type Output = Styled;

    fn add(mut self, more: T) -> Styled {
        self.0.extend(more.into().0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_ours_alone() {
        let text = Tone::Bad.of("DENY") + " \x1b[32mok";
        assert_eq!(text.on(Screen::PIPE), "DENY \\u{1b}[32mok");
        assert_eq!(text.on(Screen::terminal(80, false)), "DENY \\u{1b}[32mok");
        assert_eq!(text.on(Screen::terminal(80, true)), "\x1b[1m\x1b[31mDENY\x1b[0m \\u{1b}[32mok");
    }

    #[test]
    fn what_is_to_be_copied_is_not_broken() {
        let text = Styled::from("Put this into family.toml:\n") + Styled::fixed("host = \"api.example.org\"");
        assert_eq!(text.on(Screen::terminal(20, false)), "Put this into\nfamily.toml:\nhost = \"api.example.org\"");
    }
}
