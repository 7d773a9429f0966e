//! Making characters visible that a terminal would obey or not show: controls
//! (C0, C1), bidirectional overrides, zero-width and other invisible ones
//! (attacks L01, L02; CVE-2021-42574 for the bidirectional ones).

use std::fmt::Write;

/// For a line that a person reads: `\u{1b}` in place of the character.
pub fn on_screen(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// For JSON that is already JSON: the same text to whoever parses it, with every
/// such character as `\u001b`. They can only stand inside of its strings.
pub fn in_json(json: String) -> String {
    let mut bytes = json.into_bytes();
    in_json_from(&mut bytes, 0);
    String::from_utf8(bytes).unwrap_or_default()
}

/// The same for JSON at the end of a buffer.
pub(super) fn in_json_from(buffer: &mut Vec<u8>, start: usize) {
    if buffer[start..].iter().all(|byte| (0x20..0x7f).contains(byte)) {
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

/// Controls, and what Unicode lists as format characters or shows as nothing.
fn is_hidden(c: char) -> bool {
    c.is_control()
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
    fn json_says_the_same_with_the_characters_named() {
        let text = "\u{9b}2J\u{202e}\u{7f}\u{e0041}ü";
        let json = in_json(serde_json::json!(text).to_string());
        assert_eq!(json, "\"\\u009b2J\\u202e\\u007f\\udb40\\udc41ü\"");
        assert_eq!(serde_json::from_str::<String>(&json).ok().as_deref(), Some(text));
    }
}
