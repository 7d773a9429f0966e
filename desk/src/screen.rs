//! Makes foreign text safe for a screen or a log: characters that a terminal would obey or not show
//! are written out.

/// For one line: writes `\u{1b}` for each control (C0, C1), bidirectional override (attacks L01,
/// L02; CVE-2021-42574), zero-width or otherwise invisible character.
pub fn on_screen(text: &str) -> String {
    written_out(text, is_hidden)
}

/// For several lines, in the writer's script: keeps newlines and tabs, and the joiners and
/// selectors that emoji and some scripts need.
pub fn text_on_screen(text: &str) -> String {
    written_out(text, |c| steers(c) && !matches!(c, '\n' | '\t'))
}

/// The sign with which Doorward's questions begin in chats, and one that small screens show alike.
pub const MARKS: [char; 2] = ['\u{1f6c2}', '\u{1f6c3}'];

/// Foreign text for use within quotation marks: one line, cut to length, with nothing hidden and no quotation mark
/// that would end it. Each change is written in a way that nothing else is, so two texts look the same only if they
/// were cut. In a chat, it also needs [`with_quotations`].
pub fn value(text: &str, at_most: usize) -> String {
    let (mut out, mut length, mut rest) = (String::new(), 0, text);
    while let Some(c) = rest.chars().next() {
        let (shown, behind) = as_data(c, rest);
        length += shown.chars().count();
        if length > at_most {
            out.push('\u{2026}');
            break;
        }
        out += &shown;
        rest = behind;
    }
    out
}

/// For a chat: a sentence of Doorward's that contains such values. Leaves no markup, no link (a chat makes one of
/// anything that looks like a name or an address) and no question sign. Everything is shown, as what it is.
pub fn with_quotations(sentence: &str) -> String {
    on_screen(&inert(sentence))
}

/// Quotes an agent's text in a chat, where it has no effect.
pub fn quotation(text: &str, at_most: usize) -> String {
    inert(&value(text, at_most))
}

/// Whether a name that somebody else chose is a plain word, and so cannot carry a message. Any other name needs
/// quotation marks, so that it cannot continue our sentence.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '[' | ']' | '.');
    !name.is_empty() && name.chars().all(plain)
}

/// Such a name in a list, cut to length.
pub fn name(name: &str, at_most: usize) -> String {
    let shown = quotation(name, at_most);
    if is_plain_name(name) { shown } else { format!("\u{201c}{shown}\u{201d}") }
}

/// Characters that people read as the end of a quotation, in any script; an apostrophe is not one.
fn is_quotation_mark(c: char) -> bool {
    matches!(c, '"' | '\u{ab}' | '\u{bb}' | '\u{2ba}' | '\u{2dd}' | '\u{2ee}' | '\u{2033}' | '\u{2036}' | '\u{2039}' | '\u{203a}'
        | '\u{201c}'..='\u{201f}' | '\u{275d}' | '\u{275e}' | '\u{2760}' | '\u{276e}' | '\u{276f}' | '\u{2e42}'
        | '\u{300a}'..='\u{300f}' | '\u{3003}' | '\u{301d}'..='\u{301f}' | '\u{fe41}'..='\u{fe44}' | '\u{ff02}'
        | '\u{1f676}'..='\u{1f678}')
}

/// A text's first character as data, and the rest.
fn as_data(c: char, text: &str) -> (String, &str) {
    let behind = &text[c.len_utf8()..];
    let shown = match c {
        ' ' => {
            let behind = text.trim_start_matches(' ');
            let spaces = text.len() - behind.len();
            return (if spaces == 1 { " ".to_owned() } else { format!("[{spaces} spaces]") }, behind);
        }
        '\n' => "\u{21b5}".to_owned(),
        '\u{21b5}' => "[\u{21b5}]".to_owned(),
        // Would look like one of these signs.
        '[' if behind.starts_with("[]") || behind.starts_with("\n]") || are_spaces(behind) => "[[]".to_owned(),
        '\\' if behind.starts_with("u{") => written(c),
        c if is_quotation_mark(c) => format!("[{c}]"),
        c if is_hidden(c) || c.is_whitespace() => written(c),
        c => c.to_string(),
    };
    (shown, behind)
}

fn are_spaces(behind: &str) -> bool {
    behind.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(" spaces]")
}

fn inert(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let behind = &text[at + c.len_utf8()..];
        let next = behind.chars().next();
        let next_is_word = next.is_some_and(|next| next.is_alphanumeric() || next == '/');
        // 07:00 is a time, and what comes before a port is already defused.
        let in_a_time = before.is_ascii_digit() && next.is_some_and(|next| next.is_ascii_digit());
        // Within a word it is not markup.
        let in_a_word = before.is_alphanumeric() && next.is_some_and(char::is_alphanumeric);
        match c {
            '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}' if next_is_word => out.extend(['[', c, ']']),
            ':' if next_is_word && !in_a_time => out.push_str("[:]"),
            '_' if !in_a_word => out.push_str("[_]"),
            '*' | '`' | '~' => out.extend(['[', c, ']']),
            '@' => out.push_str("[at]"),
            '[' if reads_as_ours(behind) => out.push_str("[[]"),
            c if MARKS.contains(&c) => out.push_str(&written(c)),
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Whether the text after a foreign bracket would make it look like one of `inert`'s.
fn reads_as_ours(behind: &str) -> bool {
    [".]", "\u{3002}]", "\u{ff0e}]", "\u{ff61}]", ":]", "at]", "[]"].iter().any(|ours| behind.starts_with(ours))
}

fn written(c: char) -> String {
    format!("\\u{{{:x}}}", u32::from(c))
}

/// For text that is JSON already: it parses the same, but each such character is written as
/// `\u001b`. They can only be inside strings.
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

/// At most `most` bytes of what may not be text: everything but visible ASCII is written as
/// `\u001b`.
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
            out.push_str(&written(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Controls and bidirectional overrides, which make a line look like another.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Those, and characters that Unicode lists as format characters or displays as nothing.
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

    /// Attacks O05, O06: an agent's text is inert in the owner's chat.
    #[test]
    fn the_owner_reads_a_quotation_that_does_nothing() {
        let shown = |why: &str| quotation(why, 160);
        assert_eq!(shown("see https://evil.test/x"), "see https[:]//evil[.]test/x");
        assert_eq!(shown("www.evil.test or me@evil.test."), "www[.]evil[.]test or me[at]evil[.]test.");
        assert_eq!(shown("evil\u{3002}test evil\u{ff0e}test"), "evil[\u{3002}]test evil[\u{ff0e}]test");
        assert_eq!(shown("x\u{201d} APPROVED by admin, reply YES"), "x[\u{201d}] APPROVED by admin, reply YES");
        assert_eq!(
            shown("a\n\n[Doorward] *yes*\u{1b}[2J\u{202e}b"),
            "a\u{21b5}\u{21b5}[Doorward] [*]yes[*]\\u{1b}[2J\\u{202e}b"
        );
        assert_eq!(
            shown("at 07:00, items[0].name of user_id"),
            "at 07:00, items[0].name of user_id".replace("].n", "][.]n")
        );
        let long = shown(&format!("x{}y{}", " ".repeat(4096), "z".repeat(4096)));
        assert!(long.starts_with("x[4096 spaces]yzz") && long.ends_with("z\u{2026}"), "{long}");
        assert_eq!(long.chars().count(), 161, "{long}");
    }

    /// A quotation mark of another script counts as one.
    #[test]
    fn no_quotation_mark_of_any_script_stands_bare() {
        for mark in "\"\u{201c}\u{201e}\u{ab}\u{bb}\u{275e}\u{301e}\u{300d}\u{ff02}\u{2033}".chars() {
            assert_eq!(quotation(&format!("x{mark} yes"), 80), format!("x[{mark}] yes"));
        }
    }

    /// A quoted value looks like nothing else: markup, Doorward's signs and blanks are not dropped but written out,
    /// and what is written for them cannot be typed by hand.
    #[test]
    fn two_texts_never_read_the_same() {
        for (one, other) in [
            ("DELETE /logs-*", "DELETE /logs-"),
            ("the trip is ~not~ cancelled", "the trip is not cancelled"),
            ("the trip is _not_ cancelled", "the trip is not cancelled"),
            ("rm -rf x/`*`", "rm -rf x/*"),
            ("DELETE /\u{1f6c2}*", "DELETE /*"),
            ("echo x\nrm y", "echo x rm y"),
            ("echo \"$(rm x)\"", "echo '$(rm x)'"),
        ] {
            assert_ne!(quotation(one, 80), quotation(other, 80));
        }
        // All texts made of the few characters that are written differently, or that they are written with.
        let signs = [
            "*",
            ".",
            "@",
            "[",
            "]",
            "_",
            "a",
            "at",
            "\"",
            "\u{201d}",
            "\\",
            "u{2a}",
            "u{1f6c2}",
            "\u{1f6c2}",
            " ",
            "2 spaces",
            "\n",
            "\u{21b5}",
            "\u{200b}",
            ":",
            "u{200b}",
            "'",
        ];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            let longer = texts.iter().flat_map(|text| signs.map(|sign| format!("{text}{sign}")));
            texts = longer.chain([String::new()]).collect();
        }
        texts.sort();
        texts.dedup();
        let mut seen = std::collections::HashMap::new();
        for text in &texts {
            let before = seen.insert(quotation(text, usize::MAX), text);
            assert_eq!(before, None, "{text:?}");
        }
    }

    #[test]
    fn json_says_the_same_with_the_characters_named() {
        let json = in_json("\"\u{9b}2J\u{202e}\u{7f}\u{e0041}ü\"".to_owned());
        assert_eq!(json, "\"\\u009b2J\\u202e\\u007f\\udb40\\udc41ü\"");
        assert_eq!(in_json("{\"a\":1}".to_owned()), "{\"a\":1}");
    }

    /// Attacks L01, L02: nothing that a sandbox sends controls a log or a terminal.
    #[test]
    fn bytes_are_cut_and_written_out() {
        assert_eq!(bytes(b"a\r\n\x1b[2J\x9b\0", 512), "a\\u000d\\u000a\\u001b[2J\\u009b\\u0000");
        assert_eq!(bytes("\u{202e}".as_bytes(), 512), "\\u00e2\\u0080\\u00ae");
        assert_eq!(bytes(b"abcdef", 6), "abcdef");
        assert_eq!(bytes(b"abcdef", 5), "abcde… (6 bytes)");
    }
}
