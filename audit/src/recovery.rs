//! The end of a journal as found at startup: whole, or torn by a power cut.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::checkpoint::{self, Checkpoint};
use crate::error::JournalError;
use crate::frame;
use crate::line::{Link, Millis};
use crate::segment::{self, Row, Rows, Segment};
use crate::verify::{Damage, Walk};

/// What a power cut left of lines that were not synced yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The last line before it.
    pub after: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many whole lines are among them. A power cut can leave some if a later part of the file reached the disk
    /// before an earlier one, within the last second. A changed line leaves some too.
    pub lines: u64,
    /// Where they were put.
    pub aside: PathBuf,
}

/// Where a journal ends.
pub(crate) struct End {
    pub(crate) last: Link,
    /// The newest segment, its length, and when its first line was written.
    pub(crate) segment: Option<(Segment, u64, Millis)>,
    pub(crate) torn: Option<Torn>,
}

/// Finds the end, and puts a torn one aside. Damage that no power cut explains is an error.
pub(crate) fn find_end(folder: &Path) -> Result<End, JournalError> {
    let failed = |error| JournalError::io(folder, error);
    let mut segments = segment::list(folder).map_err(failed)?;
    let Some(newest) = segments.pop() else { return Ok(End { last: Link::NONE, segment: None, torn: None }) };
    let found = read(&newest)?;
    let length = std::fs::metadata(&newest.path).map_err(failed)?.len();
    if found.whole < length && holds_checkpoint(&newest.path, found.whole).map_err(failed)? {
        return Err(JournalError::Damaged(found.damage));
    }
    let Some(begun) = found.begun else {
        // Not even its first line is whole: the segment before it is the newest.
        let torn = put_aside(folder, &newest.path, newest.first - 1, 0).map_err(failed)?;
        std::fs::remove_file(&newest.path).map_err(failed)?;
        let mut before = find_end(folder)?;
        before.torn = torn.or(before.torn);
        return Ok(before);
    };
    if let Some(before) = segments.last() {
        let last = segment::last_line(&before.path).map_err(failed)?;
        let last = last.as_deref().and_then(frame::frame).map(|frame| Link { seq: frame.seq, chain: frame.chain });
        if last != found.after {
            let what = "does not go on from the file before it";
            return Err(JournalError::Damaged(Damage { seq: newest.first, what, ..found.damage }));
        }
    }
    let torn = put_aside(folder, &newest.path, found.last.seq, found.whole).map_err(failed)?;
    Ok(End { last: found.last, segment: Some((newest, found.whole, begun)), torn })
}

/// The contents of one segment.
struct Found {
    last: Link,
    after: Option<Link>,
    /// Its lines are whole and chained up to this offset.
    whole: u64,
    begun: Option<Millis>,
    /// What is wrong after that.
    damage: Damage,
}

fn read(segment: &Segment) -> Result<Found, JournalError> {
    let failed = |error| JournalError::io(&segment.path, error);
    let mut rows = Rows::open(&segment.path).map_err(failed)?;
    let mut walk = Walk::new(None, None);
    let file = segment.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = Found {
        last: Link::NONE,
        after: None,
        whole: 0,
        begun: None,
        damage: Damage { file, seq: segment.first, what: "was cut off" },
    };
    let mut entered = walk.enter(segment.first);
    loop {
        let row = rows.next().map_err(failed)?;
        let Row::Whole(text) = row else { break };
        match entered.and_then(|()| walk.line(text)) {
            Ok(at) => {
                found.begun.get_or_insert(at);
                found.after.get_or_insert(walk.base());
            }
            Err(what) => {
                found.damage = Damage { seq: walk.last.seq + 1, what, ..found.damage };
                return Ok(Found { last: walk.last, ..found });
            }
        }
        entered = Ok(());
        found.whole = rows.offset();
    }
    found.damage.seq = walk.last.seq + 1;
    Ok(Found { last: walk.last, ..found })
}

/// Whether a signed checkpoint follows an offset. Then everything before the checkpoint was synced,
/// so this is not a torn end.
fn holds_checkpoint(path: &Path, from: u64) -> io::Result<bool> {
    let mut rows = Rows::open(path)?;
    loop {
        let behind = rows.offset() >= from;
        match rows.next()? {
            Row::Whole(text) if behind => {
                let signed = frame::frame(text).is_some_and(|frame| text[frame.kind] == *checkpoint::KIND.as_bytes());
                if signed && Checkpoint::read(frame::covered(text)).is_some() {
                    return Ok(true);
                }
            }
            Row::Whole(_) => {}
            Row::Rest | Row::End => return Ok(false),
        }
    }
}

/// Moves everything after an offset into a file of its own; nothing is lost.
fn put_aside(folder: &Path, path: &Path, after: u64, from: u64) -> io::Result<Option<Torn>> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let bytes = file.metadata()?.len().saturating_sub(from);
    if bytes == 0 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(from))?;
    let mut rest = Vec::new();
    file.read_to_end(&mut rest)?;
    let whole = rest.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let lines = whole.filter(|line| frame::frame(line).is_some()).count() as u64;
    let (aside, mut into) = fresh(folder, after)?;
    into.write_all(&rest)?;
    into.sync_all()?;
    file.set_len(from)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(Some(Torn { after, bytes, lines, aside }))
}

fn fresh(folder: &Path, after: u64) -> io::Result<(PathBuf, File)> {
    let mut number = 1;
    loop {
        let path = folder.join(format!("torn-{after:012}-{number}"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            opened => return Ok((path, opened?)),
        }
    }
}
