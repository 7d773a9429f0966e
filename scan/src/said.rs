//! The text of events and messages, one after the other and without what stands between them: a
//! value may be spread over several.
//!
//! Only their text as a whole is joined. Words in fields of JSON or protobuf are as far apart as in
//! any other text.

use super::borders::{Borders, Messages};

/// Of a longer text only this much of the end is joined with what follows.
const LONGEST: usize = 64 << 10;

/// Reads the text as it passes.
pub(super) struct Said {
    form: Form,
    begun: Vec<u8>,
    /// Whether its beginning was left out.
    cut: bool,
}

enum Form {
    /// Fields of events: the values of `data` (WHATWG HTML, 9.2.6).
    Events,
    Messages(Messages),
}

impl Said {
    /// For a stream with these borders; `None` if nothing stands between its texts.
    pub(super) fn within(borders: &Borders) -> Option<Self> {
        let form = match borders {
            Borders::Events => Form::Events,
            Borders::Messages(messages) => Form::Messages(messages.anew()),
            Borders::End | Borders::Pieces | Borders::Lines => return None,
        };
        Some(Said { form, begun: Vec::new(), cut: false })
    }

    /// Takes the next bytes. `each` gets the text, and whether text before it may still belong to
    /// it.
    pub(super) fn take<E>(
        &mut self,
        piece: &[u8],
        each: &mut dyn FnMut(Vec<u8>, bool) -> Result<(), E>,
    ) -> Result<(), E> {
        let Said { form, begun, cut } = self;
        let mut told = Ok(());
        let mut more = |bytes: &[u8], ends: bool, value: fn(&[u8]) -> Option<&[u8]>| {
            begun.extend_from_slice(bytes);
            if begun.len() > 2 * LONGEST {
                begun.drain(..begun.len() - LONGEST);
                *cut = true;
            }
            if ends && told.is_ok() {
                let said = if *cut { Some(&begun[..]) } else { value(begun) };
                if let Some(said) = said.filter(|said| !said.is_empty()) {
                    told = each(said.to_vec(), !*cut);
                }
                begun.clear();
                *cut = false;
            }
        };
        match form {
            Form::Events => {
                for line in piece.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
                    let end = line.strip_suffix(b"\n").or(line.strip_suffix(b"\r"));
                    more(end.unwrap_or(line), end.is_some(), data);
                }
            }
            Form::Messages(messages) => {
                messages.walk(piece, &mut |said, ends| more(&piece[said], ends, |said| Some(said)));
            }
        }
        told
    }
}

fn data(line: &[u8]) -> Option<&[u8]> {
    // A byte order mark may stand before the first line.
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let value = line.strip_prefix(b"data:")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::HeaderMap;
    use http::header::CONTENT_TYPE;

    use super::*;

    fn said(kind: &str, text: &[u8], size: usize) -> Vec<(String, bool)> {
        let headers: HeaderMap = [(CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect();
        let mut said = Said::within(&Borders::coming_down(&headers)).unwrap();
        let mut all = Vec::new();
        for piece in text.chunks(size) {
            let told: Result<(), ()> = said.take(piece, &mut |text, joins| {
                all.push((String::from_utf8(text).unwrap(), joins));
                Ok(())
            });
            told.unwrap();
        }
        all
    }

    #[test]
    fn what_stands_between_is_left_out() {
        let words = |words: &[&str]| words.iter().map(|word| ((*word).to_owned(), true)).collect::<Vec<_>>();
        let events =
            b"\xef\xbb\xbfdata: none\n\nevent: x\r\ndata: one\r\n\r\n: ping\n\ndata:two\ndata:  three\n\ndata\n\n";
        let grpc = [&[0, 0, 0, 0, 3][..], b"one", &[0, 0, 0, 0, 0], &[1, 0, 0, 0, 3], b"two"].concat();
        for size in 1..60 {
            assert_eq!(
                said("text/event-stream, text/event-stream", events, size),
                words(&["none", "one", "two", " three"]),
                "{size}"
            );
            assert_eq!(said("application/grpc", &grpc, size), words(&["one", "two"]), "{size}");
        }
    }

    #[test]
    fn of_a_long_one_the_end_is_kept() {
        let long = format!("data: {}end\n", ".".repeat(1 << 20));
        let all = said("text/event-stream", long.as_bytes(), 1000);
        assert!(all.len() == 1 && all[0].0.len() <= 2 * LONGEST && all[0].0.ends_with(".end") && !all[0].1);
    }
}
