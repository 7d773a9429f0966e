//! Saves the conversation before Claude Code summarises it: `conversations/DATE-SUBJECT.md` in the group's folder.
//!
//! Claude Code starts it as a hook (`PreCompact`) and names its own record of the conversation. It runs inside, as the
//! agent, and writes where the agent may; outside, only the owner opens what it wrote.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
};

use serde_json::Value;

use crate::agents::WORKSPACE;

/// The longest input of a hook.
const MOST_TOLD: u64 = 1 << 20;

/// The longest line that is read; tools put pictures and whole files into theirs.
const MOST_LINE: u64 = 4 << 20;

/// The longest archive; of a longer conversation the end is kept.
const MOST_TEXT: usize = 4 << 20;

/// How many letters of the first message go into a file's name.
const SUBJECT: usize = 40;

/// The hook: reads its input, and writes the archive. A failure must not prevent the summary.
pub fn run() -> io::Result<()> {
    let mut told = String::new();
    io::stdin().take(MOST_TOLD).read_to_string(&mut told)?;
    let told: Value = serde_json::from_str(&told)?;
    let record = told["transcript_path"].as_str().ok_or(io::ErrorKind::InvalidData)?;
    write(Path::new(record), &Path::new(WORKSPACE).join("conversations")).map(drop)
}

/// The conversation, in order.
#[derive(Default)]
struct Said {
    subject: Option<String>,
    date: String,
    text: String,
}

/// Writes an archive of a record into a folder; nothing if there is no conversation.
fn write(record: &Path, folder: &Path) -> io::Result<bool> {
    let mut said = Said::default();
    let mut reader = BufReader::new(File::open(record)?);
    loop {
        let mut line = Vec::new();
        if reader.by_ref().take(MOST_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // The rest of a line that is too long does not parse.
        if let Ok(line) = serde_json::from_slice::<Value>(&line) {
            said.line(&line);
        }
    }
    let Some(subject) = said.subject.as_deref().filter(|_| !said.text.is_empty()) else { return Ok(false) };
    fs::create_dir_all(folder)?;
    let mut file = new_file(folder, &format!("{}-{}", said.date, slug(subject)))?;
    writeln!(file, "# {}\n\nWhat was said until it was summed up, {}.\n{}", title(subject), said.date, said.text)?;
    Ok(true)
}

impl Said {
    fn line(&mut self, line: &Value) {
        if line["subtype"] == "compact_boundary" {
            // Everything before was archived at that time.
            *self = Said::default();
            return;
        }
        let (who, text) = match line["type"].as_str() {
            Some("user") if line["isMeta"] != true && line["isCompactSummary"] != true => ("User", text_of(line)),
            Some("assistant") => ("Assistant", text_of(line)),
            _ => return,
        };
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(date) = line["timestamp"].as_str().and_then(|time| time.get(..10)) {
            date.clone_into(&mut self.date);
        }
        if who == "User" && self.subject.is_none() {
            self.subject = Some(without_tags(text));
        }
        self.text += &format!("\n**{who}**\n\n{text}\n");
        if self.text.len() > MOST_TEXT {
            let from = (self.text.len() - MOST_TEXT..).find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
            self.text.drain(..from);
        }
    }
}

/// Only the conversation, without the work of tools.
fn text_of(line: &Value) -> String {
    match &line["message"]["content"] {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts =
                blocks.iter().filter(|block| block["type"] == "text").filter_map(|block| block["text"].as_str());
            texts.collect::<Vec<_>>().join("\n\n")
        }
        _ => String::new(),
    }
}

/// A prompt without the tags around it.
fn without_tags(text: &str) -> String {
    let mut inside = false;
    let shown = text.chars().filter(|c| match c {
        '<' => {
            inside = true;
            false
        }
        '>' => !std::mem::take(&mut inside),
        _ => !inside,
    });
    shown.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn title(subject: &str) -> String {
    let title: String = subject.chars().take(80).collect();
    if title.is_empty() { "Conversation".to_owned() } else { title }
}

fn slug(subject: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c.to_lowercase().next().unwrap_or('-') } else { '-' };
    let dashes: String = subject.chars().map(plain).take(SUBJECT).collect();
    let words: Vec<&str> = dashes.split('-').filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "conversation".to_owned() } else { words.join("-") }
}

/// Creates a new file; several with one date and subject are numbered.
fn new_file(folder: &Path, name: &str) -> io::Result<File> {
    for n in 1..1000 {
        let number = if n == 1 { String::new() } else { format!("-{n}") };
        match OpenOptions::new().write(true).create_new(true).open(folder.join(format!("{name}{number}.md"))) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn archive(lines: &[&str]) -> Vec<(String, String)> {
        let dir = tempfile_dir();
        let record = dir.join("record.jsonl");
        fs::write(&record, lines.join("\n")).unwrap();
        write(&record, &dir.join("conversations")).unwrap();
        write(&record, &dir.join("conversations")).unwrap();
        let entries = fs::read_dir(dir.join("conversations")).into_iter().flatten().flatten();
        let mut all: Vec<_> = entries
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
            .collect();
        all.sort();
        fs::remove_dir_all(dir).unwrap();
        all
    }

    fn tempfile_dir() -> std::path::PathBuf {
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("doorward-archive-{}-{n}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    const ASKED: &str = r#"{"type":"user","timestamp":"2026-11-29T20:00:00Z","message":{"content":[{"type":"text","text":"<messages>\n<message sender=\"Ann\">What about cake?</message></messages>"}]}}"#;
    const TOOL: &str = r#"{"type":"assistant","timestamp":"2026-11-29T20:00:01Z","message":{"content":[{"type":"tool_use","input":{"command":"secret tool"}}]}}"#;
    const ANSWER: &str = r#"{"type":"assistant","timestamp":"2026-11-29T20:00:02Z","message":{"content":[{"type":"text","text":"Bring two."}]}}"#;

    #[test]
    fn what_was_said_is_written_down_and_no_tools_work() {
        let result = r#"{"type":"user","message":{"content":[{"type":"tool_result","content":"of a tool"}]}}"#;
        let all = archive(&[
            ASKED,
            TOOL,
            result,
            ANSWER,
            "no line at all",
            r#"{"type":"user","isMeta":true,"message":{"content":"meta"}}"#,
        ]);
        let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["2026-11-29-what-about-cake-2.md", "2026-11-29-what-about-cake.md"]);
        let text = &all[1].1;
        assert!(text.starts_with("# What about cake?\n"), "{text}");
        assert!(
            text.contains("What about cake?</message>") && text.ends_with("**Assistant**\n\nBring two.\n\n"),
            "{text}"
        );
        for other in ["secret tool", "of a tool", "meta"] {
            assert!(!text.contains(other), "{other} in {text}");
        }
    }

    #[test]
    fn what_was_written_down_before_is_not_written_again() {
        let boundary = r#"{"type":"system","subtype":"compact_boundary"}"#;
        let summary = r#"{"type":"user","isCompactSummary":true,"message":{"content":"a summary"}}"#;
        let later = ASKED.replace("cake", "tea");
        let all = archive(&[ASKED, ANSWER, boundary, summary, &later]);
        assert!(all[0].1.contains("tea") && !all[0].1.contains("cake") && !all[0].1.contains("a summary"), "{all:?}");
        assert!(archive(&[ASKED, ANSWER, boundary, summary]).is_empty());
    }

    #[test]
    fn names_are_plain() {
        for (subject, wanted) in
            [("", "conversation"), ("../../etc/passwd", "etc-passwd"), ("Käse & Brot!", "käse-brot")]
        {
            assert_eq!(slug(subject), wanted);
        }
    }
}
