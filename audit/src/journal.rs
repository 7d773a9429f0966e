//! The one writer.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use crate::checkpoint::{self, Key};
use crate::line::{self, Link, Millis};
use crate::recovery::{self, Opened};
use crate::segment;
use crate::verify::{Damage, SEGMENT};

/// A segment that is longer is not written any more; the next one begins.
const SEGMENT_BYTES: u64 = 16 << 20;

/// A segment whose first line is older: the next one begins, so that what is kept for some
/// days goes in pieces of a day.
const SEGMENT_AGE: Millis = 24 * 60 * 60 * 1000;

/// Something to be written down.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it happened.
    pub at: Millis,
    /// What it is, as a word.
    pub kind: &'static str,
    /// The line that it is about.
    pub about: Option<u64>,
    /// Its other fields, as a JSON object without line breaks.
    pub fields: String,
}

/// The journal, open for writing.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    key: Key,
    open: Option<Open>,
    last: Link,
    /// Files that were written to since the last sync began, with the newest.
    unsynced: Vec<Arc<File>>,
    /// Whether a file was made whose name is not on the disk yet.
    new_name: bool,
    /// Set where part of a line could not be taken back.
    broken: bool,
    buffer: Vec<u8>,
    segment_bytes: u64,
    _lock: File,
}

#[derive(Debug)]
struct Open {
    file: Arc<File>,
    path: PathBuf,
    length: u64,
    begun: Millis,
}

/// What a power cut could cost now.
#[derive(Debug)]
pub struct Unsynced {
    files: Vec<Arc<File>>,
    folder: Option<PathBuf>,
    last: u64,
}

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process writes it.
    #[error("{path} is written by another program", path = .0.display())]
    Locked(PathBuf),
    /// Somebody else changed it while it was open.
    #[error("{path} was changed, removed or replaced while it was open", path = .0.display())]
    Changed(PathBuf),
    /// It is not as it was written.
    #[error("the journal is damaged: {0}")]
    Damaged(Damage),
    /// Part of a line stands at its end and could not be taken back.
    #[error("{path} ends with part of a line that could not be taken back", path = .0.display())]
    Broken(PathBuf),
    /// The disk, or the system.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl JournalError {
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        JournalError::Io { path: path.to_path_buf(), error }
    }
}

impl Journal {
    /// Opens the journal of a folder, or begins it. What a power cut has torn is put aside.
    pub fn open(folder: &Path, key: Key) -> Result<Opened, JournalError> {
        let failed = |error| JournalError::io(folder, error);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let lock = take_lock(folder)?;
        let end = recovery::find_end(folder)?;
        let open = end.segment.map(|(segment, length, begun)| {
            let file = appending().open(&segment.path).map_err(|error| JournalError::io(&segment.path, error))?;
            Ok::<_, JournalError>(Open { file: Arc::new(file), path: segment.path, length, begun })
        });
        let mut journal = Journal {
            folder: folder.to_path_buf(),
            key,
            open: open.transpose()?,
            last: end.last,
            unsynced: Vec::new(),
            new_name: false,
            broken: false,
            buffer: Vec::new(),
            segment_bytes: SEGMENT_BYTES,
            _lock: lock,
        };
        journal.unsynced.extend(journal.open.as_ref().map(|open| open.file.clone()));
        Ok(Opened { journal, torn: end.torn })
    }

    /// The last line.
    pub fn last(&self) -> Link {
        self.last
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends events in one write: all of them, or none. Says the number of the last.
    pub fn append(&mut self, events: &[Event]) -> Result<u64, JournalError> {
        let Some(first) = events.first() else { return Ok(self.last.seq) };
        self.begin(first.at)?;
        let mut last = self.last;
        for event in events {
            last = self.compose(last, event.at, event.kind, event.about, |into, _| {
                let fields = event.fields.strip_prefix('{').and_then(|fields| fields.strip_suffix('}'));
                if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
                    into.push(b',');
                    into.extend_from_slice(fields.as_bytes());
                }
            });
        }
        self.write(last)
    }

    /// Appends a checkpoint; `removed` is the last line that is about to be removed.
    pub fn checkpoint(&mut self, at: Millis, removed: Option<Link>) -> Result<u64, JournalError> {
        self.begin(at)?;
        let (before, buffer) = (self.last, &mut self.buffer);
        line::begin(buffer, before.seq + 1, at, checkpoint::KIND, None);
        checkpoint::write(buffer, 0, &self.key, before.chain, removed);
        let chain = line::end(buffer, 0, before.chain);
        self.write(Link { seq: before.seq + 1, chain })
    }

    /// What a power cut could cost now. To be synced without the journal in hand: appends go on.
    pub fn unsynced(&mut self) -> Unsynced {
        let files = std::mem::take(&mut self.unsynced);
        let folder = std::mem::take(&mut self.new_name).then(|| self.folder.clone());
        self.unsynced.extend(self.open.as_ref().map(|open| open.file.clone()));
        Unsynced { files, folder, last: self.last.seq }
    }

    /// What could not be synced is tried again with the next.
    pub fn not_synced(&mut self, unsynced: Unsynced) {
        let newer = std::mem::take(&mut self.unsynced);
        self.unsynced = unsynced.files;
        self.unsynced.extend(newer);
        self.unsynced.dedup_by(|a, b| Arc::ptr_eq(a, b));
        self.new_name |= unsynced.folder.is_some();
    }

    /// Makes ready for lines: a segment that is there, and is the one that was opened.
    fn begin(&mut self, at: Millis) -> Result<(), JournalError> {
        self.buffer.clear();
        if let Some(open) = &self.open {
            if self.broken {
                return Err(JournalError::Broken(open.path.clone()));
            }
            let there = std::fs::metadata(&open.path).ok().map(|found| (found.dev(), found.ino()));
            let ours = open.file.metadata().map_err(|error| JournalError::io(&open.path, error))?;
            // Shorter than what was written: emptied, or cut.
            if there != Some((ours.dev(), ours.ino())) || ours.len() != open.length {
                return Err(JournalError::Changed(open.path.clone()));
            }
            if open.length < self.segment_bytes && at.saturating_sub(open.begun) < SEGMENT_AGE {
                return Ok(());
            }
        }
        self.roll(at)
    }

    /// Begins the next segment with the line that says what it goes on from.
    fn roll(&mut self, at: Millis) -> Result<(), JournalError> {
        let before = self.last;
        let path = segment::named(&self.folder, before.seq + 1);
        let file = appending().create_new(true).open(&path).map_err(|error| JournalError::io(&path, error))?;
        let file = Arc::new(file);
        let last = self.compose(before, at, SEGMENT, None, |into, before| {
            // Writing to a Vec cannot fail.
            let _ = write!(into, ",\"after\":\"{}\",\"format\":1", before.chain);
        });
        let earlier = self.open.replace(Open { file: file.clone(), path: path.clone(), length: 0, begun: at });
        if let Err(error) = self.write(last) {
            // As if it had not been begun.
            let _ = std::fs::remove_file(&path);
            (self.open, self.broken) = (earlier, false);
            return Err(error);
        }
        self.unsynced.push(file);
        self.new_name = true;
        self.buffer.clear();
        Ok(())
    }

    fn compose(
        &mut self,
        before: Link,
        at: Millis,
        kind: &str,
        about: Option<u64>,
        fields: impl FnOnce(&mut Vec<u8>, Link),
    ) -> Link {
        let start = self.buffer.len();
        let seq = before.seq + 1;
        line::begin(&mut self.buffer, seq, at, kind, about);
        fields(&mut self.buffer, before);
        Link { seq, chain: line::end(&mut self.buffer, start, before.chain) }
    }

    /// Writes the buffer, which ends with this line, in one call. What was written in part is
    /// taken back.
    fn write(&mut self, last: Link) -> Result<u64, JournalError> {
        let Some(open) = &mut self.open else { return Ok(self.last.seq) };
        let failed = |error| Err(JournalError::io(&open.path, error));
        let written = loop {
            match (&*open.file).write(&self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => break written,
            }
        };
        match written {
            Ok(written) if written == self.buffer.len() => {
                open.length += written as u64;
                self.last = last;
                Ok(last.seq)
            }
            Ok(0) => failed(io::ErrorKind::WriteZero.into()),
            Ok(_) => {
                self.broken = open.file.set_len(open.length).is_err();
                failed(io::Error::new(io::ErrorKind::StorageFull, "only part of it was written"))
            }
            Err(error) => failed(error),
        }
    }
}

impl Unsynced {
    /// All that was appended before is on the disk afterwards; says up to which line.
    pub fn sync(&self) -> io::Result<u64> {
        for file in &self.files {
            file.sync_data()?;
        }
        if let Some(folder) = &self.folder {
            File::open(folder)?.sync_all()?;
        }
        Ok(self.last)
    }
}

#[cfg(test)]
impl Journal {
    pub(crate) fn with_segments_of(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }
}

fn appending() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    options
}

fn take_lock(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|error| JournalError::io(&path, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(JournalError::Locked(folder.to_path_buf())),
        Err(error) => Err(JournalError::io(&path, error.into())),
    }
}
