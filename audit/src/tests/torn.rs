//! The end of a journal after a power cut.

use std::fs::{self, OpenOptions};
use std::io::Write;

use super::*;

fn newest(folder: &TempDir) -> std::path::PathBuf {
    crate::segment::list(&folder.path().join("audit")).unwrap().pop().unwrap().path
}

#[test]
fn an_end_that_was_torn_anywhere_is_put_aside_and_told() {
    let folder = TempDir::new().unwrap();
    let mut journal = opened(folder.path()).journal;
    append(&mut journal, 1).unwrap();
    journal.checkpoint(NOW, None).unwrap();
    let (kept, length) = (journal.written(), fs::metadata(newest(&folder)).unwrap().len());
    together(&mut journal, [2, 3]);
    drop(journal);
    let path = newest(&folder);
    let whole = fs::read(&path).unwrap();
    let start = usize::try_from(length).unwrap();
    let second = start + whole[start..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in start..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let Opened { journal, torn, .. } = opened(folder.path());
        let left = if cut < second { (kept.seq, start) } else { (kept.seq + 1, second) };
        assert_eq!(journal.written().seq, left.0, "cut at {cut}");
        assert_eq!(torn.as_ref().map_or(0, |torn| torn.bytes), (cut - left.1) as u64);
        if let Some(torn) = torn {
            assert_eq!(torn.lines, 0);
            assert_eq!(fs::read(&torn.aside).unwrap(), &whole[left.1..cut], "nothing of it is lost");
            fs::remove_file(torn.aside).unwrap();
        }
        assert!(verify(&folder.path().join("audit"), None, None).unwrap().torn == 0);
    }
}

#[test]
fn pages_that_never_came_to_the_disk_are_a_torn_end_too() {
    let folder = TempDir::new().unwrap();
    let mut journal = opened(folder.path()).journal;
    append(&mut journal, 1).unwrap();
    let kept = journal.written();
    together(&mut journal, [2, 3, 4]);
    drop(journal);
    let path = newest(&folder);
    let mut bytes = fs::read(&path).unwrap();
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0 + 1;
    bytes[third..third + 100].fill(0);
    fs::write(&path, bytes).unwrap();
    let Opened { mut journal, torn, .. } = opened(folder.path());
    let torn = torn.unwrap();
    assert_eq!((journal.written(), torn.after, torn.lines), (kept, kept.seq, 2), "two lines later were on the disk");
    append(&mut journal, 2).unwrap();
    assert!(verify(&folder.path().join("audit"), None, None).is_ok());
}

#[test]
fn what_a_checkpoint_covers_is_no_torn_end() {
    let folder = TempDir::new().unwrap();
    let mut journal = opened(folder.path()).journal;
    together(&mut journal, [1, 2]);
    journal.checkpoint(NOW, None).unwrap();
    drop(journal);
    let path = newest(&folder);
    let changed = fs::read_to_string(&path).unwrap().replace("\"number\":2", "\"number\":7");
    fs::write(&path, changed).unwrap();
    let key = Key::at(&folder.path().join("audit.key")).unwrap();
    let opened = Journal::open(&folder.path().join("audit"), key, NOW, Link::NONE);
    assert!(matches!(opened, Err(JournalError::Damaged(damage)) if damage.seq == 4));
}

#[test]
fn a_segment_that_had_hardly_begun_is_begun_again() {
    for begun in [&b""[..], b"{\"seq\":", b"\0\0\0\0"] {
        let folder = TempDir::new().unwrap();
        let last = several(folder.path(), 20).written();
        let next = crate::segment::named(&folder.path().join("audit"), last.seq + 1);
        OpenOptions::new().write(true).create_new(true).open(&next).unwrap().write_all(begun).unwrap();
        let Opened { mut journal, torn, .. } = opened(folder.path());
        assert_eq!(journal.written(), last);
        assert_eq!(torn.is_some(), !begun.is_empty());
        append(&mut journal, 1).unwrap();
        assert!(verify(&folder.path().join("audit"), None, None).is_ok());
    }
}

#[test]
fn a_copy_that_was_made_meanwhile_is_whole_as_far_as_it_goes() {
    let folder = TempDir::new().unwrap();
    drop(several(folder.path(), 30));
    let path = newest(&folder);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 7]).unwrap();
    let verified = verify(&folder.path().join("audit"), None, None).unwrap();
    assert!(verified.torn > 0 && verified.records > 30);
}
