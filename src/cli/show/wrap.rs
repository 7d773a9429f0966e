//! Wraps lines at words. A word longer than a line is broken after the punctuation of an address or a path, and only if
//! that fails anywhere. A command is never broken: it is there for copying.

use textwrap::WordSeparator;
use textwrap::core::{Word, break_words, display_width};
use textwrap::wrap_algorithms::wrap_first_fit;

/// Resets the colours.
const PLAIN: &str = "\x1b[0m";

/// Characters after which an address, a path or a list may be broken, and those after which it may be broken only if
/// that is not enough.
const BORDERS: [&[char]; 2] = [&['/', ',', ';', '?', '&', '='], &['.', ':', '_', '-']];

/// The first words of commands outside backquotes: at the start of a line, or after a colon.
const PROGRAMS: [&str; 6] = ["doorward ", "sudo ", "chmod ", "systemctl ", "loginctl ", "setsid "];

/// What ends such a command before the end of its line.
const BEHIND_COMMANDS: [&str; 4] = ["  ", ", ", "; ", " ("];

/// The largest indent of a continuation line.
const DEEPEST: usize = 26;

/// A text in lines of limited width. A broken line continues where its text began: below an indent, a mark or the
/// second of two columns.
pub(crate) fn wrap(text: &str, columns: usize) -> String {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        if display_width(line) <= columns {
            lines.push(line.to_owned());
            continue;
        }
        let hanging = hanging(line, columns);
        let first = line.len() - line.trim_start_matches(' ').len();
        let (indent, line) = line.split_at(first.min(columns / 2));
        let room = [columns - indent.len(), columns - display_width(&hanging)];
        let mut pieces = pieces(whole_commands(line), room).into_iter();
        lines.extend(pieces.next().map(|piece| format!("{indent}{piece}")));
        lines.extend(pieces.map(|piece| format!("{hanging}{piece}")));
    }
    lines.join("\n")
}

/// The lines of a table cell.
pub(super) fn cell(text: &str, columns: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| pieces(vec![(line, false)], [columns; 2])).collect()
}

/// The least width for a text that is broken only at words and borders.
pub(super) fn longest_piece(text: &str) -> usize {
    let pieces = text.split_whitespace().flat_map(|word| word.split_inclusive(BORDERS[0]));
    pieces.flat_map(|piece| piece.split_inclusive(BORDERS[1])).map(display_width).max().unwrap_or(0)
}

/// The prefix of a continuation line: as far in as its text. A comment stays one.
fn hanging(line: &str, columns: usize) -> String {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let text = &line[indent..];
    let comment = text.starts_with("# ");
    let depth = match text.find("  ") {
        Some(gap) => {
            let behind = text[gap..].len() - text[gap..].trim_start_matches(' ').len();
            indent + display_width(&text[..gap]) + behind
        }
        None if ["- ", "+ ", "~ ", "# "].iter().any(|mark| text.starts_with(mark)) => indent + 2,
        None => indent,
    };
    let depth = if depth > DEEPEST.min(columns / 2) { (indent + 2).min(columns / 2) } else { depth };
    if comment { format!("{}# ", " ".repeat(indent.min(columns / 2))) } else { " ".repeat(depth) }
}

/// A line as parts that may be broken and commands, which may not. Characters attached to a command stay with it.
fn whole_commands(line: &str) -> Vec<(&str, bool)> {
    let (mut stretches, mut done) = (Vec::new(), 0);
    while let Some((from, to)) = command(line, done) {
        let from = line[done..from].rfind(' ').map_or(done, |at| done + at + 1);
        let to = line[to..].find(' ').map_or(line.len(), |at| to + at);
        let to = to + (line[to..].len() - line[to..].trim_start_matches(' ').len());
        stretches.extend([(&line[done..from], false), (&line[from..to], true)]);
        done = to;
    }
    stretches.push((&line[done..], false));
    stretches
}

/// The start and end of the next command in a line.
fn command(line: &str, from: usize) -> Option<(usize, usize)> {
    let quoted = line[from..].find('`').map(|at| from + at);
    let quoted = quoted.and_then(|at| Some((at, at + 1 + line[at + 1..].find('`')? + 1)));
    let begins = |at: &usize| PROGRAMS.iter().any(|program| line[*at..].starts_with(program));
    let first = Some(0).filter(|at| from == 0 && begins(at));
    let behind_colon = |(at, _)| line.len() - line[from + at + 1..].trim_start_matches(' ').len();
    let named = first.or_else(|| line[from..].match_indices(": ").map(behind_colon).find(begins));
    let named = named.map(|at| {
        let ends = BEHIND_COMMANDS.iter().filter_map(|sign| line[at..].find(sign)).min();
        (at, ends.map_or(line.len(), |end| at + end))
    });
    quoted.into_iter().chain(named).min()
}

/// A line in pieces that fit: the first into the first width, the others into the second.
fn pieces(line: Vec<(&str, bool)>, room: [usize; 2]) -> Vec<String> {
    let narrow = room[0].min(room[1]).max(1);
    let words: Vec<Word<'_>> = line
        .into_iter()
        .flat_map(|(text, is_whole)| match is_whole {
            true => vec![Word::from(text)],
            false => WordSeparator::AsciiSpace.find_words(text).flat_map(|word| broken(word, narrow)).collect(),
        })
        .collect();
    let widths = room.map(|room| u32::try_from(room).map_or(f64::MAX, f64::from));
    let lines = wrap_first_fit(&words, &widths).into_iter().map(|words| {
        let whole: String = words.iter().map(|word| format!("{}{}", word.word, word.whitespace)).collect();
        whole.trim_end_matches(' ').to_owned()
    });
    carried(lines.collect())
}

fn broken(word: Word<'_>, room: usize) -> Vec<Word<'_>> {
    if display_width(&word) > room { break_words(at_borders(word, room), room) } else { vec![word] }
}

/// A word in pieces; the last keeps the space after it.
fn at_borders(word: Word<'_>, room: usize) -> Vec<Word<'_>> {
    let pieces = word.word.split_inclusive(BORDERS[0]).flat_map(|piece| match display_width(piece) > room {
        true => piece.split_inclusive(BORDERS[1]).collect(),
        false => vec![piece],
    });
    let mut pieces: Vec<Word<'_>> = pieces.map(Word::from).collect();
    if let Some(last) = pieces.last_mut() {
        last.whitespace = word.whitespace;
    }
    pieces
}

/// A colour ends with its line and resumes on the next, so that nothing beside it is coloured.
fn carried(lines: Vec<String>) -> Vec<String> {
    let mut open = String::new();
    let carry = |line: String| {
        let line = format!("{open}{line}");
        open.clear();
        for code in line.split("\x1b[").skip(1).filter_map(|rest| rest.split_once('m')) {
            match code.0 {
                "0" => open.clear(),
                other => open.push_str(&format!("\x1b[{other}m")),
            }
        }
        if open.is_empty() { line } else { line + PLAIN }
    };
    lines.into_iter().map(carry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_below_its_text() {
        assert_eq!(wrap("short", 5), "short");
        assert_eq!(wrap("one two three\nfour", 8), "one two\nthree\nfour");
        assert_eq!(wrap("    one two three", 11), "    one two\n    three");
        assert_eq!(wrap("ok     home: one two three four", 22), "ok     home: one two\n       three four");
        assert_eq!(wrap("# one two three", 10), "# one two\n# three");
        assert_eq!(wrap("- one two three", 10), "- one two\n  three");
    }

    #[test]
    fn a_command_is_never_broken() {
        for (text, wanted) in [
            ("say `doorward stop family` now", "say\n`doorward stop family`\nnow"),
            ("(`doorward stop a`), then", "(`doorward stop a`),\nthen"),
            ("`a b` and `doorward chat`", "`a b` and\n`doorward chat`"),
            ("fix: chmod 600 /a/b/c/d/e/f", "fix:\nchmod 600 /a/b/c/d/e/f"),
            ("next: doorward task list, and so on", "next:\ndoorward task list,\nand so on"),
            ("  doorward chat --group a  talks", "  doorward chat --group a\n    talks"),
            ("one ` is none of these at all", "one ` is none of\nthese at all"),
        ] {
            assert_eq!(wrap(text, 16), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_longer_than_a_line_is_broken_at_its_signs() {
        assert_eq!(wrap("GET api.example.org/one/two/three", 16), "GET\napi.example.org/\none/two/three");
        assert_eq!(wrap("abcdefghij", 4), "abcd\nefgh\nij");
        assert_eq!(wrap("東京東京", 4), "東京\n東京");
    }

    #[test]
    fn a_colour_stays_in_its_lines() {
        let red = "\x1b[31mone two\x1b[0m three";
        assert_eq!(cell(red, 4), ["\x1b[31mone\x1b[0m", "\x1b[31mtwo\x1b[0m", "thre", "e"]);
    }
}
