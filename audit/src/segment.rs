//! The files of a journal: their names, and the lines in them.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The longest line; a record is limited to far less.
pub(crate) const LONGEST: usize = 1 << 20;

/// A file in the folder with a segment's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// The number of its first line, from its name.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
}

/// The path of a segment.
pub(crate) fn named(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:012}.jsonl"))
}

/// All segments of a folder, in order. A missing folder has none.
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

/// The lines of a file in order, each as a slice of the buffer.
pub(crate) struct Rows {
    file: File,
    buffer: Vec<u8>,
    /// The part of the buffer that was read and not returned yet.
    unread: Range<usize>,
    /// The offset in the file where that begins.
    offset: u64,
}

const BUFFER: usize = 1 << 17;

/// The next item.
pub(crate) enum Row<'a> {
    /// A line, without its break.
    Whole(&'a [u8]),
    /// The rest after the last line break, or too long for a line. More of it may come.
    Rest,
    /// The end of the file.
    End,
}

impl Rows {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::open_at(path, 0)
    }

    /// Starts at the offset of a line.
    pub(crate) fn open_at(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Rows { file, buffer: vec![0; BUFFER], unread: 0..0, offset })
    }

    /// The offset of the next line.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn next(&mut self) -> io::Result<Row<'_>> {
        let mut looked_at = 0;
        loop {
            let unread = &self.buffer[self.unread.clone()];
            if let Some(length) = memchr::memchr(b'\n', &unread[looked_at..]).map(|at| looked_at + at) {
                if length > LONGEST {
                    return Ok(Row::Rest);
                }
                let begin = self.unread.start;
                self.unread.start += length + 1;
                self.offset += length as u64 + 1;
                return Ok(Row::Whole(&self.buffer[begin..begin + length]));
            }
            looked_at = unread.len();
            if looked_at > LONGEST || self.read_more()? == 0 {
                return Ok(if looked_at == 0 { Row::End } else { Row::Rest });
            }
        }
    }

    /// Reads more after the unread part; returns how much.
    fn read_more(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.unread.end == self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        let read = loop {
            match self.file.read(&mut self.buffer[self.unread.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.unread.end += read;
        Ok(read)
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
