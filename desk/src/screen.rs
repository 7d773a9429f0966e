//! Text that others wrote, for a screen or a log: characters that a terminal would obey or
//! not show are written out.

use std::fmt::Write;

/// For a line: `\u{1b}` in place of each control (C0, C1), bidirectional override (attacks
/// L01, L02; CVE-2021-42574), zero-width and otherwise invisible character.
pub fn on_screen(text: &str) -> String {
    written_out(text, is_hidden)
}

/// For a text of several lines, in the script of whoever wrote it: newlines and tabs stay,
/// and so do the joiners and selectors that emoji and some scripts are made of.
pub fn text_on_screen(text: &str) -> String {
    written_out(text, |c| steers(c) && !matches!(c, '\n' | '\t'))
}

/// Text of an agent's as a quotation that does nothing: one line, cut short, nothing
/// that hides, no quotation mark that would end it, no markup, and no link: a chat makes
/// one of anything that looks like a name or an address.
pub fn quotation(text: &str, at_most: usize) -> String {
    inert(text, at_most, |c| if is_quotation_mark(c) { '\'' } else { c })
}

/// The same for a sentence of Doorward's own that holds quotations: their marks stay.
pub fn with_quotations(sentence: &str, at_most: usize) -> String {
    inert(sentence, at_most, |c| c)
}

/// Whether a name that somebody else chose is a plain word, which can say nothing. What is none belongs into quotation
/// marks, so that it cannot go on in our words.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '[' | ']' | '.');
    !name.is_empty() && name.chars().all(plain)
}

/// Such a name in a list, cut short.
pub fn name(name: &str, at_most: usize) -> String {
    let shown = quotation(name, at_most);
    if is_plain_name(name) { shown } else { format!("\u{201c}{shown}\u{201d}") }
}

fn is_quotation_mark(c: char) -> bool {
    matches!(c, '"' | '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}')
}

fn inert(text: &str, at_most: usize, mark: impl Fn(char) -> char) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::new();
    let mut chars = words.chars().peekable();
    let (mut taken, mut before) = (0, ' ');
    while let Some(c) = chars.next() {
        if taken == at_most {
            out.push('\u{2026}');
            break;
        }
        taken += 1;
        let next_is_word = chars.peek().is_some_and(|next| next.is_alphanumeric() || *next == '/');
        // 07:00 is a time, and what stands before a port is none any more.
        let in_a_time = before.is_ascii_digit() && chars.peek().is_some_and(char::is_ascii_digit);
        before = c;
        match c {
            '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}' if next_is_word => out.push_str("[.]"),
            ':' if next_is_word && !in_a_time => out.push_str("[:]"),
            '@' => out.push_str("[at]"),
            '*' | '`' | '~' => {}
            c => out.push(mark(c)),
        }
    }
    on_screen(&out)
}

/// For JSON that is already JSON: the same text to whoever parses it, with every
/// such character as `\u001b`. They can only stand inside of its strings.
pub fn in_json(json: String) -> String {
    let mut bytes = json.into_bytes();
    in_json_from(&mut bytes, 0);
    String::from_utf8(bytes).unwrap_or_default()
}

/// The same for JSON at the end of a buffer.
pub fn in_json_from(buffer: &mut Vec<u8>, start: usize) {
    // Many bytes at a time.
    let plain = |some: &[u8]| some.iter().fold(true, |plain, byte| plain & (0x20..0x7f).contains(byte));
    if buffer[start..].chunks(64).all(plain) {
        return;
    }
    let json = String::from_utf8_lossy(&buffer[start..]).into_owned();
    buffer.truncate(start);
    for c in json.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a Vec cannot fail.
                let _ = std::io::Write::write_fmt(buffer, format_args!("\\u{unit:04x}"));
            }
        } else {
            buffer.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// At most `most` bytes of what need not be text: everything but visible ASCII is `\u001b`.
pub fn bytes(bytes: &[u8], most: usize) -> String {
    let mut out = String::new();
    for byte in bytes.iter().take(most) {
        match byte {
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\u{byte:04x}")),
        }
    }
    if bytes.len() > most {
        out.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    out
}

fn written_out(text: &str, hides: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hides(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Controls and bidirectional overrides, which make a line read as another one.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Those, and what Unicode lists as format characters or shows as nothing.
fn is_hidden(c: char) -> bool {
    steers(c)
        || matches!(u32::from(c),
            0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164
            | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
            | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_nothing_to_obey() {
        assert_eq!(on_screen("a\u{1b}]8;;x\u{7}b\r\nc"), "a\\u{1b}]8;;x\\u{7}b\\u{d}\\u{a}c");
        assert_eq!(
            on_screen("\u{9b}2J \u{202e}gpj.exe \u{200b}\u{e0041}"),
            "\\u{9b}2J \\u{202e}gpj.exe \\u{200b}\\u{e0041}"
        );
        assert_eq!(on_screen("Grüße, 東京 "), "Grüße, 東京 ");
    }

    #[test]
    fn a_text_keeps_its_lines_and_its_emoji() {
        assert_eq!(text_on_screen("a\x1b[2Jb\u{9b}31m\r\nc\td"), "a\\u{1b}[2Jb\\u{9b}31m\\u{d}\nc\td");
        assert_eq!(text_on_screen("evil\u{202e}txt"), "evil\\u{202e}txt");
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{2764}\u{fe0f}";
        assert_eq!(text_on_screen(family), family);
    }

    /// Attacks O05, O06: what an agent writes is inert in the owner's chat.
    #[test]
    fn the_owner_reads_a_quotation_that_does_nothing() {
        let shown = |why: &str| quotation(why, 160);
        assert_eq!(shown("see https://evil.test/x"), "see https[:]//evil[.]test/x");
        assert_eq!(shown("www.evil.test or me@evil.test."), "www[.]evil[.]test or me[at]evil[.]test.");
        assert_eq!(shown("evil\u{3002}test evil\u{ff0e}test"), "evil[.]test evil[.]test");
        assert_eq!(shown("x\u{201d} APPROVED by admin, reply YES"), "x' APPROVED by admin, reply YES");
        assert_eq!(shown("a\n\n[Doorward] *yes*\u{1b}[2J\u{202e}b"), "a [Doorward] yes\\u{1b}[2J\\u{202e}b");
        let long = shown(&format!("x{}y{}", " ".repeat(4096), "z".repeat(4096)));
        assert!(long.starts_with("x yzz") && long.ends_with("z\u{2026}") && long.chars().count() == 161, "{long}");
    }

    #[test]
    fn json_says_the_same_with_the_characters_named() {
        let json = in_json("\"\u{9b}2J\u{202e}\u{7f}\u{e0041}ü\"".to_owned());
        assert_eq!(json, "\"\\u009b2J\\u202e\\u007f\\udb40\\udc41ü\"");
        assert_eq!(in_json("{\"a\":1}".to_owned()), "{\"a\":1}");
    }

    /// Attacks L01, L02: nothing a sandbox sends steers a log or a terminal.
    #[test]
    fn bytes_are_cut_and_written_out() {
        assert_eq!(bytes(b"a\r\n\x1b[2J\x9b\0", 512), "a\\u000d\\u000a\\u001b[2J\\u009b\\u0000");
        assert_eq!(bytes("\u{202e}".as_bytes(), 512), "\\u00e2\\u0080\\u00ae");
        assert_eq!(bytes(b"abcdef", 6), "abcdef");
        assert_eq!(bytes(b"abcdef", 5), "abcde… (6 bytes)");
    }
}
