//! The outbox's table has one writer, which takes what may be said, and what is read from it may
//! be said again. The compiler keeps other modules from making a `Sayable`; this keeps the store
//! from writing a text beside it, and from taking another table's text for one.

use crate::source::Source;

/// Where the table is written and read.
const TABLE: &str = "src/store/outbox.rs";

/// What nobody else says. What is removed from the table is not said.
const WORDS: [&str; 3] = ["INTO outbox", "UPDATE outbox", "Sayable::stored("];

/// Where somebody else does.
pub fn beside(source: &Source) -> Vec<String> {
    let lines = source.text.lines().zip(1..).filter(|_| source.path != TABLE);
    let said = lines.filter(|(line, _)| WORDS.iter().any(|word| line.contains(word)));
    said.map(|(_, line)| format!("{}:{line}: the outbox's texts are for {TABLE} alone", source.path)).collect()
}

#[test]
fn a_second_writer_or_reader_is_found() {
    let sql = "connection.execute(\"INSERT INTO outbox (text) VALUES (?1)\", [text])?;\n";
    for text in [sql, "\"UPDATE outbox SET text = ?1\"\n", "let text = Sayable::stored(row, 2)?;\n"] {
        assert_eq!(beside(&Source::new("src/store/runs.rs", text)).len(), 1);
        assert!(beside(&Source::new(TABLE, text)).is_empty());
    }
    assert!(beside(&Source::new("src/store/runs.rs", "\"DELETE FROM outbox\"\n")).is_empty());
}
