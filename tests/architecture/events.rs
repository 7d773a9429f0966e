//! docs/audit.md tells every kind of record: each event, and each reason of a refusal.

use super::source::Source;

/// What stands before the word for an event.
const BEFORE: [&str; 4] = ["Notice::new(", "Notice::of(", "what: ", "\"what\": "];

/// The events that these sources write and the page does not name.
pub fn untold(sources: &[Source], page: &str) -> Vec<String> {
    let mut untold = Vec::new();
    for source in sources.iter().filter(|source| !source.path.contains("tests")) {
        let words = BEFORE.iter().flat_map(|before| source.text.split(before).skip(1)).filter_map(word);
        let missing = words.filter(|word| !page.contains(&format!("`{word}`")));
        untold.extend(missing.map(|word| format!("{}: event `{word}` is not in docs/audit.md", source.path)));
    }
    untold
}

/// The reasons of refusals that the page does not name, from the list of their texts.
pub fn unnamed(refusals: &str, page: &str) -> Vec<String> {
    let codes = refusals.lines().filter_map(|line| line.split_once(" => ").map(|(_, text)| text));
    let codes = codes.filter_map(word).filter(|code| !page.contains(&format!("`{code}`")));
    codes.map(|code| format!("code `{code}` is not in docs/audit.md")).collect()
}

/// What a text begins with, where that is a word in quotes.
fn word(text: &str) -> Option<&str> {
    let word = text.trim_start().strip_prefix('"')?.split('"').next()?;
    let is_word =
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte));
    is_word.then_some(word)
}

#[test]
fn an_event_that_no_page_names_is_found() {
    let source = Source::new(
        "src/a.rs",
        "Notice::new(\n    \"told\", None);\nlet what: \"untold\" = Notice::of(\"new_one\", x)",
    );
    assert_eq!(untold(&[source], "| `told` |").len(), 2);
    assert_eq!(unnamed("    A => \"told\",\n    B => \"not_told\",\n", "`told`").len(), 1);
}
