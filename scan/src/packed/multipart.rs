//! Multipart bodies (RFC 2046 §5.1): each part is a file of its own.

use std::borrow::Cow;

use memchr::memmem;

use super::{Output, Unreadable};

/// A multipart body in progress.
pub(super) struct Multipart {
    /// A line break, two hyphens and the boundary.
    delimiter: Vec<u8>,
    /// Bytes that may belong to a delimiter or to the header of a part.
    came: Vec<u8>,
    step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Before the first delimiter.
    Before,
    /// Between a delimiter and the empty line.
    Head,
    Part,
}

/// The longest header of a part.
const LONGEST_HEAD: usize = 64 << 10;
/// Longer than any boundary may be (RFC 2046 §5.1.1), because some senders ignore that.
const LONGEST_BOUNDARY: usize = 200;

impl Multipart {
    pub(super) fn new(boundary: &[u8]) -> Option<Self> {
        let fits = (1..=LONGEST_BOUNDARY).contains(&boundary.len());
        // The first delimiter has no line before it.
        let came = b"\n".to_vec();
        fits.then(|| Multipart { delimiter: [b"\n--", boundary].concat(), came, step: Step::Before })
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let mut came = std::mem::take(&mut self.came);
        let text = if came.is_empty() {
            Cow::Borrowed(bytes)
        } else {
            came.extend_from_slice(bytes);
            Cow::Owned(came)
        };
        let mut rest = &*text;
        while let Some(taken) = self.step(rest, out)? {
            rest = &rest[taken..];
        }
        self.came = rest.to_vec();
        Ok(())
    }

    /// An unfinished delimiter is the end of a part.
    pub(super) fn finish(&mut self, out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let rest = std::mem::take(&mut self.came);
        if self.step == Step::Part { out.within(&rest) } else { Ok(()) }
    }

    pub(super) fn lag(&self) -> u64 {
        self.came.len() as u64
    }

    /// How many bytes were taken; `None` if the next ones are needed.
    fn step(&mut self, rest: &[u8], out: &mut Output<'_, '_>) -> Result<Option<usize>, Unreadable> {
        if self.step == Step::Head {
            let Some(end) = end_of_head(rest) else {
                return if rest.len() > LONGEST_HEAD { Err(Unreadable::Broken) } else { Ok(None) };
            };
            self.step = Step::Part;
            out.begins()?;
            return Ok(Some(end));
        }
        let (at, line) = self.delimiter_in(rest);
        if self.step == Step::Part {
            let part = if line.is_some() { rest[..at].strip_suffix(b"\r").unwrap_or(&rest[..at]) } else { &rest[..at] };
            out.within(part)?;
        }
        if line.is_some() {
            self.step = Step::Head;
        }
        Ok(Some(line.unwrap_or(at)).filter(|taken| *taken > 0))
    }

    /// Where a delimiter begins and ends; without an end, where an incomplete one may begin.
    fn delimiter_in(&self, rest: &[u8]) -> (usize, Option<usize>) {
        for at in memmem::find_iter(rest, &self.delimiter) {
            let end = at + self.delimiter.len();
            match ends_line(&rest[end..]) {
                Some(true) => return (at, Some(end)),
                Some(false) => {}
                None => return (before_break(rest, at), None),
            }
        }
        let from = rest.len().saturating_sub(self.delimiter.len());
        let begins = |at: &usize| self.delimiter.starts_with(&rest[*at..]) || rest[*at..] == *b"\r";
        let at = (from..rest.len()).find(begins).unwrap_or(rest.len());
        (before_break(rest, at), None)
    }
}

/// The line break of a delimiter may be CRLF.
fn before_break(rest: &[u8], at: usize) -> usize {
    if rest[..at].ends_with(b"\r") && at < rest.len() { at - 1 } else { at }
}

/// Whether a boundary ends here: blanks and a line break, or the hyphens of the last one. `None` if
/// more bytes are needed.
fn ends_line(behind: &[u8]) -> Option<bool> {
    match behind.trim_ascii_start() {
        _ if behind.first().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) => Some(true),
        [] | [b'-'] => None,
        [b'-', b'-', ..] => Some(true),
        text => Some(behind[..behind.len() - text.len()].contains(&b'\n')),
    }
}

fn end_of_head(rest: &[u8]) -> Option<usize> {
    let lf = memmem::find(rest, b"\n\n").map(|at| at + 2);
    let crlf = memmem::find(rest, b"\n\r\n").map(|at| at + 3);
    lf.into_iter().chain(crlf).min()
}
