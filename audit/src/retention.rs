//! How long the journal is kept: by age and by size, in whole segments, oldest first.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::JournalError;
use crate::frame;
use crate::line::{Chain, Link, Millis};
use crate::reader::Lines;
use crate::segment::{self, Segment};

/// How much of the journal is kept; by default all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Older lines are removed.
    pub age: Option<Duration>,
    /// The oldest are removed while the journal has more bytes than this.
    pub size: Option<u64>,
    /// Lines younger than this stay, whatever the size.
    pub always: Duration,
}

/// A segment, with what retention needs to know.
struct Kept {
    segment: Segment,
    bytes: u64,
    /// When its last line was written, by those clocks that are not ahead.
    newest: Option<Millis>,
}

/// The segments to be removed.
#[derive(Debug)]
pub struct Due {
    /// Their last line.
    pub removed: Link,
    files: Vec<PathBuf>,
}

impl Due {
    /// Finds what is due now; changes nothing.
    pub fn find(folder: &Path, retention: &Retention, now: Millis) -> io::Result<Option<Due>> {
        let mut kept: Vec<Kept> = Vec::new();
        for segment in segment::list(folder)? {
            let mut next = Kept::of(segment, now)?;
            // Lines are in order: one written by a slow clock is no older than those before it.
            next.newest = next.newest.max(kept.last().and_then(|before| before.newest));
            kept.push(next);
        }
        let due = due(&kept, retention, now);
        let Some(next) = kept.get(due).filter(|_| due > 0) else { return Ok(None) };
        let removed = before(&next.segment)?;
        Ok(Some(Due { removed, files: kept.drain(..due).map(|gone| gone.segment.path).collect() }))
    }

    /// Removes them, once a checkpoint that says so is on the disk.
    pub fn remove(&self) -> Result<(), JournalError> {
        let gone = |path: &PathBuf| std::fs::remove_file(path).map_err(|error| JournalError::io(path, error));
        self.files.iter().try_for_each(gone)
    }
}

impl Kept {
    /// The age follows from the last line and from the file's own time. A time in the future is
    /// ignored, or it would keep a segment for ever.
    fn of(segment: Segment, now: Millis) -> io::Result<Self> {
        let found = std::fs::metadata(&segment.path)?;
        let last = segment::last_line(&segment.path)?.and_then(|line| Some(frame::frame(&line)?.at));
        let newest = [last, found.modified().ok().map(millis)].into_iter().flatten().filter(|at| *at <= now).max();
        Ok(Kept { segment, bytes: found.len(), newest })
    }

    fn older_than(&self, age: Duration, now: Millis) -> bool {
        self.newest.is_some_and(|newest| now - newest > i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
    }
}

/// How many of the oldest segments are removed; the newest always stays.
fn due(kept: &[Kept], retention: &Retention, now: Millis) -> usize {
    let old = |age: Duration| {
        // Everything before a segment that is due is due as well, whatever its own time says.
        kept.iter().rposition(|kept| kept.older_than(age, now)).map_or(0, |last| last + 1)
    };
    let by_age = retention.age.map_or(0, |age| old(age.max(retention.always)));
    let mut total: u64 = kept.iter().map(|kept| kept.bytes).sum();
    let mut by_size = 0;
    if let Some(most) = retention.size {
        while total > most && by_size < kept.len() {
            total -= kept[by_size].bytes;
            by_size += 1;
        }
        by_size = by_size.min(old(retention.always));
    }
    by_age.max(by_size).min(kept.len().saturating_sub(1))
}

/// The last line before a segment.
fn before(segment: &Segment) -> io::Result<Link> {
    let folder = segment.path.parent().unwrap_or(Path::new("."));
    let mut lines = Lines::from(folder, segment.first);
    let first = lines.next()?.filter(|line| line.seq == segment.first);
    let after = first.and_then(|line| frame::field(line.text, "after")).and_then(Chain::parse);
    let chain = after.ok_or_else(|| io::Error::other("a segment does not begin as it should"))?;
    Ok(Link { seq: segment.first - 1, chain })
}

fn millis(at: SystemTime) -> Millis {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
