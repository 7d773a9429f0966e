//! Reading a journal, oldest line first, while it is written or not. Nothing is held but one line.

use std::io;
use std::path::{Path, PathBuf};

use crate::line::{self, Millis};
use crate::segment::{self, Row, Rows, Segment};

/// A line as it is read. It was not checked: that is what [`crate::verify()`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub at: Millis,
    /// What it is.
    pub kind: &'a str,
    /// The line that it is about.
    pub about: Option<u64>,
    /// All of it, as it stands in the file: a JSON object.
    pub text: &'a [u8],
}

/// The lines from one on.
pub struct Lines {
    folder: PathBuf,
    /// The number that comes next.
    next: u64,
    open: Option<(Segment, Rows)>,
    /// Whether a later segment is there: the writer has left this one, and what it holds is all.
    left: bool,
    text: Vec<u8>,
}

impl Lines {
    /// From this line on; 0 or 1 for all that are there.
    pub fn from(folder: &Path, seq: u64) -> Self {
        Lines { folder: folder.to_path_buf(), next: seq, open: None, left: false, text: Vec::new() }
    }

    /// The next line that is there; `None` where there is none yet: asked again, it looks again.
    #[expect(clippy::should_implement_trait, reason = "it lends its buffer")]
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        while self.read()? {
            if line::frame(&self.text).is_some_and(|frame| frame.seq >= self.next) {
                let Some(frame) = line::frame(&self.text) else { return Ok(None) };
                self.next = frame.seq + 1;
                let (seq, at, kind, about) = (frame.seq, frame.at, frame.kind, frame.about);
                return Ok(Some(Line { seq, at, kind, about, text: &self.text }));
            }
        }
        Ok(None)
    }

    /// Reads one line; whether there was one.
    fn read(&mut self) -> io::Result<bool> {
        loop {
            let Some((segment, rows)) = &mut self.open else {
                let segments = segment::list(&self.folder)?;
                let holding = segments.iter().rposition(|segment| segment.first <= self.next).unwrap_or(0);
                let Some(segment) = segments.into_iter().nth(holding) else { return Ok(false) };
                self.enter(segment)?;
                continue;
            };
            if let Row::Whole(text) = rows.next()? {
                self.text.clear();
                self.text.extend_from_slice(text);
                return Ok(true);
            }
            let later = segment::list(&self.folder)?.into_iter().find(|later| later.first > segment.first);
            match later {
                None => return Ok(false),
                Some(later) if self.left => self.enter(later)?,
                Some(_) => self.left = true,
            }
        }
    }

    fn enter(&mut self, segment: Segment) -> io::Result<()> {
        let rows = Rows::open(&segment.path)?;
        (self.open, self.left) = (Some((segment, rows)), false);
        Ok(())
    }
}
