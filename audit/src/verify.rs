//! Is the journal as it was written? Every line is chained to the one before, so a change anywhere
//! shows at the first changed line.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint::{self, Checkpoint};
use crate::frame;
use crate::line::{self, Chain, Link, Millis};
use crate::segment::{self, Row, Rows};

/// A journal that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The number of lines.
    pub records: u64,
    /// How many older lines were removed by retention.
    pub removed: u64,
    /// The last line: its chain is the head to be kept elsewhere.
    pub last: Link,
    /// When it was written.
    pub last_at: Option<Millis>,
    /// The number of signed checkpoints that agree with it.
    pub checkpoints: u64,
    /// When the last checkpoint was made.
    pub checkpoint_at: Option<Millis>,
    /// The public keys that signed them.
    pub keys: BTreeSet<Vec<u8>>,
    /// Whether the requested head is a line of this chain.
    pub holds_head: Option<bool>,
    /// Bytes after the last whole line: one being written, or one cut off by a power loss.
    pub torn: u64,
}

/// The first line that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} {what} (in {file}); the records before it are as they were written")]
pub struct Damage {
    /// The name of its file.
    pub file: String,
    /// Its number.
    pub seq: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Why a journal was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// It cannot be read.
    #[error("{path} cannot be read: {error}", path = path.display())]
    Unread {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Walks the whole chain. With `head`, also checks whether a line has that chain; with `key`,
/// treats checkpoints with another key as damage.
pub fn verify(folder: &Path, head: Option<Chain>, key: Option<&[u8]>) -> Result<Verified, VerifyError> {
    let unread = |path: &Path| {
        let path = path.to_path_buf();
        move |error| VerifyError::Unread { path, error }
    };
    let mut walk = Walk::new(head, key);
    let segments = segment::list(folder).map_err(unread(folder))?;
    let mut torn = 0;
    for (index, found) in segments.iter().enumerate() {
        let file = name(&found.path);
        let mut rows = Rows::open(&found.path).map_err(unread(&found.path))?;
        walk.enter(found.first).map_err(|what| walk.damage(&file, what))?;
        loop {
            match rows.next().map_err(unread(&found.path))? {
                Row::Whole(line) => walk.line(line).map(drop).map_err(|what| walk.damage(&file, what))?,
                Row::Rest if index + 1 == segments.len() => {
                    let length = std::fs::metadata(&found.path).map_err(unread(&found.path))?.len();
                    torn = length.saturating_sub(rows.offset());
                    break;
                }
                Row::Rest => return Err(walk.damage(&file, "is cut off")),
                Row::End => break,
            }
        }
    }
    let first = segments.first().map(|first| name(&first.path)).unwrap_or_default();
    walk.finish(torn).map_err(|what| Damage { file: first, seq: walk.base.seq, what }.into())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A walk along the chain, and what it has seen so far.
pub(crate) struct Walk<'a> {
    /// The line before the first existing one; initially the same as `last`.
    base: Link,
    pub(crate) last: Link,
    last_at: Option<Millis>,
    /// Whether the next line begins a segment.
    enters: bool,
    begun: bool,
    head: Option<Chain>,
    holds_head: bool,
    key: Option<&'a [u8]>,
    keys: BTreeSet<Vec<u8>>,
    checkpoints: u64,
    checkpoint_at: Option<Millis>,
    removed: Vec<Link>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(head: Option<Chain>, key: Option<&'a [u8]>) -> Self {
        Walk {
            base: Link::NONE,
            last: Link::NONE,
            last_at: None,
            enters: true,
            begun: false,
            head,
            holds_head: false,
            key,
            keys: BTreeSet::new(),
            checkpoints: 0,
            checkpoint_at: None,
            removed: Vec::new(),
        }
    }

    /// Enters a segment whose name has this number.
    pub(crate) fn enter(&mut self, first: u64) -> Result<(), &'static str> {
        self.enters = true;
        if !self.begun {
            let Some(before) = first.checked_sub(1) else { return Err("has a number that no record can have") };
            self.last.seq = before;
            return Ok(());
        }
        match first {
            first if first == self.last.seq + 1 => Ok(()),
            first if first > self.last.seq => Err("is missing, with the file that held it"),
            _ => Err("comes again in a file of another name"),
        }
    }

    /// Checks the next line; returns when it was written.
    pub(crate) fn line(&mut self, text: &[u8]) -> Result<Millis, &'static str> {
        let Some(frame) = frame::frame(text) else { return Err("is no line of a journal") };
        if self.enters {
            self.enters = false;
            let after = frame::field(text, "after").and_then(Chain::parse);
            let after = after
                .filter(|_| text[frame.kind.clone()] == *SEGMENT.as_bytes())
                .ok_or("does not begin its file as it should")?;
            if !self.begun {
                self.begun = true;
                self.last.chain = after;
                self.base = self.last;
                self.holds_head |= self.base.seq > 0 && self.head == Some(after);
            } else if after != self.last.chain {
                return Err("goes on from another chain than the file before it ends with");
            }
        }
        match frame.seq.checked_sub(self.last.seq) {
            Some(1) => {}
            Some(0) | None => return Err("has the number of one that came before it"),
            Some(_) => return Err("is missing"),
        }
        if frame.about.is_some_and(|about| about == 0 || about >= frame.seq) {
            return Err("names a decision that had not been made");
        }
        if line::chained(self.last.chain, frame::covered(text)) != frame.chain {
            return Err("was changed, moved or put in");
        }
        if text[frame.kind] == *checkpoint::KIND.as_bytes() {
            self.checkpoint(frame::covered(text), frame.at)?;
        }
        self.last = Link { seq: frame.seq, chain: frame.chain };
        self.last_at = Some(frame.at);
        self.holds_head |= self.head == Some(frame.chain);
        Ok(frame.at)
    }

    fn checkpoint(&mut self, text: &[u8], at: Millis) -> Result<(), &'static str> {
        let read = Checkpoint::read(text).ok_or("is a checkpoint whose signature is wrong")?;
        if read.covers != self.last.chain {
            return Err("is a checkpoint of another chain");
        }
        if self.key.is_some_and(|key| key != read.key) {
            return Err("is a checkpoint that was signed with another key than this installation's");
        }
        self.keys.insert(read.key);
        self.removed.extend(read.removed);
        self.checkpoints += 1;
        self.checkpoint_at = Some(at);
        Ok(())
    }

    pub(crate) fn base(&self) -> Link {
        self.base
    }

    fn damage(&self, file: &str, what: &'static str) -> VerifyError {
        Damage { file: file.to_owned(), seq: self.last.seq + 1, what }.into()
    }

    /// Whatever is missing before the first line must be what a checkpoint says was removed.
    fn finish(&mut self, torn: u64) -> Result<Verified, &'static str> {
        let base = self.base;
        if base.seq > 0 {
            let reaches = self.removed.iter().any(|removed| removed.seq >= base.seq);
            let agrees = self.removed.iter().all(|removed| removed.seq != base.seq || removed.chain == base.chain);
            if !(reaches && agrees) {
                return Err("and those before it were removed, and no checkpoint says so");
            }
        }
        Ok(Verified {
            records: self.last.seq - base.seq,
            removed: base.seq,
            last: self.last,
            last_at: self.last_at,
            checkpoints: self.checkpoints,
            checkpoint_at: self.checkpoint_at,
            keys: std::mem::take(&mut self.keys),
            holds_head: self.head.map(|_| self.holds_head),
            torn,
        })
    }
}

/// The kind of the line that begins a segment.
pub(crate) const SEGMENT: &str = "segment";
