#![allow(clippy::unwrap_used)]

mod hostile;
mod retained;
mod torn;

use std::path::Path;

use tempfile::TempDir;

use crate::{Head, Journal, JournalError, Key, Lines, Link, Opened, Place, Texts, Written, verify};

/// 2026-11-29, 10:35:57 UTC.
const NOW: i64 = 1_795_948_557_000;

fn opened(folder: &Path) -> Opened {
    let key = Key::at(&folder.join("audit.key")).unwrap();
    Journal::open(&folder.join("audit"), key, NOW, Link::NONE).unwrap()
}

fn head(number: u64) -> Head {
    let kind = if number.is_multiple_of(2) { "outcome" } else { "decision" };
    let about = (kind == "outcome").then_some(1);
    Head { at: NOW + i64::try_from(number).unwrap(), kind, about }
}

fn fields(number: u64) -> impl FnOnce(&mut Vec<u8>) {
    move |into| into.extend_from_slice(format!(",\"number\":{number}").as_bytes())
}

fn append(journal: &mut Journal, number: u64) -> Result<Written, JournalError> {
    journal.append(&head(number), fields(number))
}

/// Writes these in one call.
fn together<const N: usize>(journal: &mut Journal, numbers: [u64; N]) {
    for number in &numbers[..N - 1] {
        assert!(journal.wait(&head(*number), fields(*number)));
    }
    append(journal, numbers[N - 1]).unwrap();
}

/// A journal of several segments, with checkpoints in it.
fn several(folder: &Path, events: u64) -> Journal {
    let mut journal = opened(folder).journal.with_segments_of(2_000);
    for number in 1..=events {
        append(&mut journal, number).unwrap();
        if number.is_multiple_of(10) {
            journal.checkpoint(NOW + 1000, None).unwrap();
        }
    }
    journal
}

/// A disk that fills up suddenly still takes decisions until somebody reacts.
#[test]
fn space_is_kept_ahead_and_given_back() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = TempDir::new().unwrap();
    let mut journal = opened(folder.path()).journal;
    append(&mut journal, 1).unwrap();
    let held = |name: &str| std::fs::metadata(folder.path().join("audit").join(name)).unwrap().blocks() * 512;
    let ahead = held("000000000001.jsonl");
    assert!(ahead >= 4 << 20, "{ahead} bytes are held; a file system without fallocate(2)?");
    let mut journal = journal.with_segments_of(1);
    append(&mut journal, 2).unwrap();
    assert!(held("000000000001.jsonl") < 1 << 20, "a segment that has ended holds its lines alone");
    assert!(held("000000000004.jsonl") >= 4 << 20);
    verify(&folder.path().join("audit"), None, None).unwrap();
}

#[test]
fn what_was_appended_is_read_back_and_is_whole() {
    let folder = TempDir::new().unwrap();
    let mut journal = opened(folder.path()).journal;
    // The first lines name the chain that the segment continues, and sign it.
    assert_eq!(journal.written().seq, 2);
    assert!(journal.wait(&head(1), fields(1)));
    assert_eq!(journal.written().seq, 2, "not written yet");
    assert_eq!(append(&mut journal, 2).unwrap().seq, 4);
    assert!(!journal.flush().unwrap());
    let path = folder.path().join("audit");
    let mut lines = Lines::from(&path, 3);
    let first = lines.next().unwrap().unwrap();
    assert_eq!((first.seq, first.kind, first.about), (3, "decision", None));
    let place = first.place;
    assert_eq!(Lines::behind(&path, 3, place).unwrap().next().unwrap().unwrap().seq, 4);
    let (mut texts, mut text) = (Texts::of(&path), Vec::new());
    assert_eq!(texts.read(place, &mut text).unwrap().map(|line| line.seq), Some(3));
    assert_eq!(texts.read(Place { offset: 1, ..place }, &mut text).unwrap(), None);
    let value: serde_json::Value = serde_json::from_slice(first.text).unwrap();
    assert_eq!((&value["number"], &value["at"]), (&1.into(), &"2026-11-29T10:35:57.001Z".into()));
    assert_eq!(lines.next().unwrap().unwrap().about, Some(1));
    assert!(lines.next().unwrap().is_none());
    // Another call looks again.
    append(&mut journal, 3).unwrap();
    assert_eq!(lines.next().unwrap().unwrap().seq, 5);
    let verified = verify(&path, Some(journal.written().chain), None).unwrap();
    assert_eq!((verified.records, verified.last, verified.holds_head), (5, journal.written(), Some(true)));
}

#[test]
fn a_journal_goes_on_where_it_ended_and_over_segments() {
    let folder = TempDir::new().unwrap();
    let last = several(folder.path(), 40).written();
    let mut journal = opened(folder.path()).journal;
    assert_eq!(journal.written(), last);
    append(&mut journal, 41).unwrap();
    let path = folder.path().join("audit");
    let verified = verify(&path, None, None).unwrap();
    assert_eq!(verified.last, journal.written());
    let files = std::fs::read_dir(&path).unwrap().count();
    assert!(files > 3, "{files} files");
    assert!(verified.checkpoints > 4, "one for each segment, and those that were asked for");
    let mut lines = Lines::from(&path, 0);
    let mut next = 1;
    while let Some(line) = lines.next().unwrap() {
        assert_eq!(line.seq, next);
        next += 1;
    }
    assert_eq!(next, journal.written().seq + 1);
    for from in 1..next {
        assert_eq!(Lines::from(&path, from).next().unwrap().unwrap().seq, from);
    }
}

#[test]
fn there_is_one_writer() {
    let folder = TempDir::new().unwrap();
    let _first = opened(folder.path());
    let key = Key::at(&folder.path().join("audit.key")).unwrap();
    assert!(matches!(Journal::open(&folder.path().join("audit"), key, NOW, Link::NONE), Err(JournalError::Locked(_))));
}

#[test]
fn what_somebody_else_did_to_its_file_is_noticed_before_the_next_line() {
    let folder = TempDir::new().unwrap();
    let mut journal = opened(folder.path()).journal;
    append(&mut journal, 1).unwrap();
    let path = folder.path().join("audit/000000000001.jsonl");
    let text = std::fs::read(&path).unwrap();
    let changed = |journal: &mut Journal| matches!(append(journal, 2), Err(JournalError::Changed(_)));
    std::fs::write(&path, b"").unwrap();
    assert!(changed(&mut journal));
    std::fs::write(&path, &text).unwrap();
    assert!(!changed(&mut journal));
    std::fs::remove_file(&path).unwrap();
    assert!(changed(&mut journal));
}

#[test]
fn lines_that_wait_survive_a_write_that_fails() {
    let folder = TempDir::new().unwrap();
    let mut journal = opened(folder.path()).journal;
    let (path, aside) = (folder.path().join("audit"), folder.path().join("aside"));
    assert!(journal.wait(&head(1), fields(1)));
    std::fs::rename(&path, &aside).unwrap();
    assert!(matches!(append(&mut journal, 2), Err(JournalError::Changed(_))));
    assert!(journal.flush().is_err() && !path.exists());
    std::fs::rename(&aside, &path).unwrap();
    append(&mut journal, 3).unwrap();
    let mut lines = Lines::from(&path, 3);
    assert!(next_is(&mut lines, 1) && next_is(&mut lines, 3));
    assert!(verify(&path, None, None).is_ok());
}

#[test]
fn a_journal_may_go_on_from_an_older_log() {
    let folder = TempDir::new().unwrap();
    let base = Link { seq: 41, chain: crate::Chain::parse("ab".repeat(32).as_bytes()).unwrap() };
    let key = Key::at(&folder.path().join("audit.key")).unwrap();
    let path = folder.path().join("audit");
    let opened = Journal::open(&path, key, NOW, base).unwrap();
    assert_eq!((opened.found, opened.journal.written().seq), (base, 43));
    let verified = verify(&path, Some(base.chain), None).unwrap();
    assert_eq!((verified.removed, verified.holds_head), (41, Some(true)));
}

#[test]
fn what_is_longer_than_a_line_may_be_is_not_written() {
    let folder = TempDir::new().unwrap();
    let mut journal = opened(folder.path()).journal;
    let long = |into: &mut Vec<u8>| into.resize(into.len() + (1 << 20), b' ');
    assert!(!journal.wait(&head(1), long));
    assert!(matches!(journal.append(&head(1), long), Err(JournalError::TooLong(_))));
    append(&mut journal, 1).unwrap();
    assert_eq!(verify(&folder.path().join("audit"), None, None).unwrap().records, 3);
}

/// Whether the next line has this number as its own field.
fn next_is(lines: &mut Lines, number: u64) -> bool {
    let line = lines.next().unwrap().unwrap();
    str::from_utf8(line.text).unwrap().contains(&format!("\"number\":{number},\"chain\""))
}
