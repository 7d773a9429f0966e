//! The frame of a line as it is read: the fields at both of its ends.

use std::ops::Range;

use crate::line::{CHAIN, Chain, Millis};

/// The fields at both ends of every line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) seq: u64,
    pub(crate) at: Millis,
    /// Where in the line its kind is.
    pub(crate) kind: Range<usize>,
    /// The line that it refers to, such as an outcome's decision.
    pub(crate) about: Option<u64>,
    pub(crate) chain: Chain,
}

/// Length from there to the end of a line, without the line break.
const TAIL: usize = CHAIN.len() + 64 + 2;

/// Reads the frame of a line without its break; `None` if it is not a line of a journal.
pub(crate) fn frame(line: &[u8]) -> Option<Frame> {
    let chain = line.get(line.len().checked_sub(TAIL)?..)?;
    let digits: [u8; 64] = chain.strip_prefix(CHAIN)?.strip_suffix(b"\"}")?.try_into().ok()?;
    // Exactly as written: a digit in the other case is a change.
    let chain = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')).then_some(Chain(digits))?;
    let (seq, rest) = number(line.strip_prefix(b"{\"seq\":")?)?;
    let (at, rest) = quoted(rest.strip_prefix(b",\"at\":")?)?;
    let (kind, rest) = quoted(rest.strip_prefix(b",\"kind\":")?)?;
    let begin = line.len() - rest.len() - 1 - kind.len();
    let kind = begin..begin + kind.len();
    let about = match rest.strip_prefix(b",\"about\":") {
        Some(rest) => Some(number(rest)?.0),
        None => None,
    };
    Some(Frame { seq, at: moment(at.as_bytes())?, kind, about, chain })
}

/// The part of a line that its chain covers.
pub(crate) fn covered(line: &[u8]) -> &[u8] {
    &line[..line.len().saturating_sub(TAIL)]
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).filter(|end| (1..20).contains(end))?;
    Some((text[..end].iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')), &text[end..]))
}

/// Reads `2026-11-29T10:35:57.123Z`, the only form that is written.
fn moment(text: &[u8]) -> Option<Millis> {
    const FORM: &[u8; 24] = b"0000-00-00T00:00:00.000Z";
    let fits = |(is, form): (&u8, &u8)| if *form == b'0' { is.is_ascii_digit() } else { is == form };
    if text.len() != FORM.len() || !text.iter().zip(FORM).all(fits) {
        return None;
    }
    let part = |from: usize, to: usize| text[from..to].iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
    // Years that begin in March end with the leap day.
    let year = if month > 2 { year } else { year - 1 };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    Some((((days * 24 + part(11, 13)) * 60 + part(14, 16)) * 60 + part(17, 19)) * 1000 + part(20, 23))
}

fn quoted(text: &[u8]) -> Option<(&str, &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', text)?;
    Some((str::from_utf8(&text[..end]).ok()?, &text[end + 1..]))
}

/// The text of a field that this crate wrote: `"name":"text"`.
pub(crate) fn field<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let name = format!(",\"{name}\":\"");
    let at = memchr::memmem::find(line, name.as_bytes())? + name.len();
    let end = memchr::memchr(b'"', &line[at..])?;
    Some(&line[at..at + end])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::line::{Head, Link, begin, chained, end};

    #[test]
    fn a_line_is_read_back_as_it_was_written() {
        let mut line = Vec::new();
        begin(&mut line, 7, &Head { at: 1_795_948_557_123, kind: "outcome", about: Some(3) });
        line.extend_from_slice(b",\"status\":200");
        let chain = end(&mut line, 0, Link::NONE.chain);
        let text = str::from_utf8(&line).unwrap();
        assert!(
            text.starts_with(r#"{"seq":7,"at":"2026-11-29T10:35:57.123Z","kind":"outcome","about":3,"status":200,"#)
        );
        let line = line.strip_suffix(b"\n").unwrap();
        let read = frame(line).unwrap();
        assert_eq!(&line[read.kind.clone()], b"outcome");
        assert_eq!(read, Frame { seq: 7, at: 1_795_948_557_123, about: Some(3), chain, ..read.clone() });
        assert_eq!(chained(Link::NONE.chain, covered(line)), chain);
        assert!(serde_json::from_slice::<serde_json::Value>(line).unwrap()["chain"].is_string());
    }

    #[test]
    fn a_moment_is_read_as_it_was_written() {
        for days in (-700_000..40_000).step_by(7).chain([11_015, 11_016, 19_782, 19_783, 47_540, 47_541]) {
            let at = days * 86_400_000 + days % 86_399_999;
            let mut line = Vec::new();
            begin(&mut line, 1, &Head { at, kind: "a", about: None });
            end(&mut line, 0, Link::NONE.chain);
            assert_eq!(frame(line.strip_suffix(b"\n").unwrap()).unwrap().at, at, "{days}");
        }
    }

    #[test]
    fn what_is_no_line_is_none() {
        let chain = "0".repeat(64);
        for line in [
            "",
            "{}",
            &format!(r#"{{"seq":x,"at":"2026-11-29T10:35:57.123Z","kind":"a","chain":"{chain}"}}"#),
            &format!(r#"{{"seq":1,"at":"never","kind":"a","chain":"{chain}"}}"#),
            &format!(r#"{{"seq":1,"at":"2026-11-29T10:35:57.123Z","kind":"a","chain":"{chain}x"}}"#),
        ] {
            assert!(frame(line.as_bytes()).is_none(), "{line}");
        }
    }
}
