//! `docs/audit.md` says how to check a journal without this program: its commands are run, and must
//! agree with `verify` about every edit.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use audit::{Chain, Damage, Head, Journal, Key, Link, Verified, VerifyError, verify};
use proptest::prelude::*;
use proptest::sample::Index;

const PAGE: &str = include_str!("../../docs/audit.md");

/// 2026-11-29.
const NOW: i64 = 1_795_948_557_000;

/// A journal of three files, from which two more were removed.
struct Scene {
    dir: tempfile::TempDir,
    script: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("check.py");
        let code = PAGE.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
        fs::write(&script, code).unwrap();
        let scene = Scene { dir, script };
        let key = Key::at(&scene.dir.path().join("audit.key")).unwrap();
        let mut journal = Journal::open(&scene.folder(), key, NOW, Link::NONE).unwrap().journal.with_segments_of(2_000);
        let append = |journal: &mut Journal| {
            let head = Head { at: NOW, kind: "decision", about: None };
            journal.append(&head, |into| into.extend_from_slice(b",\"host\":\"a.example\"")).unwrap();
        };
        while scene.files().len() < 5 {
            append(&mut journal);
        }
        let files = scene.files();
        let text = fs::read_to_string(&files[2]).unwrap();
        let after = &text.split("\"after\":\"").nth(1).unwrap()[..64];
        let first: u64 = files[2].file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let removed = Link { seq: first - 1, chain: Chain::parse(after.as_bytes()).unwrap() };
        journal.checkpoint(NOW + 1000, Some(removed)).unwrap();
        append(&mut journal);
        files[..2].iter().for_each(|file| fs::remove_file(file).unwrap());
        scene
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("audit")
    }

    fn files(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = all.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
        files.sort();
        files
    }

    fn page(&self) -> (bool, String) {
        let ran = Command::new("python3").arg(&self.script).arg(self.folder()).output().unwrap();
        (ran.status.success(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
    }

    fn ours(&self) -> Result<Verified, Damage> {
        verify(&self.folder(), None, None).map_err(|error| match error {
            VerifyError::Damaged(damage) => damage,
            VerifyError::Unread { .. } => panic!("{error}"),
        })
    }

    /// Both agree: whole, or damaged at the same record.
    fn agree(&self, what: &str) {
        let (whole, said) = self.page();
        match self.ours() {
            Ok(verified) => assert!(whole && said.contains(verified.last.chain.as_str()), "{what}: {said}"),
            Err(damage) => {
                let named = said.starts_with(&format!("record {}: ", damage.seq));
                assert!(!whole && named, "{what}: {damage} / {said}");
            }
        }
    }

    /// Both find it.
    fn found(&self, what: &str) {
        self.agree(what);
        assert!(self.ours().is_err(), "{what}");
    }
}

#[test]
fn the_page_finds_a_whole_journal_whole() {
    let scene = Scene::new();
    let (whole, said) = scene.page();
    let verified = scene.ours().unwrap();
    assert!(whole && verified.removed > 0, "{said}");
    let key: String = verified.keys.first().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(said.contains(verified.last.chain.as_str()) && said.contains(&key), "{said}");
    // A line that is being written.
    let newest = scene.files().pop().unwrap();
    let text = fs::read(&newest).unwrap();
    fs::write(&newest, &text[..text.len() - 3]).unwrap();
    assert!(scene.page().0 && scene.ours().unwrap().torn > 0);
}

/// Changed bytes everywhere: in numbers, times, fields, chains, signatures and line breaks; other
/// characters, the same letter in another case, and bytes that are not text.
#[test]
fn the_page_and_verify_name_the_record_of_a_byte_that_was_changed() {
    let scene = Scene::new();
    let files = scene.files();
    for (index, file) in files.iter().enumerate() {
        let text = fs::read(file).unwrap();
        for at in (index..text.len()).step_by(131) {
            let with = [0x01, 0x20, 0x80][at % 3];
            let mut changed = text.clone();
            changed[at] ^= with;
            fs::write(file, &changed).unwrap();
            let what = format!("byte {at} of file {index} with {with}");
            match index + 1 == files.len() && at + 1 == text.len() {
                true => scene.agree(&what),
                false => scene.found(&what),
            }
        }
        fs::write(file, text).unwrap();
    }
}

#[test]
fn the_page_and_verify_name_the_record_of_a_line_that_was_moved() {
    let scene = Scene::new();
    let edits: [fn(&mut Vec<&str>); 4] = [
        |lines| _ = lines.remove(2),
        |lines| lines.insert(3, lines[2]),
        |lines| lines.swap(2, 3),
        |lines| lines.push("{}"),
    ];
    for (index, file) in scene.files().iter().enumerate() {
        let text = fs::read_to_string(file).unwrap();
        for (number, edit) in edits.iter().enumerate() {
            let mut lines: Vec<&str> = text.lines().collect();
            edit(&mut lines);
            fs::write(file, lines.join("\n") + "\n").unwrap();
            scene.found(&format!("edit {number} of file {index}"));
        }
        fs::write(file, text).unwrap();
    }
}

#[test]
fn the_page_and_verify_name_the_first_record_of_a_file_that_is_missing_or_twice() {
    let (scene, other) = (Scene::new(), Scene::new());
    let files = scene.files();
    for (index, file) in files.iter().enumerate() {
        let text = fs::read(file).unwrap();
        if index + 1 < files.len() {
            fs::remove_file(file).unwrap();
            scene.found(&format!("file {index} gone"));
            fs::write(file, b"").unwrap();
            scene.found(&format!("file {index} empty"));
        }
        fs::copy(&other.files()[index], file).unwrap();
        scene.agree(&format!("file {index} of another installation"));
        fs::write(file, &text).unwrap();
        let twice = scene.folder().join("000000009999.jsonl");
        fs::copy(file, &twice).unwrap();
        scene.found(&format!("file {index} twice"));
        fs::remove_file(twice).unwrap();
    }
    scene.agree("put right");
}

/// An edit of the files by somebody without the key.
#[derive(Clone, Copy, Debug)]
enum Edit {
    /// A byte is replaced.
    Byte(u8),
    /// Bytes are inserted.
    PutIn(u8),
    /// The bytes between two places are removed.
    Gone,
    /// Two lines are swapped.
    Swapped,
    /// A line is duplicated.
    Twice,
    /// A line is moved to another file.
    Moved,
    /// A file is removed.
    FileGone,
    /// A file is renamed.
    Renamed,
    /// A file is copied.
    Copied,
    /// A line is rewritten, and all later ones are chained anew.
    Rewritten,
}

fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (1..=255u8).prop_map(Edit::Byte),
        2 => any::<u8>().prop_map(Edit::PutIn),
        2 => Just(Edit::Gone),
        1 => Just(Edit::Swapped),
        1 => Just(Edit::Twice),
        1 => Just(Edit::Moved),
        1 => Just(Edit::FileGone),
        1 => Just(Edit::Renamed),
        1 => Just(Edit::Copied),
        2 => Just(Edit::Rewritten),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_to_the_files_both_find_it_and_name_the_same_record(
        edit in edits(), file in any::<Index>(), from in any::<Index>(), to in any::<Index>()
    ) {
        let scene = Scene::new();
        let what = format!("{edit:?}, file {file:?}, from {from:?} to {to:?}");
        match scene.done(edit, file, from, to) {
            true => scene.found(&what),
            false => scene.agree(&what),
        }
    }
}

impl Scene {
    /// Makes the edit; returns whether it must be found. A mere truncation is found by a head that was kept
    /// elsewhere.
    fn done(&self, edit: Edit, file: Index, from: Index, to: Index) -> bool {
        let files = self.files();
        let index = file.index(files.len());
        let (path, is_last) = (&files[index], index + 1 == files.len());
        let mut text = fs::read(path).unwrap();
        let (from_byte, to_byte) = (from.index(text.len()), to.index(text.len()));
        let mut lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let (from_line, to_line) = (from.index(lines.len()), to.index(lines.len()));
        let other_name = self.folder().join(format!("{:012}.jsonl", 1 + to.index(99)));
        let found = match edit {
            Edit::Byte(with) => {
                text[from_byte] ^= with;
                !(is_last && from_byte + 1 == text.len())
            }
            Edit::PutIn(byte) => {
                text.splice(from_byte..from_byte, [byte; 3]);
                true
            }
            Edit::Gone => {
                let (begin, end) = (from_byte.min(to_byte), from_byte.max(to_byte) + 1);
                let cut_off = is_last && end == text.len();
                text.drain(begin..end);
                !cut_off
            }
            Edit::Swapped => {
                lines.swap(from_line, to_line);
                text = lines.concat();
                from_line != to_line
            }
            Edit::Twice => {
                lines.insert(to_line, lines[from_line].clone());
                text = lines.concat();
                true
            }
            Edit::Moved => {
                let line = lines.remove(from_line);
                text = lines.concat();
                let other = &files[(index + 1) % files.len()];
                fs::write(other, [fs::read(other).unwrap(), line].concat()).unwrap();
                true
            }
            Edit::FileGone => {
                fs::remove_file(path).unwrap();
                return !is_last;
            }
            Edit::Renamed | Edit::Copied if other_name.exists() => false,
            Edit::Renamed => {
                fs::rename(path, other_name).unwrap();
                return true;
            }
            Edit::Copied => {
                fs::copy(path, other_name).unwrap();
                return true;
            }
            Edit::Rewritten => return self.rewritten(&files[index..], from_line),
        };
        fs::write(path, text).unwrap();
        found
    }

    /// Rewrites a line and chains all later ones anew, in all files from the first on; returns whether a
    /// checkpoint covers it.
    fn rewritten(&self, files: &[PathBuf], line: usize) -> bool {
        let (mut chain, mut covered, mut number) = (None::<String>, false, 0);
        for file in files {
            let text = fs::read_to_string(file).unwrap();
            let mut anew = String::new();
            for text in text.lines() {
                let (said, of_old) = text.rsplit_once(",\"chain\":\"").unwrap();
                let after = chain.take().or_else(|| Some(text.split("\"after\":\"").nth(1)?[..64].to_owned()));
                let mut said = said.to_owned();
                if let (true, Some(at)) = (number >= line, said.find("\"after\":\"")) {
                    said.replace_range(at + 9..at + 73, after.as_deref().unwrap());
                }
                if number == line {
                    said += ",\"more\":1";
                }
                covered |= number > line && said.contains("\"kind\":\"checkpoint\"");
                let next = if number < line { of_old[..64].to_owned() } else { chained(&after.unwrap(), &said) };
                anew += &format!("{said},\"chain\":\"{next}\"}}\n");
                chain = Some(next);
                number += 1;
            }
            fs::write(file, anew).unwrap();
        }
        covered
    }
}

fn chained(after: &str, said: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{after}{said}").as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
