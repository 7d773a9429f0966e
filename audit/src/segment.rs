//! The files of a journal: their names, and the lines of one.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Longer lines are none of ours: a record is bounded long before that.
pub(crate) const LONGEST: usize = 1 << 20;

/// A file of the folder that is called as a segment is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// The number of its first line, by its name.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
}

/// Its name.
pub(crate) fn named(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:012}.jsonl"))
}

/// All segments of a folder, in order. A folder that is not there has none.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<Segment>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jsonl"));
        let digits = name.filter(|name| name.len() >= 12 && name.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(first) = digits.and_then(|digits| digits.parse().ok()) {
            all.push(Segment { first, path });
        }
    }
    all.sort();
    Ok(all)
}

/// The lines of a file, one after the other in a buffer that is used again.
pub(crate) struct Rows {
    input: BufReader<File>,
    line: Vec<u8>,
    /// Where the next line begins.
    offset: u64,
}

/// What comes next.
pub(crate) enum Row<'a> {
    /// A line, without its break.
    Whole(&'a [u8]),
    /// What stands behind the last break, or is too long for a line. More of it may come.
    Rest,
    /// Nothing.
    End,
}

impl Rows {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::open_at(path, 0)
    }

    /// From where a line begins.
    pub(crate) fn open_at(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Rows { input: BufReader::with_capacity(1 << 16, file), line: Vec::new(), offset })
    }

    /// Where the line begins that comes next.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn next(&mut self) -> io::Result<Row<'_>> {
        if self.line.ends_with(b"\n") {
            self.line.clear();
        }
        let room = (LONGEST + 1).saturating_sub(self.line.len());
        (&mut self.input).take(room as u64).read_until(b'\n', &mut self.line)?;
        match self.line.strip_suffix(b"\n") {
            Some(line) => {
                self.offset += self.line.len() as u64;
                Ok(Row::Whole(line))
            }
            None if self.line.is_empty() => Ok(Row::End),
            None => Ok(Row::Rest),
        }
    }
}

/// The last whole line of a file, without its break.
pub(crate) fn last_line(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut looked_at = 4096;
    loop {
        file.seek(SeekFrom::Start(length.saturating_sub(looked_at)))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        let stop = memchr::memrchr(b'\n', &end);
        let before = stop.and_then(|stop| memchr::memrchr(b'\n', &end[..stop]));
        match (stop, before) {
            (Some(stop), Some(before)) => return Ok(Some(end[before + 1..stop].to_vec())),
            (Some(stop), None) if looked_at >= length => return Ok(Some(end[..stop].to_vec())),
            _ if looked_at >= length.min(2 * LONGEST as u64) => return Ok(None),
            _ => looked_at *= 8,
        }
    }
}
