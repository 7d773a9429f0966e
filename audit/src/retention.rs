//! How long the journal is kept: by age and by size, in whole segments, oldest first.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::JournalError;
use crate::frame;
use crate::line::{Chain, Link, Millis};
use crate::reader::Lines;
use crate::segment::{self, Segment};

/// How much of the journal is kept. Nothing said: all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// What is older goes.
    pub age: Option<Duration>,
    /// The oldest go while the journal holds more bytes.
    pub size: Option<u64>,
    /// What is younger stays, whatever the size.
    pub always: Duration,
}

/// A segment with what retention asks of it.
struct Kept {
    segment: Segment,
    bytes: u64,
    /// When its last line was written, by the clocks that say so and are not ahead.
    newest: Option<Millis>,
}

/// What has had its time.
#[derive(Debug)]
pub struct Due {
    /// The last line of it.
    pub removed: Link,
    files: Vec<PathBuf>,
}

impl Due {
    /// What has had its time by now; nothing is changed.
    pub fn find(folder: &Path, retention: &Retention, now: Millis) -> io::Result<Option<Due>> {
        let mut kept: Vec<Kept> = Vec::new();
        for segment in segment::list(folder)? {
            let mut next = Kept::of(segment, now)?;
            // Lines only follow: one that a clock behind has written is no older than those before it.
            next.newest = next.newest.max(kept.last().and_then(|before| before.newest));
            kept.push(next);
        }
        let due = due(&kept, retention, now);
        let Some(next) = kept.get(due).filter(|_| due > 0) else { return Ok(None) };
        let removed = before(&next.segment)?;
        Ok(Some(Due { removed, files: kept.drain(..due).map(|gone| gone.segment.path).collect() }))
    }

    /// Removes it, once a checkpoint that says so is on the disk.
    pub fn remove(&self) -> Result<(), JournalError> {
        let gone = |path: &PathBuf| std::fs::remove_file(path).map_err(|error| JournalError::io(path, error));
        self.files.iter().try_for_each(gone)
    }
}

impl Kept {
    /// The age is what its lines say and what its file says; a clock that was ahead once is not
    /// believed, or it would keep a segment for ever.
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

/// How many segments go, from the oldest on; the newest always stays.
fn due(kept: &[Kept], retention: &Retention, now: Millis) -> usize {
    let old = |age: Duration| {
        // What stands before a segment that is due is due, whatever its own clock said.
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

/// The line before a segment's first.
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
