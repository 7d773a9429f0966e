//! Whether a text is a GraphQL document that can change something. GraphQL over HTTP forbids
//! mutations by GET, and not all servers obey.
//!
//! What it is not: a parser of GraphQL. It looks for an operation at the top level of a document,
//! and otherwise knows only what could hide one (specification of October 2021, §2.1 and §2.3). A
//! sentence that contains the word is not an operation.

use std::iter::Peekable;
use std::str::Chars;

/// Whether one of the document's operations is a mutation, as any server reads it.
pub(crate) fn holds_mutation(document: &str) -> bool {
    document.contains("mutation") && Lexer::all().any(|lexer| lexer.finds_mutation(document))
}

/// How a server tells what has no meaning. The specification has one way; graphql-ruby, for one, has had others.
#[derive(Clone, Copy)]
struct Lexer {
    /// A string may go on in the next line.
    strings_have_lines: bool,
    /// A carriage return ends a comment, as a line feed does.
    returns_end_comments: bool,
    /// In a block string a backslash escapes whatever comes next, and not three quotes alone.
    blocks_have_pairs: bool,
}

impl Lexer {
    fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|bits| Lexer {
            strings_have_lines: bits & 1 != 0,
            returns_end_comments: bits & 2 == 0,
            blocks_have_pairs: bits & 4 != 0,
        })
    }

    fn finds_mutation(self, document: &str) -> bool {
        let mut chars = document.chars().peekable();
        let (mut depth, mut state) = (0_usize, State::Elsewhere);
        while let Some(c) = chars.next() {
            match c {
                '#' => self.skip_comment(&mut chars),
                '"' => self.skip_string(&mut chars),
                '{' | '(' | '@' if depth == 0 && state.is_mutation() && self.begins(c, &mut chars) => return true,
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => (depth, state) = (depth.saturating_sub(1), State::Elsewhere),
                _ if is_ignored(c) => {}
                _ if depth > 0 => {}
                _ => state = state.after(c, &mut chars),
            }
        }
        false
    }

    /// Whether this sign begins variables, directives or fields: `mutation (biology)` is a title, and
    /// `($id: ID!)` are variables, which may be described first (September 2025, §2.11).
    fn begins(self, sign: char, chars: &mut Peekable<Chars<'_>>) -> bool {
        while let Some(c) = chars.next_if(|c| is_ignored(*c) || *c == '#' || (*c == '"' && sign == '(')) {
            match c {
                '#' => self.skip_comment(chars),
                '"' => self.skip_string(chars),
                _ => {}
            }
        }
        let next = chars.peek().copied();
        match sign {
            '(' => next == Some('$'),
            '{' => next.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '.')),
            '@' => next.is_some_and(|c| c.is_ascii_alphabetic() || c == '_'),
            _ => false,
        }
    }

    /// A comment goes on to the end of its line.
    fn skip_comment(self, chars: &mut Peekable<Chars<'_>>) {
        let goes_on = |c: &char| *c != '\n' && !(self.returns_end_comments && *c == '\r');
        while chars.next_if(goes_on).is_some() {}
    }

    /// The contents of a string or block string have no meaning.
    fn skip_string(self, chars: &mut Peekable<Chars<'_>>) {
        if chars.next_if_eq(&'"').is_none() {
            while let Some(c) = chars.next() {
                match c {
                    '\\' => drop(chars.next()),
                    '"' => return,
                    '\n' | '\r' if !self.strings_have_lines => return,
                    _ => {}
                }
            }
            return;
        }
        if chars.next_if_eq(&'"').is_none() {
            return;
        }
        let mut quotes = 0;
        while let Some(c) = chars.next() {
            match c {
                '\\' => {
                    quotes = 0;
                    // Three quotes are escaped together; a backslash before fewer is a backslash (§2.9.4).
                    let three = chars.clone().take(3).filter(|c| *c == '"').count() == 3;
                    let escaped = if self.blocks_have_pairs { 1 } else { 3 * usize::from(three) };
                    chars.by_ref().take(escaped).for_each(drop);
                }
                '"' => quotes += 1,
                _ => quotes = 0,
            }
            if quotes == 3 {
                return;
            }
        }
    }
}

/// Where the reader is at the top level of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Elsewhere,
    /// After the keyword of another operation: its name may be any word.
    Other,
    /// After the word `mutation`.
    Announced,
    /// After its name.
    Named,
}

impl State {
    fn is_mutation(self) -> bool {
        matches!(self, State::Announced | State::Named)
    }

    fn after(self, c: char, chars: &mut Peekable<Chars<'_>>) -> State {
        let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        if !is_name(&c) {
            return State::Elsewhere;
        }
        let mut word = String::from(c);
        while let Some(next) = chars.next_if(is_name) {
            word.push(next);
        }
        match self {
            State::Announced => State::Named,
            State::Other => State::Elsewhere,
            _ if matches!(&*word, "query" | "subscription" | "fragment") => State::Other,
            _ if word == "mutation" => State::Announced,
            _ => State::Elsewhere,
        }
    }
}

/// Blanks, line ends, commas and the byte order mark have no meaning (§2.1.2).
fn is_ignored(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutation_is_found_and_a_sentence_is_none() {
        for document in [
            "mutation{a}",
            " mutation { a }",
            "mutation Add { a(b: 1) { c } }",
            "mutation($id: ID!){a(id: $id)}",
            "mutation Add ( $id : ID! ) {a}",
            "mutation @live { a }",
            ",\u{feff}\n# words\nmutation{a}",
            "query A { a } mutation B { b }",
            "fragment F on T { x(s: \"}\") } mutation { ...F }",
            "query { a(s: \"\"\" { \\\"\"\" \"\"\") } mutation { b }",
            "{ a } mutation B { b }",
            "mutation B { # c\n a }",
            "mutation{...F} fragment F on T {a}",
            "mutation(\"\"\"what it is for\"\"\" $id: ID!){a(id: $id)}",
            "mutation @live @more(a: 1) { a }",
            "{a(s:\"\"\"\\\"\"\"\"\"\"){b}} mutation M{b}",
            "query Q{a(s:\"\"\"x\"\\\"\"\"y\"\"\"){b}} mutation M{b}",
            // As graphql-ruby reads them, or did.
            "{a(s:\"\"\"\\\\\"\"\"){b}} mutation M{b}",
            "{a} #\r\"\"\"\nmutation M{b}",
            "{a(s:\"\n\"){b}} mutation M{b}",
        ] {
            assert!(holds_mutation(document), "{document}");
        }
        for document in [
            "",
            "{ mutation }",
            "query { mutation(id: 1) { a } }",
            "query mutation { a }",
            "mutation",
            "mutation testing",
            "mutation (biology)",
            "what a mutation {is}",
            "the mutation of genes { and } more",
            "# mutation { a }\n{ a }",
            "query { a(text: \"mutation { b }\") }",
            "{ a(s: \"\"\"\" mutation {b} \"\"\") }",
            "Mutation { a }",
            "mutation (\"BRCA1\")",
            "mutation (# of genes)",
        ] {
            let found = holds_mutation(document);
            // A sentence that is a valid document counts as one.
            assert_eq!(found, document.starts_with("what a"), "{document}");
        }
    }

    /// Whatever stands between two tokens, and whatever a string holds, hides no operation (§2.1, §2.9.4).
    #[test]
    fn what_has_no_meaning_hides_no_mutation() {
        let mutations: [&[&str]; 4] = [
            &["mutation", "{", "a", "}"],
            &["mutation", "M", "(", "$", "i", ":", "ID", "=", "7", ")", "{", "a", "}"],
            &["mutation", "(", "\"why\"", "$", "i", ":", "ID", ")", "@", "live", "{", "a", "}"],
            &["mutation", "@", "live", "{", "...", "F", "}"],
        ];
        let between = [" ", "\n", ",", "\u{feff}", "#\n", "# { mutation ( \" \"\"\"\n", "\t#(\r\n", " , #x\n#y\n"];
        for mutation in mutations {
            for (at, _) in mutation.iter().enumerate() {
                for text in between {
                    // A name ends where another begins.
                    let (before, after) = (mutation[..at].join(" "), mutation[at..].join(" "));
                    for document in [format!("{before}{text}{after}"), format!("{{a}}{text}{before} {text}{after}")] {
                        assert!(holds_mutation(&document), "{document}");
                    }
                }
            }
        }
        let pieces = ["x", "\"", "\\", "\\\"\"\"", "\n", "mutation{b}", "}"];
        for number in 0..pieces.len().pow(4) {
            let nth = |place: u32| pieces[number / pieces.len().pow(place) % pieces.len()];
            let text: String = (0..4).map(nth).collect();
            // What ends the string early, or spoils its end, is not in it.
            if text.replace("\\\"\"\"", "").contains("\"\"\"") || text.ends_with(['"', '\\']) {
                continue;
            }
            let document = |other: &str| format!("{{a(s:\"\"\"{text}\"\"\"){{b}}}} {other}{{b}}");
            assert!(holds_mutation(&document("mutation M")), "{}", document("mutation M"));
            // With a backslash in it, some server may read another end.
            assert!(text.contains('\\') || !holds_mutation(&document("query Q")), "{}", document("query Q"));
        }
    }
}
