//! Changes to the files by somebody without the key, and where `verify` sees them.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::{VerifyError, segment};

fn damaged(folder: &TempDir) -> crate::Damage {
    match verify(&folder.path().join("audit"), None, None) {
        Err(VerifyError::Damaged(damage)) => damage,
        other => panic!("{other:?}"),
    }
}

fn segments(folder: &TempDir) -> Vec<PathBuf> {
    segment::list(&folder.path().join("audit")).unwrap().into_iter().map(|segment| segment.path).collect()
}

fn all_lines(path: &PathBuf) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn put(path: &PathBuf, lines: &[String]) {
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_byte_that_was_changed_is_found_in_its_line(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), with in 1..=255u8) {
        let folder = TempDir::new().unwrap();
        drop(several(folder.path(), 30));
        let files = segments(&folder);
        let path = file.get(&files);
        let mut bytes = fs::read(path).unwrap();
        let at = at.index(bytes.len());
        let before = bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
        let first: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let last = at + 1 == bytes.len() && path == files.last().unwrap();
        bytes[at] ^= with;
        fs::write(path, bytes).unwrap();
        if last {
            // Its last line break: the line counts as unfinished.
            prop_assert!(verify(&folder.path().join("audit"), None, None).unwrap().torn > 0);
        } else {
            let damage = damaged(&folder);
            // A missing or extra break joins or splits lines: the first of them is named.
            prop_assert!(damage.seq == first + before, "byte {at} of {path:?}: {damage}");
            prop_assert_eq!(&damage.file, path.file_name().unwrap().to_str().unwrap());
        }
    }
}

#[test]
fn a_line_that_is_missing_twice_or_elsewhere_is_found() {
    for (what, edit) in [
        ("missing", (|lines| drop(lines.remove(2))) as fn(&mut Vec<String>)),
        ("twice", |lines| lines.insert(3, lines[2].clone())),
        ("elsewhere", |lines| lines.swap(2, 3)),
        ("of its own", |lines| lines[2] = lines[2].replace("\"number\":", "\"numbers\":")),
    ] {
        let folder = TempDir::new().unwrap();
        drop(several(folder.path(), 30));
        let path = &segments(&folder)[1];
        let first: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let mut lines = all_lines(path);
        edit(&mut lines);
        put(path, &lines);
        let damage = damaged(&folder);
        let named = if what == "twice" { first + 3 } else { first + 2 };
        assert_eq!(damage.seq, named, "{what}: {damage}");
    }
}

#[test]
fn a_file_that_is_missing_twice_or_empty_is_found() {
    let folder = TempDir::new().unwrap();
    drop(several(folder.path(), 40));
    let files = segments(&folder);
    let first = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    let text = fs::read(&files[1]).unwrap();

    fs::remove_file(&files[1]).unwrap();
    assert_eq!(
        (damaged(&folder).seq, damaged(&folder).what),
        (first(&files[1]), "is missing, with the file that held it")
    );

    fs::write(&files[1], b"").unwrap();
    assert_eq!(damaged(&folder).seq, first(&files[1]));
    fs::write(&files[1], &text).unwrap();
    assert!(verify(&folder.path().join("audit"), None, None).is_ok());

    let twice = segment::named(&folder.path().join("audit"), first(&files[2]) + 1);
    fs::write(&twice, &text).unwrap();
    assert!(damaged(&folder).what.contains("comes again"), "{}", damaged(&folder));
    fs::remove_file(&twice).unwrap();

    // Removed from the beginning, without a checkpoint that says so.
    fs::remove_file(&files[0]).unwrap();
    assert!(damaged(&folder).what.contains("no checkpoint says so"), "{}", damaged(&folder));
}

#[test]
fn a_past_that_was_written_anew_needs_the_key() {
    let folder = TempDir::new().unwrap();
    drop(several(folder.path(), 30));
    let key = Key::at(&folder.path().join("audit.key")).unwrap();
    let path = folder.path().join("audit");
    assert!(verify(&path, None, Some(key.public())).is_ok());
    // The whole journal rewritten with another key: consistent, but not this installation's.
    let other = TempDir::new().unwrap();
    drop(several(other.path(), 30));
    let theirs = other.path().join("audit");
    assert!(verify(&theirs, None, None).is_ok());
    assert!(
        matches!(verify(&theirs, None, Some(key.public())), Err(VerifyError::Damaged(damage)) if damage.what.contains("another key"))
    );
}

#[test]
fn an_end_that_was_cut_is_told_by_a_head_that_was_kept() {
    let folder = TempDir::new().unwrap();
    let head = several(folder.path(), 30).written().chain;
    let path = segments(&folder).pop().unwrap();
    let mut lines = all_lines(&path);
    lines.pop();
    put(&path, &lines);
    let verified = verify(&folder.path().join("audit"), Some(head), None).unwrap();
    assert_eq!(verified.holds_head, Some(false));
}
