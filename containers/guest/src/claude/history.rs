//! Claude Code's own record of a conversation, and how a turn is removed from it.
//!
//! Each request repeats the whole conversation. If the door or the model refuses one for its
//! content, every later message would therefore be refused as well: one pasted key would silence a
//! group for good. Claude Code appends to one file per session (`projects/…/SESSION.jsonl`), and a
//! prompt is stored there under the `uuid` that the guest gave it. The session as it was before a
//! turn is the file up to that line.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use crate::agents::HOME;

/// Claude Code's configuration and data.
pub(super) fn config_dir() -> PathBuf {
    Path::new(HOME).join(".claude")
}

/// What is left of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The conversation before the turn.
    Earlier,
    /// Nothing: it began with that turn, or could not be cut. It must not be resumed.
    Nothing,
}

/// Removes everything from the first of these prompts onwards from a session. The process that
/// writes it must have ended.
pub(super) fn take_out(config: &Path, session: &str, prompts: &[String]) -> io::Result<Left> {
    let Some(path) = file_of(config, session)? else { return Ok(Left::Nothing) };
    let Some((length, answered)) = before(&path, prompts)? else { return Ok(Left::Nothing) };
    if !answered {
        return Ok(Left::Nothing);
    }
    OpenOptions::new().write(true).open(&path)?.set_len(length)?;
    Ok(Left::Earlier)
}

/// Whether a session contains any of these prompts.
pub(super) fn names(config: &Path, session: &str, prompts: &[String]) -> io::Result<bool> {
    match file_of(config, session)? {
        Some(path) => Ok(before(&path, prompts)?.is_some()),
        None => Ok(false),
    }
}

/// How many turns in a row were removed, in this sandbox or an earlier one. After several,
/// something older must be the cause.
pub(super) fn taken_out(config: &Path) -> usize {
    fs::read_to_string(mark(config)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Stores that number until a turn is answered.
pub(super) fn remember_taken_out(config: &Path, turns: usize) {
    let _ = match turns {
        0 => fs::remove_file(mark(config)),
        _ => fs::write(mark(config), format!("{turns}\n")),
    };
}

fn mark(config: &Path) -> PathBuf {
    config.join("doorward-turns-taken-out")
}

fn file_of(config: &Path, session: &str) -> io::Result<Option<PathBuf>> {
    if session.is_empty() || !session.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(None);
    }
    let folders = match fs::read_dir(config.join("projects")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        folders => folders?,
    };
    let files = folders.flatten().map(|folder| folder.path().join(format!("{session}.jsonl")));
    Ok(files.into_iter().find(|file| file.is_file()))
}

/// The length of the file before the first line of these prompts, and whether it contains an answer
/// by then. `None`: no line names them.
fn before(path: &Path, prompts: &[String]) -> io::Result<Option<(u64, bool)>> {
    let (mut length, mut answered) = (0, false);
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        if prompts.iter().any(|prompt| holds(&line, prompt.as_bytes())) {
            return Ok(Some((length, answered)));
        }
        answered |= holds(&line, br#""type":"assistant""#);
        length += read as u64;
    }
}

fn holds(line: &[u8], what: &[u8]) -> bool {
    !what.is_empty() && line.windows(what.len()).any(|window| window == what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FIRST: &str = concat!(
        r#"{"type":"queue-operation","operation":"enqueue"}"#,
        "\n",
        r#"{"type":"user","uuid":"u-1","message":{"content":"hello"}}"#,
        "\n",
        r#"{"type":"attachment","parentUuid":"u-1","uuid":"x"}"#,
        "\n",
        r#"{"parentUuid":"x","message":{},"type":"assistant","uuid":"a-1"}"#,
        "\n",
    );
    const SECOND: &str = concat!(
        r#"{"type":"user","uuid":"u-2","message":{"content":"a key"}}"#,
        "\n",
        r#"{"type":"assistant","uuid":"a-2","isApiErrorMessage":true}"#,
        "\n",
        r#"{"half a line"#,
    );

    /// A Claude Code folder with one session, deleted after the test.
    struct Folder(PathBuf);

    impl Folder {
        fn with(name: &str, text: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("doorward-history-{name}-{}", std::process::id()));
            fs::create_dir_all(folder.join("projects/-workspace-group")).unwrap();
            fs::write(folder.join("projects/-workspace-group/s-1.jsonl"), text).unwrap();
            Folder(folder)
        }

        fn text(&self) -> String {
            fs::read_to_string(self.0.join("projects/-workspace-group/s-1.jsonl")).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn prompts(uuids: &[&str]) -> Vec<String> {
        uuids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_turn_is_taken_out_with_all_that_came_of_it() {
        let folder = Folder::with("turn", &format!("{FIRST}{SECOND}"));
        assert_eq!(take_out(&folder.0, "s-1", &prompts(&["u-3", "u-2"])).unwrap(), Left::Earlier);
        assert_eq!(folder.text(), FIRST);
    }

    #[test]
    fn a_session_names_the_prompts_that_stand_in_it() {
        let folder = Folder::with("names", FIRST);
        for (session, uuids, wanted) in
            [("s-1", ["u-9", "u-1"], true), ("s-1", ["u-8", "u-9"], false), ("s-2", ["u-1", "u-2"], false)]
        {
            assert_eq!(names(&folder.0, session, &prompts(&uuids)).unwrap(), wanted, "{session} {uuids:?}");
        }
    }

    #[test]
    fn what_cannot_be_cut_is_not_resumed() {
        for (name, session, uuids) in [
            ("first", "s-1", prompts(&["u-1"])),
            ("unknown", "s-1", prompts(&["u-9"])),
            ("none", "s-1", prompts(&[])),
            ("blank", "s-1", prompts(&[""])),
            ("gone", "s-2", prompts(&["u-2"])),
            ("path", "../s-1", prompts(&["u-2"])),
        ] {
            let folder = Folder::with(name, &format!("{FIRST}{SECOND}"));
            assert_eq!(take_out(&folder.0, session, &uuids).unwrap(), Left::Nothing, "{name}");
        }
        assert_eq!(take_out(Path::new("/nowhere"), "s-1", &prompts(&["u-1"])).unwrap(), Left::Nothing);
    }

    #[test]
    fn how_many_turns_were_taken_out_is_remembered() {
        let folder = Folder::with("mark", "");
        for turns in [0, 1, 2, 0] {
            remember_taken_out(&folder.0, turns);
            assert_eq!(taken_out(&folder.0), turns);
        }
        fs::write(mark(&folder.0), "no number").unwrap();
        assert_eq!(taken_out(&folder.0), 0);
    }
}
