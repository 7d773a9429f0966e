//! What a text is written on: a terminal of some width, with or without colours, or a
//! pipe, where a text stays as it is.

use std::io;
use std::os::fd::AsFd;

use rustix::termios;
use supports_color::Stream;

/// A terminal that does not say how wide it is.
const USUAL: usize = 80;

/// Nothing can be laid out on less.
const LEAST: usize = 20;

/// Where a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    /// How many characters a line has; no end in a pipe.
    columns: Option<usize>,
    colours: bool,
}

impl Screen {
    /// A pipe or a file: neither wrapped nor coloured.
    pub(crate) const PIPE: Screen = Screen { columns: None, colours: false };

    /// What standard output is.
    pub(crate) fn stdout() -> Self {
        Screen::of(&io::stdout(), Stream::Stdout)
    }

    /// What standard error is.
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

    /// A terminal.
    #[cfg(test)]
    pub(crate) const fn terminal(columns: usize, colours: bool) -> Self {
        Screen { columns: Some(columns), colours }
    }

    /// How many characters a line has; `None` in a pipe.
    pub(crate) fn columns(self) -> Option<usize> {
        self.columns
    }

    /// How many columns a character takes.
    pub(crate) fn width(c: char) -> usize {
        textwrap::core::display_width(c.encode_utf8(&mut [0; 4]))
    }

    /// Whether colours are shown: `NO_COLOR` and `TERM=dumb` say no.
    pub(crate) fn colours(self) -> bool {
        self.colours
    }
}
