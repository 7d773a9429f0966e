//! Retention.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::{Due, Retention, segment};

const DAY: Duration = Duration::from_hours(24);

/// Segments of one day each, in files as old as their lines.
fn days(folder: &TempDir, clocks: &[i64]) -> Journal {
    let mut journal = opened(folder.path()).journal;
    for (index, at) in clocks.iter().enumerate() {
        journal = journal.with_segments_of(1);
        let number = index as u64;
        journal.append(&Head { at: *at, ..head(number) }, fields(number)).unwrap();
        let path = segment::list(&folder.path().join("audit")).unwrap().pop().unwrap().path;
        let mtime = UNIX_EPOCH + Duration::from_millis(u64::try_from(*at).unwrap());
        fs::File::options().write(true).open(path).unwrap().set_modified(mtime).unwrap();
    }
    journal
}

/// Removes what is due, in the daemon's order.
fn retain(journal: &mut Journal, retention: &Retention, now: i64) -> Option<u64> {
    let due = Due::find(journal.folder(), retention, now).unwrap()?;
    journal.checkpoint(now, Some(due.removed)).unwrap();
    due.remove().unwrap();
    Some(due.removed.seq)
}

fn day(number: i64) -> i64 {
    NOW + number * i64::try_from(DAY.as_millis()).unwrap()
}

fn left(folder: &TempDir) -> usize {
    segment::list(&folder.path().join("audit")).unwrap().len()
}

fn for_days(days: u32) -> Retention {
    Retention { age: Some(DAY * days), ..Retention::default() }
}

#[test]
fn what_is_older_goes_under_a_checkpoint_and_the_rest_is_whole() {
    let folder = TempDir::new().unwrap();
    let mut journal = days(&folder, &[day(0), day(1), day(2), day(3), day(4)]);
    assert_eq!(retain(&mut journal, &for_days(10), day(5)), None);
    let removed = retain(&mut journal, &for_days(3), day(5)).unwrap();
    let verified = verify(&folder.path().join("audit"), None, None).unwrap();
    assert_eq!(verified.removed, removed);
    drop(journal);
    append(&mut opened(folder.path()).journal, 1).unwrap();
    assert!(verify(&folder.path().join("audit"), None, None).is_ok());
}

#[test]
fn whoever_removes_more_than_the_checkpoint_says_is_found() {
    let folder = TempDir::new().unwrap();
    let mut journal = days(&folder, &[day(0), day(1), day(2), day(3), day(4)]);
    retain(&mut journal, &for_days(3), day(5)).unwrap();
    let first = segment::list(&folder.path().join("audit")).unwrap().remove(0).path;
    fs::remove_file(first).unwrap();
    assert!(verify(&folder.path().join("audit"), None, None).is_err());
}

#[test]
fn a_removal_that_was_broken_off_is_whole_too() {
    let folder = TempDir::new().unwrap();
    let mut journal = days(&folder, &[day(0), day(1), day(2), day(3), day(4)]);
    let files = segment::list(&folder.path().join("audit")).unwrap();
    let kept: Vec<_> = files[2..4].iter().map(|file| (file.path.clone(), fs::read(&file.path).unwrap())).collect();
    retain(&mut journal, &for_days(2), day(5)).unwrap();
    kept.iter().for_each(|(path, text)| fs::write(path, text).unwrap());
    assert!(verify(&folder.path().join("audit"), None, None).is_ok());
    // The rest goes next time.
    retain(&mut journal, &for_days(2), day(5)).unwrap();
    assert!(verify(&folder.path().join("audit"), None, None).is_ok());
}

#[test]
fn the_oldest_go_while_there_is_too_much_but_what_is_young_stays() {
    let folder = TempDir::new().unwrap();
    let mut journal = days(&folder, &[day(0), day(1), day(2), day(3), day(4)]);
    let size = Retention { size: Some(1), always: DAY * 26 / 24, ..Retention::default() };
    retain(&mut journal, &size, day(5)).unwrap();
    assert_eq!(left(&folder), 2, "the day that stays, and the newest");
    assert!(verify(&folder.path().join("audit"), None, None).is_ok());
}

#[test]
fn a_clock_that_was_wrong_removes_nothing_early_and_keeps_nothing_for_ever() {
    // Behind: in 1970, after a start without a battery.
    let folder = TempDir::new().unwrap();
    let mut journal = days(&folder, &[day(0), 1000, day(1)]);
    assert_eq!(retain(&mut journal, &for_days(3), day(2)), None);
    assert!(retain(&mut journal, &for_days(3), day(9)).is_some());
    // Ahead: by ten years.
    let folder = TempDir::new().unwrap();
    let mut journal = days(&folder, &[day(0), day(3650), day(1), day(2)]);
    assert!(retain(&mut journal, &for_days(3), day(9)).is_some());
    assert_eq!(left(&folder), 2, "the newest, and the checkpoint behind it");
}
