//! `doorward chat` at a terminal: editing, history, pasted text, and answers that grow.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::terminal::plain;
use crate::support::{Home, Terminal};

fn chat(home: &Home) -> Terminal {
    let mut chat = Terminal::start(home.command(&["chat", "--group", "family"]), 80);
    chat.shows("family> ");
    chat
}

#[test]
fn a_line_is_edited_remembered_and_pasted_as_one_message() {
    let home = Home::new().group("family");
    let _daemon = home.up();
    let mut talk = chat(&home);
    talk.types("/help\r");
    talk.shows("Enter sends it");
    talk.types("hello\r");
    talk.shows("Here answers a plain shell");
    // Two characters too many, taken back; one forgotten, put in.
    talk.types(&format!("echo fist-$((1 + 1))XX\x7f\x7f{}r\r", "\x1b[D".repeat("st-$((1 + 1))".len())));
    talk.shows("first-2");
    // What is pasted is one message, and one answer.
    talk.types("\x1b[200~x=sec\necho ${x}ond\necho \"of $x\"\x1b[201~");
    talk.types("\r");
    talk.shows("second");
    talk.shows("of sec");
    // Shown as it comes, and once.
    talk.types("seq 1001 1400\r");
    // The line itself has 1400 in it.
    talk.shows("1399");
    talk.shows("1400");
    let seen = plain(&talk.so_far());
    let last = |line: &str| line.trim_end().rsplit('\r').next().and_then(|last| last.parse().ok());
    let numbers: Vec<u32> = seen.split('\n').filter_map(last).collect();
    assert_eq!(numbers, (1001..=1400).collect::<Vec<u32>>());
    talk.types(" echo un$((40 + 2))kept\r");
    talk.shows("un42kept");
    talk.types("/quit\r");
    assert_eq!(talk.wait().code, Some(0));

    let history = home.at("data/chat-history/family");
    assert_eq!(std::fs::metadata(&history).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(&history).unwrap();
    assert!(kept.contains("echo first-$((1 + 1))") && kept.contains("of $x") && !kept.contains("kept"), "{kept}");

    let mut talk = chat(&home);
    talk.types("\x1b[A");
    talk.types("\r");
    talk.shows("1399");
    talk.types("\x04");
    assert_eq!(talk.wait().code, Some(0));
    home.run(&["group", "remove", "family", "--yes"]).ok();
    assert!(!history.exists(), "what was written to a group goes with it");
}

/// A stop is heard while an answer is awaited.
#[test]
fn the_line_is_there_while_an_answer_is_awaited() {
    let home = Home::new().group("family");
    let _daemon = home.up();
    let mut talk = chat(&home);
    talk.types("sleep 600\r");
    talk.shows("…");
    talk.types("stop\r");
    talk.shows("Stopped, as you asked.");
    talk.types("\x04");
    assert_eq!(talk.wait().code, Some(0));
}

/// Of all groups by the settings, of one by its own file.
#[test]
fn doorward_speaks_the_language_of_a_chat() {
    let home = Home::new().config("[chat]\nlanguage = \"de\"\n").group("family").group("club");
    let file = home.at("groups/club.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("language = \"ar\"\n{settings}")).unwrap();
    let _daemon = home.up();
    home.chat("family", "stop").prints("Es lief nichts.");
    home.chat("club", "stop").prints("لم يكن شيء يعمل.");
    home.chat("family", "curl -sS https://a.test/").prints("keine Regel nennt den Host (not_allowed)");
    let other = Home::without_engine().config("[chat]\nlanguage = \"fr\"\n");
    other.run(&["status"]).code(1);
    other.run(&["secret", "list"]).code(1).says("write one of \"en\", \"de\", \"ar\"");
}
