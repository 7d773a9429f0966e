//! Text for a person at a terminal: in lines that fit, broken between words.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

/// Writes a text to stdout.
pub(crate) fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(fitted(text, columns(&out)).as_bytes())?;
    out.flush()
}

/// Writes a text to stderr: stdout may belong to the protocol. A closed stderr is fine.
pub(crate) fn aside(text: &str) {
    let mut out = io::stderr();
    let _ = out.write_all(fitted(&format!("{text}\n"), columns(&out)).as_bytes());
}

/// The width of a terminal; `None` if there is none.
fn columns(out: &(impl IsTerminal + AsFd)) -> Option<usize> {
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(out).ok()).flatten()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A text in lines of at most this many columns. Drawings stay as they are.
fn fitted(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    let is_drawn = |line: &&str| line.starts_with('\x1b');
    let lines = text.split('\n').map(|line| if is_drawn(&line) { line.to_owned() } else { broken(line, columns) });
    lines.collect::<Vec<_>>().join("\n")
}

/// A line; the part that does not fit continues below, slightly indented.
fn broken(line: &str, columns: usize) -> String {
    let (mut out, mut at) = (String::new(), 0);
    for word in line.split_inclusive(' ') {
        let wide = width(word.trim_end_matches(' '));
        if wide > 0 && at > 2 && at + wide > columns {
            out.truncate(out.trim_end_matches(' ').len());
            out.push_str("\n  ");
            at = 2;
        }
        out.push_str(word);
        at += width(word);
    }
    out
}

/// No character takes more.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words() {
        let text = "Linked.\na phone number, like +491701234567  the chat with that person\n";
        assert_eq!(fitted(text, None), text);
        assert_eq!(fitted(text, Some(80)), text);
        let narrow = fitted(text, Some(40));
        assert_eq!(narrow, "Linked.\na phone number, like +491701234567  the\n  chat with that person\n");
        assert_eq!(fitted("12036301234567890@g.us  Our family", Some(20)), "12036301234567890@g.us\n  Our family");
    }

    #[test]
    fn a_picture_stays_as_it_is() {
        let picture = "\x1b[30;47m█ ▀ ▄ █ ▀ ▄\x1b[0m\n";
        assert_eq!(fitted(picture, Some(4)), picture);
    }
}
