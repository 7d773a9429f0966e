#![allow(clippy::unwrap_used)]

mod hostile;
mod retained;
mod torn;

use std::path::Path;

use tempfile::TempDir;

use crate::{Event, Journal, JournalError, Key, Lines, Link, Opened, verify};

/// 2026-11-29, 10:35:57 UTC.
const NOW: i64 = 1_795_948_557_000;

fn opened(folder: &Path) -> Opened {
    let key = Key::at(&folder.join("audit.key")).unwrap();
    Journal::open(&folder.join("audit"), key).unwrap()
}

fn event(number: u64) -> Event {
    let kind = if number.is_multiple_of(2) { "outcome" } else { "decision" };
    let about = (kind == "outcome").then_some(1);
    Event { at: NOW + i64::try_from(number).unwrap(), kind, about, fields: format!("{{\"number\":{number}}}") }
}

/// A journal of several segments, with checkpoints in it.
fn several(folder: &Path, events: u64) -> Journal {
    let mut journal = opened(folder).journal.with_segments_of(2_000);
    for number in 1..=events {
        journal.append(&[event(number)]).unwrap();
        if number.is_multiple_of(10) {
            journal.checkpoint(NOW + 1000, None).unwrap();
        }
    }
    journal
}

#[test]
fn what_was_appended_is_read_back_and_is_whole() {
    let folder = TempDir::new().unwrap();
    let mut journal = opened(folder.path()).journal;
    assert_eq!(journal.last(), Link::NONE);
    // The first line says what the segment goes on from.
    assert_eq!(journal.append(&[event(1), event(2)]).unwrap(), 3);
    assert_eq!(journal.append(&[]).unwrap(), 3);
    let path = folder.path().join("audit");
    let mut lines = Lines::from(&path, 2);
    let first = lines.next().unwrap().unwrap();
    assert_eq!((first.seq, first.kind, first.about), (2, "decision", None));
    let value: serde_json::Value = serde_json::from_slice(first.text).unwrap();
    assert_eq!((&value["number"], &value["at"]), (&1.into(), &"2026-11-29T10:35:57.001Z".into()));
    assert_eq!(lines.next().unwrap().unwrap().about, Some(1));
    assert!(lines.next().unwrap().is_none());
    // Asked again it looks again.
    journal.append(&[event(3)]).unwrap();
    assert_eq!(lines.next().unwrap().unwrap().seq, 4);
    let verified = verify(&path, Some(journal.last().chain), None).unwrap();
    assert_eq!((verified.records, verified.last, verified.holds_head), (4, journal.last(), Some(true)));
}

#[test]
fn a_journal_goes_on_where_it_ended_and_over_segments() {
    let folder = TempDir::new().unwrap();
    let last = several(folder.path(), 40).last();
    let mut journal = opened(folder.path()).journal;
    assert_eq!(journal.last(), last);
    journal.append(&[event(41)]).unwrap();
    let path = folder.path().join("audit");
    let verified = verify(&path, None, None).unwrap();
    assert_eq!((verified.last, verified.checkpoints), (journal.last(), 4));
    let files = std::fs::read_dir(&path).unwrap().count();
    assert!(files > 3, "{files} files");
    let mut lines = Lines::from(&path, 0);
    let mut next = 1;
    while let Some(line) = lines.next().unwrap() {
        assert_eq!(line.seq, next);
        next += 1;
    }
    assert_eq!(next, journal.last().seq + 1);
    for from in 1..next {
        assert_eq!(Lines::from(&path, from).next().unwrap().unwrap().seq, from);
    }
}

#[test]
fn there_is_one_writer() {
    let folder = TempDir::new().unwrap();
    let _first = opened(folder.path());
    let key = Key::at(&folder.path().join("audit.key")).unwrap();
    assert!(matches!(Journal::open(&folder.path().join("audit"), key), Err(JournalError::Locked(_))));
}

#[test]
fn what_somebody_else_did_to_its_file_is_noticed_before_the_next_line() {
    let folder = TempDir::new().unwrap();
    let mut journal = opened(folder.path()).journal;
    journal.append(&[event(1)]).unwrap();
    let path = folder.path().join("audit/000000000001.jsonl");
    let text = std::fs::read(&path).unwrap();
    let changed = |journal: &mut Journal| matches!(journal.append(&[event(2)]), Err(JournalError::Changed(_)));
    std::fs::write(&path, b"").unwrap();
    assert!(changed(&mut journal));
    std::fs::write(&path, &text).unwrap();
    assert!(!changed(&mut journal));
    std::fs::remove_file(&path).unwrap();
    assert!(changed(&mut journal));
}
