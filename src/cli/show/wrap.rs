//! Breaking lines at words. What is longer than a line is broken where an address or a path
//! has a sign, and only then anywhere.

use textwrap::WordSeparator;
use textwrap::core::{Word, break_words, display_width};
use textwrap::wrap_algorithms::wrap_first_fit;

/// What takes the colours off.
const PLAIN: &str = "\x1b[0m";

/// Signs behind which an address, a path or a list may go on in the next line, and those behind
/// which it does only where that is not enough.
const BORDERS: [&[char]; 2] = [&['/', ',', ';', '?', '&', '='], &['.', ':', '_', '-']];

/// A further line does not start further to the right than this.
const DEEPEST: usize = 26;

/// A text in lines of at most so many columns. A line that is broken goes on where its text
/// began: below an indent, a mark or the second of two columns.
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
        let mut pieces = pieces(line, room).into_iter();
        lines.extend(pieces.next().map(|piece| format!("{indent}{piece}")));
        lines.extend(pieces.map(|piece| format!("{hanging}{piece}")));
    }
    lines.join("\n")
}

/// The lines of a table's cell.
pub(super) fn cell(text: &str, columns: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| pieces(line, [columns; 2])).collect()
}

/// How wide a column must be for a text that is broken at words and borders alone.
pub(super) fn longest_piece(text: &str) -> usize {
    let pieces = text.split_whitespace().flat_map(|word| word.split_inclusive(BORDERS[0]));
    pieces.flat_map(|piece| piece.split_inclusive(BORDERS[1])).map(display_width).max().unwrap_or(0)
}

/// What stands before a line that goes on: as far in as its text. A comment stays one.
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

/// A line in pieces that fit: the first into the first room, the others into the second.
fn pieces(line: &str, room: [usize; 2]) -> Vec<String> {
    let narrow = room[0].min(room[1]).max(1);
    let words: Vec<Word<'_>> = WordSeparator::AsciiSpace
        .find_words(line)
        .flat_map(|word| match display_width(&word) > narrow {
            true => break_words(at_borders(word, narrow), narrow),
            false => vec![word],
        })
        .collect();
    let widths = room.map(|room| u32::try_from(room).map_or(f64::MAX, f64::from));
    let lines = wrap_first_fit(&words, &widths).into_iter().map(|words| {
        let whole: String = words.iter().map(|word| format!("{}{}", word.word, word.whitespace)).collect();
        whole.trim_end_matches(' ').to_owned()
    });
    carried(lines.collect())
}

/// A word in pieces; the last keeps the space behind it.
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

/// A colour ends with its line and goes on in the next, so that nothing beside it has it.
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
