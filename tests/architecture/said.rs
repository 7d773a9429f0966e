//! The outbox's table has one writer, which takes what may be said. The compiler keeps other modules from making a
//! `Sayable`; this keeps the store from writing a text beside it.

use crate::source::Source;
use crate::tokens::{Kind, tokens};

/// Where the table is written and read.
const TABLE: &str = "src/store/outbox.rs";

const OF_TEXTS: [&str; 2] = ["OUTBOX", "OUTBOX_FILES"];

/// What stands shortly before a table that is written. What is removed from the table is not said.
const WRITES: [&str; 2] = ["INTO", "UPDATE"];

/// Where somebody else does, however the statement is laid out.
pub fn beside(source: &Source) -> Vec<String> {
    if source.path == TABLE {
        return Vec::new();
    }
    let texts = tokens(&source.text).into_iter().filter(|token| token.kind == Kind::Text);
    // `INSERT OR IGNORE INTO outbox(…)`, `UPDATE OR FAIL main.outbox`.
    let writes = |statement: &str| {
        let words: Vec<_> = statement.split_whitespace().map(|word| word.trim_matches(['"', '(', '\'', '`'])).collect();
        let table = |word: &&&str| {
            OF_TEXTS.contains(&word.split('(').next().unwrap_or_default().rsplit('.').next().unwrap_or_default())
        };
        let behind = |at: usize| words[at + 1..].iter().take(3).find(table).is_some();
        let verbs = words.iter().enumerate().filter(|(_, word)| WRITES.contains(word));
        verbs.into_iter().any(|(at, _)| behind(at))
    };
    let is_written = |text: &str| text.to_uppercase().split(';').any(writes);
    let said = texts.filter(|token| is_written(&source.text[token.start..token.end]));
    said.map(|token| format!("{}:{}: the outbox's texts are for {TABLE} alone", source.path, token.line)).collect()
}

#[test]
fn a_second_writer_is_found() {
    let sql = "connection.execute(\"INSERT INTO outbox (text) VALUES (?1)\", [text])?;\n";
    for text in [
        sql,
        "\"UPDATE outbox SET text = ?1\"\n",
        "\"update  outbox\n set text = ?1\"\n",
        "\"INSERT OR REPLACE INTO\n    main.outbox_files VALUES (1)\"\n",
    ] {
        assert_eq!(beside(&Source::new("src/store/runs.rs", text)).len(), 1, "{text}");
        assert!(beside(&Source::new(TABLE, text)).is_empty());
    }
    for text in ["\"DELETE FROM outbox\"\n", "\"INSERT INTO ask_messages (outbox, ask) VALUES (?1, ?2)\"\n"] {
        assert!(beside(&Source::new("src/store/runs.rs", text)).is_empty(), "{text}");
    }
}
