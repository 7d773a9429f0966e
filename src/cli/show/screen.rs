//! The target of a text: a terminal of some width, with or without colours, or a pipe, where a text stays unchanged.

use std::io;
use std::os::fd::AsFd;

use rustix::termios;
use supports_color::Stream;

/// The width of a terminal that does not report one.
const USUAL: usize = 80;

/// The least width for a layout.
const LEAST: usize = 20;

/// The target of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    /// The width of a line; `None` in a pipe.
    columns: Option<usize>,
    colours: bool,
}

impl Screen {
    /// A pipe or a file: neither wrapped nor coloured.
    pub(crate) const PIPE: Screen = Screen { columns: None, colours: false };

    /// Standard output.
    pub(crate) fn stdout() -> Self {
        Screen::of(&io::stdout(), Stream::Stdout)
    }

    /// Standard error.
    pub(crate) fn stderr() -> Self {
        Screen::of(&io::stderr(), Stream::Stderr)
    }

    fn of(out: &(impl io::IsTerminal + AsFd), stream: Stream) -> Self {
        if !out.is_terminal() {
            return Screen::PIPE;
        }
        let said = termios::tcgetwinsize(out).map_or(0, |size| usize::from(size.ws_col));
        let columns = if said == 0 { USUAL } else { said.max(LEAST) };
        Screen { columns: Some(columns), colours: supports_color::on(stream).is_some() }
    }

    #[cfg(test)]
    pub(crate) const fn terminal(columns: usize, colours: bool) -> Self {
        Screen { columns: Some(columns), colours }
    }

    /// The width of a line; `None` in a pipe.
    pub(crate) fn columns(self) -> Option<usize> {
        self.columns
    }

    /// How many columns a character takes.
    pub(crate) fn width(c: char) -> usize {
        textwrap::core::display_width(c.encode_utf8(&mut [0; 4]))
    }

    /// Whether to show colours: not with `NO_COLOR` or `TERM=dumb`.
    pub(crate) fn colours(self) -> bool {
        self.colours
    }
}
