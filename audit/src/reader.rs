//! Reads a journal, oldest line first, also while it is written. Holds only one line at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::frame::{Frame, frame};
use crate::line::{Chain, Millis};
use crate::segment::{self, Row, Rows, Segment};

/// A line as read, unchecked: checking is the job of [`crate::verify()`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub at: Millis,
    /// What happened.
    pub kind: &'a str,
    /// The line that it refers to.
    pub about: Option<u64>,
    /// The chain that the next line continues.
    pub chain: Chain,
    /// The whole text, as in the file: a JSON object.
    pub text: &'a [u8],
    /// Where it is.
    pub place: Place,
}

/// Where a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the first line of its segment.
    pub segment: u64,
    /// The offset in the file.
    pub offset: u64,
    /// The length, without the line break.
    pub length: u64,
}

/// Reads lines whose places are known.
pub struct Texts {
    folder: PathBuf,
    open: Option<(u64, File)>,
}

/// The lines from a given one on.
pub struct Lines {
    folder: PathBuf,
    /// The number of the next line.
    next: u64,
    open: Option<(Segment, Rows)>,
    /// Whether a later segment exists: the writer has left this one, so it is complete.
    left: bool,
    text: Vec<u8>,
}

impl Lines {
    /// From this line on; 0 or 1 for all of them.
    pub fn from(folder: &Path, seq: u64) -> Self {
        Lines { folder: folder.to_path_buf(), next: seq, open: None, left: false, text: Vec::new() }
    }

    /// After a line whose place is known.
    pub fn behind(folder: &Path, seq: u64, place: Place) -> io::Result<Self> {
        let segment = Segment { first: place.segment, path: segment::named(folder, place.segment) };
        let rows = Rows::open_at(&segment.path, place.offset + place.length + 1)?;
        Ok(Lines { open: Some((segment, rows)), ..Lines::from(folder, seq + 1) })
    }

    /// The next line; `None` if there is none yet. A later call looks again.
    #[expect(clippy::should_implement_trait, reason = "it lends its buffer")]
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        while let Some(place) = self.read()? {
            let Some(found) = frame(&self.text).filter(|found| found.seq >= self.next) else { continue };
            self.next = found.seq + 1;
            return Ok(Line::of(found, &self.text, place));
        }
        Ok(None)
    }

    /// Reads one line; returns its place, if there was one.
    fn read(&mut self) -> io::Result<Option<Place>> {
        loop {
            let Some((segment, rows)) = &mut self.open else {
                let segments = segment::list(&self.folder)?;
                let holding = segments.iter().rposition(|segment| segment.first <= self.next).unwrap_or(0);
                let Some(segment) = segments.into_iter().nth(holding) else { return Ok(None) };
                self.enter(segment)?;
                continue;
            };
            let offset = rows.offset();
            if let Row::Whole(text) = rows.next()? {
                self.text.clear();
                self.text.extend_from_slice(text);
                return Ok(Some(Place { segment: segment.first, offset, length: text.len() as u64 }));
            }
            let later = segment::list(&self.folder)?.into_iter().find(|later| later.first > segment.first);
            match later {
                None => return Ok(None),
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

impl<'a> Line<'a> {
    fn of(found: Frame, text: &'a [u8], place: Place) -> Option<Self> {
        let Frame { seq, at, kind, about, chain } = found;
        Some(Line { seq, at, kind: str::from_utf8(&text[kind]).ok()?, about, chain, text, place })
    }
}

impl Texts {
    /// For a journal.
    pub fn of(folder: &Path) -> Self {
        Texts { folder: folder.to_path_buf(), open: None }
    }

    /// Reads the line at a place into a buffer; `None` if there is none.
    pub fn read<'a>(&mut self, place: Place, into: &'a mut Vec<u8>) -> io::Result<Option<Line<'a>>> {
        let file = match &mut self.open {
            Some((segment, file)) if *segment == place.segment => file,
            open => &open.insert((place.segment, File::open(segment::named(&self.folder, place.segment))?)).1,
        };
        into.resize(usize::try_from(place.length).unwrap_or(0).min(segment::LONGEST), 0);
        match file.read_exact_at(into, place.offset) {
            Ok(()) => Ok(frame(into).and_then(|found| Line::of(found, into, place))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The number of the first line that still exists, by its segment's name.
pub fn first(folder: &Path) -> io::Result<Option<u64>> {
    Ok(segment::list(folder)?.first().map(|segment| segment.first))
}
