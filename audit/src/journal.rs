//! The only writer.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FallocateFlags, FlockOperation, fallocate, flock, statat};
use rustix::io::Errno;

use crate::checkpoint::{self, Key};
use crate::error::JournalError;
use crate::line::{self, Chain, Head, Link, Millis};
use crate::recovery::{self, Torn};
use crate::segment::{self, LONGEST};
use crate::verify::SEGMENT;

/// Once a segment is longer than this, the next one begins.
const SEGMENT_BYTES: u64 = 16 << 20;

/// The same for its age, so that retention in days removes a day at a time.
const SEGMENT_AGE: u64 = 24 * 60 * 60 * 1000;

/// Disk space that a segment reserves beyond its end, so that the log can still be written for a
/// while after the disk has become full.
const AHEAD: u64 = 4 << 20;

/// The most bytes that waiting lines may hold.
const WAITING_AT_MOST: usize = 4 << 20;

/// The journal, open for writing.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    key: Key,
    open: Open,
    /// The last line in the file.
    written: Link,
    /// Lines that are not in the file yet, complete and chained.
    waiting: Vec<u8>,
    /// The last waiting line or, without any, the last in the file.
    last: Link,
    /// Files written to since the last sync began, and the current one.
    unsynced: Vec<Arc<File>>,
    /// The folder, kept open: a process that has run out of descriptors can still log.
    names: Arc<File>,
    /// Its parent folder, kept open: every line's check of the file starts there.
    above: File,
    /// Whether a new file's name is not on the disk yet.
    new_name: bool,
    segment_bytes: u64,
    _lock: File,
}

#[derive(Debug)]
struct Open {
    file: Arc<File>,
    path: PathBuf,
    /// The same path, relative to the parent of the journal's folder.
    below: PathBuf,
    identity: (u64, u64),
    length: u64,
    begun: Millis,
    /// Whether part of a line follows the last one.
    torn: bool,
    /// Up to where the file has reserved disk space, or was last refused it.
    reserved: u64,
}

/// A line that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its number.
    pub seq: u64,
    /// How long it is.
    pub bytes: usize,
}

/// What a power cut would lose now.
#[derive(Debug)]
pub struct Unsynced {
    files: Vec<Arc<File>>,
    names: Option<Arc<File>>,
    last: u64,
}

/// A journal that was just opened.
#[derive(Debug)]
pub struct Opened {
    /// The writer.
    pub journal: Journal,
    /// The last line that was found.
    pub found: Link,
    /// What was found after it.
    pub torn: Option<Torn>,
}

impl Journal {
    /// Opens the journal in a folder, or begins it after `base`. Lines torn by a power cut are put
    /// aside.
    pub fn open(folder: &Path, key: Key, now: Millis, base: Link) -> Result<Opened, JournalError> {
        let failed = |error| JournalError::io(folder, error);
        if !folder.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
            folder.parent().map_or(Ok(()), sync_folder).map_err(failed)?;
        }
        let lock = take_lock(folder)?;
        let end = recovery::find_end(folder)?;
        let (found, open, last) = match end.segment {
            Some((segment, length, begun)) => (end.last, Open::again(&segment.path, length, begun)?, end.last),
            None => {
                let removed = Some(base).filter(|base| *base != Link::NONE);
                let (open, last) = Open::begin(folder, &key, base, now, removed)?;
                (base, open, last)
            }
        };
        let unsynced = vec![open.file.clone()];
        let journal = Journal {
            folder: folder.to_path_buf(),
            key,
            open,
            written: last,
            waiting: Vec::new(),
            last,
            unsynced,
            names: Arc::new(File::open(folder).map_err(failed)?),
            above: File::open(above(folder)).map_err(failed)?,
            new_name: true,
            segment_bytes: SEGMENT_BYTES,
            _lock: lock,
        };
        Ok(Opened { journal, found, torn: end.torn })
    }

    /// Ends segments at this length, if it is less than the usual one.
    #[must_use]
    pub fn with_segments_of(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes.min(SEGMENT_BYTES);
        self
    }

    /// The last line that was written.
    pub fn written(&self) -> Link {
        self.written
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a line at once, after the waiting ones and in one call with them: all or none.
    /// `fields` writes its own fields, each after a comma.
    pub fn append(&mut self, head: &Head, fields: impl FnOnce(&mut Vec<u8>)) -> Result<Written, JournalError> {
        self.append_with(head, |into, _, _| fields(into))
    }

    /// Adds a line that is written with the next one, or by [`Journal::flush`]. Returns whether
    /// there was room for it.
    pub fn wait(&mut self, head: &Head, fields: impl FnOnce(&mut Vec<u8>)) -> bool {
        let room = self.waiting.len() < WAITING_AT_MOST;
        room && self.compose(head, |into, _, _| fields(into)).is_ok()
    }

    /// Writes the waiting lines; returns whether there were any.
    pub fn flush(&mut self) -> Result<bool, JournalError> {
        if self.waiting.is_empty() {
            return Ok(false);
        }
        self.look()?;
        self.write().map(|()| true)
    }

    /// Writes a checkpoint; `removed` is the last of the lines about to be removed.
    pub fn checkpoint(&mut self, at: Millis, removed: Option<Link>) -> Result<Written, JournalError> {
        let key = self.key.clone();
        let head = Head { at, kind: checkpoint::KIND, about: None };
        self.append_with(&head, |into, start, before| checkpoint::write(into, start, &key, before, removed))
    }

    fn append_with(
        &mut self,
        head: &Head,
        fields: impl FnOnce(&mut Vec<u8>, usize, Chain),
    ) -> Result<Written, JournalError> {
        self.look()?;
        if self.open.length >= self.segment_bytes || head.at.abs_diff(self.open.begun) >= SEGMENT_AGE {
            self.next_segment(head.at)?;
        }
        let before = (self.waiting.len(), self.last);
        let bytes = self.compose(head, fields)?;
        if let Err(error) = self.write() {
            self.waiting.truncate(before.0);
            self.last = before.1;
            return Err(error);
        }
        Ok(Written { seq: self.written.seq, bytes })
    }

    /// What a power cut would lose now. Sync it without holding the journal: appends continue.
    pub fn unsynced(&mut self) -> Unsynced {
        let files = std::mem::replace(&mut self.unsynced, vec![self.open.file.clone()]);
        let names = std::mem::take(&mut self.new_name).then(|| self.names.clone());
        Unsynced { files, names, last: self.written.seq }
    }

    /// Takes back what could not be synced; the next sync tries it again.
    pub fn not_synced(&mut self, unsynced: Unsynced) {
        let newer = std::mem::replace(&mut self.unsynced, unsynced.files);
        self.unsynced.extend(newer);
        self.unsynced.dedup_by(|a, b| Arc::ptr_eq(a, b));
        self.new_name |= unsynced.names.is_some();
    }

    /// Checks that the file is the one that was opened, and ends where the last line does.
    fn look(&mut self) -> Result<(), JournalError> {
        let open = &mut self.open;
        let changed = || JournalError::Changed(open.path.clone());
        let found = match statat(&self.above, &open.below, AtFlags::empty()) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Err(changed()),
            Err(error) => return Err(JournalError::io(&open.path, error.into())),
        };
        let length = found.st_size.cast_unsigned();
        if (found.st_dev, found.st_ino) != open.identity || length < open.length {
            return Err(changed());
        }
        if open.torn {
            open.cut().map_err(|error| JournalError::Broken { path: open.path.clone(), error })?;
            open.torn = false;
        } else if length > open.length {
            return Err(changed());
        }
        Ok(())
    }

    fn next_segment(&mut self, at: Millis) -> Result<(), JournalError> {
        self.write()?;
        let (open, last) = Open::begin(&self.folder, &self.key, self.written, at, None)?;
        // Releases the space that the old one reserved; a failure costs only space.
        let _ = self.open.cut();
        self.unsynced.push(open.file.clone());
        (self.open, self.written, self.last, self.new_name) = (open, last, last, true);
        Ok(())
    }

    /// Adds a line to the waiting ones; returns its length.
    fn compose(&mut self, head: &Head, fields: impl FnOnce(&mut Vec<u8>, usize, Chain)) -> Result<usize, JournalError> {
        let start = self.waiting.len();
        let last = compose(&mut self.waiting, self.last, head, fields);
        let bytes = self.waiting.len() - start;
        if bytes > LONGEST {
            self.waiting.truncate(start);
            return Err(JournalError::TooLong(bytes));
        }
        self.last = last;
        Ok(bytes)
    }

    /// Writes the waiting lines in one call.
    fn write(&mut self) -> Result<(), JournalError> {
        if !self.waiting.is_empty() {
            self.open.write(&self.waiting)?;
            self.waiting.clear();
            self.written = self.last;
        }
        Ok(())
    }
}

impl Open {
    fn again(path: &Path, length: u64, begun: Millis) -> Result<Self, JournalError> {
        Self::of(appending().open(path), path, length, begun)
    }

    fn of(opened: io::Result<File>, path: &Path, length: u64, begun: Millis) -> Result<Self, JournalError> {
        let failed = |error| JournalError::io(path, error);
        let file = opened.map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        let identity = (found.dev(), found.ino());
        Ok(Open {
            file: Arc::new(file),
            path: path.to_path_buf(),
            below: below(path),
            identity,
            length,
            begun,
            torn: false,
            reserved: length,
        })
    }

    /// A new segment: a line that names the chain it continues, and a checkpoint of everything
    /// before.
    fn begin(
        folder: &Path,
        key: &Key,
        before: Link,
        at: Millis,
        removed: Option<Link>,
    ) -> Result<(Self, Link), JournalError> {
        let path = segment::named(folder, before.seq + 1);
        let mut open = Self::of(appending().create_new(true).open(&path), &path, 0, at)?;
        let mut lines = Vec::new();
        let begins = Head { at, kind: SEGMENT, about: None };
        let first = compose(&mut lines, before, &begins, |into, _, before| {
            // Writing to a Vec cannot fail.
            let _ = write!(into, ",\"after\":\"{before}\",\"format\":1");
        });
        let signed = Head { at, kind: checkpoint::KIND, about: None };
        let last = compose(&mut lines, first, &signed, |into, start, before| {
            checkpoint::write(into, start, key, before, removed);
        });
        if let Err(error) = open.write(&lines) {
            // As if it had never begun.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok((open, last))
    }

    /// Ends the file after its last line, and releases the space reserved beyond.
    fn cut(&mut self) -> io::Result<()> {
        self.reserved = self.length;
        self.file.set_len(self.length)
    }

    /// Reserves space beyond the end. If the file system has none or cannot do this, nothing
    /// changes: the write then fails as it would have anyway.
    fn reserve(&mut self, bytes: usize) {
        if self.length + bytes as u64 + AHEAD / 2 > self.reserved {
            let _ = fallocate(&*self.file, FallocateFlags::KEEP_SIZE, self.length, bytes as u64 + AHEAD);
            self.reserved = self.length + bytes as u64 + AHEAD;
        }
    }

    /// Writes in one call. A partial write is taken back, now or before anything is written after
    /// it.
    fn write(&mut self, lines: &[u8]) -> Result<(), JournalError> {
        self.reserve(lines.len());
        let written = loop {
            match (&*self.file).write(lines) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => break written,
            }
        };
        let error = match written {
            Ok(written) if written == lines.len() => {
                self.length += written as u64;
                return Ok(());
            }
            Ok(0) => io::ErrorKind::WriteZero.into(),
            Ok(_) => {
                self.torn = self.cut().is_err();
                io::Error::new(io::ErrorKind::StorageFull, "only part of it was written")
            }
            Err(error) => error,
        };
        Err(JournalError::io(&self.path, error))
    }
}

impl Unsynced {
    /// Syncs everything appended before this was made; returns the number of its last line.
    pub fn sync(&self) -> io::Result<u64> {
        for file in &self.files {
            file.sync_data()?;
        }
        self.names.as_deref().map_or(Ok(()), File::sync_all)?;
        Ok(self.last)
    }
}

/// Appends a line to others.
fn compose(into: &mut Vec<u8>, before: Link, head: &Head, fields: impl FnOnce(&mut Vec<u8>, usize, Chain)) -> Link {
    let (start, seq) = (into.len(), before.seq + 1);
    line::begin(into, seq, head);
    fields(into, start, before.chain);
    Link { seq, chain: line::end(into, start, before.chain) }
}

/// The parent folder by name, even if the path is a link.
fn above(folder: &Path) -> &Path {
    folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The path of a file relative to its folder's parent.
fn below(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    Path::new(folder).join(path.file_name().unwrap_or_default())
}

fn appending() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    options
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn take_lock(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|error| JournalError::io(&path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(JournalError::Locked(folder.to_path_buf())),
        Err(error) => Err(JournalError::io(&path, error.into())),
    }
}
